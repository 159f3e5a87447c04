"""The flows that write many objects."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..connections import connections
from ..exceptions import IntegrityError
from ..keys import object_key
from ..operations import objects, searches
from ..operations.healing import forget
from ..operations.objects import Image, NewObject
from ..operations.operation import Flow, Operation
from ..operations.replies import Outcome
from .blocks import Pending, current, refuse
from .contents import Contents
from .efforts import Effort, held_by_another

if TYPE_CHECKING:
    from .base import Model
    from .collection import Collection

BATCHES_A_TRIP = 10
CHANGED_A_TRIP = 100


def create(asked: "Collection[Any]", objs: Iterable["Model"], batch_size: int) -> Flow:
    """Flow: insert new objects in batches, each all or none; the objects."""
    _check_batch_size(batch_size)
    instances, codec = list(objs), connections[asked.db].codec
    _check_new(asked, instances)
    if _are_collected(asked, instances, force_insert=True):
        return instances
    batches = []
    for some in _cut(instances, batch_size):
        for instance in some:
            instance.validate()
        batches.append((some, [_new(instance, codec) for instance in some]))
    written = 0
    for group in _cut(batches, BATCHES_A_TRIP):
        replies = yield [_insert(asked, new, before) for new, before in _chained(group)]
        for (some, new), reply in zip(group, replies, strict=True):
            if reply[0] is Outcome.DONE:
                _stored(asked, some, new)
            else:
                yield from _insert_again(asked, some, new, reply, written)
            written += len(some)
    return instances


def _chained(
    group: Sequence[tuple[Any, list[NewObject]]],
) -> Iterator[tuple[list[NewObject], NewObject | None]]:
    """Each batch with the last object of the one before it in the same trip."""
    before = None
    for _, new in group:
        yield new, before
        before = new[-1]


def _insert(
    asked: "Collection[Any]", new: list[NewObject], before: NewObject | None = None
) -> Operation:
    meta = asked.model._meta
    return objects.insert_many(
        asked.space, new, before, meta.is_indexed, meta.ordered, meta.unique
    )


def _insert_again(
    asked: "Collection[Any]",
    some: list["Model"],
    new: list[NewObject],
    reply: tuple[Outcome, Any],
    written: int,
) -> Flow:
    """Flow: one batch that was refused, with what was in its way removed."""
    while reply[0] is not Outcome.DONE:
        code, fact = reply
        if code is Outcome.REFUSED:
            raise IntegrityError(
                f"Cannot insert {asked.model.__name__} {new[fact - 1].pk!r}: the id is "
                f"taken. Nothing of its batch was written; {written} objects of the "
                "batches before it were. Leave it out, and go on from there."
            )
        if code is Outcome.TAKEN:
            error = held_by_another(some[fact.number - 1], fact)
            raise IntegrityError(
                f"{error} Nothing of its batch was written; {written} objects of the "
                "batches before it were."
            )
        if code is Outcome.UNEXPLAINED:
            meta = asked.model._meta
            pk = new[fact - 1].pk
            yield from forget(asked.space, pk, meta.ordered, meta.unique)
        elif code is Outcome.DUE:
            some = [*some[: fact - 1], *some[fact:]]
            new = [*new[: fact - 1], *new[fact:]]
            if not new:
                return
        reply = yield _insert(asked, new)
    _stored(asked, some, new)


def _stored(
    asked: "Collection[Any]", some: list["Model"], new: list[NewObject]
) -> None:
    for instance, each in zip(some, new, strict=True):
        instance._take(instance._contents(), each.image.packed, asked.db)


def _new(instance: "Model", codec: str) -> NewObject:
    image = instance._contents().image(instance._meta, codec)
    counters = {name: value for name, value in instance._counters.items() if value}
    return NewObject(instance.id, image, counters)


def _check_new(asked: "Collection[Any]", instances: list["Model"]) -> None:
    """Raises TypeError for another model's object, IntegrityError for a double id."""
    seen = set()
    for instance in instances:
        if type(instance) is not asked.model:
            raise TypeError(
                f"{asked.model.__name__}.objects takes {asked.model.__name__} objects, "
                f"not {type(instance).__name__}."
            )
        if instance.id in seen:
            raise IntegrityError(
                f"Cannot insert {asked.model.__name__} {instance.id!r} twice: "
                "two of the objects have this id. Nothing was written."
            )
        seen.add(instance.id)


