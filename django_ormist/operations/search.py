"""Which objects, how many, and their bytes."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..codecs import deadline_of
from ..keys import Space, all_key, expires_key, pk_bytes, term_key
from ..queries.conditions import all_of
from ..queries.query import Query
from ..terms import term_suffix
from .expiry import CLOCK, due, sweep_gone
from .objects import load_counters, load_many
from .operation import Flow, Operation, Script
from .replies import counters as read_counters

LARGEST_PAGE = 1000
"""A slice of so many objects is one script; a longer one is listed, in two trips."""

CHUNK = 1000
"""So many objects an MGET: another client then waits two milliseconds at worst."""

MOST_HEALED = 1000
"""So many objects that are gone a list may sweep: ten steps of two milliseconds."""

CHUNKS_A_TRIP = 5
"""So many MGETs go in one round trip."""

PAGE = Script("page")
COUNT = Script("count_terms")

Row = tuple[bytes, bytes, dict[str, int] | None]
"""One object found: its id, its packed bytes, its counters (None if not declared)."""


def count(space: Space, query: Query) -> Operation:
    """How many live objects match, of the whole query: slices are not looked at."""
    if query.conditions or query.pks is not None:
        from . import composed  # here: most questions need none of it

        return composed.count(space, query)
    return Operation(
        COUNT, (all_key(space), expires_key(space), *_term_keys(space, query))
    )


def counts(space: Space, query: Query, others: Sequence[Query]) -> Flow[list[int]]:
    """Flow: how many live objects match the query and each of the others, in one trip.

    Where it asks for terms alone each is counted apart, so other clients come between.
    """
    if not others:
        return []
    if query.conditions or query.pks is not None:
        from . import composed

        conditions = [other.condition for other in others]
        numbers: list[int] = yield composed.counts(space, query, conditions)
        return numbers
    every = [all_of((query.condition, other.condition)) for other in others]
    numbers = yield [count(space, query.where(condition)) for condition in every]
    return numbers


def page(space: Space, query: Query, limit: int, want: str = "objects") -> Operation:
    """The first *limit* live objects of the query's slice: Rows.

    want: "objects", "counters" (with them) or "ids" (then a list of ids). O(log n +
    limit) where nothing is due: see page.lua; query.lua of what is not plain.
    """

    def parse(reply: list[list[Any]]) -> list[Any]:
        if want == "ids":
            return reply[0]
        if want == "objects":
            return [(pk, packed, None) for pk, packed in zip(*reply, strict=True)]
        return [
            (pk, packed, read_counters(flat, space.base + b"c:" + pk))
            for pk, packed, flat in zip(*reply, strict=True)
        ]

    if not query.is_plain:
        from . import composed

        return composed.page(space, query, limit, want, parse)
    return Operation(
        PAGE,
        (all_key(space), expires_key(space), *_term_keys(space, query)),
        (int(query.is_reversed), query.start, limit, want),
        parse=parse,
    )


def members(space: Space, query: Query) -> Operation:
    """Every id that carries all terms, oldest first, due ones among them."""
    keys = _term_keys(space, query)
    if len(keys) > 1:
        # The default SUM would pass 2^53 with six terms and lose the order.
        return Operation("ZINTER", (), (len(keys), *keys, "AGGREGATE", "MIN"))
    return Operation("ZRANGE", keys or (all_key(space),), (0, -1))


def ids(space: Space, query: Query) -> Flow[list[bytes]]:
    """Flow: the live ids of the query, slice applied. One round trip."""
    if query.is_empty:
        return []
    found: list[bytes]
    if query.pks is not None and query.is_plain:
        rows = yield from _chosen(space, query, has_counters=False)
        return [pk for pk, _, _ in rows]
    if query.limit is not None and query.limit <= LARGEST_PAGE:
        found = yield page(space, query, query.limit, "ids")
        return found
    if not query.is_plain:
        from . import composed

        found = yield composed.ids(space, query)
        return found[query.start : query.stop] if query.is_sliced else found
    late, found = yield [due(space), members(space, query)]
    if late:
        late = set(late)
        found = [pk for pk in found if pk not in late]
    if query.is_reversed:
        found.reverse()
    return found[query.start : query.stop] if query.is_sliced else found


def rows(space: Space, query: Query, has_counters: bool) -> Flow[list[Row]]:
    """Flow: a Row for each live object of the query, in order.

    One round trip for a slice of 1000 or less, else 1 + ceil(N / 5000).
    """
    if query.is_empty:
        return []
    found: list[Row]
    if query.pks is not None and query.is_plain:
        return (yield from _chosen(space, query, has_counters))
    if query.limit is not None and query.limit <= LARGEST_PAGE:
        want = "counters" if has_counters else "objects"
        found = yield page(space, query, query.limit, want)
        return found
    pks = yield from ids(space, query)
    found = []
    for some in _cut(pks, CHUNK * CHUNKS_A_TRIP):
        found += yield from rows_of(space, some, has_counters)
    return found


def rows_of(space: Space, pks: Sequence[bytes], has_counters: bool) -> Flow[list[Row]]:
    """Flow: a Row for each of these ids that is stored. One round trip.

    One more where half of them or more are gone: what is left of those that expire is
    swept then. The server's clock was ahead, and removed them.
    """
    chunks = list(_cut(pks, CHUNK))
    replies = yield (
        [load_many(space, some) for some in chunks]
        + [load_counters(space, pk) for pk in pks if has_counters]
    )
    packed = [each for reply in replies[: len(chunks)] for each in reply]
    counters = replies[len(chunks) :] or [None] * len(pks)
    gone = [pk for pk, each in zip(pks, packed, strict=True) if each is None]
    if gone and 2 * len(gone) >= len(pks):
        yield [sweep_gone(space, some) for some in _cut(gone[:MOST_HEALED], 100)]
    return [
        row for row in zip(pks, packed, counters, strict=True) if row[1] is not None
    ]


def size(space: Space, query: Query) -> Flow[int]:
    """Flow: how many live objects the query's slice holds. One round trip."""
    if query.is_empty:
        return 0
    if query.pks is not None and not query.conditions:
        return len((yield from _chosen(space, query, has_counters=False)))
    total: int = yield count(space, query)
    stop = total if query.stop is None else min(query.stop, total)
    return max(stop - query.start, 0)


