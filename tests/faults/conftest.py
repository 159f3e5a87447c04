"""Fixtures of the tests of faults."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.checker import raw_faults
from tests.conftest import ServerInTest


@pytest.fixture
def snapshot(server: ServerInTest) -> Callable[..., dict[bytes, Any]]:
    """Returns every key of the server under test, or of *client*'s: {key: DUMP}."""

    def take(client: Any = None) -> dict[bytes, Any]:
        client = client or server.client
        return {key: (client.type(key), client.dump(key)) for key in client.scan_iter()}

    return take


@pytest.fixture
def faults(server: ServerInTest) -> Callable[..., list[str]]:
    """Returns the faults that the raw checker finds, also on *client*'s server."""

    def find(client: Any = None) -> list[str]:
        return raw_faults(client or server.client, server.key_prefix)

    return find


@pytest.fixture
def key(server: ServerInTest) -> Callable[[Any, str], bytes]:
    """Returns a raw key of a model: ``key(User, "o:x")``."""

    def of(model: Any, rest: str) -> bytes:
        return f"{server.key_prefix}:{{{model._meta.label}}}:{rest}".encode()

    return of
