"""The limits of nesting: one for values that are written, one for those that are read.

A value may nest DEEPEST containers. Release 0.1.0 stored deeper values, which can
still be read.
"""

from collections.abc import Callable
from functools import cache
from itertools import chain
from threading import Thread
from typing import Any

import ormsgpack

from .interruptions import is_stack_deep, raise_if_interrupted

DEEPEST = 100
"""The number of containers that a value may nest."""

READABLE = 640
"""Levels that are read within an extension, which itself counts as two.

This is enough for 300 nested tuples. It limits the C stack: ormsgpack takes half a
kilobyte for a level and two for an extension.
"""

_OPTIONS = ormsgpack.OPT_NON_STR_KEYS | ormsgpack.OPT_PASSTHROUGH_BIG_INT
_CONTAINERS = (dict, list, tuple, set, frozenset)
_SCALARS = frozenset((str, int, float, bool, type(None), bytes))
_HEADS = bytes(
    (*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0))
)
"""The first bytes of msgpack's maps, arrays and extensions."""


def is_deeper(value: Any) -> bool:
    """Return whether a value nests more than DEEPEST containers, or contains itself.

    It does not recurse: it goes level by level.
    """
    if not isinstance(value, _CONTAINERS) or _is_packed_within(value):
        return False
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        depth += 1
        below = {id(each): each for each in _members_of(level)}  # each one once
        level = [each for each in below.values() if isinstance(each, _CONTAINERS)]
    return depth > DEEPEST


def _is_packed_within(value: Any) -> bool:
    """Return whether ormsgpack packs a value with DEEPEST levels left.

    Ten times as fast as checking each member. The value may still be valid if this
    returns False.
    """
    for _ in range(_extra_levels()):
        value = [value]
    try:
        ormsgpack.packb(value, _as_list, _OPTIONS)
    except (TypeError, ValueError, RecursionError) as error:
        raise_if_interrupted(error, lambda: ormsgpack.packb(value, _as_list, _OPTIONS))
        return False
    return True


@cache
def _extra_levels() -> int:
    """Return how many levels ormsgpack packs in addition to DEEPEST."""
    value: Any = None
    for levels in range(5000):
        try:
            ormsgpack.packb(value)
        except (TypeError, ValueError):
            return levels - 1 - DEEPEST
        value = [value]
    raise RuntimeError("ormsgpack packs any number of levels.")


def _as_list(value: Any) -> Any:
    """Return a list with as many levels as *value*, for ormsgpack."""
    return list(value) if isinstance(value, _CONTAINERS) else None


def _members_of(containers: list[Any]) -> list[Any]:
    """Return the members that may be containers."""
    dicts = [each for each in containers if isinstance(each, dict)]
    if not dicts:
        members = chain.from_iterable(containers)
    else:
        members = chain(
            chain.from_iterable(dicts),
            chain.from_iterable([each.values() for each in dicts]),
            chain.from_iterable(c for c in containers if not isinstance(c, dict)),
        )
    return [each for each in members if type(each) not in _SCALARS]


def may_be_deep(packed: bytes) -> bool:
    """Return whether a packed object has enough containers to be nested too deep."""
    if packed[:1] == b"{":
        return packed.count(b"[") + packed.count(b"{") > DEEPEST
    return count_heads(packed) > DEEPEST


def count_heads(packed: bytes) -> int:
    """Return how many bytes of msgpack may be headers of containers or extensions."""
    return len(packed) - len(packed.translate(None, _HEADS))


def count_levels(packed: bytes) -> int:
    """Return how many arrays and maps nest in msgpack, without those in extensions.

    Raises ValueError or IndexError if the bytes are truncated. O(items).
    """
    deepest, at, remaining = 0, 0, [1]
    while remaining:
        if not remaining[-1]:
            remaining.pop()
            continue
        remaining[-1] -= 1
        at, members = _read_header(packed, at)
        if members:
            remaining.append(members)
            deepest = max(deepest, len(remaining) - 1)
    return deepest


def _read_header(packed: bytes, at: int) -> tuple[int, int]:
    """Return the position after the header at *at*, and how many items follow it."""
    head = packed[at]
    if head < 0x80 or head >= 0xE0:
        return at + 1, 0
    if head < 0xA0:
        members = head & 0x0F
        return at + 1, members if head >= 0x90 else 2 * members
    if head < 0xC0:
        return at + 1 + (head & 0x1F), 0
    fixed, width = _HEADERS[head - 0xC0]
    end = at + 1 + width
    if end > len(packed):
        raise ValueError("unexpected end")
    size = int.from_bytes(packed[at + 1 : end], "big")
    if head >= 0xDC:
        return end, size if head < 0xDE else 2 * size
    return end + fixed + size, 0


_HEADERS = (
    # For each header from 0xC0 on: the bytes that follow it in addition to those that
    # its size counts, and the number of bytes of that size.
    *((0, 0),) * 4,  # nil, unused, false, true
    (0, 1), (0, 2), (0, 4),  # bytes
    (1, 1), (1, 2), (1, 4),  # extensions: the code
    (4, 0), (8, 0),  # floats
    (1, 0), (2, 0), (4, 0), (8, 0),  # unsigned
    (1, 0), (2, 0), (4, 0), (8, 0),  # signed
    (2, 0), (3, 0), (5, 0), (9, 0), (17, 0),  # extensions of a fixed size
    (0, 1), (0, 2), (0, 4),  # texts
    (0, 2), (0, 4),  # arrays
    (0, 2), (0, 4),  # maps
)  # fmt: skip


def with_room(function: Callable[..., Any], *args: Any) -> Any:
    """Call a pure function, and retry it on an empty stack if the stack is deep.

    Values are stored and read independently of the depth of the caller's stack. Raises
    the error of the retry if that fails too.
    """
    try:
        return function(*args)
    except Exception:  # ormsgpack wraps our RecursionError in its own error
        if not is_stack_deep():
            raise
    results: list[Any] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            results.append(function(*args))
        except Exception as error:
            errors.append(error)

    thread = Thread(target=call)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
