"""The short way to use an async connection: which take it, and what ends it."""

import asyncio
import socket
from contextvars import ContextVar

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from django_ormist.connections.async_wire import (
    aread_reply,
    asend_bytes,
    attach_async_wire,
    is_quiet,
)


@pytest.fixture
def talk():
    """Run a coroutine function with a connection of redis-py, and its other end."""

    def talk(conversation, kind=Connection, **arguments):
        async def run():
            ours, theirs = socket.socketpair()
            with theirs:
                connection = kind(**{"protocol": 2, "socket_timeout": 1, **arguments})
                await open_over(connection, ours)
                attach_async_wire(connection)
                try:
                    await conversation(connection, theirs)
                finally:
                    await connection.disconnect(nowait=True)

        asyncio.run(run())

    return talk


async def open_over(connection, sock):
    connection._reader, connection._writer = await asyncio.open_connection(sock=sock)
    connection._parser.on_connect(connection)


async def until_read():
    for _ in range(5):
        await asyncio.sleep(0)


class Clock:
    """The clock of the running loop, moved by hand, and the timers made by it."""

    def __init__(self):
        loop = asyncio.get_running_loop()
        self.now, self.timers, self._call_at = loop.time(), [], loop.call_at
        loop.time, loop.call_at = lambda: self.now, self._noted_call_at

    def _noted_call_at(self, *args, **kwargs):
        timer = self._call_at(*args, **kwargs)
        self.timers.append(timer)
        return timer

    async def move(self, seconds):
        self.now += seconds
        await until_read()


def test_a_request_is_sent_and_a_reply_in_pieces_is_read(talk):
    async def conversation(connection, server):
        assert is_quiet(connection)
        await asend_bytes(connection, b"one two")
        assert server.recv(100) == b"one two"
        server.sendall(b"*2\r\n$3\r\nab")
        assert not is_quiet(connection)  # the socket has bytes
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        server.sendall(b"c\r\n:4\r\n+OK\r\n")
        assert await reading == [b"abc", 4]
        assert not is_quiet(connection)  # the reader has the next one
        assert await aread_reply(connection) == b"OK"
        server.sendall(b"+late\r\n")
        await until_read()
        assert not is_quiet(connection)  # the stream has it

    talk(conversation)


def test_a_request_that_the_server_does_not_read_is_a_timeout(talk):
    async def conversation(connection, server):
        with pytest.raises(TimeoutError, match="writing"):
            await asend_bytes(connection, bytes(10_000_000))

    talk(conversation, socket_timeout=0.05)


def test_a_long_request_waits_until_the_server_has_read_it(talk):
    async def conversation(connection, server):
        size = 10_000_000
        sending = asyncio.create_task(asend_bytes(connection, bytes(size)))
        await until_read()
        assert not sending.done()
        await asyncio.to_thread(receive, server, size)
        await sending

    def receive(server, size):
        while size:
            size -= len(server.recv(size))

    talk(conversation)


def test_an_error_reply_is_raised(talk):
    async def conversation(connection, server):
        server.sendall(b"-ERR no\r\n")
        with pytest.raises(ResponseError, match="no"):
            await aread_reply(connection)

    talk(conversation)


def test_a_late_reply_is_a_timeout(talk):
    async def conversation(connection, server):
        with pytest.raises(TimeoutError, match="reading"):
            await aread_reply(connection)

    talk(conversation, socket_timeout=0.05)


def test_many_reads_share_a_timer(talk):
    async def conversation(connection, server):
        clock = Clock()
        for _ in range(20):
            reading = asyncio.create_task(aread_reply(connection))
            await clock.move(0.01)
            server.sendall(b"+OK\r\n")
            assert await reading == b"OK"
        assert len(clock.timers) == 1

    talk(conversation)


