"""The operations that ask by conditions and orders: more than terms and creation."""

from collections.abc import Sequence
from typing import Any

from ..keys import Space
from ..queries.conditions import Condition
from ..queries.query import CREATED, EXPIRE, Order, Query
from .compiler import QueryCompiler
from .operation import Operation, Script, Word

ASK = Script("query")
GATHER = Script("query_ids")
NUMBER = Script("count_where")


def page(space: Space, query: Query, limit: int, want: str, parse: Any) -> Operation:
    """Return the first *limit* live objects of the slice. *parse* reads the reply."""
    plan = QueryCompiler(space)
    words = (*plan.orders(query), *plan.condition(query.condition))
    return Operation(
        ASK, tuple(plan.keys), (*words, query.start, limit, want), parse=parse
    )


def ids(space: Space, query: Query) -> Operation:
    """Every live id of the query in order, slices not looked at.

    Sorted here, by what the server says of each.
    """
    plan = QueryCompiler(space)
    words = (*plan.orders(query), *plan.condition(query.condition))

    def parse(reply: list[list[Any]]) -> list[bytes]:
        return _in_order(query, reply[0], reply[1:])

    return Operation(GATHER, tuple(plan.keys), words, parse=parse)


def count(space: Space, query: Query) -> Operation:
    """How many live objects match, of the whole query: slices are not looked at."""
    plan = QueryCompiler(space)
    words = (0, *plan.condition(query.condition))
    return Operation(NUMBER, tuple(plan.keys), words)


def counts(space: Space, query: Query, others: Sequence[Condition]) -> Operation:
    """Answer how many live objects meet the query and each of these conditions.

    Conditions that the query names are read once, whatever the number of the others.
    """
    plan = QueryCompiler(space)
    words: list[Word] = [len(others), *plan.condition(query.condition)]
    for other in others:
        words += plan.condition(other)
    return Operation(NUMBER, tuple(plan.keys), tuple(words))


def _in_order(
    query: Query, pks: list[bytes], columns: Sequence[Sequence[Any]]
) -> list[bytes]:
    """The ids by what the columns say of each: one an order, then creation."""
    orders = [order for order in query.order if order.name != CREATED]
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
        places = _sorted(places, order, column, query.is_reversed)
    return [pks[place] for place in places]


def _sorted(
    places: list[int], order: Order, column: Sequence[Any], is_reversed: bool
) -> list[int]:
    """Places by one order: equal ones as they are, those without a fact last."""
    if order.name == EXPIRE:
        column = [None if fact is None else float(fact) for fact in column]
    there = [place for place in places if column[place] is not None]
    without = [place for place in places if column[place] is None]
    there.sort(
        key=lambda place: column[place], reverse=order.is_descending ^ is_reversed
    )
    return without + there if is_reversed else there + without
