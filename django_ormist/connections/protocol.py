"""Encoding of operations as requests, and RESP3's replies in the shapes of RESP2."""

from collections.abc import Sequence
from typing import Any

import hiredis

from ..operations.operation import Operation

_RESP3 = (dict, float, bool, set, frozenset)


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


def as_bytes(word: Any) -> Any:
    """Return a text or a number as bytes, and other words unchanged."""
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, int | float) and not isinstance(word, bool):
        return repr(word).encode()
    return word


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
