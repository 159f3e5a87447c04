"""The methods of managers and collections that write, with async variants."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..connections.executor import arun, run
from ..flows import bulk, bulk_upsert, upsert
from ..flows import update as update_flows
from .peers import link

if TYPE_CHECKING:
    from .base import Model
    from .collection import Collection

V = TypeVar("V", bound=Callable[..., Any])


def alters_data(verb: V) -> V:
    """Mark a method as writing, so that Django's templates do not call it."""
    verb.__dict__["alters_data"] = True
    return verb


class AltersData:
    """A base that marks the overrides of marked methods too."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, verb in vars(cls).items():
            if isfunction(verb) and any(
                getattr(vars(base).get(name), "alters_data", False)
                for base in cls.__mro__[1:]
            ):
                alters_data(verb)


M = TypeVar("M", bound="Model")


class WriteMethods(AltersData, Generic[M]):
    """The methods that write, of managers and collections, with async variants."""

    model: "type[M]"

    if TYPE_CHECKING:

        def _collection(self) -> "Collection[M]": ...  # that of ReadMethods

    @alters_data
    def create(self, /, *tags: str, **attrs: Any) -> M:
        """Create an object and store it by its save(). One round trip.

        Raises IntegrityError if the id is taken.
        """
        alias = self._collection().db
        instance = self.model(*tags, **attrs)
        instance.save(force_insert=True, using=alias)
        return instance

    @alters_data
    async def acreate(self, /, *tags: str, **attrs: Any) -> M:
        """See create()."""
        alias = self._collection().db
        instance = self.model(*tags, **attrs)
        await instance.asave(force_insert=True, using=alias)
        return instance

    @alters_data
    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> list[M]:
        """Store new objects in atomic batches of *batch_size*, 1 to 1000.

        None: 200, or fewer of objects with more than 700 index entries together, of
        which an ordered or unique attribute has two. Return all objects. A round trip
        carries ten batches, or more with 10 000 objects together. validate() of all
        objects is called before the first write, save() is not, and no signal is sent.

        A taken id or unique value raises IntegrityError: nothing of that batch or later
        ones is written, earlier ones stay, and the message says how many objects were
        stored. ignore_conflicts: such an object is left out. update_conflicts: the
        stored object gets its *update_fields* if the taken value is that of
        *unique_fields* (["id"] or names in Meta.unique); the instance then has the id
        of the stored object. A conflict of another value raises IntegrityError after
        the others are written.
        """
        collection = self._collection()
        options = (ignore_conflicts, update_conflicts, update_fields, unique_fields)
        flow = bulk_upsert.create_with_options(collection, objs, batch_size, options)
        return link(run(flow, collection.db))

    @alters_data
    async def abulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> list[M]:
        """See bulk_create()."""
        collection = self._collection()
        options = (ignore_conflicts, update_conflicts, update_fields, unique_fields)
        flow = bulk_upsert.create_with_options(collection, objs, batch_size, options)
        return link(await arun(flow, collection.db))

    @alters_data
    def bulk_save(self, objs: Iterable[M], batch_size: int | None = None) -> int:
        """Save each object, with *batch_size* per round trip. Return their number.

        Each object is one step. A model's own save() is not called, and no signal is
        sent.
        """
        collection = self._collection()
        return run(bulk.save(collection, objs, batch_size), collection.db)

    @alters_data
    async def abulk_save(self, objs: Iterable[M], batch_size: int | None = None) -> int:
        """See bulk_save()."""
        collection = self._collection()
        return await arun(bulk.save(collection, objs, batch_size), collection.db)

    @alters_data
    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Store only these fields of stored objects. Return their number.

        fields: names of attributes or counters, "tags", "expire". Of objects with one
        id, the first is stored, as in Django. Each object is one step. 1 + ceil(N /
        batch_size) round trips; batch_size: 1 to 1000, default 100. save() is not
        called, and no signal is sent.
        """
        collection = self._collection()
        return run(bulk.update(collection, objs, fields, batch_size), collection.db)

    @alters_data
    async def abulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """See bulk_update()."""
        collection = self._collection()
        return await arun(
            bulk.update(collection, objs, fields, batch_size), collection.db
        )

    @alters_data
    def get_or_create(
        self, /, defaults: Mapping[str, Any] | None = None, *tags: str, **lookups: Any
    ) -> tuple[M, bool]:
        """Return (the object of these lookups or a new one, whether it is new).

        defaults: further attributes of a new object; callables are called. One round
        trip, two for a new object. Of concurrent calls, one creates it. It is stored by
        ``save(force_insert=True, using=...)`` of the model. Raises FieldError,
        MultipleObjectsReturned, and IntegrityError for a value that another object has.
        """
        collection = self._collection()
        return run(
            upsert.get_or_create(collection, defaults, tags, lookups), collection.db
        )

    @alters_data
    async def aget_or_create(
        self, /, defaults: Mapping[str, Any] | None = None, *tags: str, **lookups: Any
    ) -> tuple[M, bool]:
        """See get_or_create()."""
        collection = self._collection()
        return await arun(
            upsert.get_or_create(collection, defaults, tags, lookups), collection.db
        )

    @alters_data
    def update_or_create(
        self,
        /,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        *tags: str,
        **lookups: Any,
    ) -> tuple[M, bool]:
        """Update an existing object with *defaults*, or create one.

        create_defaults: used for a new object instead of *defaults*. The defaults are
        stored by ``save(using=..., update_fields=...)`` of the model. Two round trips.
        """
        collection = self._collection()
        given = (defaults, create_defaults, tags, lookups)
        return run(upsert.update_or_create(collection, *given), collection.db)

    @alters_data
    async def aupdate_or_create(
        self,
        /,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        *tags: str,
        **lookups: Any,
    ) -> tuple[M, bool]:
        """See update_or_create()."""
        collection = self._collection()
        given = (defaults, create_defaults, tags, lookups)
        return await arun(upsert.update_or_create(collection, *given), collection.db)

    @alters_data
    def update(self, /, **values: Any) -> int:
        """Set attributes, counters or ``expire`` of every object. Return their number.

        A value may be an expression of F and Value of django.db.models, computed for
        each object. Each object is one step, repeated if another client wrote it; one
        that no longer matches is left unchanged. 2 + ceil(N / 100) round trips. save()
        is not called, and no signal is sent.
        """
        collection = self._collection()
        return run(update_flows.update(collection, values), collection.db)

    @alters_data
    async def aupdate(self, /, **values: Any) -> int:
        """See update()."""
        collection = self._collection()
        return await arun(update_flows.update(collection, values), collection.db)
