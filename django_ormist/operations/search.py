"""Queries: the number, the ids and the objects of the live matches."""

from collections.abc import Sequence
from typing import Any

from ..codecs import deadline_of
from ..keys import Space, all_key, expires_key, pk_bytes, term_key
from ..queries.conditions import Condition, all_of, subqueries
from ..queries.query import EXPIRE, Order, Query
from ..terms import term_suffix
from .batches import batched
from .compiler import QueryCompiler
from .expiry import CLOCK, expired_ids, sweep_missing
from .listing import Row as Row
from .listing import can_sort, sorted_rows
from .objects import load_counters, load_many
from .operation import CountedKeys, Evaluate, Flow, Operation, Script, Word
from .replies import parse_counters

LARGEST_PAGE = 1000
"""Largest slice that one script reads. A longer one takes two round trips."""

CHUNK = 1000
"""Objects per MGET: another client then waits at most two milliseconds."""

CHUNKS_PER_ROUND_TRIP = 5
"""MGETs per round trip."""

PAGE = Script("page")
COUNT_TERMS = Script("count_terms")
QUERY = Script("query")
QUERY_IDS = Script("query_ids")
COUNT_WHERE = Script("count_where")


def count(space: Space, query: Query) -> Operation:
    """Return the number of live matches. Ignores slices.

    O(log n) for one term if no object is expired: see count_terms.lua, and
    count_where.lua for other queries.
    """
    if query.conditions or query.pks is not None:
        return count_where(space, query)
    return Operation(
        COUNT_TERMS, (all_key(space), expires_key(space), *_term_keys(space, query))
    )


def counts(space: Space, query: Query, others: Sequence[Query]) -> Flow[list[int]]:
    """Flow that returns how many live objects match the query and each other query.

    Queries by terms alone are counted in separate commands, so that the server can
    serve other clients in between. One round trip.
    """
    if not others:
        return []
    yield from load_subqueries(query)
    for other in others:
        yield from load_subqueries(other)
    if query.conditions or query.pks is not None:
        conditions = [other.condition for other in others]
        numbers: list[int] = yield counts_where(space, query, conditions)
        return numbers
    every = [all_of((query.condition, other.condition)) for other in others]
    numbers = yield [count(space, query.where(condition)) for condition in every]
    return numbers


def load_subqueries(query: Query) -> Flow[None]:
    """Flow that evaluates the other queries in the conditions of this one."""
    for condition in query.conditions:
        for each in subqueries(condition):
            each.loaded = each.build((yield Evaluate(each.results.all())))


def page(space: Space, query: Query, limit: int, want: str = "objects") -> Operation:
    """Return Rows of the first *limit* live objects of the query's slice.

    want: "objects", "counters" (objects with counters) or "ids" (a list of ids in place
    of Rows). O(log n + limit) if no object is expired: see page.lua, and query.lua for
    other queries.
    """

    def parse(reply: list[list[Any]]) -> list[Any]:
        if want == "ids":
            return reply[0]
        if want == "objects":
            return [(pk, packed, None) for pk, packed in zip(*reply, strict=True)]
        return [
            (pk, packed, parse_counters(flat, space.base + b"c:" + pk))
            for pk, packed, flat in zip(*reply, strict=True)
        ]

    if not query.is_plain:
        return query_page(space, query, limit, want, parse)
    return Operation(
        PAGE,
        (all_key(space), expires_key(space), *_term_keys(space, query)),
        (int(query.is_reversed), query.start, limit, want),
        parse=parse,
    )


def term_members(space: Space, query: Query) -> Operation:
    """Return all ids that carry all terms, oldest first. They may be expired. O(n)."""
    keys = _term_keys(space, query)
    if len(keys) > 1:
        # The default SUM would pass 2^53 with six terms and lose the order.
        return CountedKeys("ZINTER", keys, ("AGGREGATE", "MIN"))
    return Operation("ZRANGE", keys or (all_key(space),), (0, -1))