def save(asked: "Collection[Any]", objs: Iterable["Model"], batch_size: int) -> Flow:
    """Flow: save objects that exist or not, many a trip; how many."""
    _check_batch_size(batch_size)
    instances, number = list(objs), 0
    for instance in instances:
        if type(instance) is not asked.model:
            raise TypeError(
                f"{asked.model.__name__}.objects takes {asked.model.__name__} objects, "
                f"not {type(instance).__name__}."
            )
        instance.validate()
    if _are_collected(asked, instances):
        return len(instances)
    for some in _cut(instances, batch_size):
        efforts = [Effort(instance, asked.db) for instance in some]
        replies = yield [effort.operation() for effort in efforts]
        for effort, reply in zip(efforts, replies, strict=True):
            yield from effort.settle(reply)
        number += len(some)
    return number


def delete(asked: "Collection[Any]") -> Flow:
    """Flow: delete what matches; how many. 1 + 2 ceil(N / 100) round trips."""
    refuse(asked.db, "A collection's delete()")

    def removal(pk: str, old: Image, contents: Contents) -> Operation:
        return objects.delete(asked.space, pk, old)

    return (yield from _change(asked, removal))


def set_expire(asked: "Collection[Any]", deadline_ms: int | None) -> Flow:
    """Flow: give what matches another deadline; how many. As delete()."""
    refuse(asked.db, "A collection's set_expire()")
    meta, codec = asked.model._meta, connections[asked.db].codec

    def rewriting(pk: str, old: Image, contents: Contents) -> Operation:
        contents.expire_at_ms = deadline_ms
        new = contents.image(meta, codec)
        counters: dict[str, int] | None = {} if meta.counters else None
        return objects.save(asked.space, pk, old, new, counters, meta.is_indexed)

    return (yield from _change(asked, rewriting))


def _change(
    asked: "Collection[Any]", change: Callable[[str, Image, Contents], Operation]
) -> Flow:
    """Flow: send a change for each object that matches, as it is stored."""
    changed = 0
    pks = yield from searches.ids(asked.space, asked.query)
    for some in _cut(pks, CHANGED_A_TRIP):
        rows = yield from searches.rows_of(asked.space, some, False)
        waiting = [(pk.decode(), packed) for pk, packed, _ in rows]
        while waiting:
            operations, sent = [], []
            for pk, packed in waiting:
                planned = _planned(asked, pk, packed, change)
                if planned is not None:
                    operations.append(planned[0])
                    sent.append((pk, planned[1]))
            replies = yield operations
            waiting = []
            for (pk, old), (code, stored) in zip(sent, replies, strict=True):
                if code is Outcome.DONE:
                    changed += 1
                elif code is Outcome.DUE:
                    code, stored = yield objects.delete(asked.space, pk, old)
                    changed += code is Outcome.DONE
                if code is Outcome.REFUSED and stored is not None:
                    waiting.append((pk, stored))
    return changed


def _planned(
    asked: "Collection[Any]",
    pk: str,
    packed: bytes,
    change: Callable[[str, Image, Contents], Operation],
) -> tuple[Operation, Image] | None:
    """The change of one object, None if it does not match any more."""
    contents = Contents.of(packed, object_key(asked.space, pk))
    old = contents.stored_image(packed, asked.model._meta)
    terms = set(contents.terms(asked.model._meta))
    if not asked.query.matches(pk, terms, old.sort_keys):
        return None
    return change(pk, old, contents), old


def _are_collected(
    asked: "Collection[Any]", instances: list["Model"], force_insert: bool = False
) -> bool:
    """Whether an atomic() block has taken them, to save them on its end."""
    block = current(asked.db)
    if block is None:
        return False
    for instance in instances:
        instance.validate()
        block.entries.append(Pending(instance, asked.db, force_insert, is_silent=True))
    return True


def _check_batch_size(batch_size: int) -> None:
    if not isinstance(batch_size, int) or not 1 <= batch_size <= 1000:
        raise ValueError(f"batch_size must be 1 to 1000, not {batch_size!r}.")


def _cut(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
