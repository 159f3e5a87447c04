"""The pools of async connections: they belong to an event loop and end with it."""

import asyncio
import builtins
import os
import select
from collections.abc import Callable
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, MaxConnectionsError, TimeoutError

from .endpoints import Endpoint
from .thread_pools import is_broken

_ATTRIBUTE = "_django_ormist_pools"


class LoopPool(redis.asyncio.ConnectionPool):
    """At most *max_connections*, and *timeout* seconds of waiting for one.

    In place of redis-py's BlockingConnectionPool, whose asyncio.Condition loses
    wake-ups when waiting tasks are cancelled (Python 3.11): with all connections free,
    others then wait until they time out. A semaphore does not, and costs less.
    """

    def __init__(self, timeout: float | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.timeout = timeout
        self.era = 0
        self._slots = asyncio.Semaphore(self.max_connections)

    async def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> Any:
        """Return a connection that is connected and healthy.

        Raises MaxConnectionsError if none came free in time.
        """
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()
        try:
            connection = await self._take_idle() or await self._connect()
            self._in_use_connections.add(connection)
        except BaseException:
            self._slots.release()
            raise
        return connection

    async def release(self, connection: Any) -> None:
        """Give a connection back. It is closed unless it can be used again."""
        try:
            if (
                connection.era == self.era
                and connection.is_connected
                and not connection.should_reconnect()
            ):
                self._available_connections.append(connection)
            else:
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
        """Close the connections that nobody uses."""
        while self._available_connections:
            await self._available_connections.pop().disconnect(nowait=nowait)

    async def re_auth_callback(self, token: Any) -> None:
        """Follow the new token of a credential provider: by new connections."""
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
        """Return the healthy connection that was used last; None if there is none."""
        while self._available_connections:
            connection: Any = self._available_connections.pop()
            try:
                if connection.era == self.era and await self._is_healthy(connection):
                    return connection
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            await connection.disconnect(nowait=True)
        return None

    async def _is_healthy(self, connection: Any) -> bool:
        """Whether it is open, without unread bytes, and answers if a check is due."""
        if _is_closing(connection):
            return False
        if _has_news(connection):
            await asyncio.sleep(0)  # in which the stream reads it
        try:
            if await connection.can_read() and not self._has_notifications():
                return False
            await connection.check_health()
        except (ConnectionError, TimeoutError):
            return False
        return bool(connection.is_connected)

    def _has_notifications(self) -> bool:
        """Whether servers push notifications to these connections at any time."""
        # redis-py 8.0 has them for its sync pools alone.
        enabled = getattr(self, "maint_notifications_enabled", None)
        return enabled is not None and bool(enabled())

    async def _connect(self) -> Any:
        """Return a new connection. Tries twice, since nothing has been sent by then."""
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
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


def _is_closing(connection: Any) -> bool:
    """Whether the transport is closing, which its stream learns of only later."""
    transport: Any = getattr(getattr(connection, "_writer", None), "transport", None)
    return hasattr(transport, "is_closing") and bool(transport.is_closing())


def _has_news(connection: Any) -> bool:
    """Whether bytes, or the end, may have come to an idle connection.

    Its stream learns of that from the loop, which may not have run since: a server
    that was restarted between two calls would cost the second one its command.
    """
    transport = getattr(getattr(connection, "_writer", None), "transport", None)
    if transport is None:
        return False
    sock = transport.get_extra_info("socket")
    if not hasattr(sock, "fileno"):
        return False  # a transport without a socket, such as fakeredis's
    if not hasattr(select, "poll") or sock.fileno() < 0:
        return True  # nobody can tell, or it was closed: the loop knows
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


class LoopPools:
    """The pools of one event loop, kept by the loop itself and closed by its close().

    A map by loop that the process keeps would never lose an entry, even a weak one:
    the streams of a pool refer to their loop. Kept by the loop, both go together. And
    asyncio.run(), its Runner, async_to_sync() and every server end with loop.close(),
    which is where the pools still can be closed in order.
    """

    def __init__(self, loop: Any, inherited: "LoopPools | None" = None) -> None:
        self.pid = os.getpid()
        self._loop = loop
        # After a fork: the parent's sockets. Kept, because dropping them would take
        # them from the selector that both processes share.
        self._inherited = inherited
        self._pools: dict[str, LoopPool] = {}
        self._retired: list[LoopPool] = []
        self._clients: dict[str, redis.asyncio.Redis] = {}
        if inherited is None:
            self._close_loop: Callable[[], None] = loop.close
        else:
            self._close_loop = inherited._close_loop
        loop.close = self._close
        setattr(loop, _ATTRIBUTE, self)

    def get(self, endpoint: Endpoint) -> LoopPool:
        """The pool of *endpoint* in this loop."""
        try:
            return self._pools[endpoint.key]
        except KeyError:
            arguments = endpoint.async_arguments()
            pool = self._pools[endpoint.key] = LoopPool(
                timeout=endpoint.timeout,
                max_connections=endpoint.max_connections,
                connection_class=endpoint.async_class,
                retry=Retry(NoBackoff(), 0),
                **arguments,
            )
            return pool

    def client(self, endpoint: Endpoint) -> redis.asyncio.Redis:
        """redis-py's own client over the pool of *endpoint*."""
        if endpoint.key not in self._clients:
            self._clients[endpoint.key] = redis.asyncio.Redis(
                connection_pool=self.get(endpoint)
            )
        return self._clients[endpoint.key]

    async def retire(self, endpoint: Endpoint) -> None:
        """Close what is idle of one pool. The next use makes a new one."""
        self._clients.pop(endpoint.key, None)
        pool = self._pools.pop(endpoint.key, None)
        if pool is not None:
            self._retired.append(pool)  # for those that are in use
            await pool.close_idle()

    async def _disconnect(self) -> None:
        for pool in (*self._pools.values(), *self._retired):
            try:
                await pool.aclose()
            except Exception as error:
                self._loop.call_exception_handler(
                    {"message": "A pool did not close.", "exception": error}
                )

    def _close(self) -> None:
        """Stands in for the loop's close(): the pools first, then the loop."""
        loop = self._loop
        if loop.is_running():
            self._close_loop()  # which raises, and the loop goes on
            return
        try:
            # Another loop may run in this thread when the garbage collector closes
            # a forgotten one: then the streams are collected with it.
            if asyncio._get_running_loop() is None and not loop.is_closed():
                loop.run_until_complete(self._disconnect())
        finally:
            vars(loop).pop("close", None)
            vars(loop).pop(_ATTRIBUTE, None)
            self._close_loop()


def of_running_loop() -> LoopPools:
    """The pools of the running event loop. RuntimeError if none is running."""
    loop = asyncio.get_running_loop()
    found: LoopPools | None = getattr(loop, _ATTRIBUTE, None)
    if found is None or found.pid != os.getpid():
        return LoopPools(loop, found)
    return found
