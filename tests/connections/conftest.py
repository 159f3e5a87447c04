"""Connections of all kinds, from settings as a project writes them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_ormist.connections import Connection, connections
from tests import servers
from tests.connections.broken_servers import BreakingServer


@pytest.fixture
def configure(settings: Any) -> Callable[..., Connection]:
    """Returns the connection of one alias: ``configure(LOCATION="fakeredis://")``."""

    def configured(caches: Any = None, **alias: Any) -> Connection:
        if caches is not None:
            settings.CACHES = caches
        settings.ORMIST = {"default": alias}
        return connections["default"]

    return configured


@pytest.fixture
def real() -> servers.Server:
    """One real server, for tests of the client: the first one found."""
    names = ["valkey91", "redis82", "redis70", "redis62"]
    return servers.shared(next(name for name in names if servers.find(name)))


@pytest.fixture
def breaking() -> Iterator[BreakingServer]:
    """A server that reads each command and closes the connection."""
    with BreakingServer() as server:
        yield server
