"""What the verbs of a manager and of a collection stand on."""

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
    """A model, and the collection of it that is asked."""

    model: "type[M]"

    def _collection(self) -> "Collection[M]":
        """The collection that is asked."""
        raise NotImplementedError  # pragma: no cover


class Values:
    """The verbs that ask for parts of objects: no round trip."""

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in COLLECTION:
                raise missing(type(self).__name__, name, COLLECTION)
            return object.__getattribute__(self, name)  # a property that raised

    def _projected(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "ValuesCollection[Any]":
        """What is held under these names, in this shape."""
        raise NotImplementedError  # pragma: no cover

    def values(
        self, *names: str, **expressions: "Never"
    ) -> "ValuesCollection[dict[str, Any]]":
        """``{name: value}`` of each object, without making instances.

        names: attributes, counters, ``id``, ``tags``, ``expire``; without any, ``id``
        and every attribute that the object has. What it has not is None.
        Raises FieldError for expressions.
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
            return self._projected(names, values_flows.flat)
        if named:
            values_flows.row_class(names)
        return self._projected(
            names, values_flows.as_row if named else values_flows.as_tuple
        )


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


class Answers(Asked[M], Values):
    """What a manager and a collection share beside the verbs of objects."""

    # Parts of objects: no round trip

    def _projected(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "ValuesCollection[Any]":
        return self._collection()._projected(names, shape)

    # One object

    def earliest(self, *names: Any) -> M:
        """The first by these names, or by creation. Raises DoesNotExist. One trip.

        names: as those of order_by().
        """
        asked = self._collection()._first_by(names)
        return run(fetch.the_first(asked), asked.db)

    async def aearliest(self, *names: Any) -> M:
        """See earliest()."""
        asked = self._collection()._first_by(names)
        return await arun(fetch.the_first(asked), asked.db)

    def latest(self, *names: Any) -> M:
        """The last by these names, or by creation. Raises DoesNotExist. One trip.

        names: as those of order_by(). An object without the attribute only where none
        has it.
        """
        asked = self._collection()._first_by(names, is_last=True)
        return run(fetch.the_first(asked), asked.db)

    async def alatest(self, *names: Any) -> M:
        """See latest()."""
        asked = self._collection()._first_by(names, is_last=True)
        return await arun(fetch.the_first(asked), asked.db)

    # Numbers

    def facets(self, name: str, values: Iterable[Any] | None = None) -> dict[Any, int]:
        """``{value: how many have it}``, the lowest value first. One round trip.

        name: an ordered attribute; with *values* to count, also an indexed one, or
        ``tags``. Raises FieldError.
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
        """Django's Count, Min, Max, Sum, Avg over ordered attributes. One round trip.

        Of no value None, or the aggregate's default. Raises FieldError.
        """
        asked = self._collection()
        return run(aggregate_flows.aggregate(asked, given, named), asked.db)

    async def aaggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See aggregate()."""
        asked = self._collection()
        return await arun(aggregate_flows.aggregate(asked, given, named), asked.db)

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """Return how the server answers: what it walks or sorts, and its sizes.

        The query is sent for that. One round trip. Raises ValueError for a format or
        an option: there are none.
        """
        asked = self._collection()
        return run(explain_flows.explain(asked, format, options), asked.db)

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:
        """See explain()."""
        asked = self._collection()
        return await arun(explain_flows.explain(asked, format, options), asked.db)
