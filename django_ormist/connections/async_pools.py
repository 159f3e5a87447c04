"""Pools of async connections. They belong to an event loop and are closed with it."""

import asyncio
import builtins
import os
import select
from collections.abc import Callable
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,
    MaxConnectionsError,
    ResponseError,
    TimeoutError,
)

from .async_wire import attach_async_wire, is_quiet
from .endpoints import Endpoint
from .refusals import refuse_replica
from .thread_pools import is_broken

_ATTRIBUTE = "_django_ormist_pools"


class Slots(asyncio.Semaphore):
    """The slots for connections in use."""

    def take(self) -> bool:
        """Take a free slot, as acquire() without a coroutine. Return whether it did."""
        is_free = not self.locked()
        if is_free:
            self._value -= 1
        return is_free


class LoopPool(redis.asyncio.ConnectionPool):
    """A pool of *max_connections*. Tasks wait *timeout* seconds for a free one.

    It replaces redis-py's BlockingConnectionPool. The asyncio.Condition of that loses
    wake-ups when waiting tasks are cancelled (Python 3.11), and other tasks time out
    although connections are free. A semaphore has no such fault, and costs less.
    """

    def __init__(
        self,
        timeout: float | None,
        checks_role: bool = False,
        is_read_only: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.timeout = timeout
        self.checks_role = checks_role
        self.is_read_only = is_read_only
        self.era = 0
        self._slots = Slots(self.max_connections)

    def take(self) -> Any:
        """Return get_connection() if that need not wait, else None.

        This is the usual case, which takes no coroutine so.
        """
        idle: list[Any] = self._available_connections
        if (
            idle
            and idle[-1].era == self.era
            and is_quiet(idle[-1])
            and self._slots.take()
        ):
            connection = idle.pop()
            self._in_use_connections.add(connection)
            return connection
        return None

    async def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> Any:
        """Return a connection that is connected and healthy.

        Raises MaxConnectionsError after *timeout* seconds.
        """
        if not self._slots.take():
            await self._wait()
        try:
            connection = await self._take_idle() or await self._connect()
            self._in_use_connections.add(connection)
        except BaseException:
            self._slots.release()
            raise
        return connection

    def keep(self, connection: Any) -> bool:
        """Give a connection back if it can be used again. Return whether it can."""
        is_sound = (
            connection.era == self.era
            and connection.is_connected
            and not connection.should_reconnect()
        )
        if is_sound:
            self._available_connections.append(connection)
            self._in_use_connections.remove(connection)
            self._slots.release()
        return is_sound

    async def release(self, connection: Any) -> None:
        """Give a connection back. Close it if it cannot be used again."""
        if self.keep(connection):
            return
        try:
            await connection.disconnect(nowait=True)
        finally:
            self._in_use_connections.remove(connection)
            self._slots.release()

    async def discard(self, connection: Any) -> None:
        """Close a connection that was in use."""
        connection.mark_for_reconnect()
        await self.release(connection)

    async def renew(self, connection: Any) -> None:
        """See ThreadPool.renew()."""
        if connection.era == self.era:
            self.era += 1
            await self.close_idle(nowait=True)

    async def close_idle(self, nowait: bool = False) -> None:
        """Close the idle connections."""
        while self._available_connections:
            await self._available_connections.pop().disconnect(nowait=nowait)

    async def re_auth_callback(self, token: Any) -> None:
        """Replace all connections, since a credential provider has a new token."""
        self.era += 1
        await self.close_idle()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await self._slots.acquire()
        except builtins.TimeoutError:
            raise MaxConnectionsError(
                f"All {self.max_connections} connections were in use "
                f"for {self.timeout} seconds."
            ) from None

    async def _take_idle(self) -> Any:
        """Return the healthy idle connection that was used last, if any."""
        while self._available_connections:
            connection: Any = self._available_connections.pop()
            try:
                if connection.era == self.era and (
                    is_quiet(connection) or await self._is_healthy(connection)
                ):
                    return connection
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            await connection.disconnect(nowait=True)
        return None

    async def _is_healthy(self, connection: Any) -> bool:
        """Return whether it is open, has nothing to read, and passes a health check."""
        if _is_closing(connection):
            return False
        if _is_readable(connection):
            await asyncio.sleep(0)  # lets the stream read
        try:
            if await connection.can_read() and not self._has_notifications():
                return False
            await connection.check_health()
        except (ConnectionError, TimeoutError):
            return False
        return bool(connection.is_connected)

    def _has_notifications(self) -> bool:
        """Return whether servers push notifications to these connections."""
        # redis-py 8.0 supports them for sync pools only.
        enabled = getattr(self, "maint_notifications_enabled", None)
        return enabled is not None and bool(enabled())

    async def _connect(self) -> Any:
        """Return a new connection. Connect again if that fails."""
        try:
            return await self._connect_once()
        except ConnectionError as error:
            if not is_broken(error):
                raise
        return await self._connect_once()

    async def _connect_once(self) -> Any:
        connection: Any = self.connection_class(**self.connection_kwargs)
        connection.era = self.era  # before the name is resolved
        try:
            await connection.connect()
            if self.checks_role:
                await _check_role(connection)
            if self.is_read_only:
                await connection.send_command("READONLY", check_health=False)
                await connection.read_response()
            attach_async_wire(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


async def _check_role(connection: Any) -> None:
    """Raise ReadOnlyError if the server is a replica. Without ROLE it is unknown."""
    await connection.send_command("ROLE", check_health=False)
    try:
        reply = await connection.read_response()
    except ResponseError:
        return
    refuse_replica(reply)


def _is_closing(connection: Any) -> bool:
    """Return whether the transport is closing. Its stream is notified later."""
    transport: Any = getattr(getattr(connection, "_writer", None), "transport", None)
    return hasattr(transport, "is_closing") and bool(transport.is_closing())


def _is_readable(connection: Any) -> bool:
    """Return whether an idle connection may have unread bytes, or be closed.

    Its stream learns that only while the loop runs. Without this check, a call after a
    restart of the server would fail.
    """
    transport = getattr(getattr(connection, "_writer", None), "transport", None)
    if transport is None:
        return False
    sock = transport.get_extra_info("socket")
    if not hasattr(sock, "fileno"):
        return False  # a transport without a socket, such as fakeredis's
    if not hasattr(select, "poll") or sock.fileno() < 0:
        return True  # unknown, or closed: the loop knows
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


class LoopPools:
    """The pools of one event loop, stored on the loop and closed by its close().

    A global map by loop would never lose an entry, even a weak one, since the streams
    of a pool refer to their loop. Stored on the loop, both are collected together.
    asyncio.run(), its Runner, async_to_sync() and every server end with loop.close(),
    where the pools can still be closed in order.
    """

    def __init__(self, loop: Any, inherited: "LoopPools | None" = None) -> None:
        self.pid = os.getpid()
        self._loop = loop
        # After a fork, the parent's sockets. They are kept, because dropping them would
        # remove them from the selector that both processes share.
        self._inherited = inherited
        self._pools: dict[str, LoopPool] = {}
        self._retired: list[LoopPool] = []
        self.versions: dict[str, int] = {}
        """By the key of an endpoint of several nodes: the version of its map."""
        self._clients: dict[str, redis.asyncio.Redis] = {}
        self._cluster_clients: dict[str, redis.asyncio.RedisCluster] = {}
        if inherited is None:
            self._close_loop: Callable[[], None] = loop.close
        else:
            self._close_loop = inherited._close_loop
        loop.close = self._close
        setattr(loop, _ATTRIBUTE, self)

    def get(self, endpoint: Endpoint) -> LoopPool:
        """Return the pool of *endpoint* in this loop."""
        try:
            return self._pools[endpoint.key]
        except KeyError:
            arguments = endpoint.async_arguments()
            pool = self._pools[endpoint.key] = LoopPool(
                timeout=endpoint.timeout,
                checks_role=endpoint.is_primary,
                is_read_only=endpoint.is_read_only,
                max_connections=endpoint.max_connections,
                connection_class=endpoint.async_class,
                retry=Retry(NoBackoff(), 0),
                **arguments,
            )
            return pool

    def client(
        self, endpoint: Endpoint, make_pool: Callable[[], LoopPool] | None = None
    ) -> redis.asyncio.Redis:
        """Return redis-py's client over the pool of *endpoint*, or that of make_pool().

        It is made once.
        """
        if endpoint.key not in self._clients:
            self._clients[endpoint.key] = redis.asyncio.Redis(
                connection_pool=make_pool() if make_pool else self.get(endpoint)
            )
        return self._clients[endpoint.key]

    def cluster_client(
        self, endpoint: Endpoint, make: Callable[[], redis.asyncio.RedisCluster]
    ) -> redis.asyncio.RedisCluster:
        """Return redis-py's client of a Cluster, made by make() once."""
        if endpoint.key not in self._cluster_clients:
            self._cluster_clients[endpoint.key] = make()
        return self._cluster_clients[endpoint.key]

    async def retire(self, endpoint: Endpoint) -> None:
        """Close the idle connections of a pool, and drop it."""
        self._clients.pop(endpoint.key, None)
        cluster_client = self._cluster_clients.pop(endpoint.key, None)
        if cluster_client is not None:
            await cluster_client.aclose()
        pool = self._pools.pop(endpoint.key, None)
        if pool is not None:
            pool.era += 1
            self._retired.append(pool)  # some connections may be in use
            await pool.close_idle()

    async def _disconnect(self) -> None:
        clients = self._cluster_clients.values()
        opened: list[Any] = [*self._pools.values(), *self._retired, *clients]
        for each in opened:
            try:
                await each.aclose()
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": "A pool did not close.", "exception": error}
                )

    def _close(self) -> None:
        """Close the pools, then the loop. It replaces the loop's close()."""
        loop = self._loop
        if loop.is_running():
            self._close_loop()  # raises, and the loop continues
            return
        try:
            # Another loop may run in this thread when the garbage collector closes
            # this one. Then the streams are collected with it.
            if asyncio._get_running_loop() is None and not loop.is_closed():
                loop.run_until_complete(self._disconnect())
        finally:
            vars(loop).pop("close", None)
            vars(loop).pop(_ATTRIBUTE, None)
            self._close_loop()


def pools_of_running_loop() -> LoopPools:
    """Return the pools of the running event loop. Raises RuntimeError without one."""
    loop = asyncio.get_running_loop()
    found: LoopPools | None = getattr(loop, _ATTRIBUTE, None)
    if found is None or found.pid != os.getpid():
        return LoopPools(loop, found)
    return found
