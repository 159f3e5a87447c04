"""Index entries whose object somebody removed behind our back."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..keys import Space, all_key, object_key, pk_bytes, unique_key
from .objects import memo_of
from .operation import Flow, Operation, Script
from .stats import glob_escaped

FORGET = Script("purge_index")


def forget(
    space: Space,
    pk: str,
    ordered: Iterable[str] = (),
    unique: Sequence[tuple[str, ...]] = (),
) -> Flow[None]:
    """Flow: take *pk* out of every index of its model; nothing else knows which.

    Called only where a write met entries of an object that is not there and that
    left no memo (DEL by hand, eviction). It scans the keys of the whole database and
    the values of the unique attributes, so it costs O(keys), in steps of 1000. Does
    nothing to an object that is there again meanwhile.
    """
    pattern = glob_escaped(space.base)
    cursor = b"0"
    while True:
        cursor, keys = yield Operation(
            "SCAN", (), (cursor, "MATCH", pattern + b"[th]:*", "COUNT", 1000)
        )
        ours = [key for key in keys if key.startswith(space.base)]
        if ours:
            suffixes = [key[len(space.base) :] for key in ours]
            yield forget_parts(space, pk, memo_of(suffixes))
        if int(cursor) == 0:
            break
    for names in unique:
        for value in (yield from _values_held(space, pk, names)):
            yield forget_parts(space, pk, memo_of(unique={names: value}))
    yield forget_parts(space, pk, memo_of(ordered=ordered), is_last=True)


def forget_parts(
    space: Space, pk: str, memo: bytes, is_last: bool = False
) -> Operation:
    """Take *pk* out of what a memo names, if there is no such object. Answers 1 or 0.

    is_last: out of all, too: nothing else is known to have it.
    """
    return Operation(
        FORGET,
        (object_key(space, pk), all_key(space)),
        (pk_bytes(pk), memo, int(is_last)),
        is_write=True,
    )


def _values_held(space: Space, pk: str, names: tuple[str, ...]) -> Flow[Any]:
    """Flow: the values of one unique attribute that this id holds: one, or none."""
    key, cursor, found = unique_key(space, names), b"0", []
    while True:
        cursor, flat = yield Operation("HSCAN", (key,), (cursor, "COUNT", 1000))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        found += [value for value, holder in pairs if holder == pk_bytes(pk)]
        if int(cursor) == 0:
            return found