def test_a_read_has_its_whole_time_whenever_the_timer_was_set(talk):
    async def conversation(connection, server):
        clock = Clock()
        first = asyncio.create_task(aread_reply(connection))
        await until_read()
        server.sendall(b"+OK\r\n")
        assert await first == b"OK"
        await clock.move(0.9)
        second = asyncio.create_task(aread_reply(connection))
        await until_read()
        await clock.move(0.9)
        assert not second.done()
        await clock.move(0.2)
        with pytest.raises(TimeoutError, match="reading"):
            await second
        assert len(clock.timers) == 2

    talk(conversation)


def test_each_piece_of_a_reply_has_the_whole_time(talk):
    async def conversation(connection, server):
        clock = Clock()
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        for piece in (b"$3", b"\r\na", b"bc"):
            server.sendall(piece)
            await clock.move(0.9)
        server.sendall(b"\r\n")
        assert await reading == b"abc"

    talk(conversation)


def test_an_idle_connection_has_no_timer_after_a_while(talk):
    async def conversation(connection, server):
        clock = Clock()
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        server.sendall(b"+OK\r\n+OK\r\n")
        assert await reading == b"OK"
        await clock.move(100)
        await clock.move(100)
        assert len(clock.timers) == 1
        assert await aread_reply(connection) == b"OK"
        assert is_quiet(connection)

    talk(conversation)


def test_a_reply_that_arrived_while_the_loop_was_busy_is_not_late(talk):
    async def conversation(connection, server):
        clock = Clock()
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        server.sendall(b"+OK\r\n")
        await clock.move(100)
        assert await reading == b"OK"

    talk(conversation)


def test_without_a_timeout_there_is_no_timer(talk):
    async def conversation(connection, server):
        clock = Clock()
        reading = asyncio.create_task(aread_reply(connection))
        await clock.move(100)
        server.sendall(b"+OK\r\n")
        assert await reading == b"OK"
        assert clock.timers == []

    talk(conversation, socket_timeout=None)


def test_a_closed_connection_leaves_no_timer(talk):
    async def conversation(connection, server):
        clock = Clock()
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        connection._writer.close()
        with pytest.raises(ConnectionError, match="closed"):
            await reading
        assert [timer.cancelled() for timer in clock.timers] == [True]

    talk(conversation)


def test_a_read_that_is_cancelled_loses_no_bytes(talk):
    async def conversation(connection, server):
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        server.sendall(b"$3\r\na")
        await until_read()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        server.sendall(b"bc\r\n")
        await until_read()
        assert await aread_reply(connection) == b"abc"

    talk(conversation)


async def received(connection, data):
    """Give bytes to the connection as the loop does, outside of any task."""
    done = asyncio.get_running_loop().create_future()

    def receive():
        try:
            done.set_result(connection.wire.data_received(data))
        except Exception as error:
            done.set_exception(error)

    asyncio.get_running_loop().call_soon(receive)
    await done


def test_a_reply_runs_the_task_that_awaits_it_at_once(talk):
    async def conversation(connection, server):
        steps = []

        async def read_twice():
            steps.append(await aread_reply(connection))
            steps.append(asyncio.current_task())
            with pytest.raises(ResponseError, match="no"):
                await aread_reply(connection)
            raise LookupError("its own")

        reading = asyncio.create_task(read_twice())
        await until_read()
        asyncio.get_running_loop().call_soon(
            lambda: (
                connection.wire.data_received(b"+O"),
                steps.append("before"),
                connection.wire.data_received(b"K\r\n"),
                steps.append("after"),
            )
        )
        await until_read()
        assert steps == ["before", b"OK", reading, "after"]
        await received(connection, b"-ERR no\r\n")  # whatever the task raises
        with pytest.raises(LookupError, match="its own"):
            await reading

    talk(conversation)


def test_a_task_is_not_run_within_another(talk):
    async def conversation(connection, server):
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        connection.wire.data_received(b"+OK\r\n")
        assert not reading.done()
        assert await reading == b"OK"

    talk(conversation)


