"""What values() and values_list() make of an object's values under some names.

A shape is a function of a module: a projection is pickled with it.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")

Shape = Callable[[tuple[str, ...], list[Any]], T]
"""Makes of names and their values what a projection holds."""


def as_dict(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    """The shape of values()."""
    return dict(zip(names, values, strict=True))


def as_tuple(names: tuple[str, ...], values: list[Any]) -> tuple[Any, ...]:
    """The shape of values_list()."""
    return tuple(values)


def flat(names: tuple[str, ...], values: list[Any]) -> Any:
    """The shape of values_list(name, flat=True)."""
    return values[0]


def as_row(names: tuple[str, ...], values: Iterable[Any]) -> Any:
    """The shape of values_list(*names, named=True)."""
    return row_class(names)._make(values)


@lru_cache
def row_class(names: tuple[str, ...]) -> Any:
    """The class of named rows, which pickle. Raises ValueError for what is no name."""

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return as_row, (names, tuple(self))

    row = namedtuple("Row", names)  # type: ignore[misc]
    return type("Row", (row,), {"__reduce__": __reduce__, "__slots__": ()})
