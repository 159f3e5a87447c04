"""Fixtures of the tests of faults."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis.connection import UnixDomainSocketConnection

from tests import sentinels
from tests.checker import raw_faults
from tests.conftest import ServerInTest
from tests.proxy import Proxy


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
    with made.primary().client() as client:
        client.flushall()


@pytest.fixture
def primary_proxy(
    sentinel_set: sentinels.SentinelSet, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """The proxy before the primary. The timeout of sockets is short."""
    from django_ormist.connections import connections
    from django_ormist.connections.endpoints import Endpoint
    from django_ormist.connections.unix_connections import AsyncUnixConnection

    options = {"socket_timeout": 0.3, "patience": 5}
    alias = {"LOCATION": sentinel_set.url, "KEY_PREFIX": "network", "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    at = Endpoint.at

    def over_proxy(endpoint: Endpoint, address: Any) -> Endpoint:
        node = at(endpoint, address)
        arguments = {
            k: v for k, v in node.arguments.items() if k not in ("host", "port")
        }
        return replace(
            node,
            connection_class=UnixDomainSocketConnection,
            async_class=AsyncUnixConnection,
            arguments={**arguments, "path": str(between.path)},
        )

    with Proxy(sentinel_set.primary().socket_path) as between:
        monkeypatch.setattr(Endpoint, "at", over_proxy)
        yield between
        connections.reset()
