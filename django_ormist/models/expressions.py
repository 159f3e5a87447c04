"""Expressions of django.db.models, as update() takes them: F, Value and arithmetic.

It is imported where one is met, because it takes longer than all of ours.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..exceptions import FieldError

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%%": operator.mod,  # as Django writes it for SQL
    "^": operator.pow,
}


def is_expression(value: Any) -> bool:
    """Whether this is computed by the database in Django's ORM."""
    return hasattr(value, "resolve_expression")


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


def value_of(expression: Any, held: Callable[[str], Any]) -> Any:
    """What an expression is of one object. held: the value that it has of a name.

    None where a part of it is None, as SQL's NULL. Raises what Python's arithmetic
    raises; a quotient is Python's.
    """
    if not is_expression(expression):
        return expression
    from django.db.models import F, Value

    if isinstance(expression, F):
        return held(_name(expression))
    if isinstance(expression, Value):
        return expression.value
    left = value_of(expression.lhs, held)
    right = value_of(expression.rhs, held)
    if left is None or right is None:
        return None
    return _OPERATIONS[expression.connector](left, right)


def _name(f: Any) -> str:
    name: str = f.name
    return name


def _unknown(expression: Any) -> FieldError:
    return FieldError(
        f"Cannot compute {expression!r}: use F() and Value() of django.db.models with "
        "+ - * / % and **, or values."
    )
