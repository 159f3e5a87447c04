"""Short ways to use a redis-py connection whose parser is hiredis.

redis-py passes a reply through four methods, and makes a poll object for each look at
an idle connection: a tenth of the time of a get(). Python polls a socket that has a
timeout before it sends, which is rarely needed. Connections of other classes or
parsers, with RESP3 or health checks, and those of shared pools are used by redis-py's
methods.
"""

import builtins
import os
import select
from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA, _HiredisParser
from redis.connection import AbstractConnection, SSLConnection
from redis.exceptions import ConnectionError, RedisError, TimeoutError


class Wire:
    """The open socket of a connection, its hiredis reader, and their buffer."""

    __slots__ = ("buffer", "poll", "reader", "socket")

    def __init__(self, connection: Any) -> None:
        self.socket = connection._sock
        self.reader = connection._parser._reader
        self.buffer = connection._parser._buffer
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        self.poll = poll.poll


def attach_wire(connection: Any) -> None:
    """Let the functions below take the short way, if this connection can."""
    connection.wire = None
    if (
        type(connection).read_response is AbstractConnection.read_response
        and type(connection._parser) is _HiredisParser
        and not isinstance(connection, SSLConnection)  # it may hold decrypted bytes
        and str(connection.protocol) == "2"  # RESP3 has notifications
        and not connection.health_check_interval  # it notes the time of each reply
        and hasattr(select, "poll")
    ):
        connection.wire = Wire(connection)


def send_bytes(connection: Any, request: bytes) -> None:
    """Send a request. Raises as read_reply()."""
    wire: Wire | None = getattr(connection, "wire", None)
    if wire is None or wire.socket is not connection._sock:
        connection.send_packed_command([request], check_health=False)
        return
    try:
        sent = _write(wire.socket, request)
        if sent < len(request):
            wire.socket.sendall(memoryview(request)[sent:])  # which keeps the timeout
    except (BlockingIOError, builtins.TimeoutError) as error:
        raise TimeoutError("Timeout writing to socket") from error
    except OSError as error:
        raise ConnectionError(f"Error while writing to socket: {error}") from error


def _write(sock: Any, request: bytes) -> int:
    """Return how many bytes of the request the socket takes at once."""
    try:
        return os.write(sock.fileno(), request)
    except BlockingIOError:
        return 0


def is_silent(connection: Any) -> bool:
    """Return whether the connection is open and has nothing to read.

    Redis-py may raise ConnectionError for one that is closed.
    """
    wire: Wire | None = connection.wire
    if wire is None or wire.socket is not connection._sock:
        return not connection.can_read()
    return not (wire.reader.has_data() or wire.poll(0))


def has_reply(connection: Any, seconds: float) -> bool:
    """Return whether a reply arrives within this time. False if that is unknown."""
    wire: Wire | None = getattr(connection, "wire", None)
    if wire is None or wire.socket is not connection._sock:
        return False
    return bool(wire.reader.has_data() or wire.poll(seconds * 1000))


def read_reply(connection: Any) -> Any:
    """Return the next reply, and raise an error reply.

    Raises ConnectionError or TimeoutError if the connection breaks, which it does not
    close.
    """
    wire: Wire | None = getattr(connection, "wire", None)
    if wire is None or wire.socket is not connection._sock:  # not ours, or reconnected
        return connection.read_response(disconnect_on_error=False)
    reply = wire.reader.gets()
    while reply is NOT_ENOUGH_DATA:
        try:
            size = wire.socket.recv_into(wire.buffer)
        except (BlockingIOError, builtins.TimeoutError) as error:
            raise TimeoutError("Timeout reading from socket") from error
        except OSError as error:
            raise ConnectionError(f"Error while reading: {error}") from error
        if size == 0:
            raise ConnectionError("Connection closed by server.")
        wire.reader.feed(wire.buffer, 0, size)
        reply = wire.reader.gets()
    if isinstance(reply, RedisError):
        raise reply
    return reply
