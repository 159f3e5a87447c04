"""How many objects have each value of ordered attributes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..keys import Space
from ..queries.query import Query
from .compiler import QueryCompiler
from .operation import Operation, Script

AGGREGATE = Script("aggregate")


class ValueCount(NamedTuple):
    """One value: its sort key, how many have it, and the bytes of one of them."""

    sort_key: bytes
    number: int
    packed: bytes | None


ValueCounts = list[ValueCount]
"""The values of one attribute, the lowest first."""


def count_values(
    space: Space, query: Query, names: Sequence[str], wants_objects: bool = True
) -> Operation:
    """Answers (number of matches, [a Tally of each name]); slices are not looked at."""
    plan = QueryCompiler(space)
    places = [plan.ordered(name) for name in names]
    words = (len(places), *places, int(wants_objects))

    def parse(reply: list[Any]) -> tuple[int, list[ValueCounts]]:
        tallies = []
        for at in range(1, len(reply), 3):
            keys, counts, objects = reply[at : at + 3]
            rows = zip(keys, counts, objects or [None] * len(keys), strict=True)
            tallies.append(
                sorted(map(ValueCount._make, rows), key=lambda e: e.sort_key)
            )
        return reply[0], tallies

    condition = plan.condition(query.condition)
    return Operation(AGGREGATE, tuple(plan.keys), (*words, *condition), parse=parse)
