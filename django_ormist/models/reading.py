"""The methods of managers and collections that read."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, TypeVar, overload

from ..batching import batched
from ..connections.executor import arun, run
from ..connections.replica_reads import Reading
from ..exceptions import FieldError
from ..flows import aggregate as aggregate_flows
from ..flows import explain as explain_flows
from ..flows import fetch
from ..flows import values as values_flows
from ..queries.expressions import can_be_attribute, is_expression
from ..schema import BaseOptions
from .unsupported import COLLECTION, missing_name

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Q

    from ..flows.types import Shape
    from .base import Model
    from .collection import Collection
    from .values import ValuesCollection

M = TypeVar("M", bound="Model")


class ValuesMethods:
    """values() and values_list(), of values collections too. No round trip."""

    model: "type[Any]"

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in COLLECTION:
                raise missing_name(type(self).__name__, name, COLLECTION)
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

        names: attributes, counters, ``id``, ``tags``, ``expire``, ``created``. Without
        names: ``id`` and every attribute of the object. Absent ones are None. Raises
        FieldError for expressions.
        """
        _check(self.model._meta, "values", (*names, *expressions.values()))
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
                "values_list() takes the names of attributes: an object may have any, "
                "so there is no order for all of them. Ask for values(), which gives "
                "each object's own by name."
            )
        _check(self.model._meta, "values_list", names)
        if flat:
            return self._with_values(names, values_flows.flat)
        if named:
            values_flows.row_class(names)
        return self._with_values(
            names, values_flows.as_row if named else values_flows.as_tuple
        )


