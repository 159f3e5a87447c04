"""Expressions of django.db.models in update(): F, Value and arithmetic.

They are imported on first use, because the import takes longer than all of our package.
"""

import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timezone
from typing import Any

from ..exceptions import FieldError

Held = Callable[[str], Any]
"""A function that returns the value of a name for one object."""

Computed = Callable[[Held], Any]
"""A function that returns the value of an expression for that object."""

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%%": operator.mod,  # as Django writes it for SQL
    "^": operator.pow,
}
_OF_TIMES = (operator.add, operator.sub)


def is_expression(value: Any) -> bool:
    """Return whether it is an expression of Django's ORM, and not a QuerySet."""
    return hasattr(value, "resolve_expression") and not hasattr(value, "values_list")


def filter_of(aggregate: Any) -> Any:
    """Return the filter of an aggregate as it was passed: Django 6.1 wraps it."""
    given = aggregate.filter
    if not hasattr(given, "get_source_expressions"):  # Q, F or None
        return given
    sources = given.get_source_expressions()
    return sources[0] if sources else given


def can_be_attribute(name: str) -> bool:
    """Return whether it can be the name of an attribute or a counter."""
    return bool(name) and not name.startswith("_") and "__" not in name


def names_in(expression: Any) -> Iterator[str]:
    """Yield the names that an expression reads. Raise FieldError."""
    if not is_expression(expression):
        return
    from django.db.models import F, Value
    from django.db.models.expressions import CombinedExpression

    if type(expression) is F:
        yield _name(expression)
    elif type(expression) is CombinedExpression:
        if expression.connector not in _OPERATIONS:
            raise _expression_error(expression)
        yield from names_in(expression.lhs)
        yield from names_in(expression.rhs)
    elif not isinstance(expression, Value):
        raise _expression_error(expression)


def value_of(expression: Any) -> Computed:
    """Return a function that computes an expression which names_in() accepts.

    An operand ``None`` makes the result ``None``, as NULL in SQL. Aware datetimes are
    moments, also across a change of the clocks. Division and errors are those of
    Python.
    """
    if not is_expression(expression):
        return lambda held: expression
    from django.db.models import F, Value

    if isinstance(expression, F):
        name = _name(expression)
        return lambda held: held(name)
    if isinstance(expression, Value):
        return value_of(expression.value)
    operation = _OPERATIONS[expression.connector]
    lhs, rhs = value_of(expression.lhs), value_of(expression.rhs)

    def compute(held: Held) -> Any:
        left, right = lhs(held), rhs(held)
        if left is None or right is None:
            return None
        if operation in _OF_TIMES and (_has_zone(left) or _has_zone(right)):
            return _compute_moment(operation, left, right)
        return operation(left, right)

    return compute


def _has_zone(value: Any) -> bool:
    """Return whether it is an aware datetime whose offset may change."""
    return (
        isinstance(value, datetime)
        and value.utcoffset() is not None
        and not isinstance(value.tzinfo, timezone)
    )


def _compute_moment(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Return the result of moments. Python's arithmetic is that of wall clocks.

    A datetime is returned in the zone of its operand.
    """
    zone = (left if _has_zone(left) else right).tzinfo
    found = operation(_to_utc(left), _to_utc(right))
    return found.astimezone(zone) if isinstance(found, datetime) else found


def _to_utc(value: Any) -> Any:
    return value.astimezone(UTC) if _has_zone(value) else value


def name_of(f: Any) -> str:
    """Return the name of an F."""
    name: str = f.name  # which django-stubs do not know
    return name


def _name(f: Any) -> str:
    """Return the name of an F. Raise FieldError if it cannot be an attribute."""
    name = name_of(f)
    if name == "tags" or not can_be_attribute(name):
        raise FieldError(
            f"Cannot compute {f!r}: {name!r} is not an attribute. Name an attribute or "
            "a counter, without a lookup."
        )
    return name


def _expression_error(expression: Any) -> FieldError:
    return FieldError(
        f"Cannot compute {expression!r}: use F() and Value() of django.db.models with "
        "+ - * / % and **, or values."
    )
