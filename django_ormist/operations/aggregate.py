"""Counts of objects by the values of ordered attributes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..keys import Space
from ..queries.query import Query
from .compiler import QueryCompiler
from .counts import count, count_matches
from .objects import load_many
from .operation import Flow, Operation, Script
from .rows import CHUNK
from .search import is_long, split_query
from .steps import START, Step, most_looks, take_steps

AGGREGATE = Script("aggregate")


class ValueCount(NamedTuple):
    """One value: its sort key, the number of its objects, and the bytes of one."""

    sort_key: bytes
    number: int
    packed: bytes | None


ValueCounts = list[ValueCount]
"""The values of one attribute, the lowest first."""

Counted = tuple[int, list[ValueCounts]]
"""The number of matches, and the ValueCounts of each attribute."""


def count_values(
    space: Space,
    query: Query,
    names: Sequence[str],
    wants_objects: bool = True,
    most: int | None = None,
) -> Step:
    """Return a Step that counts the matching objects by value. Ignores slices.

    A single step answers with objects, and one of several steps with their ids. most:
    looks at ids. O(matches): 0.5 to 2 us each.
    """
    compiler = QueryCompiler(space)
    places = [compiler.add_ordered(name) for name in names]
    words = (len(places), *places, int(wants_objects))
    condition = compiler.compile_condition(query.condition)
    args = (*words, *condition, most or most_looks())
    keys = tuple(compiler.keys)

    def step(cursor: bytes) -> Operation:
        return Operation(AGGREGATE, keys, (*args, cursor), parse=_parse_counted)

    return step


def _parse_counted(reply: list[Any]) -> tuple[bytes, Counted]:
    facets = []
    for at in range(2, len(reply), 3):
        keys, counts, objects = reply[at : at + 3]
        rows = zip(keys, counts, objects or [None] * len(keys), strict=True)
        facets.append(sorted(map(ValueCount._make, rows), key=lambda e: e.sort_key))
    return reply[0], (reply[1], facets)


def count_values_each(
    space: Space, names: Mapping[Query, Sequence[str]]
) -> Flow[dict[Query, Counted]]:
    """Flow that returns the Counted of each query, by the names of its attributes.

    Subqueries must be loaded. One round trip. A query that takes steps adds one for
    each step, and one for the objects.
    """
    short = {query: some for query, some in names.items() if not is_long(query)}
    most = most_looks(min(len(short), 10))
    operations = [
        count_values(space, query, some, most=most)(b"")
        if some
        else count(space, query, most)
        for query, some in short.items()
    ]
    answers = (yield operations) if operations else []
    replies = dict(zip(short, answers, strict=True))
    counted: dict[Query, Counted] = {}
    for query, some in names.items():
        cursor, one = replies.get(query, (START, 0))
        if not some and cursor:
            one = yield from count_matches(space, query, cursor)
        elif cursor:
            one = yield from _count_in_steps(space, query, some, cursor)
        counted[query] = one if some else (one, [])
    return counted


def _count_in_steps(
    space: Space, query: Query, names: Sequence[str], cursor: bytes
) -> Flow[Counted]:
    """Flow that adds up the counts of all steps, and loads an object of each value.

    Of more than 1000 values only the lowest and the highest get one.
    """
    steps: list[Counted] = []
    for part in (yield from split_query(space, query, is_disjoint=True)):
        yield from take_steps(count_values(space, part, names), steps.append, cursor)
    facets = []
    for number in range(len(names)):
        found: dict[bytes, ValueCount] = {}
        for _, values in steps:
            for each in values[number]:
                before = found.get(each.sort_key)
                total = each.number + (before.number if before else 0)
                found[each.sort_key] = each._replace(number=total)
        facet = [found[key] for key in sorted(found)]
        facets.append((yield from _load_objects(space, facet)))
    return sum(matches for matches, _ in steps), facets


def _load_objects(space: Space, facet: ValueCounts) -> Flow[ValueCounts]:
    """Flow that replaces the ids by the bytes of these objects."""
    places = [0, len(facet) - 1] if len(facet) > CHUNK else range(len(facet))
    if not facet:
        return []
    packed = yield load_many(space, [facet[place].packed or b"" for place in places])
    loaded = [each._replace(packed=None) for each in facet]
    for place, each in zip(places, packed, strict=True):
        loaded[place] = facet[place]._replace(packed=each)
    return loaded
