"""Flows of bulk_create(), bulk_save(), bulk_update() and save(update_fields=...)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from string import ascii_letters
from typing import TYPE_CHECKING, Any, TypeVar

from .. import signals
from ..connections import connections
from ..crypto import get_random_string
from ..exceptions import FieldError, IntegrityError
from ..keys import object_key
from ..operations.batches import Link, NewObject, insert_many
from ..operations.operation import Flow, Operation, SignalEvent
from ..operations.repair import purge_index
from ..operations.replies import Reply, mistyped
from ..queries.matching import matcher
from ..storable import unwrapped
from . import save as save_flows
from .attempt import INSERT, UPSERT, SaveAttempt, SaveOptions, held_by_another
from .guards import Guard, guard_of
from .pending import PendingSave, current, refuse
from .update import Action, BatchUpdate, StoredObject

if TYPE_CHECKING:
    from ..models.base import Model
    from ..models.collection import Collection

M = TypeVar("M", bound="Model")

BATCHES_A_TRIP = 10


def create(
    collection: "Collection[M]", objs: Iterable[M], batch_size: int | None
) -> Flow[list[M]]:
    """Flow that inserts new objects in atomic batches, and returns the objects."""
    size = checked_size(batch_size)
    instances = checked_objects(collection, objs)
    _check_ids(collection, instances)
    if _are_collected(collection, instances, INSERT):
        return instances
    written = 0
    for group in cut(batches_of(collection, instances, size), BATCHES_A_TRIP):
        replies = yield insertions(collection, group)
        for (some, new), reply in zip(group, replies, strict=True):
            some, new, (code, fact) = yield from settled(collection, some, new, reply)
            if code is Reply.REFUSED:
                raise _taken(collection, new[fact - 1].pk, written)
            if code is Reply.UNIQUE_TAKEN:
                refused, model = some[fact.number - 1], collection.model.__name__
                error = held_by_another(model, refused.id, refused.attrs, fact)
                raise IntegrityError(f"{error} {_so_far(written)}")
            stored(collection, some, new, fact[0])
            written += len(some)
    return instances


def batches_of(
    collection: "Collection[Any]", instances: Sequence["Model"], size: int
) -> list[tuple[list["Model"], list[NewObject]]]:
    """Return the objects in batches, each with its insertions."""
    codec, batches = connections[collection.db].codec, []
    for some in cut(instances, size):
        for instance in some:
            instance.validate()
        batches.append((some, [_new(instance, codec) for instance in some]))
    return batches


def insertions(
    collection: "Collection[Any]",
    group: Sequence[tuple[Any, list[NewObject]]],
    passes_over: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> list[Operation]:
    """Return the insertions of one round trip. Each requires those before it.

    The nonce distinguishes this request from others that insert the same objects.
    """
    if len(group) == 1:
        return [insertion(collection, group[0][1], None, passes_over, arbiter)]
    nonce, last = get_random_string(ascii_letters, 16), len(group) - 1
    return [
        insertion(
            collection, new, Link(nonce, place, place == last), passes_over, arbiter
        )
        for place, (_, new) in enumerate(group)
    ]


def insertion(
    collection: "Collection[Any]",
    new: list[NewObject],
    link: Link | None = None,
    passes_over: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Operation:
    """Return the insertion of a batch."""
    meta = collection.model._meta
    return insert_many(
        collection.space,
        new,
        link,
        meta.is_indexed,
        meta.ordered,
        meta.unique,
        passes_over,
        arbiter,
    )


def settled(
    collection: "Collection[Any]",
    some: list["Model"],
    new: list[NewObject],
    reply: tuple[Reply, Any],
    passes_over: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Flow[tuple[list["Model"], list[NewObject], tuple[Reply, Any]]]:
    """Flow that returns a batch without expired objects, and its last answer.

    The batch is sent again if it waited for another one, or if a conflict is gone.
    """
    meta = collection.model._meta
    while reply[0] in (Reply.ORPHAN_INDEX, Reply.EXPIRED, Reply.NOT_RUN):
        code, fact = reply
        if code is Reply.ORPHAN_INDEX:
            yield from purge_index(
                collection.space, new[fact - 1].pk, meta.ordered, meta.unique
            )
        elif code is Reply.EXPIRED:
            past = {number - 1 for number in fact}
            some = [each for i, each in enumerate(some) if i not in past]
            new = [each for i, each in enumerate(new) if i not in past]
            if not new:
                return some, new, (Reply.DONE, (None, []))
        reply = yield insertion(collection, new, None, passes_over, arbiter)
    if reply[0] is Reply.MISTYPED:
        raise mistyped(reply[1])
    return some, new, reply


def stored(
    collection: "Collection[Any]",
    some: Iterable["Model"],
    new: Iterable[NewObject],
    now_ms: bytes | None,
) -> None:
    """Mark the instances as stored. now_ms: see Image.written_at()."""
    for instance, each in zip(some, new, strict=True):
        contents, image = instance._contents(), each.image.written_at(now_ms)
        if contents.expire_at_ms == each.image.expire_at_ms:
            contents.expire_at_ms = image.expire_at_ms
        instance._take(contents, image.packed, collection.db)


def _new(instance: "Model", codec: str) -> NewObject:
    image = instance._contents().image(instance._meta, codec)
    counters = {name: value for name, value in instance._counters.items() if value}
    return NewObject(instance.id, image, counters)


def checked_objects(collection: "Collection[M]", objs: Iterable[M]) -> list[M]:
    """Return the objects as a list. Raises TypeError for one of another model."""
    model = collection.model
    instances = [each if type(each) is model else unwrapped(each) for each in objs]
    for instance in instances:
        if type(instance) is not model:
            raise TypeError(
                f"{model.__name__}.objects takes {model.__name__} objects, not "
                f"{type(instance).__name__}."
            )
    return instances


def _check_ids(collection: "Collection[Any]", instances: Sequence["Model"]) -> None:
    """Raise IntegrityError if an id occurs twice."""
    seen = set()
    for instance in instances:
        if instance.id in seen:
            raise IntegrityError(
                f"Cannot insert {collection.model.__name__} {instance.id!r} twice: "
                "two of the objects have this id. Nothing was written."
            )
        seen.add(instance.id)


def _taken(collection: "Collection[Any]", pk: str, written: int) -> IntegrityError:
    return IntegrityError(
        f"Cannot insert {collection.model.__name__} {pk!r}: the id is taken. "
        f"{_so_far(written)} Leave it out, and go on from there."
    )


def _so_far(written: int) -> str:
    return (
        f"Nothing of its batch was written; {written} objects of the batches before it "
        "were."
    )


def save(
    collection: "Collection[Any]", objs: Iterable["Model"], batch_size: int | None
) -> Flow[int]:
    """Flow that saves new and stored objects in batches, and returns their number."""
    size = checked_size(batch_size)
    instances, number = checked_objects(collection, objs), 0
    if _are_collected(collection, instances):
        return len(instances)
    for instance in instances:
        instance.validate()
    for some in cut(instances, size):
        efforts = [SaveAttempt(instance, collection.db) for instance in some]
        replies = yield [effort.operation() for effort in efforts]
        errors = []
        for effort, reply in zip(efforts, replies, strict=True):
            try:
                yield from effort.settle(reply)
            except IntegrityError as error:
                errors.append(error)
        number += len(some) - len(errors)
        if errors:
            raise IntegrityError(f"{errors[0]} {number} objects of the list are saved.")
    return number


def update(
    collection: "Collection[Any]",
    objs: Iterable["Model"],
    fields: Iterable[str],
    batch_size: int | None = None,
) -> Flow[int]:
    """Flow that stores only these fields of stored objects, and returns the number."""
    refuse(collection.db, "bulk_update()")
    names = checked_fields(collection.model, fields)
    instances = {each.id: each for each in checked_objects(collection, objs)}
    if not names:
        raise ValueError("Field names must be given to bulk_update().")
    if collection.query.is_sliced:
        raise TypeError("Cannot filter a query once a slice has been taken.")
    pks, size = [pk.encode() for pk in instances], checked_size(batch_size)
    return (yield from _store(collection, instances, names, size).made(pks))


def _store(
    collection: "Collection[Any]",
    instances: dict[str, "Model"],
    names: set[str],
    size: int = 1,
    guard: Guard | None = None,
) -> BatchUpdate:
    """Return the batch update that stores these fields of instances, given by id.

    Objects that the collection does not find are left unchanged.
    """
    matches = matcher(collection.query.condition)

    def rewrite(found: StoredObject) -> Action:
        if not matches(found.pk, found.old):
            return Action.LEAVE
        if guard is not None and not guard.admits(found.pk, found.old):
            raise guard.overtaken(instances[found.pk])
        put(instances[found.pk], found, names)
        return Action.WRITE

    def done(found: StoredObject) -> None:
        instance = instances[found.pk]
        if found.new is None:
            instance._forget()
            return
        key = object_key(collection.space, found.pk)
        save_flows.rebase(
            instance, found.contents, found.new.packed, key, collection.db, names
        )
        instance._assigned.difference_update(names)

    meta, codec = collection.model._meta, connections[collection.db].codec
    moves = "tags" in names or any(map(meta.has_index, names))
    return BatchUpdate(
        collection.space, meta, codec, rewrite, done=done, moves=moves, size=size
    )


def save_fields(
    instance: "Model",
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
    names = checked_fields(type(instance), update_fields)
    if not names:
        return
    if guard_of(instance, using) is None or current(using) is None:
        yield from _store_fields(instance, using, names)
    else:
        # Of update_or_create(), in a block of the model's own save(): a save that
        # merges stores these fields too, and can wait for the end of the block.
        yield from save_flows.save(instance, using, options)


def _store_fields(instance: "Model", using: str, names: set[str]) -> Flow[None]:
    """Flow that stores the fields *names* of one object. See save_fields()."""
    model, guard = type(instance), guard_of(instance, using)
    refuse(using, "save(update_fields=...)")
    instance.validate()
    if signals.are_heard(signals.pre_save, model):
        yield SignalEvent(
            signals.pre_save, model, {"instance": instance, "using": using}
        )
    collection, pk = model._base_manager.using(using), instance.id.encode()
    changes = _store(collection, {instance.id: instance}, names, guard=guard)
    if instance._packed is not None and instance._using == using:
        number = yield from changes.made([], [(pk, instance._packed, None)])
    else:
        number = yield from changes.made([pk])
    if guard is not None:
        if not number:
            raise guard.overtaken(instance)
        guard.is_met = True
    if not number:
        raise model.NotUpdated(
            f"Cannot update {model.__name__} {instance.id!r}: there is no such object. "
            "Save without update_fields to write it anew."
        )
    if signals.are_heard(signals.post_save, model):
        arguments = {"instance": instance, "using": using, "created": False}
        yield SignalEvent(signals.post_save, model, arguments)


def checked_fields(model: "type[Model]", fields: Iterable[str]) -> set[str]:
    """Return the names of attributes, counters, "tags" or "expire".

    Raises TypeError, ValueError.
    """
    if isinstance(fields, str):
        raise TypeError(f"fields is a list of names, not the text {fields!r}.")
    names = set(fields)
    if names & {"id", "pk"}:
        raise ValueError(f"{model.__name__}: an id cannot be updated.")
    for name in names - {"tags", "expire"} - model._meta.counters:
        why = model._meta.refusal(name)
        if why is not None:
            raise FieldError(f"Cannot update {name!r}. {why}")
    return names


def put(instance: "Model", found: StoredObject, names: Iterable[str]) -> None:
    """Copy these fields from an instance to a stored object, and remove absent ones."""
    contents = found.contents
    for name in names:
        if name in instance._meta.counters:
            found.assigned[name] = instance._counters.get(name, 0)
            contents.attrs.pop(name, None)  # stored before it was a counter
        elif name == "tags":
            contents.tags = list(instance._contents().tags)
        elif name == "expire":
            contents.expire_at_ms = instance._expire_at_ms
        elif name in instance.attrs:
            contents.attrs[name] = instance.attrs[name]
        else:
            contents.attrs.pop(name, None)


def _are_collected(
    collection: "Collection[Any]",
    instances: Sequence["Model"],
    options: SaveOptions = UPSERT,
) -> bool:
    """Whether an atomic() block took the objects, to save them at its end."""
    block = current(collection.db)
    if block is None:
        return False
    for instance in instances:
        instance.validate()
        block.entries.append(
            PendingSave(instance, collection.db, options, is_silent=True)
        )
    return True


def checked_size(batch_size: int | None) -> int:
    """Return the number of objects per batch. Raises ValueError."""
    if batch_size is None:
        return 100
    if not isinstance(batch_size, int) or not 1 <= batch_size <= 1000:
        raise ValueError(f"batch_size must be 1 to 1000, not {batch_size!r}.")
    return batch_size


def cut(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield the items in lists of *size*. The last one may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
