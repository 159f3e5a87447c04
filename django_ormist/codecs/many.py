"""Conversion of many objects to bytes and back, in one call of the codec.

If that fails, each object is converted alone, which names the culprit.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, repeat
from operator import countOf
from typing import Any, NamedTuple

from . import as_msgpack
from .depth import is_deeper, may_be_deep, with_room
from .interruptions import raise_if_interrupted
from .lifetimes import Deadline, Lifetime
from .objects import FLAT, LARGEST, LEFT_OUT, MSGPACK, check_deadline, pack, unpack

_SIZES = {
    version + bytes((0x90 + size,)): size for version in MSGPACK for size in LEFT_OUT
}
"""The number of items of an object, by its first two bytes."""


class Columns(NamedTuple):
    """The contents of objects: attributes, tags, and deadlines in ms or None."""

    attrs: Sequence[dict[str, Any]] = ()
    tags: Sequence[list[str]] = ()
    deadlines: Sequence[int | None] = ()


def pack_many(
    attrs: Sequence[dict[str, Any]],
    tags: Sequence[list[str]],
    deadlines: Sequence[Deadline | None],
    codec: str,
) -> list[bytes]:
    """Return the bytes of each object, as pack() does. Raises TypeError, ValueError."""
    columns = attrs, tags, deadlines
    pack_alone = partial(pack, codec=codec)
    if codec == "json":
        return [*map(pack_alone, *columns)]
    try:
        return _pack_together(*columns)
    except (TypeError, ValueError, RecursionError) as error:
        found = [*map(pack_alone, *columns)]
        raise_if_interrupted(error, lambda: _pack_together(*columns))
        return found


def _pack_together(
    attrs: Sequence[dict[str, Any]],
    tags: Sequence[list[str]],
    deadlines: Sequence[Deadline | None],
) -> list[bytes]:
    """Return the bytes of objects without buffers, deep values and much data."""
    kinds = {*map(type, chain.from_iterable(map(dict.values, attrs)))}
    if not as_msgpack.BUFFERS.isdisjoint(kinds):
        raise TypeError("a buffer")
    placed = [e.placeholder_ms if isinstance(e, Lifetime) else e for e in deadlines]
    packed = as_msgpack.pack_many(attrs, tags, placed)
    if not kinds <= FLAT:
        for data, each in zip(packed, attrs, strict=True):
            if may_be_deep(data) and any(map(is_deeper, each.values())):
                raise ValueError("nested too deep")
    if max(map(len, packed), default=0) > LARGEST:
        raise ValueError("too large")
    return packed


def unpack_many(packed: Sequence[bytes], keys: Callable[[int], bytes]) -> Columns:
    """Return the contents of objects, each checked as unpack() does.

    keys: the key of the object at a position.
    """
    together: Callable[[], Columns] = partial(with_room, _unpack_together, packed)
    try:
        return together()
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        found = [unpack(data, keys(i)) for i, data in enumerate(packed)]
        raise_if_interrupted(error, together)
        return Columns(*zip(*found, strict=True))


def _unpack_together(packed: Sequence[bytes]) -> Columns:
    """Return the contents of objects in msgpack, decoded in one call.

    Without their first two bytes all of them are one array [True, attributes, tags,
    True, attributes, tags .. True, None]. One that does not end where its bytes do
    changes a True, a type or the None. A call for each object, with its checks, takes
    twice as long. Raises LookupError, TypeError or ValueError.
    """
    if not packed:
        return Columns()
    number, start, lasting = len(packed), packed[0][:2], 0
    size = _SIZES[start]
    together = _join_array(size, map(bytes.removeprefix, packed, repeat(start)), number)
    if len(together) + number != sum(map(len, packed)) + _ADDED:  # some begin else
        size, sizes = 3, [_SIZES[data[:2]] for data in packed]
        lasting = number - sizes.count(3)  # a byte that was added may take their nil
        pairs = zip(packed, sizes, strict=True)
        whole = (data[2:] + LEFT_OUT[size] for data, size in pairs)
        together = _join_array(size, whole, number)
    found = as_msgpack.decode(together)
    step = size + 1
    attrs = found[1:-1:step]
    tags = found[2::step] if size > 1 else [[] for _ in attrs]
    deadlines = found[3::step] if size > 2 else []
    if (
        found[-1] is not None
        or found[::step].count(True) != number + 1
        or countOf(map(type, attrs), dict) != number
        or countOf(map(type, tags), list) != number
        or deadlines.count(None) != lasting
    ):
        raise ValueError("not objects")
    deque(map("".join, tags), 0)  # TypeError unless all are str
    deque(map(check_deadline, deadlines), 0)
    return Columns(attrs, tags, deadlines or [None] * number)


def _join_array(size: int, parts: Iterable[bytes], number: int) -> bytes:
    """Return the array of True, parts of *size* packed items each before True, None."""
    head = b"\xdd" + ((size + 1) * number + 2).to_bytes(4, "big")
    return b"\xc3".join((head, *parts, b"\xc0"))


_ADDED = len(_join_array(0, (), 0))
"""Bytes that _join_array() adds to the parts, besides one for each."""
