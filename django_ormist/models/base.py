"""Model, TaggedModel, TaggedAttrsModel and the mix-in Verbose."""

from collections import deque
from collections.abc import Callable, Iterable
from inspect import getattr_static
from itertools import chain, repeat, starmap
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .. import exceptions
from ..codecs import unpack, unpack_many
from ..connections.executor import arun, run
from ..deadlines import to_deadline
from ..fields import MISSING, Reference
from ..fields.field import ReadDefault
from ..fields.references import loaded_objects
from ..flows import bulk
from ..flows import clean as clean_flows
from ..flows import counters as counters_flows
from ..flows import references as reference_flows
from ..flows import save as save_flows
from ..flows import unique as unique_flows
from ..flows.attempt import SaveOptions
from ..flows.record import Record
from ..keys import object_key
from ..operations.objects import check_pks
from ..operations.rows import DECODED_TOGETHER, Row, Rows
from ..schema import RESERVED
from ..validators import are_plain_tags, validate_pk, validate_tags
from .attributes import AttributeAccess
from .creation import refresh
from .manager import Manager
from .metaclass import ModelBase
from .peers import Peers, check_may_wait, peers_of
from .state import (
    CountersState,
    ModelState,
    ReadFacts,
    add_version,
    filled_dict,
    own_dict,
    remove_version,
    set_read_row,
)
from .writing import AltersData, alters_data

_RESERVED = frozenset(RESERVED)


