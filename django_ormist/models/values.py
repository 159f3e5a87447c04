"""ValuesCollection: the lazy result of values() and values_list()."""

import builtins
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from ..batching import batched
from ..connections.executor import arun, run
from ..connections.replica_reads import Reading
from ..flows import fetch
from ..flows import values as values_flows
from ..flows.types import Shape, Times
from ..operations.operation import Flow
from ..operations.rows import Rows
from ..queries.query import CREATED, Query
from .reading import ValuesMethods
from .results import LazyResults
from .state import add_version, remove_version
from .writing import alters_data

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Q

    from .collection import Collection

T = TypeVar("T", covariant=True)


class ValuesCollection(LazyResults[T], ValuesMethods):
    """The values of a collection's objects under some names, lazy like a collection.

    It is evaluated once and keeps the result. An absent attribute is None. names: None
    for ``id`` and all attributes. A slice of distinct rows is taken after removing
    duplicates.
    """

    def __init__(
        self,
        collection: "Collection[Any]",
        names: tuple[str, ...] | None,
        shape: Shape[T],
        is_distinct: bool = False,
    ) -> None:
        self.collection = collection
        self.model, self.query = collection.model, collection.query
        self.names = names
        self.shape = shape
        self.is_distinct = is_distinct
        self._cache: builtins.list[T] | None = None

    @property
    def db(self) -> str:
        """The alias of the connection."""
        return self.collection.db

    # Chains

    def find(self, /, *tags: Any, **lookups: Any) -> Self:
        """See Collection.find()."""
        return self._wrap(self.collection.find(*tags, **lookups))

    filter = find

    def complex_filter(self, filter_obj: "Q | Mapping[str, Any]") -> Self:
        """See Collection.complex_filter()."""
        return self._wrap(self.collection.complex_filter(filter_obj))

    def exclude(self, /, *tags: Any, **lookups: Any) -> Self:
        """See Collection.exclude()."""
        return self._wrap(self.collection.exclude(*tags, **lookups))

    def order_by(self, /, *names: Any) -> Self:
        """See Collection.order_by()."""
        return self._wrap(self.collection.order_by(*names))

    def reverse(self) -> Self:
        """See Collection.reverse()."""
        return self._wrap(self.collection.reverse())

    def using(self, alias: str) -> Self:
        """See Collection.using()."""
        return self._wrap(self.collection.using(alias))

    def all(self) -> Self:
        """Return an unevaluated copy."""
        return self._wrap(self.collection.all())

    def none(self) -> Self:
        """See Collection.none()."""
        return self._wrap(self.collection.none())

    def distinct(self, *names: str) -> Self:
        """Return each row once, at the position of its first object.

        A flat list of an ordered attribute without another order is read from its
        index, in its order; values without an order become a final None. Other rows are
        compared and sliced by the client.
        """
        collection = self.collection.distinct(*names)
        return type(self)(collection, self.names, self.shape, is_distinct=True)

    def _with_values(
        self, names: tuple[str, ...] | None, shape: Shape[Any]
    ) -> "ValuesCollection[Any]":
        return ValuesCollection(self.collection, names, shape, self.is_distinct)

    def _wrap(self, collection: "Collection[Any]") -> Self:
        return type(self)(collection, self.names, self.shape, self.is_distinct)

    def _chain(self, query: Query | None = None) -> Self:
        return self._wrap(self.collection._chain(query))

    # Evaluation

    @property
    def _has_counters(self) -> bool:
        return not self.model._meta.counters.isdisjoint(self.names or ())

    @property
    def _holds_ids(self) -> bool:
        return self.names in (("id",), ("pk",)) and not self.is_distinct

    @property
    def _reads_creation(self) -> bool:
        meta = self.model._meta
        return CREATED in (self.names or ()) and not meta.created_is_attribute

    def _build(self, rows: Rows, created: Times | None = None) -> builtins.list[T]:
        return values_flows.build_rows(self, rows, created)

    def _fetch(self, query: Query) -> Flow[list[T]]:
        return values_flows.fetch_rows(self, query)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle, with the result, as Django's QuerySet does."""
        self._evaluate()
        collection = self.collection.all()
        state = {
            **self.__dict__,
            "collection": (type(collection), collection._picklable()),
        }
        del state["query"]
        return add_version(state)

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        state = remove_version(type(self), pickled)
        kind, described = state["collection"]
        collection = kind.__new__(kind)
        collection.__setstate__(described)
        self.__dict__.update(state, collection=collection, query=collection.query)

    # One row

    def get(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> T:
        """Return the row of the object of this id, or of these Q and lookups.

        One round trip. Raises DoesNotExist, MultipleObjectsReturned.
        """
        return run(fetch.get(self, pk, lookups), self.db, reads=True)

    async def aget(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> T:
        """See get()."""
        return await arun(fetch.get(self, pk, lookups), self.db, reads=True)

    def first(self) -> T | None:
        """Return the first row, or ``None``. One round trip."""
        return run(fetch.first(self), self.db, reads=True)

    async def afirst(self) -> T | None:
        """See first()."""
        return await arun(fetch.first(self), self.db, reads=True)

    def last(self) -> T | None:
        """Return the last row, or ``None``. One round trip, unless distinct."""
        return run(values_flows.last(self), self.db, reads=True)

    async def alast(self) -> T | None:
        """See last()."""
        return await arun(values_flows.last(self), self.db, reads=True)

    def earliest(self, *names: Any) -> T:
        """See Collection.earliest()."""
        values = self._wrap(self.collection._first_by(names))
        return run(fetch.first_or_raise(values), self.db, reads=True)

    async def aearliest(self, *names: Any) -> T:
        """See earliest()."""
        values = self._wrap(self.collection._first_by(names))
        return await arun(fetch.first_or_raise(values), self.db, reads=True)

    def latest(self, *names: Any) -> T:
        """See Collection.latest()."""
        values = self._wrap(self.collection._first_by(names, is_last=True))
        return run(fetch.first_or_raise(values), self.db, reads=True)

    async def alatest(self, *names: Any) -> T:
        """See latest()."""
        values = self._wrap(self.collection._first_by(names, is_last=True))
        return await arun(fetch.first_or_raise(values), self.db, reads=True)

    # Many rows

    def count(self) -> int:
        """Return the number of rows. One round trip; if distinct, as list()."""
        return run(values_flows.count(self), self.db, reads=True)

    async def acount(self) -> int:
        """See count()."""
        return await arun(values_flows.count(self), self.db, reads=True)

    def exists(self) -> bool:
        """Return whether there is a row. One round trip."""
        return run(values_flows.exists(self), self.db, reads=True)

    async def aexists(self) -> bool:
        """See exists()."""
        return await arun(values_flows.exists(self), self.db, reads=True)

    def in_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, T]:
        """See Collection.in_bulk(). The keys are ids."""
        return run(fetch.in_bulk(self, id_list, field_name), self.db, reads=True)

    async def ain_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, T]:
        """See in_bulk()."""
        return await arun(fetch.in_bulk(self, id_list, field_name), self.db, reads=True)

    def iterator(self, chunk_size: int | None = None) -> Iterator[T]:
        """See Collection.iterator(). Distinct rows are all read first."""
        return self._chunks(fetch.validate_chunk_size(chunk_size))

    def _chunks(self, size: int) -> Iterator[T]:
        reads = Reading()
        found = run(values_flows.list_items(self), self.db, reads=reads)
        for some in batched(found, size):
            yield from run(values_flows.fetch_chunk(self, some), self.db, reads=reads)

    async def aiterator(self, chunk_size: int | None = None) -> AsyncIterator[T]:
        """See iterator()."""
        size = fetch.validate_chunk_size(chunk_size)
        reads = Reading()
        found = await arun(values_flows.list_items(self), self.db, reads=reads)
        for some in batched(found, size):
            flow = values_flows.fetch_chunk(self, some)
            for part in await arun(flow, self.db, reads=reads):
                yield part

    def aggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See Collection.aggregate(). Raises NotSupportedError for distinct rows."""
        return run(values_flows.aggregate(self, given, named), self.db, reads=True)

    async def aaggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See aggregate()."""
        return await arun(
            values_flows.aggregate(self, given, named), self.db, reads=True
        )

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """See Collection.explain(): how the objects are found. One round trip."""
        return run(values_flows.explain(self, format, options), self.db, reads=True)

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:
        """See explain()."""
        return await arun(
            values_flows.explain(self, format, options), self.db, reads=True
        )

    # Methods that only objects have

    @alters_data
    def delete(self) -> NoReturn:
        """Raise TypeError, like the following methods: call it on the collection."""
        raise _refusal("delete")

    @alters_data
    async def adelete(self) -> NoReturn:
        """See delete()."""
        raise _refusal("delete")

    @alters_data
    def update(self, **values: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("update")

    @alters_data
    async def aupdate(self, **values: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("update")

    @alters_data
    def set_expire(self, expire: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("set_expire")

    @alters_data
    async def aset_expire(self, expire: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("set_expire")

    def contains(self, obj: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("contains")

    async def acontains(self, obj: Any) -> NoReturn:
        """See delete()."""
        raise _refusal("contains")


def _refusal(verb: str) -> TypeError:
    return TypeError(f"Cannot call {verb}() after .values() or .values_list().")
