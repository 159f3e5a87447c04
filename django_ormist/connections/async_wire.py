"""Short ways to use an async redis-py connection whose parser is hiredis.

redis-py sends a request with a timer and a list of buffers: a tenth of the time of a
get(). Each read takes it another timer, and asyncio's stream keeps the bytes until a
task is woken to copy them: a tenth, too. See wire.py for the connections that are used
by redis-py's methods.
"""

import asyncio
import select
from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA, _AsyncHiredisParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError, RedisError, TimeoutError

MOST_BYTES = 65536
"""Bytes read from a stream at once."""


class Waiter(asyncio.Future[bool]):
    """A future that can run the task which awaits it, and not leave that to the loop.

    The loop would poll its sockets again first, which takes a twentieth of a get().
    """

    _callback: Any = None
    _context: Any = None

    def add_done_callback(self, fn: Any, /, *, context: Any = None) -> None:
        """Remember how the task goes on. See asyncio.Future."""
        super().add_done_callback(fn, context=context)
        self._callback, self._context = fn, context

    def wake(self) -> None:
        """Set the result False, and run the task until it awaits something else."""
        loop = self.get_loop()
        if self._callback is None or asyncio.current_task(loop) is not None:
            self.set_result(False)  # one task cannot run within another
            return
        self.remove_done_callback(self._callback)
        self.set_result(False)
        self._context.run(self._callback, self)


class AsyncWire(asyncio.Protocol):
    """The protocol of an open connection, between its transport and redis-py's stream.

    While aread_reply() waits, bytes go to the hiredis reader at once. All others go to
    the stream, so that redis-py's methods work too.
    """

    __slots__ = (
        "_deadline",
        "_loop",
        "_protocol",
        "_timer",
        "_waiter",
        "is_full",
        "poll",
        "reader",
        "stream",
        "transport",
    )

    def __init__(self, connection: Any, sock: Any) -> None:
        self.stream = connection._reader
        self.transport = connection._writer.transport
        self.reader = connection._parser._reader
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        self.poll = poll.poll
        self.is_full = False
        self._loop = asyncio.get_running_loop()
        self._waiter: Waiter | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._protocol = self.transport.get_protocol()
        self.transport.set_protocol(self)

    async def receive(self, seconds: float | None) -> None:
        """Wait for bytes, and feed the reader with them.

        Raises ConnectionError, or TimeoutError after this time.
        """
        stream = self.stream
        if stream._buffer or stream.at_eof() or stream.exception():
            received = await stream.read(MOST_BYTES)  # without waiting
            if not received:
                raise ConnectionError("Connection closed by server.")
            self.reader.feed(received)
            return
        waiter = self._waiter = Waiter(loop=self._loop)
        self._deadline = None if seconds is None else self._set_timer(seconds)
        try:
            is_late = await waiter
        finally:
            self._waiter = None
        if is_late:
            raise TimeoutError("Timeout reading from socket")

    def _set_timer(self, seconds: float) -> float:
        """Return the deadline of a read that begins now.

        A timer for each read would cost more than the rest of the read. So the first
        one stays until its time, and is then set to the deadline of the present read.
        """
        deadline = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._end_late_read)
        return deadline

    def _end_late_read(self) -> None:
        self._timer = None
        waiter, deadline = self._waiter, self._deadline
        if waiter is None or waiter.done() or deadline is None:
            return
        if deadline > self._loop.time():
            self._timer = self._loop.call_at(deadline, self._end_late_read)
        else:
            waiter.set_result(True)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(False)

    # For the transport

    def data_received(self, data: bytes) -> None:
        """Feed the reader if a reply is awaited, else the stream."""
        if self._waiter is None:
            self._protocol.data_received(data)
        else:
            self.reader.feed(data)
            if not self._waiter.done():
                self._waiter.wake()

    def eof_received(self) -> Any:
        """Let a waiting read find the end of the stream."""
        self._wake()
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a waiting read find the error of the stream."""
        if self._timer is not None:
            self._timer.cancel()  # it would keep the connection until its time
            self._timer = None
        self._wake()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Let asend_bytes() and drain() wait."""
        self.is_full = True
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Let drain() return."""
        self.is_full = False
        self._protocol.resume_writing()


def attach_async_wire(connection: Any) -> None:
    """Let asend_bytes(), aread_reply() and is_quiet() take the short way, if it can."""
    connection.wire = None
    kind = type(connection)
    if (
        kind.read_response is AbstractConnection.read_response
        and kind.send_packed_command is AbstractConnection.send_packed_command
        and type(connection._parser) is _AsyncHiredisParser
        and str(connection.protocol) == "2"
        and not connection.health_check_interval
        and hasattr(select, "poll")
    ):
        sock = connection._writer.transport.get_extra_info("socket")
        if hasattr(sock, "fileno") and sock.fileno() >= 0:  # else it is closed
            connection.wire = AsyncWire(connection, sock)


def wire_of(connection: Any) -> AsyncWire | None:
    """Return the wire of an async connection, if it has one and it is open."""
    wire: AsyncWire | None = getattr(connection, "wire", None)
    return wire if wire is not None and wire.stream is connection._reader else None


def is_quiet(connection: Any) -> bool:
    """Return whether an async connection is known to be open with nothing to read.

    Its stream learns that it is closed only while the loop runs, so the socket is
    polled.
    """
    wire = wire_of(connection)
    return wire is not None and not (
        wire.transport.is_closing()
        or wire.poll(0)
        or wire.reader.has_data()
        or wire.stream.at_eof()
        or wire.stream._buffer
    )


async def asend_bytes(connection: Any, request: bytes) -> None:
    """Send a request. Raises as redis-py's send_packed_command()."""
    wire = wire_of(connection)
    if wire is None:
        await connection.send_packed_command([request], check_health=False)
        return
    wire.transport.write(request)  # its error is raised by the next read
    if wire.is_full:
        # Wait until the server has read enough, at most for the timeout.
        await connection.send_packed_command((), check_health=False)


async def aread_reply(connection: Any) -> Any:
    """See read_reply()."""
    wire = wire_of(connection)
    if wire is None:
        return await connection.read_response(disconnect_on_error=False)
    reply = wire.reader.gets()
    while reply is NOT_ENOUGH_DATA:
        try:
            await wire.receive(connection.socket_timeout)
        except OSError as error:
            raise ConnectionError(f"Error while reading: {error}") from error
        reply = wire.reader.gets()
    if isinstance(reply, RedisError):
        raise reply
    return reply
