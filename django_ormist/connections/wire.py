"""Short ways to use a redis-py connection whose parser is hiredis.

redis-py passes a reply through four methods, and makes a poll object for each look at
an idle connection: a tenth of the time of a get(). Python polls a socket that has a
timeout before each call, up to a tenth more. So the kernel keeps a first, short
timeout, and only what takes longer is polled. Connections of other classes or parsers,
with RESP3 or health checks, and those of shared pools are used by redis-py's methods.
"""

import builtins
import select
import socket
import struct
from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA, _HiredisParser
from redis.connection import AbstractConnection, SSLConnection
from redis.exceptions import ConnectionError, RedisError, TimeoutError

FIRST_US = 1000
"""The first timeout. A handled signal begins it anew, so nothing may rely on it."""


class Wire:
    """The open socket of a connection, its hiredis reader, and their buffer.

    seconds: the timeout of the connection. has_first_timeout: whether the socket is set
    for our calls; redis-py's own need it as they made it.
    """

    __slots__ = ("buffer", "has_first_timeout", "poll", "reader", "seconds", "socket")

    def __init__(self, connection: Any) -> None:
        self.socket = connection._sock
        self.seconds = self.socket.gettimeout()
        self.has_first_timeout = False
        self.reader = connection._parser._reader
        self.buffer = connection._parser._buffer
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        self.poll = poll.poll

    def set_first_timeout(self, is_set: bool) -> None:
        """Leave the first timeout to the kernel, or all of it to Python."""
        value = struct.pack("@ll", 0, FIRST_US if is_set else 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.socket.setsockopt(socket.SOL_SOCKET, option, value)
        self.socket.settimeout(None if is_set else self.seconds)
        self.has_first_timeout = is_set

    def receive_late(self) -> int:
        """Receive what did not arrive in the first timeout. Raises TimeoutError."""
        if not self.poll(None if self.seconds is None else self.seconds * 1000):
            raise builtins.TimeoutError
        size: int = self.socket.recv_into(self.buffer)
        return size


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
        and type(connection._sock) is socket.socket  # gevent's waits in its own way
    ):
        connection.wire = Wire(connection)


def give_to_redis_py(connection: Any) -> None:
    """Return the timeout of the socket to Python, for redis-py's methods."""
    wire: Wire | None = connection.wire
    if wire is not None and wire.socket is connection._sock and wire.has_first_timeout:
        wire.set_first_timeout(False)


def send_bytes(connection: Any, request: bytes) -> None:
    """Send a request. Raises as read_reply()."""
    wire: Wire | None = getattr(connection, "wire", None)
    if wire is None or wire.socket is not connection._sock:
        connection.send_packed_command([request], check_health=False)
        return
    try:
        if not wire.has_first_timeout:
            wire.set_first_timeout(True)
        try:
            sent = wire.socket.send(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            wire.set_first_timeout(False)
            wire.socket.sendall(memoryview(request)[sent:])
    except builtins.TimeoutError as error:
        raise TimeoutError("Timeout writing to socket") from error
    except OSError as error:
        raise ConnectionError(f"Error while writing to socket: {error}") from error


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
            try:
                size = wire.socket.recv_into(wire.buffer)
            except BlockingIOError:
                size = wire.receive_late()
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
