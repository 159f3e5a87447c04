"""Flows of one instance: save(), delete(), refresh_from_db()."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist

from .. import signals
from ..connections import connections
from ..keys import object_key
from ..operations import objects
from ..operations.objects import NOTHING, Image
from ..operations.operation import Flow, Operation, SignalEvent
from ..operations.repair import purge_index
from ..operations.repeatable import RepeatableDelete
from ..operations.replies import Reply
from ..queries.query import CREATED
from ..schema import RESERVED
from . import fetch
from .attempt import UPSERT, SaveAttempt, SaveOptions
from .clean import clean_changes
from .delete import (
    apply_effects,
    find_effects,
    referring_by_model,
    refuse_other_blocks,
)
from .pending import PendingDelete, PendingSave, current, refuse_refresh
from .record import Record
from .types import Instance, Source


def save(
    instance: Instance,
    using: str,
    options: SaveOptions = UPSERT,
) -> Flow[None]:
    """Flow that writes the instance. One round trip without a concurrent write."""
    if options.force_insert and (options.force_update or options.strict):
        raise ValueError("Cannot force both an insert and an update: choose one.")
    model, loaded_from = type(instance), None if options.force_insert else using
    is_declared = bool(instance._meta.fields_by_name)
    if is_declared:
        clean_changes(instance, loaded_from)
    instance.validate()
    if signals.are_heard(signals.pre_save, model):
        yield SignalEvent(signals.pre_save, model, save_facts(instance, using))
        if is_declared:
            clean_changes(instance, loaded_from)
    block = current(using)
    if block is not None:
        block.add(PendingSave(instance, using, options))
        return
    attempt = SaveAttempt(instance, using, options)
    if options.force_update and attempt.loaded is None:
        attempt.rebase_on((yield objects.load(attempt.space, instance.id)))
        if attempt.stored is None:
            raise attempt.not_updated_error()
    if attempt.guard is not None and (error := attempt.error_for(attempt.loaded)):
        raise error
    reply = yield attempt.operation()
    if reply[0] is Reply.DONE:
        attempt.apply(reply[1])
        is_stored = True
    else:
        is_stored = yield from attempt.resolve(reply)
    if is_stored and signals.are_heard(signals.post_save, model):
        is_new = attempt.stored is None
        arguments = save_facts(instance, using, created=is_new)
        yield SignalEvent(signals.post_save, model, arguments)


def save_facts(
    instance: Instance,
    using: str,
    update_fields: frozenset[str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the arguments of pre_save and post_save: those of Django."""
    facts = {"instance": instance, "using": using, "update_fields": update_fields}
    return {**facts, "raw": False, **more}


def delete_facts(instance: Instance, using: str) -> dict[str, Any]:
    """Return the arguments of pre_delete and post_delete: those of Django."""
    return {"instance": instance, "using": using, "origin": instance}


def delete(instance: Instance, using: str) -> Flow[tuple[int, dict[str, int]]]:
    """Flow that deletes the instance. Returns the number and labels. One round trip."""
    model = type(instance)
    arguments = delete_facts(instance, using)
    if signals.are_heard(signals.pre_delete, model):
        yield SignalEvent(signals.pre_delete, model, arguments)
    numbers: dict[str, int] = {}
    if model in referring_by_model:
        effects = yield from find_effects(model, [instance.id], using)
        refuse_other_blocks(effects, using)
        numbers = yield from apply_effects(effects)
    label = instance._meta.label
    block = current(using)
    if block is not None:
        block.add(PendingDelete.of(instance, using))
        return _counted(numbers, label)
    old = NOTHING
    packed = instance._packed_on(using)
    if packed is not None:
        key = object_key(instance._meta.space(using), instance.id)
        old = Record.of(packed, key).stored_image(packed, instance._meta)
    deleted = yield from delete_stored(instance, using, old)
    if signals.are_heard(signals.post_delete, model):
        yield SignalEvent(signals.post_delete, model, arguments)
    return _counted(numbers, label, int(deleted))


def _counted(
    numbers: dict[str, int], label: str, number: int = 1
) -> tuple[int, dict[str, int]]:
    """Return the number of deleted objects, and the numbers by label."""
    if number:
        numbers[label] = numbers.get(label, 0) + number
    return sum(numbers.values()), numbers