class SuperMethod:
    """A method that only ``super()`` finds, and that does nothing.

    A class may override it. In a class that does not, the name is free for an
    attribute.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> "Callable[[], None]":
        if getattr_static(owner, self._name) is self:
            raise AttributeError(
                f"{owner.__name__!r} has no {self._name!r}.", name=self._name
            )
        return lambda: None


if TYPE_CHECKING:
    from uuid import UUID

    from ..keys import Space
    from .collection import Collection


class Model(AttributeAccess, AltersData, metaclass=ModelBase):
    """An object in Redis with any attributes, without tags.

    id, pk: the id, random by default. expire: the expiration time as seconds, a
    timedelta or a datetime; ``Meta.expire`` if not given. tags: a list, in addition to
    positional tags. The name of a property sets it. Every other keyword is an
    attribute. Nothing is stored before ``save()``.

    Raises TypeError for tags of a model without them, ValueError for an empty id,
    AttributeError for other names that the class defines, and for those that begin
    with ``_``, which are the instance's own.
    """

    is_tagged: ClassVar[bool] = False
    indexes_attributes: ClassVar[bool] = False

    Meta: ClassVar[Any]
    objects: ClassVar[Manager[Self]] = Manager()

    class DoesNotExist(exceptions.OrmistError, exceptions.ObjectDoesNotExist):
        """The requested object does not exist."""

    class MultipleObjectsReturned(
        exceptions.OrmistError, exceptions.MultipleObjectsReturned
    ):
        """get() found more than one object."""

    class NotUpdated(exceptions.NotUpdated):
        """save(force_update=True) found no object."""

    def __init__(self, /, *tags: str, **attrs: Any) -> None:
        meta = self._meta
        if meta.abstract:
            raise TypeError(f"{meta.object_name} is abstract: it has no objects.")
        pk, expire = None, meta.expire
        is_plain = meta.are_plain(tuple(attrs))  # as most are
        if not is_plain and not _RESERVED.isdisjoint(attrs):
            tags = (*tags, *validate_tags(type(self), attrs.pop("tags", ())))
            pk = validate_pk(meta.object_name, attrs.pop("id", None))
            other = validate_pk(meta.object_name, attrs.pop("pk", None))
            if pk is not None and other is not None and pk != other:
                raise ValueError(
                    f"id={pk!r} and pk={other!r} name one thing: pass one."
                )
            pk = pk or other
            expire = attrs.pop("expire", expire)
        if meta.counters:
            counted = CountersState()
            counted.counters, counted.assigned = {}, set()
            state: ModelState = counted
        else:
            state = ModelState()
        state.tags = validate_tags(type(self), tags) if tags else []
        state.expire_at_ms = None if expire is None else to_deadline(expire)
        state.packed = state.using = state.peers = state.created_us = None
        own = own_dict(self)
        own["id"] = pk or meta.new_pk()
        state.is_id_random = pk is None
        own["_state"] = state
        properties: dict[str, Any] = {}
        if is_plain:
            own["attrs"] = attrs
        else:
            own["attrs"] = {}
            for name in meta.counters & attrs.keys():
                self._set_counter(name, attrs.pop(name))
            properties = self._set_attributes(attrs)
        for field in meta.defaults:
            if field.attname not in own["attrs"]:
                own["attrs"][field.attname] = field.get_default()
        for name in properties:  # last, as in Django: they may read the others
            object.__setattr__(self, name, properties[name])

    @classmethod
    def _from_row(cls, row: Row, space: "Space", using: str) -> Self:
        """Return the instance of a stored object. Raises CorruptDataError."""
        pk, packed, counters = row
        attrs, tags, deadline = unpack(packed, space.objects + pk)
        check_pks((pk,), space)
        instance = cls.__new__(cls)
        facts = (counters, deadline, using, None)
        set_read_row(instance, (pk, packed, attrs, tags, facts))
        return instance

    @classmethod
    def _from_rows(
        cls,
        rows: Rows,
        space: "Space",
        using: str,
        peers: Peers,
    ) -> list[Self]:
        """Return the instances of stored objects. Raises CorruptDataError.

        peers: the link to each other.
        """
        if len(rows) > DECODED_TOGETHER:
            chunks = (cls._from_rows(e, space, using, peers) for e in rows.chunks())
            return [*chain.from_iterable(chunks)]
        pks, packed = rows.pks, rows.packed
        attrs, tags, deadlines = unpack_many(packed, lambda i: space.objects + pks[i])
        check_pks(pks, space)
        # starmap, which passes its tuple on: map() takes a third longer for these two.
        found = [*starmap(cls.__new__, repeat((cls,), len(rows)))]
        facts: Iterable[ReadFacts] = repeat((None, None, using, peers))
        if rows.counters or deadlines.count(None) < len(rows):
            counters, shared = rows.counters or repeat(None), (using, peers)
            facts = zip(counters, deadlines, *map(repeat, shared), strict=False)
        read = zip(pks, packed, attrs, tags, facts, strict=False)
        deque(starmap(set_read_row, zip(found, read, strict=True)), 0)
        return found

    def validate(self) -> None:
        """Raise ValidationError to refuse a save.

        Called before each save, after the declared attributes were converted and
        validated; override it.
        """

    if TYPE_CHECKING:
        clean: Any
    else:
        clean = SuperMethod()

    def clean_fields(self, exclude: Iterable[str] | None = None) -> None:
        """Convert and validate the declared attributes, without those of *exclude*.

        Raises ValidationError by attribute.
        """
        clean_flows.clean_fields(self, clean_flows.fields_without(self, exclude))

    def full_clean(
        self,
        exclude: Iterable[str] | None = None,
        validate_unique: bool = True,
        validate_constraints: bool = True,
    ) -> None:
        """Convert and validate the declared attributes, and call validate().

        Also clean(), if the class defines it as in Django, and with
        *validate_constraints* validate_constraints(). Raises ValidationError by
        attribute. Unique values are checked by save().
        """
        clean_flows.full_clean(self, exclude, validate_constraints)

    def validate_unique(self, exclude: Iterable[str] | None = None) -> None:
        """Raise ValidationError if another object has a unique value of this one.

        Not for entries of Meta.unique with a name in *exclude*. save() checks again, in
        the step that writes. One round trip, or none if no unique value was changed.
        """
        alias = self._alias(None)
        run(unique_flows.validate_unique(self, alias, exclude), alias)

    async def avalidate_unique(self, exclude: Iterable[str] | None = None) -> None:
        """See validate_unique()."""
        alias = self._alias(None)
        await arun(unique_flows.validate_unique(self, alias, exclude), alias)

    def validate_constraints(self, exclude: Iterable[str] | None = None) -> None:
        """Do nothing: there are no constraints besides Meta.unique.

        Called by full_clean() and by forms, for a model that overrides it.
        """

    def unique_error_message(
        self, model_class: type["Model"], unique_check: tuple[str, ...]
    ) -> exceptions.ValidationError:
        """Return the error about a unique value that another object has.

        unique_check: one name, or those that are unique together. Forms show it.
        """
        return unique_flows.unique_error(self, unique_check)

    def serializable_value(self, field_name: str) -> Any:
        """Return the attribute of this name, or the key of a reference.

        Django's form fields ask for it.
        """
        return getattr(self, self._meta.stored_name(field_name))

    # Identity

    @property
    def id(self) -> str:
        """The id. Assigning another id makes it an object that was never loaded."""
        own = own_dict(self)
        pk: str = own["id"] if "id" in own else filled_dict(self)["id"]
        return pk

    @id.setter
    def id(self, value: "str | int | UUID | None") -> None:
        given = validate_pk(self._meta.object_name, value)
        pk = given or self._meta.new_pk()
        if pk != self.id:
            self.__dict__["id"] = pk
            self._state.mark_unsaved()
            self._state.is_id_random = given is None

    pk = id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        # The __class__ of a SimpleLazyObject is that of the object it wraps.
        return type(self) is other.__class__ and self.id == other.id

    def __hash__(self) -> int:
        return hash((type(self), self.id))

    def __str__(self) -> str:
        return f"{type(self).__name__} object ({self.id})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copy and pickle. A copy shares no attributes."""
        self._contents()
        own = {**self.__dict__, **self._state.to_pickle()}
        return add_version(
            {
                name: value.copy() if isinstance(value, dict | list | set) else value
                for name, value in own.items()
                if name not in ("_guard", "_live", "_state")
            }
        )

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        own = remove_version(type(self), pickled)
        kind = CountersState if self._meta.counters else ModelState
        state = kind.from_pickle(own)
        own_dict(self).update(own, _state=state)

    # The store

    @alters_data
    def save(
        self,
        *,
        force_insert: bool = False,
        force_update: bool = False,
        strict: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Store the object with its index entries in one step. One round trip.

        Attributes that others changed meanwhile are kept. force_insert: raises
        IntegrityError if the id is taken. force_update: raises NotUpdated if the object
        is gone. strict: raises ConflictError if the object changed since it was loaded.
        In these cases nothing is written.

        update_fields: store only these attributes, counters, "tags" or "expire". Raises
        NotUpdated if the object is gone. One more round trip if it was not loaded.
        """
        alias = self._alias(using)
        options = SaveOptions(force_insert, force_update, strict)
        if update_fields is None:
            run(save_flows.save(self, alias, options), alias)
        else:
            run(bulk.save_fields(self, alias, update_fields, options), alias)

    @alters_data
    async def asave(
        self,
        *,
        force_insert: bool = False,
        force_update: bool = False,
        strict: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """See save()."""
        alias = self._alias(using)
        options = SaveOptions(force_insert, force_update, strict)
        if update_fields is None:
            await arun(save_flows.save(self, alias, options), alias)
        else:
            await arun(bulk.save_fields(self, alias, update_fields, options), alias)

    @alters_data
    def delete(self, using: str | None = None) -> tuple[int, dict[str, int]]:
        """Delete the object.

        Return ``(1, {label: 1})`` or ``(0, {})``. One round trip.
        """
        alias = self._alias(using)
        return run(save_flows.delete(self, alias), alias)

    @alters_data
    async def adelete(self, using: str | None = None) -> tuple[int, dict[str, int]]:
        """See delete()."""
        alias = self._alias(using)
        return await arun(save_flows.delete(self, alias), alias)

    @alters_data
    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: "Collection[Self] | Manager[Self] | None" = None,
    ) -> None:
        """Read the object again. Unsaved changes are lost. One round trip.

        fields: read only these attributes, counters, "tags", "expire" or "created". The
        last one is loaded for all objects of the same result, in one round trip more.
        from_queryset: the collection that must contain the object. Raises DoesNotExist.
        """
        alias = self._alias(using or getattr(from_queryset, "db", None))
        run(refresh(self, alias, fields, from_queryset), alias)

    @alters_data
    async def arefresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: "Collection[Self] | Manager[Self] | None" = None,
    ) -> None:
        """See refresh_from_db()."""
        alias = self._alias(using or getattr(from_queryset, "db", None))
        await arun(refresh(self, alias, fields, from_queryset), alias)

    @alters_data
    def increment(self, name: str, by: Any = 1) -> Any:
        """Add to the stored number, and return the new value.

        A counter in Meta takes one round trip. Another attribute takes one, and one
        more per concurrent write; an absent one or None counts as 0. Raises
        DoesNotExist if the object is gone, OverflowError beyond 64 bits of a counter.
        """
        alias = self._alias(None)
        return run(counters_flows.increment(self, alias, name, by), alias)

    @alters_data
    async def aincrement(self, name: str, by: Any = 1) -> Any:
        """See increment()."""
        alias = self._alias(None)
        return await arun(counters_flows.increment(self, alias, name, by), alias)

    def _alias(self, using: str | None) -> str:
        return using or self._state.using or self._meta.using

    def _contents(self) -> Record:
        state = self._state
        if "_live" in own_dict(self):
            self._store_changes()
        tags = state.tags
        if tags and not (self.is_tagged and are_plain_tags(tags)):
            tags[:] = validate_tags(type(self), tags)  # they were changed in place
        return Record(self.attrs, tags, state.expire_at_ms)

    def _load_reference(self, reference: Reference) -> Any:
        """Return the object of a reference that is not loaded. One round trip.

        It is loaded for all objects of the same result, those that have it included.
        Raises SynchronousOnlyOperation in async code.
        """
        check_may_wait(
            f"{self._meta.object_name}.{reference.name}",
            f"Load it with the objects, by select_related({reference.name!r}), or "
            f"fetch it by {reference.attname}.",
        )
        alias = self._alias(None)
        run(reference_flows.load(peers_of(self), [reference], alias), alias)
        return loaded_objects(self)[reference.attname][1]

    def _store_changes(self) -> None:
        """Store the Python forms that were changed in place."""
        live, attrs, fields = self.__dict__["_live"], self.attrs, self._meta
        for name, (known, value) in list(live.items()):
            absent = known if isinstance(known, ReadDefault) else MISSING
            if attrs.get(name, absent) is not known:
                del live[name]
            else:
                field = fields.get_field(name)
                live[name] = field.store_changes(attrs, known, value), value

    def _discard_changes(self) -> None:
        """Forget the Python forms, and what was changed in them in place."""
        own_dict(self).pop("_live", None)

    def _packed_on(self, using: str) -> bytes | None:
        """Return the bytes that are stored on this alias, if known."""
        state = self._state
        return state.packed if state.using == using else None

    def _mark_stored(self, contents: Record, packed: bytes, using: str) -> None:
        """Set the contents, and the bytes that are stored on the alias *using*."""
        state = self._state
        if contents.attrs is not self.attrs:
            self.attrs.clear()
            self.attrs.update(contents.attrs)
        state.tags = contents.tags
        state.expire_at_ms = contents.expire_at_ms
        state.mark_stored(packed, using)

    def _key(self, using: str | None = None) -> bytes:
        """Return the Redis key of the object."""
        return object_key(self._meta.space(self._alias(using)), self.id)


class TaggedModel(Model):
    """A model whose objects have tags: positional texts, found by find()."""

    is_tagged = True

    # Any, as in Model: a type checker then accepts a user's Meta.
    Meta: ClassVar[Any] = type("Meta", (), {"abstract": True})


class TaggedAttrsModel(TaggedModel):
    """A tagged model whose attributes are all indexed, as ``name:text``.

    ``Meta.exclude_attrs`` excludes some, ``Meta.index_attrs`` limits them to a list.
    """

    indexes_attributes = True

    Meta: ClassVar[Any] = type("Meta", (), {"abstract": True})


class Verbose:
    """Mix-in: repr() shows the id and the attributes."""

    def __repr__(self) -> str:
        model: Any = self
        return f"<{type(self).__name__} id:{model.id} attrs:{model.attrs}>"
