"""Queries: the ids and the objects of the live matches."""

from collections.abc import Iterable
from functools import partial
from operator import iand, isub
from typing import Any, NamedTuple

from ..batching import batched
from ..keys import Space, all_key, expires_key
from ..queries.conditions import NOTHING, Ids, subqueries
from ..queries.query import Query
from ..queries.splitting import MOST_IDS, Combined, Plan, split
from . import steps
from .compiler import QueryCompiler
from .listing import can_sort, sorted_rows
from .matching_ids import FoundIds, query_ids, slice_in_steps, sort_found
from .objects import pk_of
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
    if not query.is_plain or query.pks is not None:
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
    sliced = (yield from _page_query(space, query)) if query.stop is not None else None
    if sliced is not None:
        found = yield page(space, sliced, query.limit or 0, "ids")
        if found is None:
            found = []
            take = partial(_take_ids, found, query.limit or 0)
            yield from slice_in_steps(space, sliced, take)
        return found
    if query.is_plain and query.pks is None:
        return (yield from _ids_of_terms(space, query))
    return (yield from _all_of_slice(space, query))


def _ids_of_terms(space: Space, query: Query) -> Flow[list[bytes]]:
    """Flow that returns the live ids of a long slice of a query by terms."""
    found: list[bytes] = []
    after: Place | None = BEGINNING
    while after is not None:
        answer = yield term_ids(space, query, after)
        if answer is None:
            return (yield from _all_of_slice(space, query, START))
        after, more = answer
        found += more
        after = _next_place(query, after, len(found))
    return list(dict.fromkeys(found))[query.start : query.stop]


def _all_of_slice(space: Space, query: Query, cursor: bytes = b"") -> Flow[list[bytes]]:
    """Flow that reads all live ids of a query from a cursor on, and returns a slice."""
    return (yield from all_ids(space, query, cursor))[query.start : query.stop]


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
    sliced = (yield from _page_query(space, query)) if query.stop is not None else None
    if sliced is not None:
        want = "counters" if has_counters else "objects"
        found = yield page(space, sliced, query.limit or 0, want)
        if found is None:
            found = Rows()
            take = partial(_take_rows, space, has_counters, found, query.limit or 0)
            yield from slice_in_steps(space, sliced, take)
        return found
    if can_sort(space, query) and not has_counters:
        listed = yield from sorted_rows(space, query)
        if listed is not None:
            return listed
    if query.is_plain:
        found = yield from _rows_of_terms(space, query, has_counters)
        if found is not None:
            return found
    pks = yield from _all_of_slice(space, query, START if query.is_plain else b"")
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


def all_ids(space: Space, query: Query, cursor: bytes = b"") -> Flow[list[bytes]]:
    """Flow that returns all live ids of the query in order. Ignores slices."""
    found: list[FoundIds] = []
    parts = yield from split_query(space, query)
    for part in parts:
        step = query_ids(space, part, 0 if len(parts) == 1 else -1)
        first = START if _takes_steps(part) else cursor
        yield from take_steps(step, found.append, first)
    return sort_found(query, found)


def _takes_steps(query: Query) -> bool:
    """Return whether a query by ids alone is known to be too long for one step.

    See looks_at_once() in matching.lua.
    """
    if query.pks is None or query.terms or query.conditions:
        return False
    number = len(query.pks)
    return number * (3 + len(query.order)) > max(steps.STEP_LOOKS, 5 * number)


# Queries of more conditions than one script takes: see queries/splitting.py


def plan_of(query: Query) -> Plan:
    """Return the plan of a query: a condition, if one script takes it all."""
    if query.is_plain and query.pks is None:
        return query.condition
    return split(query.condition, steps.MOST_LEAVES)


def is_long(query: Query) -> bool:
    """Return whether a query has more conditions than one script takes."""
    return isinstance(plan_of(query), Combined)


