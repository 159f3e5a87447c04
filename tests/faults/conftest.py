"""Fixtures of the tests of faults."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import sentinels
from tests.checker import raw_faults
from tests.conftest import ServerInTest
from tests.faults.table import FaultTable
from tests.proxy import Proxy


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FaultTable(config))


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


@pytest.fixture
def sentinel_set() -> Iterator[sentinels.SentinelSet]:
    """The shared sentinel set. It is whole before the test and after it."""
    made = sentinels.shared()
    made.heal()
    yield made
    made.heal()
    made.flush()


@pytest.fixture
def primary_proxy(
    sentinel_set: sentinels.SentinelSet, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """The proxy before the primary. The timeout of sockets is short."""
    from django_ormist.connections import connections
    from tests.faults.routes import route_over

    options = {"socket_timeout": 0.3, "patience": 5}
    alias = {"LOCATION": sentinel_set.url, "KEY_PREFIX": "network", "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    primary = sentinel_set.primary()
    with Proxy(primary.socket_path) as between:
        route_over({primary.port: str(between.path)}, monkeypatch.setattr)
        yield between
        connections.reset()
