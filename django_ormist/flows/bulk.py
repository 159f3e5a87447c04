"""Flows of bulk_save(), bulk_update() and save(update_fields=...)."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from .. import signals
from ..batching import batched
from ..connections import connections
from ..exceptions import FieldError, IntegrityError
from ..keys import object_key
from ..operations.operation import Flow, Operation, SignalEvent, or_error
from ..operations.repeatable import RepeatableSave, RepeatableWrite
from ..operations.replies import Reply
from ..operations.search import load_subqueries
from ..queries.conditions import reads_creation
from ..queries.matching import matcher
from ..storable import unwrap
from . import save as save_flows
from .attempt import UPSERT, SaveAttempt, SaveOptions, with_sentence
from .clean import clean_changes, clean_given
from .guards import Guard, guard_of
from .pending import PendingSave, current, refuse
from .types import Instance, Results
from .update import Action, BatchUpdate, StoredObject

M = TypeVar("M", bound=Instance)
T = TypeVar("T")


def validate_objects(collection: Results[M], objs: Iterable[M]) -> list[M]:
    """Return the objects as a list. Raises TypeError for one of another model."""
    model = collection.model
    instances = [each if type(each) is model else unwrap(each) for each in objs]
    for instance in instances:
        if type(instance) is not model:
            raise TypeError(
                f"{model.__name__}.objects takes {model.__name__} objects, not "
                f"{type(instance).__name__}."
            )
    return instances


def save(
    collection: Results[Any], objs: Iterable[Instance], batch_size: int | None
) -> Flow[int]:
    """Flow that saves new and stored objects in batches, and returns their number."""
    size = validate_batch_size(batch_size)
    instances, number = validate_objects(collection, objs), 0
    if defer_saves(collection, instances):
        return len(instances)
    map_noted(partial(clean_and_validate, using=collection.db), instances, instances)

    def start(instance: Instance) -> tuple[SaveAttempt, Operation]:
        attempt = SaveAttempt(instance, using=collection.db)
        return attempt, or_error(attempt.operation())

    for some in batched(instances, size):
        attempts, operations = zip(*map_noted(start, some, instances), strict=True)
        replies = yield [*operations]
        answered = list(zip(attempts, replies, strict=True))
        answered.sort(key=lambda each: not _is_saved(each[1]))  # all are marked first
        errors: list[Exception] = []
        for attempt, reply in answered:
            if isinstance(reply, Exception):
                errors.append(reply)
                continue
            try:
                yield from attempt.resolve(reply)
            except IntegrityError as error:
                errors.append(error)
        number += len(some) - len(errors)
        if errors:
            saved = f"{number} objects of the list are saved."
            raise with_sentence(errors[0], saved)
    return number


def _is_saved(reply: Any) -> bool:
    return not isinstance(reply, Exception) and reply[0] is Reply.DONE


def update(
    collection: Results[Any],
    objs: Iterable[Instance],
    fields: Iterable[str],
    batch_size: int | None = None,
) -> Flow[int]:
    """Flow that stores only these fields of stored objects, and returns the number."""
    refuse(collection.db, "bulk_update()")
    names = validate_fields(collection.model, fields)
    instances: dict[str, Instance] = {}
    for each in validate_objects(collection, objs):
        instances.setdefault(each.id, each)
    if not names:
        raise ValueError("Field names must be given to bulk_update().")
    if collection.query.is_sliced:
        raise TypeError("Cannot filter a query once a slice has been taken.")
    declared = collection.model._meta.fields_by_name.keys() & names
    if declared:
        many = [*instances.values()]
        check = partial(clean_given, names=declared, verb="bulk_update()")
        map_noted(check, many, many)
    pks, size = [pk.encode() for pk in instances], validate_batch_size(batch_size)
    yield from load_subqueries(collection.query)
    return (yield from _field_update(collection, instances, names, size).run(pks))


def _field_update(
    collection: Results[Any],
    instances: dict[str, Instance],
    names: set[str],
    size: int = 1,
    guard: Guard | None = None,
    kind: type[Operation] = Operation,
) -> BatchUpdate:
    """Return the batch update that stores these fields of instances, given by id.

    Objects that the collection does not find are left unchanged.
    """
    matches = matcher(collection.query.condition)

    def rewrite(found: StoredObject) -> Action:
        if not matches(found.pk, found.old, found.created_us):
            return Action.LEAVE
        if guard is not None and not guard.admits(found.pk, found.old):
            raise guard.refuse(instances[found.pk])
        copy_fields(instances[found.pk], found, names)
        return Action.WRITE

    def on_written(found: StoredObject) -> None:
        instance = instances[found.pk]
        if found.new is None:
            instance._state.mark_unsaved()
            return
        key = object_key(collection.space, found.pk)
        save_flows.rebase(
            instance, found.contents, found.new.packed, key, collection.db, names
        )
        instance._state.assigned.difference_update(names)

    meta, codec = collection.model._meta, connections[collection.db].codec
    changes_index = "tags" in names or any(map(meta.has_index, names))
    return BatchUpdate(
        meta.schema(collection.db),
        meta,
        codec,
        rewrite,
        reads_creation=reads_creation(collection.query.condition),
        on_written=on_written,
        changes_index=changes_index,
        size=size,
        kind=kind,
    )


def save_fields(
    instance: Instance,
    using: str,
    update_fields: Iterable[str],
    options: SaveOptions = UPSERT,
) -> Flow[None]:
    """Flow that stores these fields of an object that is stored, and no others.

    One round trip, or two if the object was not loaded. Raises NotUpdated if it is
    gone, ValueError for an option that contradicts.
    """
    if options.force_insert or options.strict:
        raise ValueError(
            "update_fields goes with neither force_insert nor strict: it stores "
            "fields of an object that is there, whatever others changed of it."
        )
    if not isinstance(update_fields, str):
        update_fields = frozenset(update_fields)
    names = validate_fields(type(instance), update_fields)
    if not names:
        return
    guard = guard_of(instance, using)
    if guard is None or current(using) is None:
        given = frozenset(update_fields)
        yield from _store_fields(instance, using, names, given, guard)
    else:
        # Of update_or_create(), in a block of the model's own save(): a save that
        # merges stores these fields too, and can wait for the end of the block.
        yield from save_flows.save(instance, using, options)


def _store_fields(
    instance: Instance,
    using: str,
    names: set[str],
    given: frozenset[str],
    guard: Guard | None,
) -> Flow[None]:
    """Flow that stores the fields *names* of one object. See save_fields().

    given: the names that were passed, for signals.
    """
    model: Any = type(instance)
    refuse(using, "save(update_fields=...)")
    declared = instance._meta.fields_by_name.keys() & names
    clean_given(instance, declared)
    instance.validate()
    if signals.are_heard(signals.pre_save, model):
        facts = save_flows.save_facts(instance, using, given)
        yield SignalEvent(signals.pre_save, model, facts)
        clean_given(instance, declared)
    collection, pk = model._base_manager.using(using), instance.id.encode()
    kind = RepeatableSave if guard is None else RepeatableWrite
    batch = _field_update(collection, {instance.id: instance}, names, 1, guard, kind)
    packed = instance._packed_on(using)
    if packed is not None:
        number = yield from batch.run([], [(pk, packed, None)])
    else:
        number = yield from batch.run([pk])
    if guard is not None:
        if not number:
            raise guard.refuse(instance)
        guard.is_met = True
    if not number:
        raise model.NotUpdated(
            f"Cannot update {model.__name__} {instance.id!r}: there is no such object. "
            "Save without update_fields to insert it."
        )
    if signals.are_heard(signals.post_save, model):
        facts = save_flows.save_facts(instance, using, given, created=False)
        yield SignalEvent(signals.post_save, model, facts)


def validate_fields(model: type[Any], fields: Iterable[str]) -> set[str]:
    """Return the names of attributes, counters, "tags" or "expire".

    Raises TypeError, ValueError.
    """
    if isinstance(fields, str):
        raise TypeError(f"fields is a list of names, not the text {fields!r}.")
    names = set(map(model._meta.stored_name, fields))
    if names & {"id", "pk"}:
        raise ValueError(f"{model.__name__}: an id cannot be updated.")
    for name in names - {"tags", "expire"} - model._meta.counters:
        why = model._meta.refusal(name)
        if why is not None:
            raise FieldError(f"Cannot update {name!r}. {why}")
    return names


def copy_fields(instance: Instance, found: StoredObject, names: Iterable[str]) -> None:
    """Copy these fields from an instance to a stored object, and remove absent ones."""
    contents, attrs = found.contents, instance._contents().attrs
    for name in names:
        if name in instance._meta.counters:
            found.assigned[name] = instance._state.counters.get(name, 0)
            contents.attrs.pop(name, None)  # stored before it was a counter
        elif name == "tags":
            contents.tags = list(instance._contents().tags)
        elif name == "expire":
            contents.expire_at_ms = instance._state.expire_at_ms
        elif name in attrs:
            contents.attrs[name] = attrs[name]
        else:
            contents.attrs.pop(name, None)


def defer_saves(
    collection: Results[Any],
    instances: Sequence[Instance],
    options: SaveOptions = UPSERT,
) -> bool:
    """Queue the objects if an atomic() block is open. Return whether one is."""
    block = current(collection.db)
    if block is None:
        return False
    using = collection.db

    def defer(instance: Instance) -> None:
        clean_and_validate(instance, None if options.force_insert else using)
        block.add(PendingSave(instance, using, options, is_silent=True))

    map_noted(defer, instances, instances)
    return True


def clean_and_validate(instance: Instance, using: str | None) -> None:
    """Check an object that is saved on *using*, as clean_changes() does."""
    if instance._meta.fields_by_name:
        clean_changes(instance, using)
    instance.validate()


def map_noted(
    function: Callable[[M], T], some: Iterable[M], many: Sequence[Instance]
) -> list[T]:
    """Return the results for some of many objects.

    A note of an error tells which of the many it is about.
    """
    found = []
    try:
        for instance in some:
            found.append(function(instance))
    except Exception as error:
        place = next(i for i, each in enumerate(many, 1) if each is instance)
        error.add_note(f"In {instance.id!r}, number {place} of {len(many)} objects.")
        raise
    return found


def validate_batch_size(batch_size: int | None) -> int:
    """Return the number of objects per batch. Raises ValueError."""
    if batch_size is None:
        return 100
    if not isinstance(batch_size, int) or not 1 <= batch_size <= 1000:
        raise ValueError(f"batch_size must be 1 to 1000, not {batch_size!r}.")
    return batch_size
