"""Parsers of the replies of scripts."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple

from ..exceptions import CorruptDataError


class Reply(IntEnum):
    """The code at the start of a script's reply."""

    MISTYPED = -1
    REFUSED = 0
    DONE = 1
    ORPHAN_INDEX = 2
    EXPIRED = 3
    NOT_RUN = 4
    UNIQUE_TAKEN = 5
    GUARD_FAILED = 6
    COUNTER_CHANGED = 7
    MOVED_BEFORE = 8
    TAKEN_OVER = 9


_REPLIES = {int(code): code for code in Reply}
"""By their numbers: five times as fast as a call of Reply."""


def parse_reply(reply: Any) -> tuple[Reply, Any]:
    """Return (Reply, fact) of the reply of a script. The fact may be absent.

    An integer is DONE: 1, or as the fact the server's time of the write in ms. The fact
    of UNIQUE_TAKEN is a list: see reply_parser(). Raises CorruptDataError for a key of
    another Redis type, and names it.
    """
    if type(reply) is int:
        return Reply.DONE, reply if reply != 1 else None
    code = _REPLIES[reply[0]]
    fact: Any = reply[1] if len(reply) > 1 else None
    if code is Reply.UNIQUE_TAKEN:
        fact = reply[1:]
    if code is Reply.MISTYPED:
        raise mistyped_error(fact)
    return code, fact


class Holder(NamedTuple):
    """The object that has a unique value: its id, and the names of the attributes.

    number: the position of the refused object, from 1.
    """

    names: tuple[str, ...]
    pk: bytes
    number: int = 1


def reply_parser(unique: Iterable[tuple[str, ...]]) -> Callable[[Any], Any]:
    """Return a parse_reply() whose fact of UNIQUE_TAKEN is a Holder.

    unique: the names of each unique constraint, in the order of the script's keys.
    """
    names = list(unique)

    def read(reply: Any) -> tuple[Reply, Any]:
        code, fact = parse_reply(reply)
        if code is Reply.UNIQUE_TAKEN:
            *number, which, pk = fact
            fact = Holder(names[which - 1], pk, *number)
        return code, fact

    return read if names else parse_reply


def mistyped_error(key: bytes, written: str = "") -> CorruptDataError:
    """Return the error for a key that holds another Redis type.

    written: what was written nevertheless.
    """
    return CorruptDataError(
        f"The key {key!r} holds another Redis type than django_ormist stores there. "
        f"{written or 'Nothing was written.'} Move that key away, or choose another "
        "KEY_PREFIX."
    )


def parse_counters(reply: Any, key: bytes) -> dict[str, int]:
    """Return {name: value} of the counters at *key*. Raises CorruptDataError."""
    try:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): int(value) for name, value in pairs}
    except ValueError as error:
        raise counter_error(key) from error


def counter_error(key: bytes) -> CorruptDataError:
    """Return the error for a counter that is not an integer."""
    return CorruptDataError(
        f"The key {key!r} holds a counter that is not an integer. "
        "Delete the key, or set the counter to a number."
    )
