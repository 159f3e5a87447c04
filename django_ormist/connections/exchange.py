"""Exchanges: one request over one connection of a pool, and the replies to it."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from ..operations.operation import Operation
from .async_pools import LoopPool
from .messages import aread, asend, read, send
from .refusals import is_refusal
from .steps import Broken, Outcome
from .thread_pools import Lease


def exchange(pool: Any, operations: Sequence[Operation]) -> tuple[list[Any], list[Any]]:
    """Return the replies of one round trip, and the errors among them.

    The connection is reused only after a complete exchange, so that an unread reply is
    never taken for that of the next command.
    """
    lease = pool.lease()
    try:
        connection = lease.connection
        replies = send(connection, operations)
        replies += [read(connection) for _ in operations[len(replies) :]]
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


async def aexchange(
    pool: LoopPool, operations: Sequence[Operation]
) -> tuple[list[Any], list[Any]]:
    """See exchange()."""
    connection = pool.take() or await pool.get_connection()
    try:
        replies = await asend(connection, operations)
        replies += [await aread(connection) for _ in operations[len(replies) :]]
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
    except BaseException:
        await pool.discard(connection)
        raise
    if errors and any(map(is_refusal, errors)):
        await pool.discard(connection)
        await pool.renew(connection)
    elif not pool.keep(connection):
        await pool.release(connection)
    return replies, errors


def attempt(pool: Any, operations: Sequence[Operation]) -> tuple[Outcome, list[Any]]:
    """Return the outcome of one round trip, and the errors among its replies.

    If the connection is not to be used again, its siblings in the pool are closed too.
    """
    try:
        lease = pool.lease()
    except RedisError as error:
        return Broken(error.with_traceback(None), was_sent=False), [error]
    try:
        connection = lease.connection
        replies = send(connection, operations)
        replies += [read(connection) for _ in operations[len(replies) :]]
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
        if errors and any(map(is_refusal, errors)):
            pool.give_back(lease, is_sound=False)
            pool.renew(connection)
        else:
            pool.give_back(lease)
    except RedisError as error:
        pool.give_back(lease, is_sound=False)
        pool.renew(connection)
        return Broken(error.with_traceback(None), was_sent=True), [error]
    except BaseException:
        pool.give_back(lease, is_sound=False)
        raise
    return replies, errors


async def aattempt(
    pool: LoopPool, operations: Sequence[Operation]
) -> tuple[Outcome, list[Any]]:
    """See attempt()."""
    try:
        connection = pool.take() or await pool.get_connection()
    except RedisError as error:
        return Broken(error.with_traceback(None), was_sent=False), [error]
    try:
        replies = await asend(connection, operations)
        replies += [await aread(connection) for _ in operations[len(replies) :]]
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
    except RedisError as error:
        await pool.discard(connection)
        await pool.renew(connection)
        return Broken(error.with_traceback(None), was_sent=True), [error]
    except BaseException:
        await pool.discard(connection)
        raise
    if errors and any(map(is_refusal, errors)):
        await pool.discard(connection)
        await pool.renew(connection)
    elif not pool.keep(connection):
        await pool.release(connection)
    return replies, errors


class Exchange:
    """One of several exchanges that happen at once: all write before any reads.

    outcome: the replies, or Broken, after read().
    """

    __slots__ = ("lease", "operations", "outcome", "pool", "replies")

    def __init__(self, pool: Any, operations: Sequence[Operation]) -> None:
        self.pool = pool
        self.operations = operations
        self.lease: Lease | None = None
        self.replies: list[Any] = []
        self.outcome: Outcome | None = None

    def open(self) -> None:
        """Lease a connection."""
        try:
            self.lease = self.pool.lease()
        except RedisError as error:
            self.outcome = Broken(error.with_traceback(None), was_sent=False)

    def write(self) -> None:
        """Send the request."""
        if self.lease is not None:
            try:
                self.replies = send(self.lease.connection, self.operations)
            except RedisError as error:
                self._break(error)

    def read(self) -> None:
        """Read the replies, and give the connection back."""
        lease = self.lease
        if lease is None:
            return
        try:
            waiting = self.operations[len(self.replies) :]
            replies = self.replies + [read(lease.connection) for _ in waiting]
        except RedisError as error:
            self._break(error)
            return
        errors = [reply for reply in replies if isinstance(reply, RedisError)]
        if errors and any(map(is_refusal, errors)):
            self._close(lease)
        else:
            self.pool.give_back(lease)
            self.lease = None
        self.outcome = replies

    def abandon(self) -> None:
        """Close the connection, if it is in use. A second call has no effect."""
        if self.lease is not None:
            self.pool.give_back(self.lease, is_sound=False)

    def _break(self, error: RedisError) -> None:
        """End a broken exchange. Other connections to the node may be broken too."""
        if self.lease is not None:
            self._close(self.lease)
        self.outcome = Broken(error.with_traceback(None), was_sent=True)

    def _close(self, lease: Lease) -> None:
        """Close the connection, and its siblings in the pool."""
        connection = lease.connection
        self.pool.give_back(lease, is_sound=False)
        self.pool.renew(connection)
        self.lease = None


class AsyncExchange:
    """See Exchange."""

    __slots__ = ("connection", "operations", "outcome", "pool")

    def __init__(self, pool: LoopPool, operations: Sequence[Operation]) -> None:
        self.pool = pool
        self.operations = operations
        self.connection: Any = None
        self.outcome: Outcome | None = None

    async def open(self) -> None:
        """Take a connection."""
        try:
            self.connection = self.pool.take() or await self.pool.get_connection()
        except RedisError as error:
            self.outcome = Broken(error.with_traceback(None), was_sent=False)

    async def write_and_read(self) -> None:
        """Send the request, read the replies, and give the connection back."""
        connection = self.connection
        if connection is None:
            return
        try:
            replies = await asend(connection, self.operations)
            waiting = self.operations[len(replies) :]
            self.outcome = replies + [await aread(connection) for _ in waiting]
        except RedisError as error:
            self.outcome = Broken(error.with_traceback(None), was_sent=True)
        is_sound = not (
            isinstance(self.outcome, Broken) or any(map(is_refusal, self.outcome))
        )
        self.connection = None
        if is_sound:
            if not self.pool.keep(connection):
                await self.pool.release(connection)
        else:
            await self.pool.discard(connection)
            await self.pool.renew(connection)

    async def abandon(self) -> None:
        """See Exchange.abandon()."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await self.pool.discard(connection)
