"""The methods of managers and collections that return values and numbers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, TypeVar, overload

from ..connections.executor import arun, run
from ..exceptions import FieldError
from ..flows import aggregate as aggregate_flows
from ..flows import explain as explain_flows
from ..flows import fetch
from ..flows import values as values_flows
from ..queries.expressions import can_be_attribute, is_expression
from .unsupported import COLLECTION, missing

if TYPE_CHECKING:
    from ..flows.values import Shape
    from .base import Model
    from .values import ValuesCollection
if TYPE_CHECKING:
    from .values import ValuesCollection

if TYPE_CHECKING:
    from .base import Model
    from .collection import Collection

M = TypeVar("M", bound="Model")


class Asked(Generic[M]):
    """The base of the methods: a model and its collection."""

    model: "type[M]"

    def _collection(self) -> "Collection[M]":
        """Return the collection."""
        raise NotImplementedError  # pragma: no cover


class Values:
    """values() and values_list(). No round trip."""

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in COLLECTION:
                raise missing(type(self).__name__, name, COLLECTION)
            return object.__getattribute__(self, name)  # a property that raised

    def _projected(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "ValuesCollection[Any]":
        """Return the values under these names as rows of this shape."""
        raise NotImplementedError  # pragma: no cover

    def values(
        self, *names: str, **expressions: "Never"
    ) -> "ValuesCollection[dict[str, Any]]":
        """Return ``{name: value}`` of each object, without instances.

        names: attributes, counters, ``id``, ``tags``, ``expire``. Without names: ``id``
        and every attribute of the object. Absent ones are None. Raises FieldError for
        expressions.
        """
        _check("values", (*names, *expressions.values()))
        return self._projected(names or None, values_flows.as_dict)

    @overload
    def values_list(
        self, *names: str, flat: Literal[True], named: Literal[False] = ...
    ) -> "ValuesCollection[Any]": ...
    @overload
    def values_list(
        self, *names: str, flat: Literal[False] = ..., named: bool = ...
    ) -> "ValuesCollection[tuple[Any, ...]]": ...
    def values_list(
        self, *names: str, flat: bool = False, named: bool = False
    ) -> "ValuesCollection[Any]":
        """Return a tuple of values of each object. flat: the value; named: with names.

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
            return self._projected(names, values_flows.flat)
        if named:
            values_flows.row_class(names)
        return self._projected(
            names, values_flows.as_row if named else values_flows.as_tuple
        )


def _check(verb: str, names: tuple[Any, ...]) -> None:
    """Raise FieldError for an expression or a wrong name, TypeError for other types."""
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


class Answers(Asked[M], Values):
    """Methods that return values, numbers or text."""

    # Parts of objects: no round trip

    def _projected(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "ValuesCollection[Any]":
        return self._collection()._projected(names, shape)

    # One object

    def earliest(self, *names: Any) -> M:
        """Return the first object by these names, or by creation. One round trip.

        names: as of order_by(). Raises DoesNotExist.
        """
        asked = self._collection()._first_by(names)
        return run(fetch.the_first(asked), asked.db)

    async def aearliest(self, *names: Any) -> M:
        """See earliest()."""
        asked = self._collection()._first_by(names)
        return await arun(fetch.the_first(asked), asked.db)

    def latest(self, *names: Any) -> M:
        """Return the last object by these names, or by creation. One round trip.

        names: as of order_by(). Objects without the attribute come after all others.
        Raises DoesNotExist.
        """
        asked = self._collection()._first_by(names, is_last=True)
        return run(fetch.the_first(asked), asked.db)

    async def alatest(self, *names: Any) -> M:
        """See latest()."""
        asked = self._collection()._first_by(names, is_last=True)
        return await arun(fetch.the_first(asked), asked.db)

    # Numbers

    def facets(self, name: str, values: Iterable[Any] | None = None) -> dict[Any, int]:
        """Return ``{value: number of objects}``, sorted by value. One round trip.

        name: an ordered attribute. With *values*, which are then counted, also an
        indexed attribute or ``tags``. Raises FieldError.
        """
        asked = self._collection()
        return run(aggregate_flows.facets(asked, name, values), asked.db)

    async def afacets(
        self, name: str, values: Iterable[Any] | None = None
    ) -> dict[Any, int]:
        """See facets()."""
        asked = self._collection()
        return await arun(aggregate_flows.facets(asked, name, values), asked.db)

    def aggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """Return Django's Count, Min, Max, Sum, Avg over ordered attributes.

        Without values the result is None, or the aggregate's default. Raises
        FieldError. One round trip.
        """
        asked = self._collection()
        return run(aggregate_flows.aggregate(asked, given, named), asked.db)

    async def aaggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See aggregate()."""
        asked = self._collection()
        return await arun(aggregate_flows.aggregate(asked, given, named), asked.db)

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """Return the plan of the query as text: indexes read or sorted, with sizes.

        The query is run for that. One round trip. Raises ValueError for a format or an
        option, as there are none.
        """
        asked = self._collection()
        return run(explain_flows.explain(asked, format, options), asked.db)

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:
        """See explain()."""
        asked = self._collection()
        return await arun(explain_flows.explain(asked, format, options), asked.db)
