"""Short ways to use an async redis-py connection whose parser is hiredis.

redis-py sends a request with a timer and a list of buffers: a tenth of the time of a
get(). See wire.py for the connections that are used by redis-py's methods.
"""

import asyncio
import builtins
import select
from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA, _AsyncHiredisParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError, RedisError, TimeoutError


class AsyncWire:
    """The open stream of an async connection, its hiredis reader, and its transport."""

    __slots__ = ("poll", "reader", "stream", "transport")

    def __init__(self, connection: Any, sock: Any) -> None:
        self.stream = connection._reader
        self.transport = connection._writer.transport
        self.reader = connection._parser._reader
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        self.poll = poll.poll


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
    if wire.transport.get_write_buffer_size():
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
            async with asyncio.timeout(connection.socket_timeout):
                received = await wire.stream.read(connection._parser._read_size)
        except builtins.TimeoutError as error:
            raise TimeoutError("Timeout reading from socket") from error
        except OSError as error:
            raise ConnectionError(f"Error while reading: {error}") from error
        if not received:
            raise ConnectionError("Connection closed by server.")
        wire.reader.feed(received)
        reply = wire.reader.gets()
    if isinstance(reply, RedisError):
        raise reply
    return reply
