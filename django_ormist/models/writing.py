"""The verbs of a manager and a collection that write, each with its async twin."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import isfunction
from typing import TYPE_CHECKING, Any, TypeVar

from ..connections.executor import arun, run
from ..flows import bulk, bulk_upsert, upsert
from ..flows import update as update_flows
from .reading import Asked

if TYPE_CHECKING:
    from .base import Model


V = TypeVar("V", bound=Callable[..., Any])


def alters_data(verb: V) -> V:
    """Mark a verb as one that writes, in the way that Django's templates know."""
    verb.__dict__["alters_data"] = True
    return verb


class Altering:
    """Marks the verbs that a subclass has in place of marked ones."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, verb in vars(cls).items():
            if isfunction(verb) and any(
                getattr(vars(base).get(name), "alters_data", False)
                for base in cls.__mro__[1:]
            ):
                alters_data(verb)


M = TypeVar("M", bound="Model")


class Writing(Altering, Asked[M]):
    """create() and all that writes many."""

    @alters_data
    def create(self, /, *tags: str, **attrs: Any) -> M:
        """Make an object and store it by its save(). One round trip.

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
        """Store new objects, *batch_size* (1 to 1000, 100) in one step; returns all.

        Ten batches a round trip. A taken id or unique value raises IntegrityError:
        nothing of that batch or after it is written, earlier ones stay, and the message
        says how many objects they hold. ignore_conflicts: such an object is left out,
        and is not stored. update_conflicts: the stored object gets its *update_fields*
        if what is taken is *unique_fields* (["id"] or names of Meta.unique); it then
        stands for that object, with its id. save() is not called, and no signal sent.
        """
        asked = self._collection()
        options = (ignore_conflicts, update_conflicts, update_fields, unique_fields)
        flow = bulk_upsert.created(asked, objs, batch_size, options)
        return run(flow, asked.db)

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
        asked = self._collection()
        options = (ignore_conflicts, update_conflicts, update_fields, unique_fields)
        flow = bulk_upsert.created(asked, objs, batch_size, options)
        return await arun(flow, asked.db)

    @alters_data
    def bulk_save(self, objs: Iterable[M], batch_size: int | None = None) -> int:
        """Save each object as save() does, *batch_size* a round trip; how many.

        Each object is one step of its own. A model's own save() is not called, and no
        signal sent.
        """
        asked = self._collection()
        return run(bulk.save(asked, objs, batch_size), asked.db)

    @alters_data
    async def abulk_save(self, objs: Iterable[M], batch_size: int | None = None) -> int:
        """See bulk_save()."""
        asked = self._collection()
        return await arun(bulk.save(asked, objs, batch_size), asked.db)

    @alters_data
    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Store these fields of objects that are stored, and no other; how many.

        fields: names of attributes or counters, "tags", "expire". A round trip for
        *batch_size* objects (1 to 1000, 100), and one; each is one step of its own.
        save() is not called, and no signal sent.
        """
        asked = self._collection()
        return run(bulk.update(asked, objs, fields, batch_size), asked.db)

    @alters_data
    async def abulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """See bulk_update()."""
        asked = self._collection()
        return await arun(bulk.update(asked, objs, fields, batch_size), asked.db)

    @alters_data
    def get_or_create(
        self, /, defaults: Mapping[str, Any] | None = None, *tags: str, **lookups: Any
    ) -> tuple[M, bool]:
        """The one object of these tags and lookups, or a new one; whether it is new.

        defaults: attributes of a new one beside the lookups; callables are called. One
        round trip, two for a new one. Of all who ask at once, one makes it. Raises
        MultipleObjectsReturned, FieldError, and IntegrityError for what another holds.
        A new one is stored by ``save(force_insert=True, using=...)`` of the model.
        """
        asked = self._collection()
        return run(upsert.get_or_create(asked, defaults, tags, lookups), asked.db)

    @alters_data
    async def aget_or_create(
        self, /, defaults: Mapping[str, Any] | None = None, *tags: str, **lookups: Any
    ) -> tuple[M, bool]:
        """See get_or_create()."""
        asked = self._collection()
        return await arun(
            upsert.get_or_create(asked, defaults, tags, lookups), asked.db
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
        """As get_or_create(), but one that is there gets the *defaults*.

        create_defaults: for a new one, in place of *defaults*. They are stored by
        ``save(using=..., update_fields=...)`` of the model. Two round trips.
        """
        asked = self._collection()
        given = (defaults, create_defaults, tags, lookups)
        return run(upsert.update_or_create(asked, *given), asked.db)

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
        asked = self._collection()
        given = (defaults, create_defaults, tags, lookups)
        return await arun(upsert.update_or_create(asked, *given), asked.db)

    @alters_data
    def update(self, /, **values: Any) -> int:
        """Set attributes, counters or ``expire`` of every object; how many.

        A value may be computed of what each object holds, by F and Value of
        django.db.models. Each object is one step, compared and tried again if somebody
        else wrote it; one that does not match any more is left alone. A round trip for
        100 objects, and two. save() is not called, and no signal sent.
        """
        asked = self._collection()
        return run(update_flows.update(asked, values), asked.db)

    @alters_data
    async def aupdate(self, /, **values: Any) -> int:
        """See update()."""
        asked = self._collection()
        return await arun(update_flows.update(asked, values), asked.db)
