"""Numbers of live matches."""

from collections.abc import Sequence
from itertools import accumulate, takewhile
from operator import add
from typing import Any

from ..keys import Space, all_key, expires_key
from ..queries.conditions import Condition, all_of
from ..queries.query import Query
from ..queries.splitting import Combined, leaves
from . import steps
from .compiler import QueryCompiler
from .operation import Flow, Operation, Script, Word
from .rows import rows_by_id, term_keys_of
from .search import (
    is_long,
    load_subqueries,
    members,
    plan_of,
    split_by_ids,
    split_query,
)
from .steps import START, Step, most_looks, take_steps

COUNT_TERMS = Script("count_terms")
COUNT_WHERE = Script("count_where")


def count(space: Space, query: Query, most: int | None = None) -> Operation:
    """Return a cursor and the number of live matches. Ignores slices.

    The cursor is b"", or where count_where() goes on. most: looks at ids. O(log n) for
    one term if no object is expired: see count_terms.lua, and count_where.lua for
    other queries.
    """
    if query.conditions or query.pks is not None:
        return count_where(space, query, most)(b"")
    keys = (all_key(space), expires_key(space), *term_keys_of(space, query))
    return Operation(
        COUNT_TERMS, keys, (most or most_looks(),), parse=_parse_term_count
    )


def _parse_term_count(reply: Any) -> tuple[bytes, int]:
    return (START, 0) if isinstance(reply, list) else (b"", reply)


def count_each(space: Space, queries: Sequence[Query]) -> Flow[list[int]]:
    """Flow that returns the number of live matches of each query. Ignores slices.

    One round trip, and one for each step of a query that takes some.
    """
    for query in queries:
        yield from load_subqueries(query)
    short = [query for query in queries if not is_long(query)]
    most = most_looks(min(len(short), 10))
    operations = [count(space, query, most) for query in short]
    answers = (yield operations) if operations else []
    replies = dict(zip(short, answers, strict=True))
    numbers = []
    for query in queries:
        cursor, number = replies.get(query, (START, 0))
        if cursor:
            number = yield from count_matches(space, query, cursor)
        numbers.append(number)
    return numbers


def counts(space: Space, query: Query, others: Sequence[Query]) -> Flow[list[int]]:
    """Flow that returns how many live objects match the query and each other query.

    One round trip, or several if the conditions are too many for one script, or the
    numbers take more looks than one step may.
    """
    if not others:
        return []
    yield from load_subqueries(query)
    for other in others:
        yield from load_subqueries(other)
    conditions = [other.condition for other in others]
    room = steps.MOST_LEAVES - leaves(query.condition)
    parts = [query]
    if room < steps.MOST_LEAVES / 2 and sum(map(leaves, conditions)) > room:
        parts = yield from split_by_ids(space, query)
    numbers = [0] * len(others)
    for part in parts:
        some = yield from _counts_of_part(space, part, conditions)
        numbers = [*map(add, numbers, some)]
    return numbers


def _counts_of_part(
    space: Space, query: Query, conditions: Sequence[Condition]
) -> Flow[list[int]]:
    """Flow that returns counts() of a query that leaves room for some conditions."""
    numbers: list[int] = []
    room = steps.MOST_LEAVES - leaves(query.condition)
    while len(numbers) < len(conditions):
        rest = conditions[len(numbers) :]
        sizes = accumulate(map(leaves, rest))
        fitting = sum(1 for _ in takewhile(lambda size: size <= room, sizes))
        some = (yield counts_where(space, query, rest[:fitting])) if fitting else []
        if not some:
            both = query.where(all_of((query.condition, rest[0])))
            some = [(yield from count_matches(space, both, START))]
        numbers += some
    return numbers


def count_matches(space: Space, query: Query, cursor: bytes = b"") -> Flow[int]:
    """Flow that returns the number of live matches from a cursor on. Ignores slices."""
    plan = plan_of(query)
    if isinstance(plan, Combined) and not plan.is_disjoint:
        return len((yield from members(space, plan)))
    numbers: list[int] = []
    for part in (yield from split_query(space, query)):
        following, number = (cursor, 0) if cursor else (yield count(space, part))
        numbers.append(number)
        if following:
            yield from take_steps(count_where(space, part), numbers.append, following)
    return sum(numbers)


def size(space: Space, query: Query) -> Flow[int]:
    """Flow that returns the number of live objects in the slice.

    One round trip, and one for each step of a query that takes some.
    """
    if query.is_empty:
        return 0
    if query.pks is not None and not query.conditions:
        return len((yield from rows_by_id(space, query, has_counters=False)))
    yield from load_subqueries(query)
    total = yield from count_matches(space, query)
    stop = total if query.stop is None else min(query.stop, total)
    return max(stop - query.start, 0)


def count_where(space: Space, query: Query, most: int | None = None) -> Step:
    """Return the Step that answers a number of live matches. Ignores slices."""
    compiler = QueryCompiler(space)
    args = (0, *compiler.compile_condition(query.condition), most or most_looks())
    keys = tuple(compiler.keys)

    def step(cursor: bytes) -> Operation:
        return Operation(COUNT_WHERE, keys, (*args, cursor), parse=tuple)

    return step


def counts_where(space: Space, query: Query, others: Sequence[Condition]) -> Operation:
    """Return how many live objects meet the query and each of these conditions.

    Answers only the first numbers, maybe none, if more take more looks than one step.
    """
    compiler = QueryCompiler(space)
    args: list[Word] = [len(others), *compiler.compile_condition(query.condition)]
    for other in others:
        args += compiler.compile_condition(other)
    args += (most_looks(), b"")
    return Operation(COUNT_WHERE, tuple(compiler.keys), tuple(args))
