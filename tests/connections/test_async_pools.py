"""Async pools: one per event loop, with a limit, closed with their loop."""

import asyncio
import contextvars
import gc
import os
import socket
import sys
import types
import warnings

import pytest
import redis
from asgiref.sync import async_to_sync

from django_ormist.connections import async_pools, connections
from django_ormist.operations.operation import Operation

PING = [Operation("PING", keys=())]


def sockets(valkey):
    with valkey.client() as client:
        return len(client.client_list()) - 1


@pytest.fixture
def valkey(start_server):
    return start_server()


@pytest.fixture
def connection(configure, valkey):
    return configure(LOCATION=valkey.unix_url)


@pytest.fixture
def tidy(valkey, connection):
    """Fails on a ResourceWarning, an unclosed socket or an error in a finaliser."""
    unraisable = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook
    assert [str(w.message) for w in caught if w.category is ResourceWarning] == []
    assert unraisable == []
    assert sockets(valkey) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("tidy")
def test_fifty_event_loops_leave_no_open_sockets(connection):
    async def main():
        return await asyncio.gather(*(connection.asend(PING) for _ in range(3)))

    for _ in range(50):
        assert asyncio.run(main()) == [[b"PONG"]] * 3


@pytest.mark.usefixtures("tidy")
def test_a_closed_loop_leaves_no_open_sockets(connection):
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(connection.asend(PING))
        loop.close()
        assert loop.is_closed()
        loop.close()  # again, which is allowed


@pytest.mark.usefixtures("tidy")
def test_a_runner_and_async_to_sync_leave_no_open_sockets(connection):
    with asyncio.Runner() as runner:
        runner.run(connection.asend(PING))
        runner.run(connection.asend(PING))
    for _ in range(5):
        assert async_to_sync(connection.asend)(PING) == [b"PONG"]


@pytest.mark.usefixtures("tidy")
def test_a_failing_main_leaves_no_open_sockets(connection):
    async def main():
        await connection.asend(PING)
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(main())


@pytest.mark.usefixtures("tidy")
def test_a_running_loop_refuses_to_close_and_keeps_working(connection):
    async def main():
        await connection.asend(PING)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop().close()
        return await connection.asend(PING)

    assert asyncio.run(main()) == [b"PONG"]


def test_a_closed_loop_is_not_kept_in_memory(connection):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(connection.asend(PING))
    loop.close()
    assert async_pools._ATTRIBUTE not in vars(loop)
    assert "close" not in vars(loop)


