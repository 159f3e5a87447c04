"""Seeking: the part of an ordered query after a position, or before it.

An ordered attribute and the creation time, which no two objects have in common, give
each object a position. A page that begins after a position neither skips nor repeats an
object, whatever is written meanwhile.
"""

from typing import NamedTuple, Self

from ..sortkeys import AFTER
from .conditions import (
    EARLIEST,
    LATEST,
    Condition,
    Period,
    Range,
    all_of,
    any_of,
    negate,
)
from .query import CREATED, EXPIRE, Order, Query

Fact = bytes | int | None
"""A sort key, or an expiration time in ms. None: the object has no such value."""


class Position(NamedTuple):
    """The position of an object: its fact for each order, and the creation time."""

    facts: tuple[Fact, ...]
    created_us: int


class Ordering(NamedTuple):
    """The order of a query, apart from the query.

    orders: by attributes and ``expire``. is_newest_first: the order of equal objects.
    """

    orders: tuple[Order, ...]
    is_newest_first: bool = False

    @classmethod
    def of(cls, query: Query) -> Self:
        """Return the order of a query that is not reversed otherwise."""
        if not query.order:
            return cls((), query.is_reversed)
        last = query.order[-1]
        if last.is_creation:
            return cls(query.order[:-1], last.is_descending)
        return cls(query.order)

    def apply(self, query: Query, is_backward: bool = False) -> Query:
        """Return the query in this order, or in the opposite one."""
        if not self.orders:
            return query._replace(
                order=(), is_reversed=self.is_newest_first ^ is_backward
            )
        last = (Order(CREATED, True),) if self.is_newest_first else ()
        return query._replace(order=(*self.orders, *last), is_reversed=is_backward)


def seek(
    query: Query, position: Position | None, is_backward: bool = False
) -> list[Query]:
    """Return queries whose results, one after the other, are those after a position.

    is_backward: those before it, in the opposite order. Without a position, all. There
    are two queries where objects without the attribute follow those that have it.
    """
    ordering = Ordering.of(query)
    if position is None:
        return [ordering.apply(query, is_backward)]
    return [
        part.apply(query.narrow((), None, (condition,)), is_backward)
        for part, condition in _parts(ordering, position, is_backward)
    ]


def _parts(
    ordering: Ordering, position: Position, is_backward: bool
) -> list[tuple[Ordering, Condition]]:
    """Return the parts after a position, each with its remaining order."""
    if not ordering.orders:
        return [(ordering, _after(ordering, position, is_backward))]
    order, fact = ordering.orders[0], position.facts[0]
    rest = ordering._replace(orders=ordering.orders[1:])
    following = _after(rest, position._replace(facts=position.facts[1:]), is_backward)
    has = _having(order)
    if fact is None:
        same = (rest, all_of((negate(has), following)))
        return [same, (ordering, has)] if is_backward else [same]
    is_down = order.is_descending ^ is_backward
    same = (
        ordering,
        all_of(
            (
                _from(order, fact, is_down),
                any_of((_beyond(order, fact, is_down), following)),
            )
        ),
    )
    return [same] if is_backward else [same, (rest, negate(has))]


def _after(ordering: Ordering, position: Position, is_backward: bool) -> Condition:
    """Return the condition of coming after a position."""
    if ordering.orders:
        parts = _parts(ordering, position, is_backward)
        return any_of(condition for _, condition in parts)
    if ordering.is_newest_first ^ is_backward:
        return Period(CREATED, EARLIEST, position.created_us - 1)
    return Period(CREATED, position.created_us + 1, LATEST)


def _having(order: Order) -> Condition:
    """Return the condition of having a fact for an order."""
    return Period(EXPIRE) if order.name == EXPIRE else Range(order.name)


def _from(order: Order, fact: bytes | int, is_down: bool) -> Condition:
    """Return the condition of a fact that is equal or beyond."""
    if isinstance(fact, int):
        return Period(EXPIRE, high=fact) if is_down else Period(EXPIRE, fact)
    if is_down:
        return Range(order.name, high=fact + AFTER)
    return Range(order.name, fact)


def _beyond(order: Order, fact: bytes | int, is_down: bool) -> Condition:
    """Return the condition of a fact that is beyond."""
    if isinstance(fact, int):
        return _from(order, fact - 1 if is_down else fact + 1, is_down)
    return Range(order.name, high=fact) if is_down else Range(order.name, fact + AFTER)
