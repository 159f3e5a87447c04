"""Requests in pieces, and replies in the shapes of RESP2, also with RESP3.

A server runs all commands that it has received from a client before it turns to the
next client. So a long request is sent in pieces, the next one only when few are
unanswered. An operation is encoded when its piece is due, while the server works on
those before it.

It is one round trip nevertheless: no piece waits long for a reply. A server far away
gets the pieces in short intervals, in which it runs them.
"""

import asyncio
import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import hiredis
from redis.exceptions import BusyLoadingError, ResponseError

from ..operations.operation import Operation
from .async_wire import aread_reply, asend_bytes, wire_of
from .refusals import unwrap_error
from .thread_pools import as_bytes
from .wire import has_reply, read_reply, send_bytes

PIECE_WORDS = 500
"""Words of a piece with several commands: a script takes 1 to 4 us for each."""

SWEEP_WORDS = 30
"""Words for which a script that writes counts in addition: it may sweep objects."""

MOST_UNANSWERED = 2
"""Pieces without a reply: the server works on one, and has the next."""

FIRST_PAUSE_S, PAUSE_S = 0.003, 0.01
"""The longest wait for a reply before the next piece: until there is one, and later.

A server whose first reply is late may be far away. Then each piece would wait as long.
"""

_RESP3 = (dict, float, bool, set, frozenset)


def send(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """Send the request, and return the replies that have arrived meanwhile.

    An error reply is an item of the list. Over a connection without a Wire, which is
    not known to have a reply, pieces are sent without a pause.
    """
    if len(operations) == 1:
        request = encode(operations[0].wire_args())
        send_bytes(connection, request)
        return []
    replies: list[Any] = []
    ends: list[int] = []
    for request, end in _pieces(operations):
        if len(ends) >= MOST_UNANSWERED:
            awaited = ends[-MOST_UNANSWERED]
            pause_s = PAUSE_S if replies else FIRST_PAUSE_S
            while len(replies) < awaited and has_reply(connection, pause_s):
                replies.append(read(connection))
        send_bytes(connection, request)
        ends.append(end)
    return replies


async def asend(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """See send()."""
    if len(operations) == 1:
        await asend_bytes(connection, encode(operations[0].wire_args()))
        return []
    replies: list[Any] = []
    ends: list[int] = []
    for request, end in _pieces(operations):
        if len(ends) >= MOST_UNANSWERED and wire_of(connection) is not None:
            try:
                async with asyncio.timeout(PAUSE_S if replies else FIRST_PAUSE_S):
                    while len(replies) < ends[-MOST_UNANSWERED]:
                        replies.append(await aread(connection))
            except builtins.TimeoutError:
                pass
        await asend_bytes(connection, request)
        ends.append(end)
    return replies


def _pieces(operations: Sequence[Operation]) -> Iterator[tuple[bytes, int]]:
    """Yield the request in pieces, each with the number of operations up to its end."""
    commands: list[bytes] = []
    size = number = 0
    for number, operation in enumerate(operations):
        words = operation.wire_args()
        added = len(words) + (SWEEP_WORDS if operation.is_write else 0)
        if commands and size + added > PIECE_WORDS:
            yield b"".join(commands), number
            commands, size = [], 0
        commands.append(encode(words))
        size += added
        if size >= PIECE_WORDS:  # the next operation is not made before this is sent
            yield b"".join(commands), number + 1
            commands, size = [], 0
    if commands:
        yield b"".join(commands), number + 1


def encode(words: tuple[Any, ...]) -> bytes:
    """Return a command as bytes."""
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


def read(connection: Any) -> Any:
    """Return the next reply. An error reply is returned, not raised."""
    try:
        return normalize_reply(read_reply(connection))
    except (ResponseError, BusyLoadingError) as error:
        # without a traceback, whose frames would keep the connection
        return unwrap_error(error.with_traceback(None))


async def aread(connection: Any) -> Any:
    """See read()."""
    try:
        return normalize_reply(await aread_reply(connection))
    except (ResponseError, BusyLoadingError) as error:
        return unwrap_error(error.with_traceback(None))


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
