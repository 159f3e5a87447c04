"""Pools of sync connections, shared by threads and safe if signal handlers raise.

A signal handler (Ctrl-C, an alarm, Celery's soft time limit) may raise between any two
bytecodes, also within redis-py's pools. Then a lock stays locked, a slot is never
returned, or the next caller gets a half-connected connection. To avoid this:

* There are no locks. Idle connections are a list and free slots a queue, whose methods
  are atomic.
* A slot that is garbage collected adds a new one to the queue.
* A connection becomes idle only after a complete connect or exchange.
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
    ResponseError,
    TimeoutError,
)

from .refusals import refuse_replica
from .wire import attach_wire, give_to_redis_py, is_silent

# redis-py derives these from ConnectionError, but the server has replied, or no command
# was sent. A retry would not help.
_FINAL = (AuthenticationError, AuthorizationError, MaxConnectionsError)


def is_broken(error: BaseException) -> bool:
    """Return whether the connection broke. A command may or may not have arrived."""
    return isinstance(error, ConnectionError) and not isinstance(error, _FINAL)


def is_unreachable(error: BaseException) -> bool:
    """Return whether no server listens at the address."""
    cause = error.__context__
    # asyncio tries several addresses, and tells their errors in one text.
    return isinstance(cause, ConnectionRefusedError | FileNotFoundError) or (
        "Connect call failed" in str(cause)
    )


def _dead_reference() -> None:
    """Return ``None``, as a dead weak reference does."""


class Slot:
    """The right to use one connection. If it is garbage collected, a new one is made.

    generation: distinguishes the slots of a parent process from those of its child.
    """

    __slots__ = ("__weakref__", "_free", "generation")

    def __init__(self, free: "SimpleQueue[Slot]", generation: object) -> None:
        self._free = weakref.ref(free)
        self.generation = generation

    def __del__(self) -> None:
        # __init__() may have been interrupted.
        free = getattr(self, "_free", _dead_reference)()
        if free is not None:
            free.put(Slot(free, self.generation))


class Lease:
    """One use of a connection. give_back() removes its slot."""

    __slots__ = ("connection", "handled", "slot")

    def __init__(self, slot: Slot | None, connection: Any) -> None:
        self.slot = slot
        self.connection = connection
        self.handled = id(sys.exception())


class ThreadPool(redis.ConnectionPool):
    """A pool of *max_connections*. Threads wait *timeout* seconds for a free one.

    era: the number of renewals. Connections of an earlier era are closed, not reused.
    checks_role: whether connecting to a replica raises ReadOnlyError. is_read_only:
    whether to send READONLY.
    """

    def __init__(
        self,
        timeout: float | None,
        checks_role: bool = False,
        is_read_only: bool = False,
        **arguments: Any,
    ) -> None:
        self.timeout = timeout
        self.checks_role = checks_role
        self.is_read_only = is_read_only
        self.era = 0
        super().__init__(**arguments)

    def __del__(self) -> None:
        pass  # redis-py's own updates counts that do not exist here

    def reset(self) -> None:
        """Drop all connections, since a child process shares them with its parent."""
        free: SimpleQueue[Slot] = SimpleQueue()
        generation = object()
        for _ in range(self.max_connections):
            free.put(Slot(free, generation))
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._available_connections: list[Any] = []
        self._free, self._generation = free, generation
        self.pid = os.getpid()

    @property
    def _in_use_connections(self) -> set[Any]:  # type: ignore[override]
        """The connections in use, under redis-py's name."""
        return set(self._connections).difference(self._available_connections)

    def _checkpid(self) -> None:
        # Several threads of a child may reset at once. A slot that the first has
        # taken is then of another generation, and dropped.
        if self.pid != os.getpid():
            self.reset()

    # For Connection

    def lease(self) -> Lease:
        """Return a lease of a connection that is connected and healthy.

        Raises MaxConnectionsError after *timeout* seconds.
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
        """End a lease. Close the connection unless it *is_sound*.

        A second call has no effect, so an interrupted call may be repeated.
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
        """Close all connections: idle ones now, others when they are given back.

        New ones resolve the name of the server again. A call has no effect if the pool
        was renewed after *connection* was made.
        """
        if connection.era == self.era:
            self.era += 1
            self.close_idle()

    def close_idle(self) -> None:
        """Close the idle connections."""
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
        give_to_redis_py(connection)
        return connection

    def release(self, connection: Any) -> None:
        """See give_back().

        A client calls it in a `finally`. An exception in progress, other than
        redis-py's own, may have been raised between a command and its reply.
        """
        lease: Lease | None = vars(connection).pop("lease", None)
        if lease is not None:
            lease.connection, error = connection, sys.exception()
            is_read = id(error) == lease.handled or isinstance(error, RedisError | None)
            self.give_back(lease, is_read)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections, or only the idle ones."""
        self._checkpid()
        self.close_idle()
        if inuse_connections:
            for connection in self._in_use_connections:
                connection.disconnect()

    def re_auth_callback(self, token: Any) -> None:
        """Replace all connections, since a credential provider has a new token."""
        self.era += 1
        self.close_idle()

    # Steps of lease() and give_back()

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
        """Return the healthy idle connection that was used last, if any."""
        while self._available_connections:
            try:
                connection = self._available_connections.pop()
            except IndexError:
                break  # taken by another thread
            if connection.era == self.era and self._is_healthy(connection):
                return connection
            connection.disconnect()
        return None

    def _is_healthy(self, connection: Any) -> bool:
        """Return whether it is open, has nothing to read, and passes a health check."""
        try:
            if not (is_silent(connection) or self._has_notifications()):
                return False
        except ConnectionError as error:
            if isinstance(error.__context__, builtins.TimeoutError):
                raise  # of a signal handler: this call does not wait
            return False
        try:
            connection.check_health()
        except (ConnectionError, TimeoutError):
            return False
        return True

    def _has_notifications(self) -> bool:
        """Return whether servers push notifications to these connections."""
        return bool(self.maint_notifications_enabled())  # type: ignore[no-untyped-call]

    def _is_ours(self, connection: Any) -> bool:
        return (
            connection.era == self.era
            and connection.pid == os.getpid()
            and connection.is_connected
            and not connection.should_reconnect()
        )

    def _connect(self) -> Any:
        """Return a new connection. Connect again if that fails."""
        try:
            return self._connect_once()
        except ConnectionError as error:
            if not is_broken(error):
                raise
        return self._connect_once()

    def _connect_once(self) -> Any:
        connection: Any = self.connection_class(**self.connection_kwargs)
        connection.era = self.era  # before the name is resolved
        self._connections.add(connection)
        try:
            connection.connect()
            if self.checks_role:
                _check_role(connection)
            if self.is_read_only:
                connection.send_command("READONLY", check_health=False)
                connection.read_response()
            attach_wire(connection)
        except BaseException:
            connection.disconnect()
            raise
        return connection


def _check_role(connection: Any) -> None:
    """Raise ReadOnlyError if the server is a replica. Without ROLE it is unknown."""
    connection.send_command("ROLE", check_health=False)
    try:
        reply = connection.read_response()
    except ResponseError:
        return
    refuse_replica(reply)


def as_bytes(word: Any) -> Any:
    """Return a text or a number as bytes, and other words unchanged."""
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, int | float) and not isinstance(word, bool):
        return repr(word).encode()
    return word


class BytesPacker(HiredisRespSerializer):
    """redis-py's packer with arguments converted to bytes first; see exchange.py."""

    def pack(self, *args: Any) -> Any:
        """Return the request of one command, in pieces."""
        name, *rest = args
        return super().pack(name, *map(as_bytes, rest))
