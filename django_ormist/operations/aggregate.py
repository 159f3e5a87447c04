"""Counts of objects by the values of ordered attributes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..keys import Space
from ..queries.query import Query
from .compiler import QueryCompiler
from .operation import Operation, Script

AGGREGATE = Script("aggregate")


class ValueCount(NamedTuple):
    """One value: its sort key, the number of its objects, and the bytes of one."""

    sort_key: bytes
    number: int
    packed: bytes | None


ValueCounts = list[ValueCount]
"""The values of one attribute, the lowest first."""


def count_values(
    space: Space, query: Query, names: Sequence[str], wants_objects: bool = True
) -> Operation:
    """Return (number of matches, [the ValueCounts of each name]). Ignores slices.

    O(matches): 0.5 to 2 us each.
    """
    compiler = QueryCompiler(space)
    places = [compiler.add_ordered(name) for name in names]
    words = (len(places), *places, int(wants_objects))

    def parse(reply: list[Any]) -> tuple[int, list[ValueCounts]]:
        facets = []
        for at in range(1, len(reply), 3):
            keys, counts, objects = reply[at : at + 3]
            rows = zip(keys, counts, objects or [None] * len(keys), strict=True)
            facets.append(sorted(map(ValueCount._make, rows), key=lambda e: e.sort_key))
        return reply[0], facets

    condition = compiler.compile_condition(query.condition)
    return Operation(AGGREGATE, tuple(compiler.keys), (*words, *condition), parse=parse)
