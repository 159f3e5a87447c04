"""Ids of the matches, read in steps and put in order."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..keys import Space
from ..queries.conditions import And, Not, Range, all_of
from ..queries.query import EXPIRE, Order, Query
from ..queries.seeking import Ordering
from .compiler import QueryCompiler
from .operation import Flow, Operation, Script
from .steps import START, Step, most_looks

QUERY_IDS = Script("query_ids")


class FoundIds(NamedTuple):
    """Ids that a step found, and whether they and those of later steps are in order.

    columns: else the facts to sort them by: see query_ids.lua.
    """

    is_in_order: bool
    pks: list[bytes]
    columns: list[list[Any]]


def query_ids(space: Space, query: Query, need: int = 0) -> Step:
    """Return the Step that answers FoundIds. Ignores slices.

    need: how many the caller needs if they come in order; 0: all; -1: all, with their
    creation times. O(ids of the smallest condition).
    """
    compiler = QueryCompiler(space)
    args = (
        *compiler.compile_orders(query),
        *compiler.compile_condition(query.condition),
    )
    keys = tuple(compiler.keys)

    def step(cursor: bytes) -> Operation:
        steps = (need, most_looks(), cursor)
        return Operation(QUERY_IDS, keys, (*args, *steps), parse=_parse_found)

    return step


def _parse_found(reply: list[Any]) -> tuple[bytes, FoundIds]:
    cursor, in_order, pks, *columns = reply
    return cursor, FoundIds(in_order == b"1", pks, columns)


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
        step_from = query_ids(space, part, skip + (query.limit or 0))
        while cursor:
            cursor, step = yield step_from(cursor)
            if not step.is_in_order:
                found.append(step)
            elif (yield from pass_on(step.pks)):
                return
        if (yield from pass_on(sort_found(part, found))):
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


def sort_found(query: Query, found: Sequence[FoundIds]) -> list[bytes]:
    """Return the ids of all steps in order, each once."""
    if len(found) == 1:
        return _sort_ids(query, found[0].pks, found[0].columns)
    pks = [pk for each in found for pk in each.pks]
    if any(each.is_in_order for each in found):
        return list(dict.fromkeys(pks))
    columns = [
        [fact for part in column for fact in part]
        for column in zip(*(each.columns for each in found if each.pks), strict=True)
    ]
    places = dict(zip(reversed(pks), reversed(range(len(pks))), strict=True))
    if len(places) < len(pks):
        chosen = sorted(places.values())
        pks = [pks[place] for place in chosen]
        columns = [[column[place] for place in chosen] for column in columns]
    return _sort_ids(query, pks, columns)


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
    """Return the places, stably sorted by one order. Those without a fact are last."""
    if order.name == EXPIRE:
        column = [None if fact is None else float(fact) for fact in column]
    there = [place for place in places if column[place] is not None]
    without = [place for place in places if column[place] is None]
    there.sort(
        key=lambda place: column[place], reverse=order.is_descending ^ is_reversed
    )
    return without + there if is_reversed else there + without
