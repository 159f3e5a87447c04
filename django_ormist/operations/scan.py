"""Scans of all objects of a model, in order of creation and in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..batching import batched
from ..exceptions import CorruptDataError
from ..keys import Space, all_key, counters_key
from .keyspace import escape_glob
from .objects import load_many
from .operation import Flow, Operation
from .replies import parse_counters

CHUNK = 1000


def ids_by_creation(
    space: Space, after: float, number: int
) -> Flow[list[tuple[bytes, float]]]:
    """Flow that returns [(id, creation time)] of the next *number* ids, oldest first.

    Returns [] at the end. Concurrent writes do not make it repeat or skip an id. One
    round trip.
    """
    found: list[tuple[bytes, float]]
    found = yield _read_ids(space, f"({after:.17g}", "+inf", number + 1)
    if len(found) <= number:
        return found
    last = found[-1][1]
    earlier = [each for each in found if each[1] != last]
    # Only in a damaged store do ids share a creation time. They are returned together.
    return earlier or (yield _read_ids(space, f"{last:.17g}", f"{last:.17g}", -1))


def _read_ids(space: Space, least: str, most: str, number: int) -> Operation:
    def parse(reply: list[Any]) -> list[tuple[bytes, float]]:
        if reply and isinstance(reply[0], list):  # RESP3 pairs them
            return [(pk, float(score)) for pk, score in reply]
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return [(pk, float(score)) for pk, score in pairs]

    return Operation(
        "ZRANGEBYSCORE",
        (all_key(space),),
        (least, most, "WITHSCORES", "LIMIT", 0, number),
        parse=parse,
    )


def creation_times(space: Space, pks: Sequence[bytes]) -> Flow[list[float | None]]:
    """Flow that returns the creation time of each id, if it is in ``all``.

    One round trip.
    """
    replies = yield [creation_times_of(space, some) for some in batched(pks, CHUNK)]
    return [score for reply in replies for score in reply]


def creation_times_of(space: Space, pks: Sequence[bytes]) -> Operation:
    """Return the creation time in µs of each of a few ids, if it is in ``all``."""

    def parse(reply: list[Any]) -> list[float | None]:
        return [None if score is None else float(score) for score in reply]

    return Operation("ZMSCORE", (all_key(space),), tuple(pks), parse=parse)


def load_objects(
    space: Space, pks: Sequence[bytes]
) -> Flow[list[tuple[bytes, bytes | None]]]:
    """Flow that returns [(id, its bytes or None)]. One round trip."""
    replies = yield [load_many(space, some) for some in batched(pks, CHUNK)]
    packed = [each for reply in replies for each in reply]
    return list(zip(pks, packed, strict=True))


def count_ids(space: Space) -> Operation:
    """Return the number of ids in ``all``, expired ones included. O(1)."""
    return Operation("ZCARD", (all_key(space),))


@dataclass
class SpreadStep:
    """One step of a scan of objects that are spread evenly over a model.

    rows: the objects of this step: the id, its bytes or None, and its counters, or None
    if they are damaged. pks: the ids of the next step.
    """

    rows: list[tuple[bytes, bytes | None, dict[str, int] | None]] = field(
        default_factory=list
    )
    pks: list[bytes] = field(default_factory=list)


def spread_ranks(total: int, size: int) -> list[list[range]]:
    """Return the places of at most *size* of *total* objects, in steps of 1000.

    They are spread evenly over the order of creation.
    """
    if size >= total:
        starts = range(0, total, CHUNK)
        return [[range(start, min(start + CHUNK, total))] for start in starts]
    places = [total * number // size for number in range(size)]
    ranks = [range(place, place + 1) for place in places]
    return list(batched(ranks, CHUNK))


def spread_step(
    space: Space, before: SpreadStep, ranks: Sequence[range], has_counters: bool
) -> Flow[SpreadStep]:
    """Flow that loads the objects whose ids *before* found, and finds the next ids.

    ranks: the places of the next ids; [] at the end. One round trip.
    """
    pks = before.pks
    loads = [load_many(space, pks)] if pks else []
    if has_counters:
        loads += [_load_counters(space, pk) for pk in pks]
    replies = yield [
        *loads,
        *(
            Operation("ZRANGE", (all_key(space),), (each.start, each.stop - 1))
            for each in ranks
        ),
    ]
    packed = replies[0] if pks else []
    counters = replies[1 : len(loads)] if has_counters else [{}] * len(pks)
    found = dict.fromkeys(pk for reply in replies[len(loads) :] for pk in reply)
    return SpreadStep(list(zip(pks, packed, counters, strict=True)), list(found))


def _load_counters(space: Space, pk: bytes) -> Operation:
    key = counters_key(space, pk)

    def parse(reply: Any) -> dict[str, int] | None:
        try:
            return parse_counters(reply, key)
        except CorruptDataError:
            return None

    return Operation("HGETALL", (key,), parse=parse)


STEP = 5000
"""Ids examined in one step: one to two milliseconds of the server."""


def ids_with_prefix(
    space: Space, start: str, most: int = 50_000, limit: int = 100
) -> Flow[tuple[list[bytes], bool]]:
    """Flow that returns ids that begin with *start*, and whether all ids were examined.

    Prefixes are not indexed: it examines at most *most* ids, in arbitrary order, and
    returns at most *limit*. One round trip per 5000 ids.
    """
    pattern = escape_glob(start.encode()) + b"*"
    found: dict[bytes, None] = {}
    cursor = b"0"
    for _ in range(max(most // STEP, 1)):
        cursor, flat = yield Operation(
            "ZSCAN", (all_key(space),), (cursor, "MATCH", pattern, "COUNT", STEP)
        )
        found.update(dict.fromkeys(flat[::2]))
        if int(cursor) == 0 or len(found) >= limit:
            break
    return list(found)[:limit], int(cursor) == 0
