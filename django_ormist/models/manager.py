"""Managers: the verbs of a model as a whole, and where a collection begins."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, get_origin

from ..connections.executor import arun, run
from ..flows import fetch
from .options import Options
from .reading import Answers
from .writing import Writing

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Q

    from .base import Model
    from .collection import Collection

M = TypeVar("M", bound="Model")
C = TypeVar("C", bound="Collection[Any]")
R = TypeVar("R", covariant=True)


class Asking(Writing[M], Answers[M]):
    """The verbs that a manager and a collection share, each with its async twin."""

    # One object

    def get(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M:
        """The one object of this id, or of these Q and lookups. One round trip.

        Raises DoesNotExist, MultipleObjectsReturned.
        """
        asked = self._collection()
        return run(fetch.get(asked, pk, lookups), asked.db)

    async def aget(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M:
        """See get()."""
        asked = self._collection()
        return await arun(fetch.get(asked, pk, lookups), asked.db)

    def get_or_none(self, /, *pk: "str | int | UUID | Q", **lookups: Any) -> M | None:
        """As get(), but None where get() raises DoesNotExist."""
        asked = self._collection()
        return run(fetch.get_or_none(asked, pk, lookups), asked.db)

    async def aget_or_none(
        self, /, *pk: "str | int | UUID | Q", **lookups: Any
    ) -> M | None:
        """See get_or_none()."""
        asked = self._collection()
        return await arun(fetch.get_or_none(asked, pk, lookups), asked.db)

    def first(self) -> M | None:
        """The first object, None where there is none. One round trip."""
        asked = self._collection()
        return run(fetch.first(asked), asked.db)

    async def afirst(self) -> M | None:
        """See first()."""
        asked = self._collection()
        return await arun(fetch.first(asked), asked.db)

    def last(self) -> M | None:
        """The last object, None where there is none. One round trip."""
        asked = self._collection()
        return run(fetch.last(asked), asked.db)

    async def alast(self) -> M | None:
        """See last()."""
        asked = self._collection()
        return await arun(fetch.last(asked), asked.db)

    # Facts about many

    def count(self) -> int:
        """How many live objects there are. One round trip, nothing is loaded."""
        asked = self._collection()
        return run(fetch.count(asked), asked.db)

    async def acount(self) -> int:
        """See count()."""
        asked = self._collection()
        return await arun(fetch.count(asked), asked.db)

    def exists(self) -> bool:
        """Whether there is any object. One round trip."""
        asked = self._collection()
        return run(fetch.exists(asked), asked.db)

    async def aexists(self) -> bool:
        """See exists()."""
        asked = self._collection()
        return await arun(fetch.exists(asked), asked.db)

    def contains(self, obj: "Model") -> bool:
        """Whether *obj* is among them, as it is stored. One round trip."""
        asked = self._collection()
        return run(fetch.contains(asked, obj), asked.db)

    async def acontains(self, obj: "Model") -> bool:
        """See contains()."""
        asked = self._collection()
        return await arun(fetch.contains(asked, obj), asked.db)

    def ids(self) -> list[str]:
        """The ids alone, in order. One round trip."""
        asked = self._collection()
        return run(fetch.ids(asked), asked.db)

    async def aids(self) -> list[str]:
        """See ids()."""
        asked = self._collection()
        return await arun(fetch.ids(asked), asked.db)

    def in_bulk(
        self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk"
    ) -> dict[Any, M]:
        """{id: object} of those ids that are there; all of them without a list.

        field_name: an attribute that is unique by itself, in place of the id. Raises
        ValueError for another.
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
        """Return each object once, *chunk_size* (1000) in memory at a time, none kept.

        The ids are those of the start: what is created later is not among them, and
        what is deleted meanwhile is left out. 1 + ceil(N / chunk_size) round trips.
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


class Manager(Asking[M]):
    """``Model.objects``: the way from the class to its stored objects."""

    collection_class: "type[Collection[Any]]"  # set where Collection is defined

    def __get__(self, instance: object, owner: type[Any]) -> Self:
        meta = getattr(owner, "_meta", None)
        if "model" in self.__dict__ and not isinstance(meta, Options):
            return self  # the queryset of a view, say: no model declares it here
        if instance is not None:
            raise AttributeError(
                f"Manager isn't accessible via {owner.__name__} instances"
            )
        if meta is None or meta.abstract:
            raise AttributeError(
                f"Manager isn't available; {owner.__name__} is abstract"
            )
        return self.bound(owner)

    def bound(self, owner: "type[Any]") -> Self:
        """This manager, of that model."""
        if self.__dict__.get("model") is owner:
            return self
        manager = self.__class__.__new__(self.__class__)
        manager.__dict__.update(self.__dict__, model=owner)
        return manager

    @property
    def db(self) -> str:
        """The alias that is asked."""
        return self._collection().db

    def get_collection(self) -> "Collection[M]":
        """The collection that every verb begins with; override it to narrow all."""
        return self.collection_class(self.model)

    def get_queryset(self) -> "Collection[M]":
        """Django's name for get_collection(); either may be overridden."""
        return self.get_collection()

    def _collection(self) -> "Collection[M]":
        return self.get_queryset()

    # Chains: no round trip

    def all(self) -> "Collection[M]":
        """See Collection.all()."""
        return self._collection().all()

    def none(self) -> "Collection[M]":
        """See Collection.none()."""
        return self._collection().none()

    def find(self, /, *tags: "str | Q", **lookups: Any) -> "Collection[M]":
        """See Collection.find()."""
        return self._collection().find(*tags, **lookups)

    def filter(self, /, *tags: "str | Q", **lookups: Any) -> "Collection[M]":
        """See Collection.find()."""
        return self._collection().filter(*tags, **lookups)

    def complex_filter(self, filter_obj: "Q | Mapping[str, Any]") -> "Collection[M]":
        """See Collection.complex_filter()."""
        return self._collection().complex_filter(filter_obj)

    def exclude(self, /, *tags: "str | Q", **lookups: Any) -> "Collection[M]":
        """See Collection.exclude()."""
        return self._collection().exclude(*tags, **lookups)

    def order_by(self, /, *names: Any) -> "Collection[M]":
        """See Collection.order_by()."""
        return self._collection().order_by(*names)

    def reverse(self) -> "Collection[M]":
        """See Collection.reverse()."""
        return self._collection().reverse()

    def distinct(self, *names: str) -> "Collection[M]":
        """See Collection.distinct()."""
        return self._collection().distinct(*names)

    def using(self, alias: str) -> "Collection[M]":
        """See Collection.using()."""
        return self._collection().using(alias)

    @classmethod
    def from_collection(
        cls, collection_class: "CollectionClass[R]", class_name: str | None = None
    ) -> type[R]:
        """Return a manager class with the public methods of your Collection class."""
        base: Any = get_origin(collection_class) or collection_class
        name = class_name or f"{cls.__name__}From{base.__name__}"
        return type(name, (cls,), {"collection_class": base})

    def __init_subclass__(cls) -> None:
        """Give the manager what its Collection class adds, or does in its own way."""
        super().__init_subclass__()
        own = cls.__dict__.get("collection_class")
        if own is None:
            return
        from .collection import Collection

        if not (isinstance(own, type) and issubclass(own, Collection)):
            raise TypeError(f"{own!r} is not a Collection class.")
        for name, method in inspect.getmembers(own, inspect.isfunction):
            is_own = getattr(Collection, name, None) is not method
            if is_own and not name.startswith("_") and name not in cls.__dict__:
                setattr(cls, name, _forwarded(name, method))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Manager)
            and type(self) is type(other)
            and self.__dict__ == other.__dict__
        )

    def __hash__(self) -> int:
        return hash((type(self), self.__dict__.get("model")))

    def __repr__(self) -> str:
        model = self.__dict__.get("model")
        return f"<{type(self).__name__} of {model.__name__ if model else 'no model'}>"

    def __iter__(self) -> Iterator[M]:
        raise TypeError(
            f"A manager is not iterable. Ask {self.model.__name__}.objects.all()."
        )


if TYPE_CHECKING:

    class CollectionClass(Protocol[R]):
        """A class derived from Collection."""

        def as_manager(self) -> R: ...

    class CollectionManager(Manager[M], Generic[M, C]):
        """A manager of from_collection(): it begins chains of that class.

        It has the methods of that class too, whose types are not known.
        """

        def __getattr__(self, name: str) -> Any: ...
        def all(self) -> C: ...
        def none(self) -> C: ...
        def find(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def filter(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def complex_filter(self, filter_obj: Q | Mapping[str, Any]) -> C: ...
        def exclude(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def order_by(self, /, *names: Any) -> C: ...
        def reverse(self) -> C: ...
        def distinct(self, *names: str) -> C: ...
        def using(self, alias: str) -> C: ...


def _forwarded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A manager's method that calls the namesake of its collection."""

    @wraps(method)
    def forward(self: Manager[Any], *args: Any, **kwargs: Any) -> Any:
        return getattr(self._collection(), name)(*args, **kwargs)

    return forward
