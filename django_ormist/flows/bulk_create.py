"""The flow of bulk_create(), and the steps that it shares with its conflict options."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, repeat
from operator import attrgetter, methodcaller
from string import ascii_letters
from typing import Any, TypeVar

from ..batching import batched
from ..connections import connections
from ..crypto import get_random_string
from ..exceptions import IntegrityError
from ..keys import pk_bytes
from ..operations.batches import (
    INSERTED,
    Link,
    NewObject,
    batched_by_entries,
    insert_many,
)
from ..operations.objects import MOST_MEMO_PARTS, NO_COUNTERS
from ..operations.operation import Flow, Operation
from ..operations.repair import purge_index
from ..operations.replies import Holder, Reply, mistyped_error
from ..terms import KnownSuffixes
from .attempt import INSERT, unique_conflict_error, with_sentence
from .bulk import (
    clean_and_validate,
    defer_saves,
    map_noted,
    validate_batch_size,
    validate_objects,
)
from .record import images_of
from .types import Instance, Results

M = TypeVar("M", bound=Instance)

BATCHES_PER_ROUND_TRIP = 10
OBJECTS_PER_ROUND_TRIP = 10_000

PACKED_TOGETHER = 200
"""Objects whose bytes are made in one call."""


def create(
    collection: Results[M], objs: Iterable[M], batch_size: int | None
) -> Flow[list[M]]:
    """Flow that inserts new objects in atomic batches, and returns the objects."""
    validate_batch_size(batch_size)
    instances = validate_objects(collection, objs)
    _check_ids(collection, instances)
    if defer_saves(collection, instances, INSERT):
        return instances
    written = 0
    for group in group_batches(build_batches(collection, instances, batch_size)):
        replies = yield insert_operations(collection, group)
        for (some, new), reply in zip(group, replies, strict=True):
            some, new, (code, fact) = yield from resolve_batch(
                collection, some, new, reply, written
            )
            if code is Reply.REFUSED:
                raise _id_taken_error(collection, new[fact - 1].pk, written)
            if code is Reply.UNIQUE_TAKEN:
                raise _unique_taken_error(some[fact.number - 1], fact, new, written)
            mark_stored(collection, some, new, fact[0])
            written += len(some)
    return instances


Batch = tuple[list[Instance], Sequence[NewObject]]


def build_batches(
    collection: Results[Any], instances: Sequence[Instance], batch_size: int | None
) -> list[Batch]:
    """Return the objects in batches, each with its insertions.

    batch_size: None for as many as the server writes in a few milliseconds.
    """
    check: Callable[[Instance], None] = methodcaller("validate")
    if collection.model._meta.fields_by_name:
        check = partial(clean_and_validate, using=None)
    map_noted(check, instances, instances)
    new = [*_new_objects(collection, instances)]
    if batch_size is None:
        batches = batched_by_entries(new, attrgetter("image.entries"), INSERTED)
    else:
        batches = batched(new, batch_size)
    rest = iter(instances)
    return [(list(islice(rest, len(some))), some) for some in batches]


def _new_objects(
    collection: Results[Any], instances: Sequence[Instance]
) -> Iterator[NewObject]:
    """Yield the insertion of each object. Raises TypeError, ValueError."""
    meta, codec = collection.model._meta, connections[collection.db].codec
    known = KnownSuffixes()
    for some in batched(instances, PACKED_TOGETHER):
        contents = [instance._contents() for instance in some]
        pks = [instance.id for instance in some]
        try:
            images = images_of(contents, meta, codec, known)
            for image in images:
                if image.expire_at_ms is not None and image.entries > MOST_MEMO_PARTS:
                    image.memo  # noqa: B018 - it may raise
            deque(map(pk_bytes, pks), 0)  # it raises for one that cannot be sent
        except (TypeError, ValueError):
            map_noted(partial(_check_alone, codec=codec), some, instances)
            raise
        counters = map(_counters_of, some) if meta.counters else repeat(NO_COUNTERS)
        yield from map(NewObject._make, zip(pks, images, counters, strict=False))


def _counters_of(instance: Instance) -> dict[str, int]:
    """Return the counters that are not 0."""
    return {name: n for name, n in instance._state.counters.items() if n}


def _check_alone(instance: Instance, codec: str) -> None:
    """Raise TypeError or ValueError if one object cannot be stored."""
    image = instance._contents().image(instance._meta, codec)
    image.memo  # noqa: B018 - it may raise
    pk_bytes(instance.id)


def group_batches(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Yield the batches of each round trip: ten, or more of few objects."""
    group: list[Batch] = []
    number = 0
    for batch in batches:
        if len(group) >= BATCHES_PER_ROUND_TRIP and number >= OBJECTS_PER_ROUND_TRIP:
            yield group
            group, number = [], 0
        group.append(batch)
        number += len(batch[0])
    if group:
        yield group


