"""Flows of update(), set_expire() and delete() of a collection."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter
from typing import Any

from ..codecs import pack_value
from ..connections import connections
from ..deadlines import Expire, to_creation, to_datetime, to_deadline
from ..exceptions import FieldError, IntegrityError, ValidationError
from ..keys import object_key
from ..operations import objects, search
from ..operations.batches import DELETED, batched_by_entries, delete_many
from ..operations.objects import Image
from ..operations.operation import Flow, Operation, or_error
from ..operations.replies import Reply
from ..operations.rows import Row
from ..operations.scan import creation_times_of
from ..queries.conditions import reads_creation
from ..queries.expressions import (
    Computed,
    can_be_attribute,
    is_expression,
    names_in,
    value_of,
)
from ..queries.matching import matcher
from ..queries.query import CREATED
from ..schema import BaseOptions, Schema
from .attempt import unique_conflict_error, with_sentence
from .clean import clean_counter, clean_value
from .fetch import check_unsliced
from .pending import refuse
from .record import Record
from .types import Results

OBJECTS_PER_ROUND_TRIP = 100
"""Objects written per round trip: 2 to 4 ms of the server's time, between
which it serves others."""


class Action(Enum):
    """The action for one object."""

    LEAVE = auto()
    WRITE = auto()
    DELETE = auto()


@dataclass(slots=True)
class StoredObject:
    """One stored object. An Updater changes its *contents* and *assigned*.

    counters: the stored ones. expected: those that must be unchanged at the write.
    assigned: those to set. new: the written image. created_us: the creation time in
    microseconds, if it was read.
    """

    pk: str
    packed: bytes
    contents: Record
    counters: dict[str, int]
    old: Image
    expected: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    new: Image | None = None
    created_us: float | None = None


Updater = Callable[[StoredObject], Action]
"""Called again with the new contents if another client wrote the object meanwhile."""


@dataclass
class BatchUpdate:
    """A change of many objects of one model, by compare-and-swap.

    has_counters: whether *rewrite* reads counters. reads_creation: whether it reads the
    creation time. on_written: called with each written
    object. changes_index: whether index entries may change. size: objects per round
    trip. kind: that of writes without counters, see operations/repeatable.py. Equal
    bytes are no proof for most updates: two clients may both have added one.
    """

    schema: Schema
    meta: BaseOptions
    codec: str
    rewrite: Updater
    has_counters: bool = False
    on_written: Callable[[StoredObject], None] | None = None
    changes_index: bool = True
    size: int = OBJECTS_PER_ROUND_TRIP
    kind: type[Operation] = Operation
    reads_creation: bool = False
    changed: int = 0
    error: Exception | None = None
    _expired: set[str] = field(default_factory=set)
    _created: dict[bytes, float | None] = field(default_factory=dict)

    def run(self, pks: Iterable[bytes], known: Iterable[Row] = ()) -> Flow[int]:
        """Flow that changes the stored objects of these ids. Returns their number.

        known: further objects, already read. 1 + ceil(N / size) round trips: each
        writes the objects that the one before has read. Raises IntegrityError for a
        taken value; earlier changes stay.
        """
        rest, waiting = deque(pks), list(known)
        while rest or waiting:
            planned = [each for each in map(self._plan, waiting) if each]
            some = [rest.popleft() for _ in range(min(len(rest), self.size))]
            writes, written = self._write_operations(planned)
            replies = yield writes + self._read_operations(some)
            outcomes = _flatten(replies[: len(writes)])
            refused = list(map(self._resolve, written, outcomes))
            if self.error is not None:
                if not self.changed:
                    raise self.error
                raise with_sentence(self.error, f"Others changed: {self.changed}.")
            changed = [row for row in refused if row is not None]
            waiting = self._rows(some, replies[len(writes) :])
            if self.has_counters or self.reads_creation:  # not in a refusal
                rest.extendleft(pk for pk, _, _ in changed)
            else:
                waiting += changed
        return self.changed

    def _write_operations(
        self, planned: list[tuple[StoredObject, Operation | None]]
    ) -> tuple[list[Operation], list[StoredObject]]:
        """Return the writes of all planned changes, and their objects, in order.

        Deletions share steps, which halves their cost.
        """
        saved = [(found, or_error(write)) for found, write in planned if write]
        gone = [found for found, write in planned if write is None]
        writes = [write for _, write in saved]
        for some in batched_by_entries(gone, attrgetter("old.entries"), DELETED):
            stored = [(found.pk, found.old) for found in some]
            writes.append(delete_many(self.schema, stored))
        return writes, [*(found for found, _ in saved), *gone]

    def _read_operations(self, pks: list[bytes]) -> list[Operation]:
        """Return operations that read these objects, with what else is needed."""
        space = self.schema.space
        if not pks:
            return []
        counters = [objects.load_counters(space, pk) for pk in pks if self.has_counters]
        created = [creation_times_of(space, pks)] if self.reads_creation else []
        return [*created, objects.load_many(space, pks), *counters]

    def _rows(self, pks: list[bytes], replies: list[Any]) -> list[Row]:
        """Return a row for each of these ids that is stored."""
        if not pks:
            return []
        if self.reads_creation:
            self._created.update(zip(pks, replies.pop(0), strict=True))
        packed, *counters = replies
        rows = zip(pks, packed, counters or [None] * len(pks), strict=True)
        return [row for row in rows if row[1] is not None]

    def _plan(self, row: Row) -> tuple[StoredObject, Operation | None] | None:
        """Return one object with its write, unless it is left unchanged."""
        pk = objects.pk_of(row[0], self.schema.space)
        packed, counters = row[1], row[2] or {}
        contents = Record.of(packed, object_key(self.schema.space, pk))
        old = contents.stored_image(packed, self.meta)
        found = StoredObject(pk, packed, contents, counters, old)
        found.created_us = self._created.pop(row[0], None)
        try:
            return self._plan_write(found)
        except (TypeError, ValueError, ArithmeticError, ValidationError) as error:
            error.add_note(f"In the update of {self.meta.object_name} {pk!r}.")
            raise

    def _plan_write(
        self, found: StoredObject
    ) -> tuple[StoredObject, Operation | None] | None:
        action = self.rewrite(found)
        if action is Action.LEAVE:
            return None
        if action is Action.DELETE or found.pk in self._expired:
            return found, None
        if self.changes_index:
            found.new = found.contents.image(self.meta, self.codec)
        else:
            found.new = found.contents.image_like(found.old, self.codec)
        counted, expected = found.assigned, found.expected
        kind = Operation if counted or expected else self.kind
        return found, objects.rewrite(
            self.schema, found.pk, found.old, found.new, counted, expected, kind
        )

    def _resolve(
        self, found: StoredObject, reply: tuple[Reply, Any] | Exception
    ) -> Row | None:
        """Handle one reply. Return the object if it must be planned again."""
        if isinstance(reply, Exception):
            self.error = self.error or reply
            return None
        code, fact = reply
        if code is Reply.DONE:
            self.changed += 1
            if found.new is not None:
                found.new = found.new.resolve_deadline(fact)
                found.contents.expire_at_ms = found.new.expire_at_ms
            if self.on_written is not None:
                self.on_written(found)
        elif code is Reply.EXPIRED:
            self._expired.add(found.pk)
        elif code is Reply.UNIQUE_TAKEN and self.error is None:
            attrs, model = found.contents.attrs, self.meta.object_name
            taken = unique_conflict_error(model, found.pk, attrs, fact)
            self.error = IntegrityError(taken)
        elif code is Reply.REFUSED:
            self._expired.discard(found.pk)
        is_changed = code is Reply.REFUSED and fact is not None
        if is_changed or code in (Reply.EXPIRED, Reply.COUNTER_CHANGED):
            return (found.pk.encode(), fact or found.packed, None)
        return None


def _flatten(replies: list[Any]) -> list[tuple[Reply, Any] | Exception]:
    """Return the replies to single writes and to batches in one list."""
    outcomes: list[tuple[Reply, Any] | Exception] = []
    for reply in replies:
        outcomes += reply if isinstance(reply, list) else [reply]
    return outcomes


def delete_matches(collection: Results[Any]) -> Flow[int]:
    """Flow that deletes all matches, and returns their number.

    2 + ceil(N / 100) round trips.
    """
    return (yield from _change(collection, lambda found: Action.DELETE))


def set_expire(collection: Results[Any], expire: Expire) -> Flow[int]:
    """Flow that sets the expiration of all matches.

    Returns their number. 2 + ceil(N / 100) round trips.
    """
    check_unsliced(collection, "set_expire")
    refuse(collection.db, "A collection's set_expire()")
    deadline = to_deadline(expire)

    def rewrite(found: StoredObject) -> Action:
        found.contents.expire_at_ms = deadline
        return Action.WRITE

    return (yield from _change(collection, rewrite, changes_index=False))


def update(collection: Results[Any], values: dict[str, Any]) -> Flow[int]:
    """Flow that updates all matches, and returns their number.

    2 + ceil(N / 100) round trips.
    """
    refuse(collection.db, "update()")
    if collection.query.is_sliced:
        raise TypeError("Cannot update a query once a slice has been taken.")
    meta = collection.model._meta
    values = {meta.stored_name(name): value for name, value in values.items()}
    names = _names_read(meta, values)
    counted = names & meta.counters
    computes_creation = CREATED in names and not meta.created_is_attribute
    if not values:
        return 0
    values = {
        name: value if is_expression(value) else clean_value(meta, name, value)
        for name, value in values.items()
    }
    computed = {name: value_of(value) for name, value in values.items()}

    def rewrite(found: StoredObject) -> Action:
        found.expected = {name: found.counters.get(name, 0) for name in counted}
        _assign(meta, found, computed)
        return Action.WRITE

    changes_index = any(map(meta.has_index, values))
    return (
        yield from _change(
            collection, rewrite, bool(counted), changes_index, computes_creation
        )
    )


def _change(
    collection: Results[Any],
    rewrite: Updater,
    has_counters: bool = False,
    changes_index: bool = True,
    computes_creation: bool = False,
) -> Flow[int]:
    """Flow that rewrites each matching object. Returns their number."""
    collection._cache = None
    meta, condition = collection.model._meta, collection.query.condition
    pks = yield from search.ids(collection.space, collection.query)
    matches = matcher(condition)  # whose subqueries are loaded by now

    def rewrite_match(found: StoredObject) -> Action:
        if not matches(found.pk, found.old, found.created_us):
            return Action.LEAVE
        return rewrite(found)

    codec = connections[collection.db].codec
    batch = BatchUpdate(
        meta.schema(collection.db),
        meta,
        codec,
        rewrite_match,
        has_counters,
        changes_index=changes_index,
        reads_creation=computes_creation or reads_creation(condition),
    )
    return (yield from batch.run(pks))


def _names_read(meta: BaseOptions, values: dict[str, Any]) -> set[str]:
    """Return the names that the values are computed from.

    Raises FieldError, TypeError.
    """
    read: set[str] = set()
    for name, value in values.items():
        if name in ("id", "pk", "tags") or not can_be_attribute(name):
            raise FieldError(
                f"Cannot update {name!r} of {meta.object_name}: update() sets "
                "attributes, counters and expire. Save the objects one by one."
            )
        why = meta.refusal(name)
        if why is not None and name != "expire" and name not in meta.counters:
            raise FieldError(f"Cannot update {name!r}. {why}")
        if is_expression(value):
            for read_name in names_in(value):
                meta.check_readable(read_name, "update()")
                read.add(read_name)
        elif name in meta.counters:
            clean_counter(meta, name, value)
        elif name == "expire":
            to_deadline(value)
        elif name not in meta.fields_by_name:
            pack_value(name, value)
    return read


def _assign(
    meta: BaseOptions, found: StoredObject, values: dict[str, Computed]
) -> None:
    """Set the values of one object, all computed from its previous contents."""
    contents, counters = found.contents, found.counters

    def current_value(name: str) -> Any:
        name = meta.stored_name(name)
        if name in meta.counters:
            return counters.get(name, 0)
        if name == "expire":
            return to_datetime(contents.expire_at_ms)
        if name == CREATED and name not in contents.attrs:
            return to_creation(found.created_us)
        if name in ("id", "pk"):
            return found.pk
        return meta.converted_value(name, contents.attrs)

    new = {
        name: clean_value(meta, name, value(current_value))
        for name, value in values.items()
    }
    if "expire" in new:
        contents.expire_at_ms = to_deadline(new.pop("expire"))
    for name, value in new.items():
        if name in meta.counters:
            found.assigned[name] = clean_counter(meta, name, value)
            if name not in found.expected:
                contents.attrs.pop(name, None)  # stored before it was a counter
        else:
            contents.attrs[name] = value