def test_a_forgotten_loop_is_collected_with_its_sockets(connection, valkey):
    """The pools belong to the loop, and the package does not keep it."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(connection.asend(PING))
    assert sockets(valkey) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del loop
        gc.collect()
    assert sockets(valkey) == 0


def test_twenty_requests_at_once_share_one_pool(connection, valkey):
    """Each in another context, as a server runs every request."""

    async def request():
        await connections["default"].asend(PING)
        return id(connections["default"].aclient.connection_pool)

    async def main():
        tasks = [
            asyncio.create_task(request(), context=contextvars.Context())
            for _ in range(20)
        ]
        return set(await asyncio.gather(*tasks)), sockets(valkey)

    found, opened = asyncio.run(main())
    assert len(found) == 1
    assert opened <= 20


def test_two_loops_have_two_pools(connection):
    async def main():
        return connection.aclient.connection_pool

    assert asyncio.run(main()) is not asyncio.run(main())


def test_tasks_wait_for_a_connection(configure, valkey):
    connection = configure(LOCATION=valkey.unix_url, OPTIONS={"max_connections": 2})

    async def main():
        replies = await asyncio.gather(*(connection.asend(PING) for _ in range(100)))
        return replies, sockets(valkey)

    assert asyncio.run(main()) == ([[b"PONG"]] * 100, 2)


def test_a_timeout_waiting_for_a_connection_names_the_alias(configure, valkey):
    connection = configure(
        LOCATION=valkey.unix_url, OPTIONS={"max_connections": 1, "timeout": 0.01}
    )

    async def main():
        pool = connection.aclient.connection_pool
        held = await pool.get_connection()
        with pytest.raises(redis.ConnectionError, match="All 1 connections") as caught:
            await connection.asend(PING)
        await pool.release(held)
        return caught.value.__notes__, await connection.asend(PING)

    notes, replies = asyncio.run(main())
    assert "'default'" in notes[0]
    assert replies == [b"PONG"]


def test_a_connection_is_not_taken_from_a_task_that_waits(configure, valkey):
    connection = configure(LOCATION=valkey.unix_url, OPTIONS={"max_connections": 1})

    async def main():
        pool = connection.aclient.connection_pool
        held = await pool.get_connection()
        waiting = asyncio.create_task(pool.get_connection())
        await asyncio.sleep(0)
        await pool.release(held)
        assert pool.take() is None
        assert await waiting is held
        await pool.release(held)
        assert pool.take() is held
        assert pool.take() is None
        await pool.release(held)

    asyncio.run(main())


@pytest.mark.usefixtures("tidy")
def test_cancelled_tasks_leave_neither_lost_connections_nor_replies(configure, valkey):
    """Each is cancelled at another step, some twice; echoes tell replies apart."""
    connection = configure(LOCATION=valkey.unix_url, OPTIONS={"max_connections": 2})

    async def echo(number):
        word = str(number).encode()
        assert await connection.asend([Operation("ECHO", (), (word,))]) == [word]

    async def main():
        tasks = [asyncio.create_task(echo(number)) for number in range(300)]
        for step in range(100):
            await asyncio.sleep(0)
            for task in tasks[step * 3 : step * 3 + 2]:
                task.cancel()
        for task in tasks[::5]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {
            type(None),
            asyncio.CancelledError,
        }
        await asyncio.gather(*(echo(number) for number in range(20)))
        pool = connection.aclient.connection_pool
        return len(pool._in_use_connections), pool._slots._value

    assert asyncio.run(main()) == (0, 2)


@pytest.mark.usefixtures("tidy")
def test_aclose_ends_the_idle_connections_and_the_next_use_connects(connection, valkey):
    async def main():
        await connection.asend(PING)
        assert sockets(valkey) == 1
        await connection.aclose()
        assert sockets(valkey) == 0
        return await connection.asend(PING)

    assert asyncio.run(main()) == [b"PONG"]


@pytest.mark.usefixtures("tidy")
def test_a_changed_setting_is_used_by_a_running_loop(configure, connection, valkey):
    async def main():
        await connections["default"].asend(PING)
        configure(LOCATION=valkey.unix_url, OPTIONS={"client_name": "renamed"})
        (name,) = await connections["default"].asend(
            [Operation("CLIENT GETNAME", keys=())]
        )
        return name

    assert asyncio.run(main()) == b"renamed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system does not fork.")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("is_same_loop", [False, True])
def test_a_forked_child_opens_its_own_connections(connection, is_same_loop):
    identity = [Operation("CLIENT ID", keys=())]
    loop = asyncio.new_event_loop()
    (parents,) = loop.run_until_complete(connection.asend(identity))
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            run = loop.run_until_complete if is_same_loop else asyncio.run
            (own,) = run(connections["default"].asend(identity))
            code = 0 if own != parents else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loop.run_until_complete(connection.asend(identity)) == [parents]
    loop.close()


def test_the_async_client_needs_a_running_loop(connection):
    with pytest.raises(RuntimeError, match="no running event loop"):
        _ = connection.aclient


class WithoutSocket:
    """A transport without a socket, as of fakeredis and some loops."""

    def __init__(self, sock=None):
        self.sock = sock

    def get_extra_info(self, name, default=None):
        return self.sock if name == "socket" else default


@pytest.mark.parametrize("sock", [None, object()])
def test_a_transport_without_a_socket_is_not_readable(sock):
    writer = types.SimpleNamespace(transport=WithoutSocket(sock))
    assert not async_pools._is_readable(types.SimpleNamespace(_writer=writer))


class Closed:
    """A closed socket, as another loop may still return it."""

    def fileno(self):
        return -1


def test_a_closed_socket_counts_as_readable():
    writer = types.SimpleNamespace(transport=WithoutSocket(Closed()))
    assert async_pools._is_readable(types.SimpleNamespace(_writer=writer))


def test_without_poll_the_loop_is_checked(monkeypatch):
    """Windows lacks it, and gevent and eventlet remove it."""
    monkeypatch.delattr("select.poll")
    with socket.socket() as sock:
        writer = types.SimpleNamespace(transport=WithoutSocket(sock))
        assert async_pools._is_readable(types.SimpleNamespace(_writer=writer))


def test_a_connection_that_is_not_connected_is_not_readable():
    assert not async_pools._is_readable(types.SimpleNamespace(_writer=None))


@pytest.mark.usefixtures("tidy")
def test_a_connection_whose_transport_was_closed_is_replaced(connection):
    async def main():
        await connection.asend(PING)
        (idle,) = connection.aclient.connection_pool._available_connections
        idle._writer.transport.abort()
        return await connection.asend(
            [Operation("SET", (b"test:k",), (b"v",), is_write=True)]
        )

    assert asyncio.run(main()) == [b"OK"]


@pytest.mark.usefixtures("tidy")
def test_a_cancelled_connect_leaves_no_half_open_connection(configure, valkey):
    """Cancelled at each step in turn, such as before a database is selected."""
    connection = configure(LOCATION=f"{valkey.tcp_url[:-1]}3", OPTIONS={"protocol": 3})
    valkey.client(db=3).set("test:k", "three")
    get = [Operation("GET", (b"test:k",))]

    async def main():
        for steps in range(30):
            await connection.aclose()
            task = asyncio.create_task(connection.asend(get))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await connection.asend(get) == [b"three"]

    asyncio.run(main())