def split_query(
    space: Space, query: Query, is_disjoint: bool = False
) -> Flow[list[Query]]:
    """Flow that returns queries for one script each, which together match the same.

    is_disjoint: whether an object must match only one of them.
    """
    plan = plan_of(query)
    if not isinstance(plan, Combined):
        return [query]
    if plan.is_union and (plan.is_disjoint or not is_disjoint):
        parts: Any = plan.parts
        return [query.where(part) for part in parts if part != NOTHING]
    return (yield from split_by_ids(space, query))


def split_by_ids(space: Space, query: Query) -> Flow[list[Query]]:
    """Flow that returns queries for the ids of all matches, 5000 ids each."""
    pks = yield from members(space, plan_of(query))
    parts = [Ids(_strings(space, some)) for some in batched(sorted(pks), MOST_IDS)]
    return [query.where(part) for part in parts]


def members(space: Space, plan: Plan) -> Flow[set[bytes]]:
    """Flow that returns all live ids that a plan finds."""
    if not isinstance(plan, Combined):
        query = Query().where(plan)
        return set((yield from (ids if query.pks is None else all_ids)(space, query)))
    found = yield from members(space, plan.parts[0])
    for part in plan.parts[1:]:
        if found or plan.join not in (iand, isub):
            found = plan.join(found, (yield from members(space, part)))
    return found


def is_page(query: Query, plan: Plan) -> bool:
    """Return whether the pages of all parts of a plan hold the slice of the query."""
    if query.limit is None or query.limit > LARGEST_PAGE:
        return False
    if not isinstance(plan, Combined):
        return True
    number = (query.stop or 0) * len(plan.parts)
    return plan.is_union and number <= MOST_IDS and not query.is_random


def _page_query(space: Space, query: Query) -> Flow[Query | None]:
    """Flow that returns the query of a slice that one script may return, or None.

    If the conditions are too many, it is limited to ids that hold the slice.
    """
    if query.is_plain:  # terms alone are never split
        return query if (query.limit or 0) <= LARGEST_PAGE else None
    plan = plan_of(query)
    if is_page(query, plan):
        if not isinstance(plan, Combined):
            return query
        found: set[bytes] = set()
        for part in (yield from split_query(space, query)):
            found.update((yield from ids(space, part._replace(start=0))))
        return _limit_to(space, query, found)
    first = first_candidates(query, plan)
    if first is None:
        return None
    near = yield from limit_to_page(space, query, first)
    return (yield from page_among(space, near, first))


def first_candidates(query: Query, plan: Plan) -> Query | None:
    """Return a page of what a plan excludes from, if it may hold the query's slice."""
    stop = query.stop
    if not isinstance(plan, Combined) or plan.join is not isub or query.is_random:
        return None
    if len(query.order) > 1:  # the first ones cost as much as all
        return None
    base = plan.parts[0]
    if stop is None or stop > LARGEST_PAGE // 4 or isinstance(base, Combined):
        return None
    return query.where(base)._replace(start=0, stop=2 * stop + 20)


def limit_to_page(space: Space, query: Query, first: Query) -> Flow[Query]:
    """Flow that returns the query limited to the ids of another one's page."""
    return query.narrow((), _strings(space, (yield from ids(space, first))))


def page_among(space: Space, near: Query, first: Query) -> Flow[Query | None]:
    """Flow that returns the query of a slice by its ids. None: it ends after *first*.

    near: the query limited to the ids of *first*: see limit_to_page().
    """
    met = yield from members(space, plan_of(near))
    is_last = len(near.pks or ()) < (first.stop or 0)
    is_complete = is_last or len(met) >= (near.stop or 0)
    return _limit_to(space, near, met) if is_complete else None


def _limit_to(space: Space, query: Query, pks: Iterable[bytes]) -> Query:
    return query.where(Ids(_strings(space, pks)))


def _strings(space: Space, pks: Iterable[bytes]) -> frozenset[str]:
    return frozenset(pk_of(pk, space) for pk in pks)
