"""Expressions of django.db.models, as update() takes them: F, Value and arithmetic.

They are imported where one is met, because that takes longer than all of ours.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..exceptions import FieldError

Held = Callable[[str], Any]
"""The value that one object has of a name."""

Computed = Callable[[Held], Any]
"""The value of an expression of that object."""

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%%": operator.mod,  # as Django writes it for SQL
    "^": operator.pow,
}


def is_expression(value: Any) -> bool:
    """Whether this is computed by the database in Django's ORM: no QuerySet is."""
    return hasattr(value, "resolve_expression") and not hasattr(value, "values_list")


def filter_of(aggregate: Any) -> Any:
    """Return the filter of an aggregate as it was given: Django 6.1 wraps it."""
    given = aggregate.filter
    if not hasattr(given, "get_source_expressions"):  # Q, F, or none
        return given
    sources = given.get_source_expressions()
    return sources[0] if sources else given


def can_be_attribute(name: str) -> bool:
    """Whether an attribute, a counter, or what an object has besides, is named so."""
    return bool(name) and not name.startswith("_") and "__" not in name


def names_in(expression: Any) -> Iterator[str]:
    """The names that an expression reads. Raises FieldError for what none can do."""
    if not is_expression(expression):
        return
    from django.db.models import F, Value
    from django.db.models.expressions import CombinedExpression

    if type(expression) is F:
        yield _name(expression)
    elif type(expression) is CombinedExpression:
        if expression.connector not in _OPERATIONS:
            raise _unknown(expression)
        yield from names_in(expression.lhs)
        yield from names_in(expression.rhs)
    elif not isinstance(expression, Value):
        raise _unknown(expression)


def value_of(expression: Any) -> Computed:
    """What gives the value of an expression, one that names_in() takes, of an object.

    None where a part of it is None, as SQL's NULL. It raises what Python's arithmetic
    raises; a quotient is Python's.
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

    def computed(held: Held) -> Any:
        left, right = lhs(held), rhs(held)
        return None if left is None or right is None else operation(left, right)

    return computed


def name_of(f: Any) -> str:
    """Return the name of an F."""
    name: str = f.name  # which django-stubs do not know
    return name


def _name(f: Any) -> str:
    """Return the name of an F. Raises FieldError for what can be no attribute."""
    name = name_of(f)
    if name == "tags" or not can_be_attribute(name):
        raise FieldError(
            f"Cannot compute {f!r}: {name!r} is no attribute. Name an attribute or a "
            "counter, without a lookup."
        )
    return name


def _unknown(expression: Any) -> FieldError:
    return FieldError(
        f"Cannot compute {expression!r}: use F() and Value() of django.db.models with "
        "+ - * / % and **, or values."
    )
