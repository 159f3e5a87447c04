"""One alias in use: sends operations and returns their raw replies, in both colours."""

from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    RedisError,
    ResponseError,
)

from ..conf import Alias
from ..operations.operation import Operation
from .async_pools import of_running_loop
from .endpoints import Endpoint
from .pools import close_idle, pools
from .wire import packed, resp2

# redis-py puts these below ConnectionError, but the server has answered.
_REFUSALS = (AuthenticationError, AuthorizationError)


class Connection:
    """Carries operations to the server of one alias. Threads and loops may share it.

    Commands go over a connection of the pool, not through redis-py's client, which
    retries by the policy of the connection and reshapes replies by command.
    """

    def __init__(self, alias: Alias) -> None:
        self.alias = alias
        self.key_prefix = alias.key_prefix
        self.codec = alias.codec
        self._endpoint: Endpoint | None = None
        self._pool: Any = None
        self._client: redis.Redis | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.alias.name!r}>"

    @property
    def endpoint(self) -> Endpoint:
        """What the alias names, read on first use. Raises ImproperlyConfigured."""
        if self._endpoint is None:
            # Here: each alias needs one of the two, and no import needs any.
            if self.alias.cache is not None:
                from .borrowed import endpoint
            else:
                from .urls import endpoint
            with pools.lock:
                if self._endpoint is None:
                    self._endpoint = endpoint(self.alias)
        return self._endpoint

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        """The raw replies of *operations*, in order. One round trip.

        Replies are bytes in RESP2's shapes, whatever protocol is spoken. An error that
        the server replied stands in its place in the list. Raises redis-py's errors,
        with a note that names the alias, if the connection fails: reads alone have
        then been sent twice, anything with a write once.
        """
        pool = self._pool or self._open()
        request = packed(operations)
        is_repeated = False
        try:
            while True:
                connection = pool.get_connection()
                try:
                    connection.send_packed_command(request)
                    return [_reply(connection) for _ in operations]
                except BaseException as error:
                    # Replies that were not read must not meet the next command.
                    connection.disconnect()
                    if is_repeated or not _is_repeatable(operations, error):
                        raise
                    is_repeated = True
                finally:
                    pool.release(connection)
        except RedisError as error:
            self._annotate(error)
            raise

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        """See send()."""
        pool = of_running_loop().get(self._endpoint or self.endpoint)
        request = packed(operations)
        is_repeated = False
        try:
            while True:
                connection = await pool.get_connection()
                try:
                    await connection.send_packed_command(request)
                    return [await _areply(connection) for _ in operations]
                except BaseException as error:
                    await connection.disconnect(nowait=True)
                    if is_repeated or not _is_repeatable(operations, error):
                        raise
                    is_repeated = True
                finally:
                    await pool.release(connection)
        except RedisError as error:
            self._annotate(error)
            raise

    @property
    def client(self) -> redis.Redis:
        """redis-py's client over the same pool, for commands of one's own."""
        if self._client is None:
            pool = self._pool or self._open()
            if self.endpoint.lent is not None:
                from .borrowed import SentOnce

                pool = SentOnce(pool)
            self._client = redis.Redis(connection_pool=pool)
        return self._client

    @property
    def aclient(self) -> redis.asyncio.Redis:
        """See client: that of the running event loop."""
        return of_running_loop().client(self.endpoint)

    def close(self) -> None:
        """Close the sync connections that are idle. A cache's pool is left alone."""
        if self._pool is not None and self.endpoint.lent is None:
            close_idle(self._pool)

    async def aclose(self) -> None:
        """Close the idle connections of the running loop."""
        await of_running_loop().retire(self.endpoint)

    def _open(self) -> Any:
        self._pool = pools.get(self.endpoint)
        return self._pool

    def _annotate(self, error: RedisError) -> None:
        error.add_note(f"ORMIST alias {self.alias.name!r} at {self.endpoint.place}")


def _is_repeatable(operations: Sequence[Operation], error: BaseException) -> bool:
    """Whether these may be sent once more: reads, whose connection broke."""
    is_write = any(operation.is_write for operation in operations)
    return _is_broken(error) and not is_write


def _is_broken(error: BaseException) -> bool:
    """Whether the connection broke, so that nobody knows if the command arrived."""
    return isinstance(error, ConnectionError) and not isinstance(error, _REFUSALS)


def _reply(connection: Any) -> Any:
    try:
        return resp2(connection.read_response())
    except ResponseError as error:
        return error.with_traceback(None)  # whose frames would keep the connection


async def _areply(connection: Any) -> Any:
    try:
        return resp2(await connection.read_response())
    except ResponseError as error:
        return error.with_traceback(None)
