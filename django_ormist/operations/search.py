"""Queries: the ids and the objects of the live matches."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..keys import Space, all_key, expires_key
from ..queries.conditions import And, Not, Range, all_of, subqueries
from ..queries.query import EXPIRE, Order, Query
from ..queries.seeking import Ordering
from .batches import batched
from .compiler import QueryCompiler
from .listing import can_sort, sorted_rows
from .operation import Evaluate, Flow, Operation, Script
from .replies import parse_counters
from .rows import (
    IDS_PER_ROUND_TRIP,
    Rows,
    rows_and,
    rows_by_id,
    rows_of,
    term_keys_of,
)
from .steps import START, most_looks, take_steps

LARGEST_PAGE = 1000
"""Largest slice that one script reads. A longer one takes two round trips."""

PAGE = Script("page")
TERM_IDS = Script("term_ids")
QUERY = Script("query")
QUERY_IDS = Script("query_ids")


def load_subqueries(query: Query) -> Flow[None]:
    """Flow that evaluates the other queries in the conditions of this one."""
    for condition in query.conditions:
        for each in subqueries(condition):
            each.loaded = each.build((yield Evaluate(each.results.all())))


def page(
    space: Space,
    query: Query,
    limit: int,
    want: str = "objects",
    most: int | None = None,
) -> Operation:
    """Return Rows of the first *limit* live objects of the query's slice.

    want: "objects", "counters" (objects with counters) or "ids" (a list of ids in place
    of Rows). most: looks at ids. Answers None if the page takes steps: see
    slice_in_steps(). O(log n + limit) if no object is expired: see page.lua, and
    query.lua for other queries.
    """
    parse = partial(_parse_counters, space) if want == "counters" else _PARSERS[want]
    if not query.is_plain:
        return query_page(space, query, limit, want, parse, most)
    return Operation(
        PAGE,
        (all_key(space), expires_key(space), *term_keys_of(space, query)),
        (int(query.is_reversed), query.start, limit, want, most or most_looks()),
        parse=parse,
    )


def _parse_ids(reply: list[Any]) -> list[bytes] | None:
    return reply[0] if reply else None


def _parse_objects(reply: list[Any]) -> Rows | None:
    return Rows(*reply) if reply else None


def _parse_counters(space: Space, reply: list[Any]) -> Rows | None:
    if not reply:
        return None
    pks, packed, replies = reply
    counters = [
        parse_counters(flat, space.base + b"c:" + pk)
        for pk, flat in zip(pks, replies, strict=True)
    ]
    return Rows(pks, packed, counters)


_PARSERS = {"ids": _parse_ids, "objects": _parse_objects}


class Place(NamedTuple):
    """The place of an object in the order of creation: its time and its id."""

    time: bytes = b""
    pk: bytes = b""


BEGINNING = Place()


def term_ids(space: Space, query: Query, after: Place = BEGINNING) -> Operation:
    """Return a Place and the next live ids that carry all terms, in order of creation.

    Without the last id, the Place is BEGINNING. Answers None if that takes steps: see
    query_ids(). O(log n + ids).
    """

    def parse(reply: list[Any]) -> tuple[Place, list[bytes]] | None:
        return (Place(*reply[:2]), reply[2]) if reply else None

    keys = (all_key(space), expires_key(space), *term_keys_of(space, query))
    args = (int(query.is_reversed), IDS_PER_ROUND_TRIP, *after, most_looks())
    return Operation(TERM_IDS, keys, args, parse=parse)


def ids(space: Space, query: Query) -> Flow[list[bytes]]:
    """Flow that returns the live ids of the query's slice.

    One round trip, and one for each step of a query that takes some.
    """
    if query.is_empty:
        return []
    yield from load_subqueries(query)
    found: list[bytes] | None
    if query.pks is not None and query.is_plain:
        rows = yield from rows_by_id(space, query, has_counters=False)
        return rows.pks
    if _is_page(query):
        found = yield page(space, query, query.limit or 0, "ids")
        if found is None:
            found = []
            take = partial(_take_ids, found, query.limit or 0)
            yield from slice_in_steps(space, query, take)
        return found
    found = []
    if query.is_plain and query.pks is None:
        after: Place | None = BEGINNING
        while after is not None:
            answer = yield term_ids(space, query, after)
            if answer is None:
                found = yield from all_ids(space, query, START)
                break
            after, more = answer
            found += more
            after = _next_place(query, after, len(found))
        found = list(dict.fromkeys(found))
    else:
        found = yield from all_ids(space, query)
    return found[query.start : query.stop] if query.is_sliced else found


def _is_page(query: Query) -> bool:
    """Return whether one script may return the slice."""
    if query.pks is not None and len(query.pks) > IDS_PER_ROUND_TRIP:
        return False
    return query.limit is not None and query.limit <= LARGEST_PAGE


def _next_place(query: Query, after: Place, number: int) -> Place | None:
    """Return the place where a list goes on after *number* ids, None at the end."""
    is_complete = query.stop is not None and number >= query.stop
    return None if is_complete or after == BEGINNING else after


def _take_ids(found: list[bytes], limit: int, pks: list[bytes]) -> Flow[bool]:
    """Flow that adds ids to a slice, and returns whether it is complete."""
    yield from ()
    found += pks[: limit - len(found)]
    return len(found) >= limit


def rows(space: Space, query: Query, has_counters: bool) -> Flow[Rows]:
    """Flow that returns a row for each live object of the query, in order.

    One round trip for a slice of at most 1000, else 1 + ceil(N / 5000). More for a
    query that takes steps.
    """
    if query.is_empty:
        return Rows()
    yield from load_subqueries(query)
    found: Rows | None
    if query.pks is not None and query.is_plain:
        return (yield from rows_by_id(space, query, has_counters))
    if _is_page(query):
        want = "counters" if has_counters else "objects"
        found = yield page(space, query, query.limit or 0, want)
        if found is None:
            found = Rows()
            take = partial(_take_rows, space, has_counters, found, query.limit or 0)
            yield from slice_in_steps(space, query, take)
        return found
    if can_sort(space, query) and not has_counters:
        listed = yield from sorted_rows(space, query)
        if listed is not None:
            return listed
    if query.is_plain:
        found = yield from _rows_of_terms(space, query, has_counters)
        if found is not None:
            return found
    pks = yield from ids(space, query)
    found = Rows()
    for some in batched(pks, IDS_PER_ROUND_TRIP):
        found.extend((yield from rows_of(space, some, has_counters)))
    return found


def _take_rows(
    space: Space, has_counters: bool, found: Rows, limit: int, pks: list[bytes]
) -> Flow[bool]:
    """Flow that adds rows to a slice, and returns whether it is complete."""
    for some in batched(pks, max(limit, 20)):
        more = yield from rows_of(space, some, has_counters)
        found.extend(more, limit - len(found))
        if len(found) >= limit:
            return True
    return False


def _rows_of_terms(space: Space, query: Query, has_counters: bool) -> Flow[Rows | None]:
    """Flow that returns the rows of a slice of a query by terms. None: it takes steps.

    The next ids arrive with the objects of those before: 1 + ceil(N / 5000).
    """
    found = Rows()
    seen: set[bytes] = set()
    answer = yield term_ids(space, query)
    if answer is None:
        return None
    number, after = 0, None
    while True:
        after, pks = answer
        first, number = number, number + len(pks)
        after = _next_place(query, after, number)
        stop = number if query.stop is None else query.stop
        pks = pks[max(query.start - first, 0) : stop - first]
        if seen or after:
            pks = [pk for pk in pks if pk not in seen]
            seen.update(pks)
        following = None if after is None else term_ids(space, query, after)
        if not pks and following is None:
            return found
        if following is None:
            found.extend((yield from rows_of(space, pks, has_counters)))
            return found
        more, answer = yield from rows_and(space, pks, has_counters, following)
        found.extend(more)


# Queries by conditions and orders: more than terms and creation


def query_page(
    space: Space,
    query: Query,
    limit: int,
    want: str,
    parse: Any,
    most: int | None = None,
) -> Operation:
    """Return page() of a query with conditions or orders. *parse* reads the reply."""
    compiler = QueryCompiler(space)
    args = (
        *compiler.compile_orders(query),
        *compiler.compile_condition(query.condition),
    )
    return Operation(
        QUERY,
        tuple(compiler.keys),
        (*args, query.start, limit, want, most or most_looks()),
        parse=parse,
    )


class FoundIds(NamedTuple):
    """Ids that a step found, and whether they and those of later steps are in order.

    columns: else the facts to sort them by: see query_ids.lua.
    """

    is_in_order: bool
    pks: list[bytes]
    columns: list[list[Any]]


def query_ids(
    space: Space, query: Query, need: int = 0, cursor: bytes = b""
) -> Operation:
    """Return a cursor and the FoundIds of one step. Ignores slices.

    need: how many the caller needs if they come in order; 0: all. O(ids of the smallest
    condition).
    """
    compiler = QueryCompiler(space)
    args = (
        *compiler.compile_orders(query),
        *compiler.compile_condition(query.condition),
    )

    def parse(reply: list[Any]) -> tuple[bytes, FoundIds]:
        next_cursor, in_order, pks, *columns = reply
        return next_cursor, FoundIds(in_order == b"1", pks, columns)

    steps = (need, most_looks(), cursor)
    return Operation(QUERY_IDS, tuple(compiler.keys), (*args, *steps), parse=parse)


def all_ids(space: Space, query: Query, cursor: bytes = b"") -> Flow[list[bytes]]:
    """Flow that returns all live ids of the query in order. Ignores slices."""
    found: list[FoundIds] = []
    for part in _split_by_ids(query):
        step = partial(query_ids, space, part, 0)
        yield from take_steps(step, found.append, cursor)
    return _sort_found(query, found)


def _split_by_ids(query: Query) -> Iterator[Query]:
    """Yield queries of few ids that together match what the query does."""
    if query.pks is None or len(query.pks) <= IDS_PER_ROUND_TRIP:
        yield query
        return
    for some in batched(sorted(query.pks), IDS_PER_ROUND_TRIP):
        yield query._replace(pks=frozenset(some))


def _sort_found(query: Query, found: Sequence[FoundIds]) -> list[bytes]:
    """Return the ids of all steps in order, each once."""
    if len(found) == 1:
        return _sort_ids(query, found[0].pks, found[0].columns)
    pks = [pk for each in found for pk in each.pks]
    if any(each.is_in_order for each in found):
        return list(dict.fromkeys(pks))
    columns = zip(*(each.columns for each in found if each.pks), strict=True)
    joined = [[fact for part in column for fact in part] for column in columns]
    return list(dict.fromkeys(_sort_ids(query, pks, joined)))


Take = Callable[[list[bytes]], Flow[bool]]
"""A flow that gets the next ids in order, and returns whether the slice is complete."""


def slice_in_steps(space: Space, query: Query, take: Take) -> Flow[None]:
    """Flow that passes the ids from the start of the slice to *take*, in order.

    It ends early if the order is that of creation or of one attribute, as the ids come
    in this order.
    """
    skip, seen = query.start, set[bytes]()

    def pass_on(pks: list[bytes]) -> Flow[bool]:
        nonlocal skip
        pks = [pk for pk in pks if pk not in seen]
        seen.update(pks)
        first = min(skip, len(pks))
        skip -= first
        return first < len(pks) and (yield from take(pks[first:]))

    for part in _split_by_order(query):
        cursor, found = START, list[FoundIds]()
        while cursor:
            need = skip + (query.limit or 0)
            cursor, step = yield query_ids(space, part, need, cursor)
            if not step.is_in_order:
                found.append(step)
            elif (yield from pass_on(step.pks)):
                return
        if (yield from pass_on(_sort_found(part, found))):
            return


def _split_by_order(query: Query) -> list[Query]:
    """Return queries whose results, one after the other, are those of the query.

    Objects without the attribute of an order come after those that have it.
    """
    orders, is_newest_first = Ordering.of(query)
    order = orders[0] if len(orders) == 1 else None
    if (
        order is None
        or not order.is_by_attribute
        or order.is_descending != is_newest_first
    ):
        return [query]
    has = Range(order.name)
    given = query.condition
    required = given.parts if isinstance(given, And) else (given,)
    if any(isinstance(part, Range) and part.name == order.name for part in required):
        return [query]
    with_it = query.where(all_of((given, has)))
    without = query.where(all_of((given, Not(has))))._replace(
        order=(), is_reversed=is_newest_first ^ query.is_reversed
    )
    return [without, with_it] if query.is_reversed else [with_it, without]


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
