"""One alias in use: sends operations and returns their raw replies, in both colours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from ..conf import Alias
from ..exceptions import NotSupportedError
from ..operations.operation import Operation
from .async_pools import LoopPool, of_running_loop
from .endpoints import Endpoint
from .pools import pools
from .protocol import packed, resp2
from .refusals import is_of_cluster, is_refusal, to_repeat, typed
from .thread_pools import is_broken

_WHO_AM_I = Operation("CLIENT ID", keys=())


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
        self._has_answered = False

    def __repr__(self) -> str:
        return f"<Connection {self.alias.name!r}>"

    @property
    def endpoint(self) -> Endpoint:
        """What the alias names, read on first use. Raises ImproperlyConfigured."""
        if self._endpoint is None:
            # Here: each alias needs one of the two, and no import needs any.
            if self.alias.cache is not None:
                from .cache_pools import endpoint
            else:
                from .urls import endpoint
            with pools.lock:
                if self._endpoint is None:
                    self._endpoint = endpoint(self.alias)
        return self._endpoint

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        """Return the raw replies of *operations*, in order. One round trip.

        Replies are bytes in RESP2's shapes, whatever protocol is spoken. An error that
        the server replied stands in its place in the list, with a note that names the
        alias, as those of redis-py have it that are raised if the connection fails.

        If the connection breaks, reads alone are sent once more, and anything with a
        write is not. Operations that a replica refused, or a server that is loading,
        wrote nothing: they are sent once more, over a new connection.
        """
        pool = self._pool or self._open()
        try:
            try:
                replies, errors = _exchange(pool, operations)
            except RedisError as error:
                if not _is_repeatable(operations, error):
                    raise
                replies, errors = _exchange(pool, operations)
            self._has_answered = True
            if errors:
                if again := to_repeat(operations, replies):
                    repeated, _ = _exchange(pool, [operations[i] for i in again])
                    _put(repeated, again, replies)
                self._explain(replies)
        except RedisError as error:
            self._annotate(error)
            if is_broken(error) and not self._has_answered:
                with self._only_refusals(error):
                    _exchange(pool, [_WHO_AM_I])
            raise
        return replies

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        """See send()."""
        pool = of_running_loop().get(self._endpoint or self.endpoint)
        try:
            try:
                replies, errors = await _aexchange(pool, operations)
            except RedisError as error:
                if not _is_repeatable(operations, error):
                    raise
                replies, errors = await _aexchange(pool, operations)
            self._has_answered = True
            if errors:
                if again := to_repeat(operations, replies):
                    repeated, _ = await _aexchange(pool, [operations[i] for i in again])
                    _put(repeated, again, replies)
                self._explain(replies)
        except RedisError as error:
            self._annotate(error)
            if is_broken(error) and not self._has_answered:
                with self._only_refusals(error):
                    await _aexchange(pool, [_WHO_AM_I])
            raise
        return replies

    @property
    def client(self) -> redis.Redis:
        """redis-py's client over the same pool, for commands of one's own."""
        if self._client is None:
            self._client = redis.Redis(connection_pool=self._pool or self._open())
        return self._client

    @property
    def aclient(self) -> redis.asyncio.Redis:
        """See client: that of the running event loop."""
        return of_running_loop().client(self.endpoint)

    def close(self) -> None:
        """Close the sync connections that are idle. A cache's pool is left alone."""
        if self._pool is not None and self.endpoint.lent is None:
            self._pool.close_idle()

    async def aclose(self) -> None:
        """Close the idle connections of the running loop."""
        await of_running_loop().retire(self.endpoint)

    def _open(self) -> Any:
        if self.endpoint.lent is None:
            self._pool = pools.get(self.endpoint)
        else:
            from .cache_pools import NoRetryPool

            self._pool = NoRetryPool(self.endpoint.lent)
        return self._pool

    def _annotate(self, error: RedisError) -> None:
        error.add_note(f"ORMIST alias {self.alias.name!r} at {self.endpoint.place}")

    @contextmanager
    def _only_refusals(self, cause: RedisError) -> Iterator[None]:
        """Raise what a server that has never answered says of a missing password.

        Redis hangs up on a long request before the password, and its reply may be lost.
        """
        try:
            yield
        except AuthenticationError as refusal:
            self._annotate(refusal)
            raise refusal from cause
        except RedisError:
            pass  # the cause is raised

    def _explain(self, replies: list[Any]) -> None:
        """Name the alias in the errors among *replies*, or say that it is a Cluster."""
        for i, reply in enumerate(replies):
            if is_of_cluster(reply):
                replies[i] = self._not_supported(reply)
            elif isinstance(reply, RedisError) and not isinstance(reply, NoScriptError):
                self._annotate(reply)

    def _not_supported(self, error: RedisError) -> NotSupportedError:
        explained = NotSupportedError(
            f"ORMIST alias {self.alias.name!r} at {self.endpoint.place} is one node of "
            f"a Cluster, and the keys asked for are not on it ({_code(error)}). This "
            "version does not support Clusters: name a server that runs without "
            "cluster-enabled in LOCATION."
        )
        explained.__cause__ = error
        return explained


def _is_repeatable(operations: Sequence[Operation], error: BaseException) -> bool:
    """Whether these may be sent once more: reads, whose connection broke."""
    is_write = any(operation.is_write for operation in operations)
    return is_broken(error) and not is_write


def _exchange(
    pool: Any, operations: Sequence[Operation]
) -> tuple[list[Any], list[Any]]:
    """Return the replies of one round trip, and the errors among them.

    A connection is used again after an exchange that ended well alone: a reply that was
    not read must not meet the next command.
    """
    request = packed(operations)
    lease = pool.lease()
    try:
        connection = lease.connection
        connection.send_packed_command(request, check_health=False)
        replies = [_reply(connection) for _ in operations]
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
        if errors and any(map(is_refusal, errors)):
            pool.give_back(lease, is_sound=False)
            pool.renew(connection)
        else:
            pool.give_back(lease)
    except BaseException:
        pool.give_back(lease, is_sound=False)
        raise
    return replies, errors


async def _aexchange(
    pool: LoopPool, operations: Sequence[Operation]
) -> tuple[list[Any], list[Any]]:
    """See _exchange()."""
    request = packed(operations)
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command(request, check_health=False)
        replies = [await _areply(connection) for _ in operations]
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
    except BaseException:
        await pool.discard(connection)
        raise
    if errors and any(map(is_refusal, errors)):
        await pool.discard(connection)
        await pool.renew(connection)
    else:
        await pool.release(connection)
    return replies, errors


def _reply(connection: Any) -> Any:
    try:
        return resp2(connection.read_response(disconnect_on_error=False))
    except (ResponseError, BusyLoadingError) as error:
        # without a traceback, whose frames would keep the connection
        return typed(error.with_traceback(None))


async def _areply(connection: Any) -> Any:
    try:
        return resp2(await connection.read_response(disconnect_on_error=False))
    except (ResponseError, BusyLoadingError) as error:
        return typed(error.with_traceback(None))


def _put(repeated: list[Any], positions: list[int], replies: list[Any]) -> None:
    for i, reply in zip(positions, repeated, strict=True):
        replies[i] = reply


def _code(error: RedisError) -> str:
    """The word by which the server names an error: MOVED, CLUSTERDOWN."""
    return str(error.status_code)