def ids(space: Space, query: Query) -> Flow[list[bytes]]:
    """Flow that returns the live ids of the query's slice. One round trip."""
    if query.is_empty:
        return []
    yield from load_subqueries(query)
    found: list[bytes]
    if query.pks is not None and query.is_plain:
        rows = yield from _rows_by_id(space, query, has_counters=False)
        return [pk for pk, _, _ in rows]
    if query.limit is not None and query.limit <= LARGEST_PAGE:
        found = yield page(space, query, query.limit, "ids")
        return found
    if not query.is_plain:
        found = yield query_ids(space, query)
        return found[query.start : query.stop] if query.is_sliced else found
    expired, found = yield [expired_ids(space), term_members(space, query)]
    if expired:
        gone = set(expired)
        found = [pk for pk in found if pk not in gone]
    if query.is_reversed:
        found.reverse()
    return found[query.start : query.stop] if query.is_sliced else found


def rows(space: Space, query: Query, has_counters: bool) -> Flow[list[Row]]:
    """Flow that returns a Row for each live object of the query, in order.

    One round trip for a slice of at most 1000, else 1 + ceil(N / 5000).
    """
    if query.is_empty:
        return []
    yield from load_subqueries(query)
    found: list[Row]
    if query.pks is not None and query.is_plain:
        return (yield from _rows_by_id(space, query, has_counters))
    if query.limit is not None and query.limit <= LARGEST_PAGE:
        want = "counters" if has_counters else "objects"
        found = yield page(space, query, query.limit, want)
        return found
    if can_sort(space, query) and not has_counters:
        listed = yield from sorted_rows(space, query)
        if listed is not None:
            return listed
    pks = yield from ids(space, query)
    found = []
    for some in batched(pks, CHUNK * CHUNKS_PER_ROUND_TRIP):
        found += yield from rows_of(space, some, has_counters)
    return found


def rows_of(space: Space, pks: Sequence[bytes], has_counters: bool) -> Flow[list[Row]]:
    """Flow that returns a Row for each of these ids that is stored. One round trip.

    If half of them are missing, expired objects were removed by the server's TTL. Then
    their index entries are swept, in one more round trip.
    """
    chunks = list(batched(pks, CHUNK))
    replies = yield (
        [load_many(space, some) for some in chunks]
        + [load_counters(space, pk) for pk in pks if has_counters]
    )
    packed = [each for reply in replies[: len(chunks)] for each in reply]
    counters = replies[len(chunks) :] or [None] * len(pks)
    gone = [pk for pk, each in zip(pks, packed, strict=True) if each is None]
    yield from sweep_missing(space, gone, len(pks))
    return [
        row for row in zip(pks, packed, counters, strict=True) if row[1] is not None
    ]


def size(space: Space, query: Query) -> Flow[int]:
    """Flow that returns the number of live objects in the slice. One round trip."""
    if query.is_empty:
        return 0
    yield from load_subqueries(query)
    if query.pks is not None and not query.conditions:
        return len((yield from _rows_by_id(space, query, has_counters=False)))
    total: int = yield count(space, query)
    stop = total if query.stop is None else min(query.stop, total)
    return max(stop - query.start, 0)


def _rows_by_id(space: Space, query: Query, has_counters: bool) -> Flow[list[Row]]:
    """Flow that returns the Rows of the slice of a query by ids. One round trip."""
    pks = sorted(pk_bytes(pk) for pk in query.pks or ())
    scores_by_term = [
        Operation("ZMSCORE", (key,), tuple(pks))
        for key in (all_key(space), *_term_keys(space, query))
    ]
    operations = [
        CLOCK,
        *scores_by_term,
        load_many(space, pks),
        *(load_counters(space, pk) for pk in pks if has_counters),
    ]
    now_ms, *replies = yield operations
    scores, packed = replies[: len(scores_by_term)], replies[len(scores_by_term)]
    counters = replies[len(scores_by_term) + 1 :] or [None] * len(pks)
    found = [
        (float(scores[0][i]), (pks[i], packed[i], counters[i]))
        for i in range(len(pks))
        if _is_live(packed[i], now_ms) and all(each[i] is not None for each in scores)
    ]
    found.sort(key=lambda pair: pair[0], reverse=query.is_reversed)
    return [row for _, row in found[query.start : query.stop]]


