"""Lookups as the admin says them, in an address or a search, for a collection."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import F, OrderBy, Q

from ..models.options import Options

COMPARING = ("gt", "gte", "lt", "lte")


def translated(meta: Options, condition: Q) -> Q:
    """The condition in which each text may also be a number or a date. See typed()."""
    children = [
        translated(meta, child)
        if isinstance(child, Q)
        else typed(meta, *child)
        if isinstance(child, tuple)
        else child
        for child in condition.children
    ]
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def typed(meta: Options, name: str, value: Any) -> Q:
    """One lookup; of a sorted index with a text, one for each thing it may mean.

    A sorted index compares values of a kind, and an address has texts alone: "5" finds
    what is at least 5 among numbers, and at least "5" among texts.
    """
    attribute, _, lookup = name.partition("__")
    is_sorted = attribute in meta.ordered and isinstance(value, str)
    is_equal = lookup in ("", "exact") and not meta.indexes(attribute)
    if is_sorted and (is_equal or lookup in COMPARING):
        return any_of(Q((name, reading)) for reading in readings(value))
    return Q((name, value))


def tells_of(excluded: Collection[str], lookup: str, value: Any) -> bool:
    """Whether the answer to a lookup tells something of an excluded attribute.

    A tag that reads ``name:text`` finds by the attribute too.
    """
    name, _, kind = lookup.partition("__")
    if name != "tags" or name in excluded:
        return name in excluded
    tags = str(value).split(",") if kind == "in" else [str(value)]
    return any(tag.partition(":")[0] in excluded for tag in tags)


def readings(text: str) -> list[Any]:
    """What a text may mean: itself, a number, a date, a date with a time."""
    found: list[Any] = [text]
    for read in (int, float, date.fromisoformat, datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        if not (read is float and isinstance(found[-1], int)):
            found.append(value)
    return found


def any_of(conditions: Iterable[Q]) -> Q:
    """Those that meet one of the conditions; none if there is none."""
    joined = Q()
    for condition in conditions:
        joined |= condition
    return joined or Q(id__in=[])


def order_word(name: Any) -> str:
    """One argument of order_by() as a text; "id" stands for the creation."""
    if isinstance(name, OrderBy):
        word = order_word(name.expression)
        return f"-{word}" if name.descending else word
    if isinstance(name, F):
        name = vars(name)["name"]
    minus, word = ("-", name[1:]) if name[:1] == "-" else ("", name)
    return minus + ("created" if word in ("id", "pk") else word)


def orders(meta: Options) -> frozenset[str]:
    """The columns that a list can be sorted by."""
    return frozenset({"id", "pk", "created", "expire", *meta.ordered})