def delete_stored(
    instance: Instance,
    using: str,
    old: Image,
    kind: type[Operation] = RepeatableDelete,
) -> Flow[bool]:
    """Flow that deletes the stored object. Returns whether it existed.

    kind: IdempotentWrite if the result is not needed. See repeatable.py.
    """
    schema = instance._meta.schema(using)
    while True:
        code, stored = yield objects.delete(schema, instance.id, old, kind)
        if code is not Reply.REFUSED:
            break
        contents = Record.of(stored, object_key(schema.space, instance.id))
        old = contents.stored_image(stored, instance._meta)
    if code is Reply.ORPHAN_INDEX and stored:
        yield from purge_index(schema, instance.id)
    state = instance._state
    if state.using == using:
        state.mark_unsaved()
    return code is Reply.DONE


def refresh(
    instance: Instance,
    using: str,
    fields: Iterable[str] | None = None,
    source: Source[Any] | None = None,
) -> Flow[None]:
    """Flow that reads the instance again from *source*.

    One round trip, unless *fields* is empty. Raises DoesNotExist.
    """
    if isinstance(fields, str):
        raise TypeError(f"fields is a list of names, not the text {fields!r}.")
    names = None if fields is None else {*map(instance._meta.stored_name, fields)}
    if names is not None and not names:
        return
    for name in names or ():
        _check_field(instance, name)
    model: Any = type(instance)
    meta = instance._meta
    source = model._base_manager if source is None else source
    if source.model is not model:
        raise TypeError(
            f"Cannot refresh {meta.object_name} from a collection of "
            f"{source.model._meta.object_name}. Pass one of its own model."
        )
    refuse_refresh(instance, using)
    collection = source.using(using)
    found = yield from fetch.get_by_id(collection, instance.id)
    if found is None:
        raise does_not_exist(instance)
    state, now = instance._state, found._state
    contents = Record(found.attrs, now.tags, now.expire_at_ms)
    if names is None:
        state.forget_creation()  # it may have been deleted and created again
        instance._discard_changes()
        instance._mark_stored(contents, now.packed, using)
        renewed = meta.counters
    else:
        _refresh_fields(instance, contents, now.packed, using, names)
        renewed = meta.counters & names
    for name in renewed:
        state.counters[name] = now.counters.get(name, 0)
    state.assigned.difference_update(renewed)
    for reference in meta.references.values():
        if names is None or reference.attname in names:
            reference.take_loaded(instance, found)


def _check_field(instance: Instance, name: str) -> None:
    """Raise FieldDoesNotExist for a name that Meta.declared_only refuses."""
    meta = instance._meta
    if name not in (*RESERVED, CREATED) and meta.is_undeclared(name):
        raise FieldDoesNotExist(f"Cannot refresh {name!r}. {meta.refusal(name)}")


def _refresh_fields(
    instance: Instance, stored: Record, packed: bytes, using: str, names: set[str]
) -> None:
    """Set these names of the instance to their stored values.

    The other names keep the values they were loaded with as the base of later saves.
    """
    key, state = object_key(instance._meta.space(using), instance.id), instance._state
    loaded = instance._packed_on(using)
    base = Record({}, [], None) if loaded is None else Record.of(loaded, key)
    mine, assigned = instance._contents(), set(state.assigned)
    for contents in (base, mine):
        contents.copy_fields(stored, names)
    if not base.equals(stored):
        packed = base.pack(connections[using].codec)
    instance._mark_stored(mine, packed, using)
    state.assigned.update(assigned)


def rebase(
    instance: Instance,
    new: Record,
    packed: bytes,
    key: bytes,
    using: str,
    fields: set[str],
) -> None:
    """Set the stored state on the instance, and keep its unsaved changes.

    fields: attributes, "tags" or "expire" whose unsaved changes are overwritten.
    """
    state = instance._state
    loaded, assigned = instance._packed_on(using), set(state.assigned)
    base = Record({}, [], None) if loaded is None else Record.of(loaded, key)
    mine = instance._contents().rebase_on(base, new)
    for name in fields & new.attrs.keys():
        mine.attrs[name] = new.attrs[name]
    for name in fields - new.attrs.keys():
        mine.attrs.pop(name, None)
    if "tags" in fields:
        mine.tags = new.tags
    if "expire" in fields:
        mine.expire_at_ms = new.expire_at_ms
    instance._mark_stored(mine, packed, using)
    state.assigned.update(assigned)


def does_not_exist(instance: Instance) -> Exception:
    """Return the error for an object that does not exist."""
    return instance.DoesNotExist(
        f"{instance._meta.object_name} {instance.id!r} does not exist."
    )
