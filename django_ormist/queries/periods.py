"""Lookups of the creation and the expiration time: gt, lt, range, in, isnull."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from ..exceptions import FieldError
from ..schema import BaseOptions
from ..storable import unwrap
from .conditions import (
    EVERYTHING,
    NOTHING,
    Condition,
    Period,
    any_of,
    negate,
)
from .query import CREATED, EXPIRE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {CREATED: timedelta(microseconds=1), EXPIRE: timedelta(milliseconds=1)}


def build_condition(meta: BaseOptions, name: str, lookup: str, value: Any) -> Condition:
    """Return the condition of ``name__lookup=value``.

    name: ``created``, in microseconds, or ``expire``, in milliseconds. Raises
    FieldError for another lookup, ValueError for a value that is not a moment.
    """
    if lookup not in LOOKUPS:
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name}__{lookup}: no index answers "
            f"the lookup {lookup!r}. Look {name!r} up by an equal moment, or by "
            f"{', '.join(each for each in LOOKUPS if each != 'exact')}."
        )
    return LOOKUPS[lookup](meta, name, value)


def _bounds(meta: BaseOptions, name: str, lookup: str, value: Any) -> tuple[int, int]:
    """Return the last whole unit of time up to a moment, and the first from it on."""
    value = unwrap(value)
    if value is None:
        raise ValueError(
            f"Cannot filter {meta.object_name} by {name}__{lookup}=None: None has no "
            f"order. Use {name}__isnull=True."
        )
    past = meta.to_moment(name, lookup, value) - _EPOCH
    unit = _UNITS[name]
    return past // unit, -(-past // unit)


def _period(name: str, low: int, high: int) -> Condition:
    return Period(name, low, high) if low <= high else NOTHING


def _equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    if value is None:
        return _isnull(meta, name, True)
    last, first = _bounds(meta, name, "exact", value)
    return _period(name, first, last)


def _in(meta: BaseOptions, name: str, value: Any) -> Condition:
    return any_of(_equal(meta, name, unwrap(each)) for each in value)


def _greater_than(meta: BaseOptions, name: str, value: Any) -> Condition:
    return Period(name, low=_bounds(meta, name, "gt", value)[0] + 1)


def _greater_or_equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    return Period(name, low=_bounds(meta, name, "gte", value)[1])


def _less_than(meta: BaseOptions, name: str, value: Any) -> Condition:
    return Period(name, high=_bounds(meta, name, "lt", value)[1] - 1)


def _less_or_equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    return Period(name, high=_bounds(meta, name, "lte", value)[0])


def _range(meta: BaseOptions, name: str, value: Any) -> Condition:
    bounds = list(value) if isinstance(value, Iterable) else []
    if isinstance(value, str) or len(bounds) != 2:
        raise ValueError(f"{name}__range takes two bounds, not {value!r}.")
    low, high = (_bounds(meta, name, "range", each) for each in bounds)
    return _period(name, low[1], high[0])


def _isnull(meta: BaseOptions, name: str, value: Any) -> Condition:
    if not isinstance(value, bool):
        raise ValueError(f"{name}__isnull takes True or False, not {value!r}.")
    given = EVERYTHING if name == CREATED else Period(name)
    return negate(given) if value else given


LOOKUPS: dict[str, Callable[[BaseOptions, str, Any], Condition]] = {
    "exact": _equal,
    "in": _in,
    "gt": _greater_than,
    "gte": _greater_or_equal,
    "lt": _less_than,
    "lte": _less_or_equal,
    "range": _range,
    "isnull": _isnull,
}
"""The lookups of a time that each object has, or may have."""