def _chosen(space: Space, query: Query, has_counters: bool) -> Flow[list[Row]]:
    """Flow: the Rows of a query that names its ids, slice applied. One round trip."""
    pks = sorted(pk_bytes(pk) for pk in query.pks or ())
    probes = [
        Operation("ZMSCORE", (key,), tuple(pks))
        for key in (all_key(space), *_term_keys(space, query))
    ]
    operations = [
        CLOCK,
        *probes,
        load_many(space, pks),
        *(load_counters(space, pk) for pk in pks if has_counters),
    ]
    now_ms, *replies = yield operations
    scores, packed = replies[: len(probes)], replies[len(probes)]
    counters = replies[len(probes) + 1 :] or [None] * len(pks)
    found = [
        (float(scores[0][i]), (pks[i], packed[i], counters[i]))
        for i in range(len(pks))
        if _is_live(packed[i], now_ms) and all(each[i] is not None for each in scores)
    ]
    found.sort(key=lambda pair: pair[0], reverse=query.is_reversed)
    return [row for _, row in found[query.start : query.stop]]


def _is_live(packed: bytes | None, now_ms: int) -> bool:
    """Whether an object is stored and its deadline ahead, whatever its TTL."""
    if packed is None:
        return False
    deadline_ms = deadline_of(packed)
    return deadline_ms is None or deadline_ms > now_ms


def _term_keys(space: Space, query: Query) -> tuple[bytes, ...]:
    return tuple(term_key(space, term_suffix(term)) for term in query.terms)


def _cut(items: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


__all__ = [
    "Row",
    "count",
    "ids",
    "members",
    "page",
    "rows",
    "rows_of",
    "size",
]