def test_a_task_has_its_own_context_variables(talk):
    name = ContextVar("name", default="the loop's")

    async def conversation(connection, server):
        async def read():
            name.set("the task's")
            await aread_reply(connection)
            return name.get()

        reading = asyncio.create_task(read())
        await until_read()
        await received(connection, b"+OK\r\n")
        assert reading.done()
        assert (await reading, name.get()) == ("the task's", "the loop's")

    talk(conversation)


def test_a_read_without_a_task_waits_for_its_next_step(talk):
    async def conversation(connection, server):
        reading = connection.wire.receive(None)
        waiter = reading.send(None)
        await received(connection, b"+OK\r\n")
        assert waiter.done()
        with pytest.raises(StopIteration):
            reading.send(None)
        assert await aread_reply(connection) == b"OK"

    talk(conversation)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_read_that_is_cancelled_as_the_reply_arrives_ends_once(talk, is_first):
    async def conversation(connection, server):
        reading = asyncio.create_task(aread_reply(connection))
        await until_read()
        if is_first:
            reading.cancel()
        await received(connection, b"+OK\r\n")
        if is_first:
            with pytest.raises(asyncio.CancelledError):
                await reading
        else:
            assert not reading.cancel()
            assert await reading == b"OK"

    talk(conversation)


def test_the_methods_of_redis_py_read_too(talk):
    async def conversation(connection, server):
        for read in (aread_reply, Connection.read_response) * 2:
            reading = asyncio.create_task(read(connection))
            await until_read()
            server.sendall(b"+OK\r\n")
            assert await reading == b"OK"

    talk(conversation)


def test_the_end_of_the_connection_is_an_error(talk):
    async def conversation(connection, server):
        server.close()
        with pytest.raises(ConnectionError, match="closed"):
            await aread_reply(connection)
        assert not is_quiet(connection)

    talk(conversation)


def test_a_connection_that_breaks_is_an_error(talk):
    async def conversation(connection, server):
        connection._reader.set_exception(ConnectionResetError("reset"))
        with pytest.raises(ConnectionError, match="reading: reset"):
            await aread_reply(connection)

    talk(conversation)


def test_a_connection_that_is_closing_is_not_quiet(talk):
    async def conversation(connection, server):
        connection._writer.close()
        assert not is_quiet(connection)

    talk(conversation)


def test_a_connection_that_was_opened_again_is_used_by_redis_py(talk):
    async def conversation(connection, server):
        ours, theirs = socket.socketpair()
        with theirs:
            connection._writer.close()
            await open_over(connection, ours)
            assert not is_quiet(connection)
            await asend_bytes(connection, b"one two")
            assert theirs.recv(100) == b"one two"
            theirs.sendall(b"+OK\r\n")
            assert await aread_reply(connection) == b"OK"

    talk(conversation)


@pytest.mark.parametrize("arguments", [{"protocol": 3}, {"health_check_interval": 1}])
def test_notifications_and_health_checks_need_redis_py(talk, arguments):
    async def conversation(connection, server):
        assert connection.wire is None
        server.sendall(b"+OK\r\n")
        assert await aread_reply(connection) == b"OK"

    talk(conversation, **arguments)


def test_another_class_of_connection_needs_redis_py(talk):
    class Own(Connection):
        async def read_response(self, *args, **kwargs):
            return "its own"

    async def conversation(connection, server):
        assert connection.wire is None
        assert await aread_reply(connection) == "its own"

    talk(conversation, Own)


def test_a_transport_without_a_socket_needs_redis_py(talk, monkeypatch):
    async def conversation(connection, server):
        transport = connection._writer.transport
        monkeypatch.setattr(transport, "get_extra_info", lambda name: None)
        attach_async_wire(connection)
        assert connection.wire is None

    talk(conversation)


def test_a_socket_that_is_closed_already_needs_redis_py(talk):
    async def conversation(connection, server):
        connection._writer.transport.abort()
        await until_read()
        attach_async_wire(connection)
        assert connection.wire is None
        assert not is_quiet(connection)

    talk(conversation)
