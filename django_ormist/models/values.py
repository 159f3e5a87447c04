"""values() and values_list(): of managers and collections, and anew of projections."""

from typing import TYPE_CHECKING, Any, Literal, Never, overload

from ..exceptions import FieldError
from . import shapes
from .expressions import can_be_attribute, is_expression
from .unsupported import COLLECTION, missing

if TYPE_CHECKING:
    from .projection import Projection


class Values:
    """The verbs that ask for parts of objects: no round trip."""

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in COLLECTION:
                raise missing(type(self).__name__, name, COLLECTION)
            return object.__getattribute__(self, name)  # a property that raised

    def _projected(
        self, names: tuple[str, ...] | None, shape: "shapes.Shape[Any]"
    ) -> "Projection[Any]":
        """What is held under these names, in this shape."""
        raise NotImplementedError  # pragma: no cover

    def values(
        self, *names: str, **expressions: "Never"
    ) -> "Projection[dict[str, Any]]":
        """``{name: value}`` of each object, without making instances.

        names: attributes, counters, ``id``, ``tags``, ``expire``; without any, ``id``
        and every attribute that the object has. What it has not is None.
        Raises FieldError for expressions.
        """
        _check("values", (*names, *expressions.values()))
        return self._projected(names or None, shapes.as_dict)

    @overload
    def values_list(
        self, *names: str, flat: Literal[True], named: Literal[False] = ...
    ) -> "Projection[Any]": ...
    @overload
    def values_list(
        self, *names: str, flat: Literal[False] = ..., named: bool = ...
    ) -> "Projection[tuple[Any, ...]]": ...
    def values_list(
        self, *names: str, flat: bool = False, named: bool = False
    ) -> "Projection[Any]":
        """A tuple of each object's values; flat: the one value; named: with names.

        Raises TypeError without names.
        """
        if flat and named:
            raise TypeError("'flat' and 'named' can't be used together.")
        if flat and len(names) != 1:
            raise TypeError(
                "'flat' is not valid when values_list is called with "
                + ("more than one field." if names else "no field.")
            )
        if not names:
            raise TypeError(
                "values_list() takes the names of attributes: objects have no schema, "
                "so there is no order for all of them. Ask for values(), which gives "
                "each object's own by name."
            )
        _check("values_list", names)
        if flat:
            return self._projected(names, shapes.flat)
        if named:
            shapes.row_class(names)
        return self._projected(names, shapes.as_row if named else shapes.as_tuple)


def _check(verb: str, names: tuple[Any, ...]) -> None:
    """Raise FieldError for an expression and a name of no attribute, or TypeError."""
    for name in names:
        if not isinstance(name, str):
            kind = FieldError if is_expression(name) else TypeError
            raise kind(
                f"{verb}() takes names, which are texts; not {type(name).__name__}: "
                f"{name!r}."
            )
        if not can_be_attribute(name):
            raise FieldError(
                f"{verb}() takes names of attributes, not {name!r}: no lookup is "
                "followed. Ask for the attribute, and compute in Python."
            )
