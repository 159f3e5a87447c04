"""The methods of managers and collections that read."""

from collections.abc import AsyncIterator, Iterable, Iterator
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
    from uuid import UUID

    from django.db.models import Q

    from ..flows.values import Shape
    from .base import Model
    from .collection import Collection
    from .values import ValuesCollection

M = TypeVar("M", bound="Model")


class ValuesMethods:
    """values() and values_list(), of values collections too. No round trip."""

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in COLLECTION:
                raise missing(type(self).__name__, name, COLLECTION)
            return object.__getattribute__(self, name)  # a property that raised

    def _with_values(
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
        return self._with_values(names or None, values_flows.as_dict)

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
            return self._with_values(names, values_flows.flat)
        if named:
            values_flows.row_class(names)
        return self._with_values(
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


class ReadMethods(ValuesMethods, Generic[M]):
    """The methods that read, of managers and collections, with async variants."""

    model: "type[M]"

    def _collection(self) -> "Collection[M]":
        """Return the collection that the methods read and write."""
        raise NotImplementedError  # pragma: no cover

    def _with_values(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "ValuesCollection[Any]":
        return self._collection()._with_values(names, shape)

    # One object

    def get(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M:
        """Return the object of this id, or of these Q and lookups. One round trip.

        Raises DoesNotExist, MultipleObjectsReturned.
        """
        asked = self._collection()
        return run(fetch.get(asked, pk, lookups), asked.db)

    async def aget(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M:
        """See get()."""
        asked = self._collection()
        return await arun(fetch.get(asked, pk, lookups), asked.db)

    def get_or_none(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M | None:
        """Return get(), or None if the object does not exist."""
        asked = self._collection()
        return run(fetch.get_or_none(asked, pk, lookups), asked.db)

    async def aget_or_none(
        self, /, *pk: "str | int | UUID | Q", **lookups: Any
    ) -> M | None:
        """See get_or_none()."""
        asked = self._collection()
        return await arun(fetch.get_or_none(asked, pk, lookups), asked.db)

    def first(self) -> M | None:
        """Return the first object or None. One round trip."""
        asked = self._collection()
        return run(fetch.first(asked), asked.db)

    async def afirst(self) -> M | None:
        """See first()."""
        asked = self._collection()
        return await arun(fetch.first(asked), asked.db)

    def last(self) -> M | None:
        """Return the last object or None. One round trip."""
        asked = self._collection()
        return run(fetch.last(asked), asked.db)

    async def alast(self) -> M | None:
        """See last()."""
        asked = self._collection()
        return await arun(fetch.last(asked), asked.db)

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

    # Many objects

    def count(self) -> int:
        """Return the number of objects, without loading them. One round trip."""
        asked = self._collection()
        return run(fetch.count(asked), asked.db)

    async def acount(self) -> int:
        """See count()."""
        asked = self._collection()
        return await arun(fetch.count(asked), asked.db)

    def exists(self) -> bool:
        """Return whether there is an object. One round trip."""
        asked = self._collection()
        return run(fetch.exists(asked), asked.db)

    async def aexists(self) -> bool:
        """See exists()."""
        asked = self._collection()
        return await arun(fetch.exists(asked), asked.db)

    def contains(self, obj: "Model") -> bool:
        """Return whether the stored *obj* is among the objects. One round trip."""
        asked = self._collection()
        return run(fetch.contains(asked, obj), asked.db)

    async def acontains(self, obj: "Model") -> bool:
        """See contains()."""
        asked = self._collection()
        return await arun(fetch.contains(asked, obj), asked.db)

    def ids(self) -> list[str]:
        """Return the ids in order. One round trip."""
        asked = self._collection()
        return run(fetch.ids(asked), asked.db)

    async def aids(self) -> list[str]:
        """See ids()."""
        asked = self._collection()
        return await arun(fetch.ids(asked), asked.db)

    def in_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, M]:
        """Return ``{id: object}`` of the ids that exist, or of all without a list.

        field_name: a unique attribute to use instead of the id. Raises ValueError for
        another attribute. At most two round trips for 5000 objects.
        """
        asked = self._collection()
        return run(fetch.in_bulk(asked, id_list, field_name), asked.db)

    async def ain_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, M]:
        """See in_bulk()."""
        asked = self._collection()
        return await arun(fetch.in_bulk(asked, id_list, field_name), asked.db)

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        """Yield each object once, with *chunk_size* (1000) in memory at a time.

        The ids are read at the start: objects created later are not included, and
        objects deleted meanwhile are left out. 1 + ceil(N / chunk_size) round trips.
        """
        return self._chunks(fetch.checked_chunk_size(chunk_size))

    def _chunks(self, size: int) -> Iterator[M]:
        asked = self._collection()
        pks = run(fetch.raw_ids(asked), asked.db)
        for start in range(0, len(pks), size):
            some = pks[start : start + size]
            yield from run(fetch.parts_of(asked, some), asked.db)

    async def aiterator(self, chunk_size: int | None = None) -> AsyncIterator[M]:
        """See iterator()."""
        size = fetch.checked_chunk_size(chunk_size)
        asked = self._collection()
        pks = await arun(fetch.raw_ids(asked), asked.db)
        for start in range(0, len(pks), size):
            some = pks[start : start + size]
            for instance in await arun(fetch.parts_of(asked, some), asked.db):
                yield instance

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
