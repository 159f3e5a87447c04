"""Connections of all kinds, from settings as a project writes them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_ormist.connections import Connection, connections, router
from django_ormist.connections.instrumentation import add_listener, listening
from tests import replicas, servers
from tests.connections.broken_servers import BreakingServer
from tests.replicas import FixedMap, ReplicaSet


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
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each question to a sentinel or about the nodes of a Cluster, as the list grows.

    Not those of threads of earlier tests, which ask sentinels after each event.
    """
    earlier = {*threading.enumerate()} - {threading.current_thread()}
    exchange, aexchange = router.exchange, router.aexchange
    seen: list[Any] = []

    def counted(pool: Any, operations: Any) -> Any:
        if threading.current_thread() not in earlier:
            seen.append(operations)
        return exchange(pool, operations)

    async def acounted(pool: Any, operations: Any) -> Any:
        seen.append(operations)
        return await aexchange(pool, operations)

    monkeypatch.setattr(router, "exchange", counted)
    monkeypatch.setattr(router, "aexchange", acounted)
    return seen


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


# ---------------------------------------------------------------- replicas


@pytest.fixture
def nodes() -> Iterator[ReplicaSet]:
    """A primary and two replicas behind gates."""
    made = replicas.shared()
    yield made
    made.catch_up()


@pytest.fixture
def connect(configure: Any, monkeypatch: Any) -> Callable[..., Connection]:
    """Returns a connection that reads from replicas: ``connect(nodes, protocol=3)``."""
    monkeypatch.setattr(router, "SentinelMap", FixedMap)

    def connected(nodes: ReplicaSet, **options: Any) -> Connection:
        location = "redis+sentinel://127.0.0.1:1/unwatched/0"
        options = {"read_from": "replicas", **options}
        connection: Connection = configure(LOCATION=location, OPTIONS=options)
        assert connection.endpoint
        connection._router.map.use(nodes)  # type: ignore[union-attr]
        return connection

    return connected


@pytest.fixture
def connection(connect: Any, nodes: ReplicaSet) -> Connection:
    """The connection of "default" to ``nodes``."""
    made: Connection = connect(nodes)
    return made


@pytest.fixture
def seen(ask: Any) -> Iterator[list[Any]]:
    """The round trips of the test, sync or async, as the list grows."""
    found: list[Any] = []

    async def listen() -> None:  # the loop of the test has a context of its own
        add_listener(found.append)

    if ask.is_async:
        ask.wait(listen())
    with listening(found.append):
        yield found
