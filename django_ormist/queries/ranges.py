"""Lookups of ordered attributes: gt, lt, range, startswith, isnull."""

from collections.abc import Callable, Iterable
from typing import Any

from ..exceptions import FieldError
from ..schema import BaseOptions
from ..sortkeys import AFTER, KINDS, kind_of, sort_key, text_prefix
from ..storable import unwrap
from .conditions import Condition, Range, negate


def build_condition(meta: BaseOptions, name: str, lookup: str, value: Any) -> Condition:
    """Return the condition of ``name__lookup=value``. Raises FieldError, ValueError."""
    if name not in meta.ordered:
        hint = meta.advice_for_order(name)
        if lookup == "isnull" and meta.finds(name):
            hint = f"Write find({name}=None)."
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name}__{lookup}: {name!r} has no "
            f"sorted index. {hint}"
        )
    meta.refuse_pending(name)
    return LOOKUPS[lookup](meta, name, value)


def equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    """Return the condition of an equal sort key. Those of 1, 1.0 and True are equal."""
    meta.refuse_pending(name)
    if value is None:
        return negate(Range(name))
    key = build_sort_key(meta, name, "exact", value)
    return Range(name, key, key + AFTER)


def build_sort_key(meta: BaseOptions, name: str, lookup: str, value: Any) -> bytes:
    """Return the sort key of a value. Raises ValueError, FieldError."""
    key = sort_key(value)
    if key is None:
        what = f"{meta.object_name} by {name}__{lookup}={value!r}"
        if value is None:
            raise ValueError(
                f"Cannot filter {what}: None has no order. Use {name}__isnull=True."
            )
        raise FieldError(
            f"Cannot filter {what}: this {type(value).__name__} has no order. Pass a "
            "number, a text, a date, a naive time or a timedelta."
        )
    return key


def _kind_bounds(key: bytes) -> tuple[bytes, bytes]:
    """Return the bounds of all sort keys of this kind. Kinds are never compared."""
    firsts = KINDS[kind_of(key)]
    return firsts[:1], bytes((firsts[-1] + 1,))


def _greater_than(meta: BaseOptions, name: str, value: Any) -> Condition:
    key = build_sort_key(meta, name, "gt", value)
    return Range(name, key + AFTER, _kind_bounds(key)[1])


def _greater_or_equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    key = build_sort_key(meta, name, "gte", value)
    return Range(name, key, _kind_bounds(key)[1])


def _less_than(meta: BaseOptions, name: str, value: Any) -> Condition:
    key = build_sort_key(meta, name, "lt", value)
    return Range(name, _kind_bounds(key)[0], key)


def _less_or_equal(meta: BaseOptions, name: str, value: Any) -> Condition:
    key = build_sort_key(meta, name, "lte", value)
    return Range(name, _kind_bounds(key)[0], key + AFTER)


def _range(meta: BaseOptions, name: str, value: Any) -> Condition:
    bounds = list(value) if isinstance(value, Iterable) else []
    if isinstance(value, str) or len(bounds) != 2:
        raise ValueError(f"{name}__range takes two bounds, not {value!r}.")
    low, high = (build_sort_key(meta, name, "range", bound) for bound in bounds)
    if kind_of(low) != kind_of(high):
        raise ValueError(
            f"{name}__range takes bounds of one kind, not a {kind_of(low)} and a "
            f"{kind_of(high)}."
        )
    return Range(name, low, high + AFTER)


def _startswith(meta: BaseOptions, name: str, value: Any) -> Condition:
    value = unwrap(value)
    if not isinstance(value, str):
        raise ValueError(f"{name}__startswith takes a text, not {value!r}.")
    prefix = text_prefix(value)
    return Range(name, prefix, prefix + AFTER)


def _isnull(meta: BaseOptions, name: str, value: Any) -> Condition:
    if not isinstance(value, bool):
        raise ValueError(f"{name}__isnull takes True or False, not {value!r}.")
    return negate(Range(name)) if value else Range(name)


LOOKUPS: dict[str, Callable[[BaseOptions, str, Any], Condition]] = {
    "gt": _greater_than,
    "gte": _greater_or_equal,
    "lt": _less_than,
    "lte": _less_or_equal,
    "range": _range,
    "startswith": _startswith,
    "isnull": _isnull,
}
"""The lookups of a sorted index, in addition to equality."""
