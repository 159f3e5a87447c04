"""The pools of sync connections: shared by threads, safe where signal handlers raise.

A signal handler (Ctrl-C, an alarm, Celery's soft time limit) may raise between any two
steps of Python, within redis-py's pools too. A lock of theirs then stays locked, a slot
is never given back, or a connection that is half connected goes to the next caller. So
here

* nothing is locked: idle connections are a list, free slots a queue, whose methods are
  each one step of C;
* a slot is an object that comes back when it is lost;
* a connection is idle only after a connect and an exchange that ended well.
"""

import builtins
import os
import sys
import weakref
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import redis
from redis.connection import HiredisRespSerializer
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    MaxConnectionsError,
    RedisError,
    TimeoutError,
)

from .protocol import as_bytes

# redis-py puts these below ConnectionError, but the server has answered, or nobody
# has been asked. Trying again would not help.
_FINAL = (AuthenticationError, AuthorizationError, MaxConnectionsError)


def is_broken(error: BaseException) -> bool:
    """Whether the connection broke, so that it is unknown if a command arrived."""
    return isinstance(error, ConnectionError) and not isinstance(error, _FINAL)


def _nothing() -> None:
    """A weak reference to nothing."""


class Slot:
    """The right to use one connection. A slot that is lost puts another in its place.

    generation: tells the slots of a parent process from those of its child.
    """

    __slots__ = ("__weakref__", "_free", "generation")

    def __init__(self, free: "SimpleQueue[Slot]", generation: object) -> None:
        self._free = weakref.ref(free)
        self.generation = generation

    def __del__(self) -> None:
        free = getattr(self, "_free", _nothing)()  # it may be half made
        if free is not None:
            free.put(Slot(free, self.generation))


class Lease:
    """One use of a connection. Its slot is None once it was given back."""

    __slots__ = ("connection", "handled", "slot")

    def __init__(self, slot: Slot | None, connection: Any) -> None:
        self.slot = slot
        self.connection = connection
        self.handled = id(sys.exception())


class ThreadPool(redis.ConnectionPool):
    """At most *max_connections*, and *timeout* seconds of waiting for one.

    era: counts renewals. Connections of an earlier era are closed, not used again.
    """

    def __init__(self, timeout: float | None, **arguments: Any) -> None:
        self.timeout = timeout
        self.era = 0
        super().__init__(**arguments)

    def __del__(self) -> None:
        pass  # redis-py's subtracts from counts that are not kept here

    def reset(self) -> None:
        """Start anew, without the connections of before: a child shares them."""
        free: SimpleQueue[Slot] = SimpleQueue()
        generation = object()
        for _ in range(self.max_connections):
            free.put(Slot(free, generation))
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()
        self._available_connections: list[Any] = []
        self._free, self._generation = free, generation
        self.pid = os.getpid()

    @property
    def _in_use_connections(self) -> set[Any]:  # type: ignore[override]
        """The connections that redis-py looks for under this name."""
        return set(self._made).difference(self._available_connections)

    def _checkpid(self) -> None:
        # Threads of a child that come here at once may each reset. A slot that the
        # first has taken is then of another generation, and dropped.
        if self.pid != os.getpid():
            self.reset()

    # For us

    def lease(self) -> Lease:
        """Return a lease of a connection that is connected and healthy.

        Raises MaxConnectionsError if none came free in time.
        """
        self._checkpid()
        free = self._free
        slot = self._take_slot(free)
        try:
            return Lease(slot, self._take_idle() or self._connect())
        except BaseException:
            free.put(slot)
            raise

    def give_back(self, lease: Lease, is_sound: bool = True) -> None:
        """End a lease; the connection is closed unless it *is_sound*.

        Does nothing the second time, so an interrupted call may be repeated.
        """
        connection, free, generation = lease.connection, self._free, self._generation
        slot, lease.slot = lease.slot, None
        if slot is None:
            return
        try:
            if is_sound and slot.generation is generation and self._is_ours(connection):
                self._available_connections.append(connection)
            else:
                connection.disconnect()
        finally:
            if slot.generation is generation:
                free.put(slot)

    def renew(self, connection: Any) -> None:
        """Close the siblings of *connection*: idle ones now, others once given back.

        The next ones resolve the name of the server anew. Does nothing if that was done
        since *connection* was made.
        """
        if connection.era == self.era:
            self.era += 1
            self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._available_connections.pop().disconnect()

    # For redis-py's clients

    def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> Any:
        """See lease()."""
        lease = self.lease()
        connection, lease.connection = lease.connection, None  # else a cycle
        connection.lease = lease
        return connection

    def release(self, connection: Any) -> None:
        """See give_back().

        A client calls it in a `finally`: an exception on its way, other than redis-py's
        own, may have come between a command and its reply.
        """
        lease: Lease | None = vars(connection).pop("lease", None)
        if lease is not None:
            lease.connection, error = connection, sys.exception()
            is_read = id(error) == lease.handled or isinstance(error, RedisError | None)
            self.give_back(lease, is_read)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections, or the idle ones."""
        self._checkpid()
        self.close_idle()
        if inuse_connections:
            for connection in self._in_use_connections:
                connection.disconnect()

    def re_auth_callback(self, token: Any) -> None:
        """Follow the new token of a credential provider: by new connections."""
        self.era += 1
        self.close_idle()

    # The steps

    def _take_slot(self, free: "SimpleQueue[Slot]") -> Slot:
        try:
            return free.get_nowait()
        except Empty:
            pass
        try:
            return free.get(timeout=self.timeout)
        except Empty:
            raise MaxConnectionsError(
                f"All {self.max_connections} connections were in use "
                f"for {self.timeout} seconds."
            ) from None

    def _take_idle(self) -> Any:
        """Return the healthy connection that was used last; None if there is none."""
        while self._available_connections:
            try:
                connection = self._available_connections.pop()
            except IndexError:
                break  # another thread was faster
            if connection.era == self.era and self._is_healthy(connection):
                return connection
            connection.disconnect()
        return None

    def _is_healthy(self, connection: Any) -> bool:
        """Whether it is open, without unread bytes, and answers if a check is due."""
        try:
            if connection.can_read() and not self._has_notifications():
                return False
        except ConnectionError as error:
            if isinstance(error.__context__, builtins.TimeoutError):
                raise  # a signal handler's: nothing is waited for here
            return False
        try:
            connection.check_health()
        except (ConnectionError, TimeoutError):
            return False
        return True

    def _has_notifications(self) -> bool:
        """Whether servers push notifications to these connections at any time."""
        return bool(self.maint_notifications_enabled())  # type: ignore[no-untyped-call]

    def _is_ours(self, connection: Any) -> bool:
        return (
            connection.era == self.era
            and connection.pid == os.getpid()
            and connection.is_connected
            and not connection.should_reconnect()
        )

    def _connect(self) -> Any:
        """Return a new connection. Tries twice, since nothing has been sent by then."""
        try:
            return self._connect_once()
        except ConnectionError as error:
            if not is_broken(error):
                raise
        return self._connect_once()

    def _connect_once(self) -> Any:
        connection: Any = self.connection_class(**self.connection_kwargs)
        connection.era = self.era  # before the name is resolved
        self._made.add(connection)
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection


class BytesPacker(HiredisRespSerializer):
    """redis-py's packer, which is given bytes alone; see wire.py."""

    def pack(self, *args: Any) -> Any:
        """Return the request of one command, in pieces."""
        name, *rest = args
        return super().pack(name, *map(as_bytes, rest))