def _is_live(packed: bytes | None, now_ms: int) -> bool:
    """Return whether an object is stored and not expired, whatever its TTL."""
    if packed is None:
        return False
    deadline_ms = deadline_of(packed)
    return deadline_ms is None or deadline_ms > now_ms


def _term_keys(space: Space, query: Query) -> tuple[bytes, ...]:
    return tuple(term_key(space, term_suffix(term)) for term in query.terms)


# Queries by conditions and orders: more than terms and creation


def query_page(
    space: Space, query: Query, limit: int, want: str, parse: Any
) -> Operation:
    """Return page() of a query with conditions or orders. *parse* reads the reply."""
    compiler = QueryCompiler(space)
    args = (
        *compiler.compile_orders(query),
        *compiler.compile_condition(query.condition),
    )
    return Operation(
        QUERY, tuple(compiler.keys), (*args, query.start, limit, want), parse=parse
    )


def query_ids(space: Space, query: Query) -> Operation:
    """Return all live ids of the query in order. Ignores slices.

    The server returns the facts of each id, and the client sorts by them. O(ids of the
    smallest condition).
    """
    compiler = QueryCompiler(space)
    args = (
        *compiler.compile_orders(query),
        *compiler.compile_condition(query.condition),
    )

    def parse(reply: list[list[Any]]) -> list[bytes]:
        return _sort_ids(query, reply[0], reply[1:])

    return Operation(QUERY_IDS, tuple(compiler.keys), args, parse=parse)


def count_where(space: Space, query: Query) -> Operation:
    """Return the number of live matches of a query with conditions. Ignores slices."""
    compiler = QueryCompiler(space)
    args = (0, *compiler.compile_condition(query.condition))
    return Operation(COUNT_WHERE, tuple(compiler.keys), args)


def counts_where(space: Space, query: Query, others: Sequence[Condition]) -> Operation:
    """Return how many live objects meet the query and each of these conditions.

    The conditions of the query itself are read only once.
    """
    compiler = QueryCompiler(space)
    args: list[Word] = [len(others), *compiler.compile_condition(query.condition)]
    for other in others:
        args += compiler.compile_condition(other)
    return Operation(COUNT_WHERE, tuple(compiler.keys), tuple(args))


def _sort_ids(
    query: Query, pks: list[bytes], columns: Sequence[Sequence[Any]]
) -> list[bytes]:
    """Return the ids sorted by the columns: one per order, then the creation times."""
    orders = [order for order in query.order if not order.is_creation]
    is_down = query.is_reversed
    if len(orders) < len(query.order):
        is_down ^= query.order[-1].is_descending
    places = list(range(len(pks)))
    if len(columns) > len(orders):
        created = columns[len(orders)]
        places = [place for place in places if created[place] is not None]
        places.sort(key=lambda place: float(created[place]))
    if is_down:
        places.reverse()
    for order, column in reversed(list(zip(orders, columns, strict=False))):
        places = _sort_places(places, order, column, query.is_reversed)
    return [pks[place] for place in places]


def _sort_places(
    places: list[int], order: Order, column: Sequence[Any], is_reversed: bool
) -> list[int]:
    """Return the places in a stable sort by one order, those without a fact last."""
    if order.name == EXPIRE:
        column = [None if fact is None else float(fact) for fact in column]
    there = [place for place in places if column[place] is not None]
    without = [place for place in places if column[place] is None]
    there.sort(
        key=lambda place: column[place], reverse=order.is_descending ^ is_reversed
    )
    return without + there if is_reversed else there + without
