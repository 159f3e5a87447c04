"""Numbers of live matches."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..keys import Space, all_key, expires_key
from ..queries.conditions import Condition, all_of
from ..queries.query import Query
from . import steps
from .compiler import QueryCompiler
from .operation import Flow, Operation, Script, Word
from .rows import IDS_PER_ROUND_TRIP, rows_by_id, term_keys_of
from .search import all_ids, load_subqueries
from .steps import START, most_looks, take_steps

COUNT_TERMS = Script("count_terms")
COUNT_WHERE = Script("count_where")


def count(space: Space, query: Query, most: int | None = None) -> Operation:
    """Return a cursor and the number of live matches. Ignores slices.

    The cursor is b"", or where count_where() goes on. most: looks at ids. O(log n) for
    one term if no object is expired: see count_terms.lua, and count_where.lua for
    other queries.
    """
    if query.conditions or query.pks is not None:
        return count_where(space, query, b"", most)
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
    most = most_looks(min(len(queries), 10))
    replies = yield [count(space, query, most) for query in queries]
    numbers = []
    for query, (cursor, number) in zip(queries, replies, strict=True):
        if cursor:
            number = yield from count_in_steps(space, query, cursor)
        numbers.append(number)
    return numbers


def count_in_steps(space: Space, query: Query, cursor: bytes) -> Flow[int]:
    """Flow that returns the number of live matches, counted from a cursor on."""
    numbers: list[int] = []
    yield from take_steps(partial(count_where, space, query), numbers.append, cursor)
    return sum(numbers)


def counts(space: Space, query: Query, others: Sequence[Query]) -> Flow[list[int]]:
    """Flow that returns how many live objects match the query and each other query.

    One round trip, or several if the numbers take more looks than one step may.
    """
    if not others:
        return []
    yield from load_subqueries(query)
    for other in others:
        yield from load_subqueries(other)
    conditions = [other.condition for other in others]
    numbers: list[int] = []
    while len(numbers) < len(others):
        found = yield counts_where(space, query, conditions[len(numbers) :])
        if not found:
            both = all_of((query.condition, conditions[len(numbers)]))
            found = [(yield from count_in_steps(space, query.where(both), START))]
        numbers += found
    return numbers


def size(space: Space, query: Query) -> Flow[int]:
    """Flow that returns the number of live objects in the slice.

    One round trip, and one for each step of a query that takes some.
    """
    if query.is_empty:
        return 0
    if query.pks is not None and not query.conditions:
        return len((yield from rows_by_id(space, query, has_counters=False)))
    yield from load_subqueries(query)
    if query.pks is not None and len(query.pks) > IDS_PER_ROUND_TRIP:
        total = len((yield from all_ids(space, query)))
    else:
        cursor, total = yield count(space, query)
        if cursor:
            total = yield from count_in_steps(space, query, cursor)
    stop = total if query.stop is None else min(query.stop, total)
    return max(stop - query.start, 0)


def count_where(
    space: Space, query: Query, cursor: bytes = b"", most: int | None = None
) -> Operation:
    """Return a cursor and the number of live matches of one step. Ignores slices."""
    compiler = QueryCompiler(space)
    args = (
        0,
        *compiler.compile_condition(query.condition),
        most or most_looks(),
        cursor,
    )
    return Operation(COUNT_WHERE, tuple(compiler.keys), args, parse=tuple)


def counts_where(space: Space, query: Query, others: Sequence[Condition]) -> Operation:
    """Return how many live objects meet the query and each of these conditions.

    The conditions of the query itself are read only once. Answers only the first
    numbers, maybe none, if more take more than one step.
    """
    compiler = QueryCompiler(space)
    args: list[Word] = [len(others), *compiler.compile_condition(query.condition)]
    for other in others:
        args += compiler.compile_condition(other)
    args += (steps.LOOKS_OF_VALUES, b"")
    return Operation(COUNT_WHERE, tuple(compiler.keys), tuple(args))
