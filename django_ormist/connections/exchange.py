"""Exchanges: one request over one connection of a pool, and the replies to it.

Replies have the shapes of RESP2, also with RESP3.
"""

from collections.abc import Sequence
from typing import Any

import hiredis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from ..operations.operation import Operation
from .async_pools import LoopPool
from .refusals import is_refusal, unwrap_error
from .steps import Broken, Outcome
from .thread_pools import Lease, as_bytes
from .wire import aread_reply, asend, read_reply

_RESP3 = (dict, float, bool, set, frozenset)


def exchange(pool: Any, operations: Sequence[Operation]) -> tuple[list[Any], list[Any]]:
    """Return the replies of one round trip, and the errors among them.

    The connection is reused only after a complete exchange, so that an unread reply is
    never taken for that of the next command.
    """
    request = encode(operations)
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


async def aexchange(
    pool: LoopPool, operations: Sequence[Operation]
) -> tuple[list[Any], list[Any]]:
    """See exchange()."""
    request = encode(operations)
    connection = await pool.get_connection()
    try:
        await asend(connection, request)
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
        return normalize_reply(read_reply(connection))
    except (ResponseError, BusyLoadingError) as error:
        # without a traceback, whose frames would keep the connection
        return unwrap_error(error.with_traceback(None))


async def _areply(connection: Any) -> Any:
    try:
        return normalize_reply(await aread_reply(connection))
    except (ResponseError, BusyLoadingError) as error:
        return unwrap_error(error.with_traceback(None))


def attempt(pool: Any, operations: Sequence[Operation]) -> tuple[Outcome, list[Any]]:
    """Return the outcome of one round trip, and the errors among its replies.

    If the connection is not to be used again, its siblings in the pool are closed too.
    """
    request = encode(operations)
    try:
        lease = pool.lease()
    except RedisError as error:
        return Broken(error.with_traceback(None), was_sent=False), [error]
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
    request = encode(operations)
    try:
        connection = await pool.get_connection()
    except RedisError as error:
        return Broken(error.with_traceback(None), was_sent=False), [error]
    try:
        await asend(connection, request)
        replies = [await _areply(connection) for _ in operations]
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
    else:
        await pool.release(connection)
    return replies, errors


class Exchange:
    """One of several exchanges that happen at once: all write before any reads.

    outcome: the replies, or Broken, after read().
    """

    __slots__ = ("lease", "operations", "outcome", "pool")

    def __init__(self, pool: Any, operations: Sequence[Operation]) -> None:
        self.pool = pool
        self.operations = operations
        self.lease: Lease | None = None
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
            request = encode(self.operations)
            try:
                self.lease.connection.send_packed_command(request, check_health=False)
            except RedisError as error:
                self._break(error)

    def read(self) -> None:
        """Read the replies, and give the connection back."""
        lease = self.lease
        if lease is None:
            return
        try:
            replies = [_reply(lease.connection) for _ in self.operations]
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
            self.connection = await self.pool.get_connection()
        except RedisError as error:
            self.outcome = Broken(error.with_traceback(None), was_sent=False)

    async def write_and_read(self) -> None:
        """Send the request, read the replies, and give the connection back."""
        connection = self.connection
        if connection is None:
            return
        try:
            request = encode(self.operations)
            await asend(connection, request)
            self.outcome = [await _areply(connection) for _ in self.operations]
        except RedisError as error:
            self.outcome = Broken(error.with_traceback(None), was_sent=True)
        is_sound = not (
            isinstance(self.outcome, Broken) or any(map(is_refusal, self.outcome))
        )
        self.connection = None
        if is_sound:
            await self.pool.release(connection)
        else:
            await self.pool.discard(connection)
            await self.pool.renew(connection)

    async def abandon(self) -> None:
        """See Exchange.abandon()."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await self.pool.discard(connection)


# Requests as bytes, replies in the shapes of RESP2


def encode(operations: Sequence[Operation]) -> list[bytes]:
    """Return the request for all *operations*, in one piece for one system call."""
    if len(operations) == 1:
        return [_command(operations[0].wire_args())]
    return [b"".join([_command(operation.wire_args()) for operation in operations])]


def _command(words: tuple[Any, ...]) -> bytes:
    if " " in words[0]:  # "MEMORY USAGE" is two words to the server
        words = (*words[0].split(), *words[1:])
    # hiredis converts an int in the middle of its work, where a signal handler may run,
    # and ends the process if that raises. So all words are converted to bytes first.
    # The common types are checked inline, since a call for each word costs more.
    sent: list[Any] = [
        word
        if (kind := type(word)) is bytes
        else b"%d" % word
        if kind is int
        else word.encode()
        if kind is str
        else as_bytes(word)
        for word in words
    ]
    command: bytes = hiredis.pack_command(tuple(sent))
    return command


def normalize_reply(reply: Any) -> Any:
    """Return *reply* in its RESP2 shape: a map as a flat list, a double as text.

    Only the outermost shape is converted, for speed. Our one operation with a list of
    doubles in its reply, ZRANGEBYSCORE with scores, reads both shapes.
    """
    if type(reply) not in _RESP3:
        return reply
    if isinstance(reply, dict):
        return [part for pair in reply.items() for part in pair]
    if isinstance(reply, float):
        return b"%.17g" % reply
    return int(reply) if isinstance(reply, bool) else list(reply)
