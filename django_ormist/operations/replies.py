"""Parsers of the answers of scripts."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple

from ..exceptions import CorruptDataError


class Reply(IntEnum):
    """The first number of a script's answer."""

    MISTYPED = -1
    REFUSED = 0
    DONE = 1
    ORPHAN_INDEX = 2
    EXPIRED = 3
    NOT_RUN = 4
    UNIQUE_TAKEN = 5
    GUARD_FAILED = 6
    COUNTER_CHANGED = 7


def outcome(reply: Any) -> tuple[Reply, Any]:
    """Return a script's answer as (Reply, its fact or None).

    With UNIQUE_TAKEN the fact is a list: outcome_among() reads it. Raises
    CorruptDataError that names the key if one holds another type.
    """
    if reply == 1:
        return Reply.DONE, None
    code = Reply(reply[0])
    fact: Any = reply[1] if len(reply) > 1 else None
    if code is Reply.UNIQUE_TAKEN:
        fact = reply[1:]
    if code is Reply.MISTYPED:
        raise mistyped(fact)
    return code, fact


class Holder(NamedTuple):
    """The holder of a unique value: names of the unique attributes, and its id.

    number: the position of the refused object among many, from 1.
    """

    names: tuple[str, ...]
    pk: bytes
    number: int = 1


def outcome_among(unique: Iterable[tuple[str, ...]]) -> Callable[[Any], Any]:
    """Return outcome() with a Holder for UNIQUE_TAKEN, by these unique attributes."""
    names = list(unique)

    def read(reply: Any) -> tuple[Reply, Any]:
        code, fact = outcome(reply)
        if code is Reply.UNIQUE_TAKEN:
            *number, which, pk = fact
            fact = Holder(names[which - 1], pk, *number)
        return code, fact

    return read if names else outcome


def mistyped(key: bytes) -> CorruptDataError:
    """Return the error for a key that holds another Redis type."""
    return CorruptDataError(
        f"The key {key!r} holds another Redis type than django_ormist stores there. "
        "Nothing was written. Move that key away, or choose another KEY_PREFIX."
    )


def counters(reply: Any, key: bytes) -> dict[str, int]:
    """Return the counters of one object by name. Raises CorruptDataError with *key*."""
    try:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): int(value) for name, value in pairs}
    except ValueError as error:
        raise not_a_counter(key) from error


def not_a_counter(key: bytes) -> CorruptDataError:
    """Return the error for a counter that is not an integer."""
    return CorruptDataError(
        f"The key {key!r} holds a counter that is not an integer. "
        "Delete the key, or set the counter to a number."
    )
