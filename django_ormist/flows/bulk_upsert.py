"""The flow of bulk_create() with ignore_conflicts or update_conflicts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..connections import connections
from ..exceptions import FieldError, IntegrityError
from ..keys import Space, object_key
from ..operations.batches import InsertConflict
from ..operations.objects import pk_of
from ..operations.operation import Flow
from . import bulk, bulk_create
from .attempt import CorruptionGuard, unique_conflict_error
from .bulk_create import (
    build_batches,
    group_batches,
    insert_operations,
    mark_stored,
    resolve_batch,
)
from .pending import refuse
from .record import Record
from .types import Instance, Results
from .update import Action, BatchUpdate, StoredObject

M = TypeVar("M", bound=Instance)

PRIMARY_KEY = ("id",)


@dataclass(frozen=True, slots=True)
class OnConflict:
    """The action for an object whose id or unique value is taken.

    fields: copied to the stored object; without any the object is left out. unique:
    the taken value, PRIMARY_KEY or names that are unique together.
    """

    fields: frozenset[str] = frozenset()
    unique: tuple[str, ...] = PRIMARY_KEY

    @property
    def arbiter(self) -> tuple[str, ...] | None:
        """The unique value that decides before other conflicts, if not the id."""
        return None if self.unique == PRIMARY_KEY else self.unique


def on_conflict(
    collection: Results[Any],
    ignore_conflicts: bool,
    update_conflicts: bool,
    update_fields: Iterable[str] | None,
    unique_fields: Sequence[str] | None,
) -> OnConflict | None:
    """Return the action on a conflict, if any. Raises ValueError as Django does."""
    if ignore_conflicts and update_conflicts:
        raise ValueError(
            "ignore_conflicts and update_conflicts are mutually exclusive."
        )
    if ignore_conflicts:
        return OnConflict()
    if not update_conflicts:
        return None
    if not update_fields:
        raise ValueError(
            "Fields that will be updated when a row insertion fails on conflicts must "
            "be provided."
        )
    if not unique_fields:
        raise ValueError("Unique fields that can trigger the upsert must be provided.")
    fields = bulk.validate_fields(collection.model, update_fields)
    meta = collection.model._meta
    names = ["id" if name == "pk" else meta.stored_name(name) for name in unique_fields]
    known = {frozenset(each): each for each in (PRIMARY_KEY, *meta.unique)}
    if frozenset(names) not in known:
        raise FieldError(
            f"Cannot update conflicts of {meta.object_name} by {list(unique_fields)}: "
            "these are not unique together. Add them to "
            f"{meta.object_name}.Meta.unique, or use ['id']."
        )
    return OnConflict(frozenset(fields), known[frozenset(names)])


def create_with_options(
    collection: Results[M],
    objs: Iterable[M],
    batch_size: int | None,
    options: tuple[Any, ...],
) -> Flow[list[M]]:
    """Flow that inserts new objects. options: see on_conflict()."""
    on = on_conflict(collection, *options)
    if on is None:
        return bulk_create.create(collection, objs, batch_size)
    return create(collection, objs, batch_size, on)


Refused = list[tuple[Instance, InsertConflict]]


def create(
    collection: Results[M],
    objs: Iterable[M],
    batch_size: int | None,
    on: OnConflict,
) -> Flow[list[M]]:
    """Flow that inserts new objects and handles conflicts by *on*.

    Returns all objects.
    """
    refuse(collection.db, "bulk_create() with conflicts")
    bulk.validate_batch_size(batch_size)
    instances = bulk.validate_objects(collection, objs)
    rest: Sequence[Instance] = instances
    corruption = CorruptionGuard(collection.model._meta)
    while rest:
        refused = yield from _insert(collection, rest, batch_size, on)
        if not on.fields:
            break
        rest = yield from _update(collection, refused, on, corruption)
    return instances


def _unique_runs(instances: Sequence[Instance]) -> Iterator[list[Instance]]:
    """Return the objects in order, in lists without duplicate ids.

    A second object of an id then conflicts with the first, like any stored object.
    """
    some: dict[str, Instance] = {}
    for instance in instances:
        if instance.id in some:
            yield list(some.values())
            some = {}
        some[instance.id] = instance
    yield list(some.values())


def _insert(
    collection: Results[Any],
    instances: Sequence[Instance],
    batch_size: int | None,
    on: OnConflict,
) -> Flow[Refused]:
    """Flow that inserts objects. Returns the others in order, with their conflicts."""
    refused: Refused = []
    batches = [
        batch
        for some in _unique_runs(instances)
        for batch in build_batches(collection, some, batch_size)
    ]
    number = 0
    for group in group_batches(batches):
        replies = yield insert_operations(collection, group, True, on.arbiter)
        for (some, new), reply in zip(group, replies, strict=True):
            some, new, (_, (now_ms, conflicts)) = yield from resolve_batch(
                collection, some, new, reply, number, True, on.arbiter
            )
            against = {each.number: each for each in conflicts}
            written = [i for i in range(len(some)) if i not in against]
            mark_stored(
                collection,
                [some[i] for i in written],
                [new[i] for i in written],
                now_ms,
            )
            number += len(written)
            refused += [(some[place], against[place]) for place in sorted(against)]
    return refused


def _update(
    collection: Results[Any],
    refused: Refused,
    on: OnConflict,
    corruption: CorruptionGuard,
) -> Flow[list[Instance]]:
    """Flow that updates conflicting objects.

    Returns the objects whose conflict is gone.
    """
    wanted: dict[str, list[Instance]] = {}
    for instance, conflict in refused:
        wanted.setdefault(
            _target_id(collection.space, instance, conflict, on), []
        ).append(instance)
    rest = {id(instance): instance for instance, _ in refused}
    values = {id(each): _unique_value(each, on) for each, _ in refused}

    def rewrite(found: StoredObject) -> Action:
        held = found.old.unique.get(on.unique)
        mine = [each for each in wanted[found.pk] if values[id(each)] == held]
        for instance in mine:
            bulk.copy_fields(instance, found, on.fields)
        if not mine:
            corruption.note(object_key(collection.space, found.pk), found.packed)
        return Action.WRITE if mine else Action.LEAVE

    def on_written(found: StoredObject) -> None:
        for instance in wanted[found.pk]:
            if values[id(instance)] == found.old.unique.get(on.unique):
                _adopt(instance, found, collection)
                rest.pop(id(instance), None)  # it may be there twice

    meta, codec = collection.model._meta, connections[collection.db].codec
    schema, has_counters = meta.schema(collection.db), bool(meta.counters)
    batch = BatchUpdate(schema, meta, codec, rewrite, has_counters, on_written)
    yield from batch.run([pk.encode() for pk in wanted])
    return list(rest.values())


def _target_id(
    space: Space, instance: Instance, conflict: InsertConflict, on: OnConflict
) -> str:
    """Return the id of the object to update.

    Raises IntegrityError if *on* excludes it.
    """
    holder, model = conflict.holder, instance._meta.object_name
    if holder is None and on.unique != PRIMARY_KEY:
        raise IntegrityError(
            f"Cannot insert {model} {instance.id!r}: the id is taken, and "
            f"unique_fields is {list(on.unique)}. Choose another id."
        )
    if holder is not None and on.unique != holder.names:
        raise unique_conflict_error(model, instance.id, instance.attrs, holder)
    return instance.id if holder is None else pk_of(holder.pk, space)


def _unique_value(instance: Instance, on: OnConflict) -> bytes | None:
    """Return the unique value as it is indexed, if it is not the id."""
    if on.unique == PRIMARY_KEY:
        return None
    return instance._contents().stored_image(b"", instance._meta).unique.get(on.unique)


def _adopt(instance: Instance, found: StoredObject, collection: Results[Any]) -> None:
    """Give the instance the id and state of the object that was updated."""
    instance.__dict__["id"] = found.pk
    instance._state.forget_creation()
    if found.new is None:
        instance._state.mark_unsaved()
        return
    packed = found.new.packed
    contents = Record.of(packed, object_key(collection.space, found.pk))
    instance._mark_stored(contents, packed, collection.db)
    if instance._meta.counters:
        counters = instance._state.counters
        counters.clear()
        counters.update(found.counters | found.assigned)
