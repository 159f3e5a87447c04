"""Translation of the arguments of order_by() into the order of a query."""

from typing import Any

from ..exceptions import FieldError
from ..schema import BaseOptions
from .expressions import is_expression, name_of
from .query import CREATED, EXPIRE, RANDOM, Order, Query


def order_query(
    query: Query, meta: BaseOptions, names: tuple[Any, ...], is_flipped: bool = False
) -> Query:
    """Return *query* in this order. Raises FieldError for a name without an order.

    is_flipped: reverse the direction of each name.
    """
    orders: list[Order] = []
    for each in names:
        order = _order(meta, each)
        if is_flipped and order.name != RANDOM:
            order = order._replace(is_descending=not order.is_descending)
        if order.name not in [known.name for known in orders]:
            orders.append(order)
        if order.is_creation or order.name == RANDOM:
            break  # no two objects are equal by it
    is_reversed = False
    if orders and orders[-1].is_creation:
        last = orders[-1]
        if not orders[1:]:  # the order that every collection has, or that reversed
            orders, is_reversed = [], last.is_descending
        elif not last.is_descending:
            orders.pop()
    return query._replace(
        order=tuple(orders),
        is_reversed=is_reversed,
        is_ordered=bool(names),
    )


def _order(meta: BaseOptions, given: Any) -> Order:
    if isinstance(given, Order):
        return given
    if isinstance(given, str):
        name, is_descending = given.removeprefix("-"), given.startswith("-")
    else:
        name, is_descending = _parse_expression(meta, given)
    if name in meta.references:
        name = meta.stored_name(name)
    meta.refuse_pending(name)
    if name in meta.ordered:
        return Order(name, is_descending, is_attribute=name == CREATED)
    if name == EXPIRE or (name == CREATED and name not in meta.fields_by_name):
        return Order(name, is_descending)
    if name == RANDOM and not is_descending:
        return Order(RANDOM)
    if name in ("id", "pk"):
        raise FieldError(
            f"Cannot order {meta.object_name} by {name!r}: ids are random, not "
            f"counted. Order by {CREATED!r}."
        )
    raise FieldError(
        f"Cannot order {meta.object_name} by {name!r}: it has no sorted index. "
        f"{meta.advice_for_order(name)} "
        + ("" if name == CREATED else f"{CREATED!r}, ")
        + f"{EXPIRE!r} and {RANDOM!r} are orders too."
    )


def _parse_expression(meta: BaseOptions, given: Any) -> tuple[str, bool]:
    """Return the name of F("name") or F("name").desc(), and if it is descending."""
    from django.db.models import F  # which takes longer to import than all of ours
    from django.db.models.expressions import OrderBy

    if type(given) is F:
        given = given.asc()
    if not isinstance(given, OrderBy):
        kind = FieldError if is_expression(given) else TypeError
        raise kind(
            f"The order of {meta.object_name} takes names, not "
            f"{type(given).__name__}: {given!r}."
        )
    if type(given.expression) is not F or given.nulls_first:
        raise FieldError(
            f"Cannot order {meta.object_name} by {given!r}: only a name is "
            "ordered by, and objects without it come last."
        )
    return name_of(given.expression), given.descending