def _check(meta: BaseOptions, verb: str, names: tuple[Any, ...]) -> None:
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
        meta.check_readable(name, f"{verb}()")


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
        collection = self._collection()
        return run(fetch.get(collection, pk, lookups), collection.db, reads=True)

    async def aget(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M:
        """See get()."""
        collection = self._collection()
        return await arun(fetch.get(collection, pk, lookups), collection.db, reads=True)

    def get_or_none(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M | None:
        """Return get(), or ``None`` if the object does not exist."""
        collection = self._collection()
        return run(
            fetch.get_or_none(collection, pk, lookups), collection.db, reads=True
        )

    async def aget_or_none(
        self, /, *pk: "str | int | UUID | Q", **lookups: Any
    ) -> M | None:
        """See get_or_none()."""
        collection = self._collection()
        return await arun(
            fetch.get_or_none(collection, pk, lookups), collection.db, reads=True
        )

    def first(self) -> M | None:
        """Return the first object, or ``None``. One round trip."""
        collection = self._collection()
        return run(fetch.first(collection), collection.db, reads=True)

    async def afirst(self) -> M | None:
        """See first()."""
        collection = self._collection()
        return await arun(fetch.first(collection), collection.db, reads=True)

    def last(self) -> M | None:
        """Return the last object, or ``None``. One round trip."""
        collection = self._collection()
        return run(fetch.last(collection), collection.db, reads=True)

    async def alast(self) -> M | None:
        """See last()."""
        collection = self._collection()
        return await arun(fetch.last(collection), collection.db, reads=True)

    def earliest(self, *names: Any) -> M:
        """Return the first object by these names, or by creation. One round trip.

        names: as of order_by(). Raises DoesNotExist.
        """
        collection = self._collection()._first_by(names)
        return run(fetch.first_or_raise(collection), collection.db, reads=True)

    async def aearliest(self, *names: Any) -> M:
        """See earliest()."""
        collection = self._collection()._first_by(names)
        return await arun(fetch.first_or_raise(collection), collection.db, reads=True)

    def latest(self, *names: Any) -> M:
        """Return the last object by these names, or by creation. One round trip.

        names: as of order_by(). Objects without the attribute come after all others.
        Raises DoesNotExist.
        """
        collection = self._collection()._first_by(names, is_last=True)
        return run(fetch.first_or_raise(collection), collection.db, reads=True)

    async def alatest(self, *names: Any) -> M:
        """See latest()."""
        collection = self._collection()._first_by(names, is_last=True)
        return await arun(fetch.first_or_raise(collection), collection.db, reads=True)

    # Many objects

    def count(self) -> int:
        """Return the number of objects, without loading them.

        One round trip, or one per step that explain() tells.
        """
        collection = self._collection()
        return run(fetch.count(collection), collection.db, reads=True)

    async def acount(self) -> int:
        """See count()."""
        collection = self._collection()
        return await arun(fetch.count(collection), collection.db, reads=True)

    def exists(self) -> bool:
        """Return whether there is an object.

        One round trip, or one per step until the first is found: see explain().
        """
        collection = self._collection()
        return run(fetch.exists(collection), collection.db, reads=True)

    async def aexists(self) -> bool:
        """See exists()."""
        collection = self._collection()
        return await arun(fetch.exists(collection), collection.db, reads=True)

    def contains(self, obj: "Model") -> bool:
        """Return whether the stored *obj* is among the objects. One round trip."""
        collection = self._collection()
        return run(fetch.contains(collection, obj), collection.db, reads=True)

    async def acontains(self, obj: "Model") -> bool:
        """See contains()."""
        collection = self._collection()
        return await arun(fetch.contains(collection, obj), collection.db, reads=True)

    def ids(self) -> list[str]:
        """Return the ids in order. One round trip, or one per step: see explain()."""
        collection = self._collection()
        return run(fetch.ids(collection), collection.db, reads=True)

    async def aids(self) -> list[str]:
        """See ids()."""
        collection = self._collection()
        return await arun(fetch.ids(collection), collection.db, reads=True)

    def in_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, M]:
        """Return ``{id: object}`` of the ids that exist, or of all without a list.

        field_name: a unique attribute to use instead of the id. Raises ValueError for
        another attribute. At most two round trips for 5000 objects.
        """
        collection = self._collection()
        return run(
            fetch.in_bulk(collection, id_list, field_name), collection.db, reads=True
        )

    async def ain_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, M]:
        """See in_bulk()."""
        collection = self._collection()
        return await arun(
            fetch.in_bulk(collection, id_list, field_name), collection.db, reads=True
        )

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        """Yield each object once, with *chunk_size* (1000) in memory at a time.

        The ids are read at the start: objects created later are not included, and
        objects deleted meanwhile are left out. 1 + ceil(N / chunk_size) round trips.
        """
        return self._chunks(fetch.validate_chunk_size(chunk_size))

    def _chunks(self, size: int) -> Iterator[M]:
        collection, reads = self._collection(), Reading()
        pks = run(fetch.raw_ids(collection), collection.db, reads=reads)
        for some in batched(pks, size):
            yield from run(
                fetch.fetch_by_ids(collection, some), collection.db, reads=reads
            )

    async def aiterator(self, chunk_size: int | None = None) -> AsyncIterator[M]:
        """See iterator()."""
        size = fetch.validate_chunk_size(chunk_size)
        collection, reads = self._collection(), Reading()
        pks = await arun(fetch.raw_ids(collection), collection.db, reads=reads)
        for some in batched(pks, size):
            flow = fetch.fetch_by_ids(collection, some)
            for instance in await arun(flow, collection.db, reads=reads):
                yield instance

    # Numbers

    def facets(self, name: str, values: Iterable[Any] | None = None) -> dict[Any, int]:
        """Return ``{value: number of objects}``, sorted by value.

        One round trip, or one per step of a long query: see explain(). name: an ordered
        attribute. With *values*, which are then counted, also an
        indexed attribute or ``tags``. Raises FieldError.
        """
        collection = self._collection()
        return run(
            aggregate_flows.facets(collection, name, values), collection.db, reads=True
        )

    async def afacets(
        self, name: str, values: Iterable[Any] | None = None
    ) -> dict[Any, int]:
        """See facets()."""
        collection = self._collection()
        return await arun(
            aggregate_flows.facets(collection, name, values), collection.db, reads=True
        )

    def aggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """Return Django's Count, Min, Max, Sum, Avg over ordered attributes.

        Without values the result is None, or the aggregate's default. Raises
        FieldError. One round trip, or one per step of a long query: see explain().
        """
        collection = self._collection()
        return run(
            aggregate_flows.aggregate(collection, given, named),
            collection.db,
            reads=True,
        )

    async def aaggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See aggregate()."""
        collection = self._collection()
        return await arun(
            aggregate_flows.aggregate(collection, given, named),
            collection.db,
            reads=True,
        )

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """Return the plan of the query as text: indexes read or sorted, with sizes.

        The query is run for that. One round trip. Raises ValueError for a format or an
        option.
        """
        collection = self._collection()
        return run(
            explain_flows.explain(collection, format, options),
            collection.db,
            reads=True,
        )

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:
        """See explain()."""
        collection = self._collection()
        return await arun(
            explain_flows.explain(collection, format, options),
            collection.db,
            reads=True,
        )