def insert_operations(
    collection: Results[Any],
    group: Sequence[tuple[Any, Sequence[NewObject]]],
    skips_conflicts: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> list[Operation]:
    """Return the insertions of one round trip. Each requires those before it.

    The nonce distinguishes this request from others that insert the same objects.
    """
    if len(group) == 1:
        return [
            insert_operation(collection, group[0][1], None, skips_conflicts, arbiter)
        ]
    nonce, last = get_random_string(ascii_letters, 16), len(group) - 1
    return [
        insert_operation(
            collection, new, Link(nonce, place, place == last), skips_conflicts, arbiter
        )
        for place, (_, new) in enumerate(group)
    ]


def insert_operation(
    collection: Results[Any],
    new: Sequence[NewObject],
    link: Link | None = None,
    skips_conflicts: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Operation:
    """Return the insertion of a batch."""
    schema = collection.model._meta.schema(collection.db)
    return insert_many(schema, new, link, skips_conflicts, arbiter)


def resolve_batch(
    collection: Results[Any],
    some: list[Instance],
    new: Sequence[NewObject],
    reply: tuple[Reply, Any] | Exception,
    written: int,
    skips_conflicts: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Flow[tuple[list[Instance], Sequence[NewObject], tuple[Reply, Any]]]:
    """Flow that returns a batch without expired objects, and the last reply.

    The batch is sent again if it waited for another one, or if a conflict is gone.
    written: the number of objects of the batches before it.
    """
    while True:
        if isinstance(reply, Exception):
            if written:
                reply.add_note(f"{written} objects of the batches before were written.")
            raise reply
        code, fact = reply
        if code not in (Reply.ORPHAN_INDEX, Reply.EXPIRED, Reply.NOT_RUN):
            break
        if code is Reply.ORPHAN_INDEX:
            schema = collection.model._meta.schema(collection.db)
            yield from purge_index(schema, new[fact - 1].pk)
        elif code is Reply.EXPIRED:
            past = {number - 1 for number in fact}
            some = [each for i, each in enumerate(some) if i not in past]
            new = [each for i, each in enumerate(new) if i not in past]
            if not new:
                return some, new, (Reply.DONE, (None, []))
        reply = yield insert_operation(collection, new, None, skips_conflicts, arbiter)
    if code is Reply.MISTYPED:
        raise mistyped_error(fact, _progress(written) if written else "")
    return some, new, reply


def mark_stored(
    collection: Results[Any],
    some: Iterable[Instance],
    new: Iterable[NewObject],
    now_ms: bytes | None,
) -> None:
    """Mark the instances as stored. now_ms: see Image.resolve_deadline()."""
    using = collection.db
    for instance, each in zip(some, new, strict=True):
        state, image = instance._state, each.image
        if now_ms is not None:
            image = image.resolve_deadline(now_ms)
            if state.expire_at_ms == each.image.expire_at_ms:  # not changed meanwhile
                state.expire_at_ms = image.expire_at_ms
        late = _late_counters(state, each.counters) if state.assigned else None
        state.mark_stored(image.packed, using)
        if late:
            state.assigned.update(late)


def _late_counters(state: Any, sent: Mapping[str, int]) -> set[str]:
    """Return the names of counters that were assigned after the object was sent."""
    now = state.counters
    return {name for name in state.assigned if now.get(name, 0) != sent.get(name, 0)}


def _check_ids(collection: Results[Any], instances: Sequence[Instance]) -> None:
    """Raise IntegrityError if an id occurs twice."""
    pks = [instance.id for instance in instances]
    if len({*pks}) < len(pks):
        pk = next(pk for pk, number in Counter(pks).items() if number > 1)
        raise IntegrityError(
            f"Cannot insert {collection.model.__name__} {pk!r} twice: two of the "
            "objects have this id. Nothing was written."
        )


def _id_taken_error(collection: Results[Any], pk: str, written: int) -> IntegrityError:
    return IntegrityError(
        f"Cannot insert {collection.model.__name__} {pk!r}: the id is taken. "
        f"{_progress(written)} Leave it out, and go on from there."
    )


def _unique_taken_error(
    refused: Instance, holder: Holder, new: Sequence[NewObject], written: int
) -> Exception:
    error: Exception = unique_conflict_error(
        refused._meta.object_name, refused.id, refused.attrs, holder
    )
    if holder.pk.decode(errors="replace") in [each.pk for each in new]:
        error = with_sentence(error, "Both are in the list.")
    return with_sentence(error, _progress(written))


def _progress(written: int) -> str:
    return (
        f"Nothing of its batch was written; {written} objects of the batches before it "
        "were."
    )
