"""Check and repair of one object and its index entries, in one atomic step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import is_later
from ..exceptions import CorruptDataError
from ..keys import (
    Space,
    all_key,
    expires_key,
    memo_key,
    object_key,
    pk_bytes,
    term_key,
    unique_key,
)
from ..schema import Schema
from .objects import NOTHING, Image, build_memo, load_counters, pk_of, rewrite
from .operation import Flow, Operation, Script
from .replies import Reply
from .stats import glob_escaped

CHECK_OBJECT = Script("check_object")
QUARANTINE = Script("quarantine")
PURGE_INDEX = Script("purge_index")

QUARANTINE_MS = 7 * 24 * 3600 * 1000
"""How long a quarantined key is kept: a week."""

NOTES = frozenset({"reserved-name"})
"""Kinds that are only reported: they are not damage, and a repair leaves them."""

OPERATIONS_PER_ROUND_TRIP = 200
"""One script for each object: other clients can run between two of them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A stored value that is wrong, or a missing one.

    kind: a name that docs/howto/repair.rst explains. detail: its member, field or id.
    is_repaired: whether it was repaired.
    """

    kind: str
    key: bytes
    pk: bytes = b""
    detail: bytes = b""
    is_repaired: bool = False


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry that names an id: a member of a sorted set, or a value of a hash."""

    key: bytes
    member: bytes
    is_value: bool = False


@dataclass(frozen=True, slots=True)
class Remarks:
    """Findings about an object whose index entries are right.

    faults: the kind and the detail of each. renewed: the image that repairs them, None
    if they cannot be repaired. counters: values to add with it.
    """

    faults: Sequence[tuple[str, str]] = ()
    renewed: Image | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


NO_REMARKS = Remarks()


@dataclass(frozen=True)
class CheckedModel:
    """The schema by which an index is checked, and a reader of objects.

    read_image: returns the Image of stored bytes, and Remarks; called with the bytes
    and their key. Raises CorruptDataError, or ValueError if they cannot be indexed.
    spares_unreadable: report unreadable objects and leave them.
    """

    schema: Schema
    read_image: Callable[[bytes, bytes], tuple[Image, "Remarks"]]
    spares_unreadable: bool = False

    @property
    def space(self) -> Space:
        """The key space of the model."""
        return self.schema.space

    @property
    def label(self) -> str:
        """``app_label.Model``, or ``Model`` outside any app."""
        return self.schema.space.model

    def image(self, pk: bytes, packed: bytes) -> Image | None:
        """Return the image of these bytes, None if they or the id are unreadable."""
        return self.examine_bytes(pk, packed)[0]

    def examine_bytes(
        self, pk: bytes, packed: bytes | None
    ) -> tuple[Image | None, "Remarks"]:
        """Return the image and the remarks of the stored bytes."""
        if packed is None:
            return NOTHING, NO_REMARKS
        try:
            pk_of(pk, self.space)
            return self.read_image(packed, self.space.objects + pk)
        except CorruptDataError:
            return None, NO_REMARKS


@dataclass(slots=True)
class Suspect:
    """An id to check: the bytes that were read, and the entries that name it."""

    pk: bytes
    packed: bytes | None
    seen: list[IndexEntry] = field(default_factory=list)


def examine(
    subject: CheckedModel, suspects: Iterable[Suspect], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns the Faults of these ids, each checked and repaired in one step.

    An id whose stored bytes changed since they were read is checked again, so that a
    fault is true of the bytes at that time. One round trip for 200 ids.
    """
    faults: list[Fault] = []
    waiting = list(suspects)
    while waiting:
        some, waiting = (
            waiting[:OPERATIONS_PER_ROUND_TRIP],
            waiting[OPERATIONS_PER_ROUND_TRIP:],
        )
        operations: list[Operation] = []
        sent: list[tuple[Suspect, Image | None, Remarks]] = []
        for suspect in some:
            key = subject.space.objects + suspect.pk
            try:
                image, remarks = subject.examine_bytes(suspect.pk, suspect.packed)
                operation = check_object(subject, suspect, image, is_repairing)
            except ValueError as error:
                why = str(error).encode()
                faults.append(Fault("unindexable-object", key, suspect.pk, why))
                continue
            kind = None if image is not None else _kind_to_leave(subject, suspect)
            if kind is not None:
                faults.append(Fault(kind, key, suspect.pk))
                continue
            operations.append(operation)
            sent.append((suspect, image, remarks))
        remarked = []
        replies = yield operations
        for (suspect, image, remarks), reply in zip(sent, replies, strict=True):
            is_sure, answer = reply
            if is_sure:
                faults += answer
            else:
                suspect.packed = answer
                waiting.append(suspect)
            if is_sure and image is not None and remarks is not NO_REMARKS:
                remarked.append((suspect, image, remarks))
        faults += yield from _remark_faults(subject, remarked, waiting, is_repairing)
    return faults


def _remark_faults(
    subject: CheckedModel,
    remarked: Sequence[tuple[Suspect, Image, Remarks]],
    waiting: list[Suspect],
    is_repairing: bool,
) -> Flow[Any]:
    """Flow that returns the Faults of remarks, repaired where that is possible.

    waiting: receives the ids that were written meanwhile.
    """
    answers: dict[bytes, tuple[Reply, Any]] = {}
    if is_repairing:
        answers = yield from _write_renewed(subject, remarked)
    faults = []
    for suspect, _, remarks in remarked:
        code, stored = answers.get(suspect.pk, (None, None))
        if code in (Reply.REFUSED, Reply.COUNTER_CHANGED):
            suspect.packed = stored if code is Reply.REFUSED else suspect.packed
            waiting.append(suspect)
            continue
        key = subject.space.objects + suspect.pk
        for kind, detail in remarks.faults:
            is_repaired = code is Reply.DONE and kind not in NOTES
            faults.append(Fault(kind, key, suspect.pk, detail.encode(), is_repaired))
    return faults


def _write_renewed(
    subject: CheckedModel, remarked: Sequence[tuple[Suspect, Image, Remarks]]
) -> Flow[Any]:
    """Flow that writes repaired images: {id: outcome}. One round trip, or two."""
    space = subject.space
    able = [each for each in remarked if each[2].renewed is not None]
    counting = [suspect.pk for suspect, _, remarks in able if remarks.counters]
    loads = [load_counters(space, pk.decode()) for pk in counting]
    held = dict(zip(counting, (yield loads) if loads else [], strict=True))
    writes: dict[bytes, Operation] = {}
    for suspect, image, remarks in able:
        now = {name: held[suspect.pk].get(name, 0) for name in remarks.counters}
        new = {name: now[name] + value for name, value in remarks.counters.items()}
        if all(-(2**63) <= value < 2**63 for value in new.values()):
            writes[suspect.pk] = rewrite(
                subject.schema,
                suspect.pk.decode(),
                image,
                remarks.renewed or image,
                new,
                counted=now,
            )
    return dict(
        zip(writes, (yield list(writes.values())) if writes else [], strict=True)
    )


def _kind_to_leave(subject: CheckedModel, suspect: Suspect) -> str | None:
    """Return the kind of fault of unreadable bytes that are left, else None."""
    if is_later(suspect.packed or b""):
        return "later-format"
    return "unreadable-object" if subject.spares_unreadable else None


def check_object(
    subject: CheckedModel, suspect: Suspect, image: Image | None, is_repairing: bool
) -> Operation:
    """Compare one id with its index entries, and repair them. O(entries log n)."""
    schema, pk, packed = subject.schema, suspect.pk, suspect.packed
    space = schema.space
    state = "none" if packed is None else "object" if image else "unreadable"
    image = image or NOTHING
    seen_words = [
        word
        for each in suspect.seen
        for word in ("value" if each.is_value else "member", each.member)
    ]
    return Operation(
        CHECK_OBJECT,
        (
            space.objects + pk,
            all_key(space),
            expires_key(space),
            memo_key(space),
            space.base + b"c:" + pk,
            *(term_key(space, suffix) for suffix in image.suffixes),
            *schema.index_keys,
            *(each.key for each in suspect.seen),
        ),
        (
            pk,
            packed or b"",
            state,
            int(is_repairing),
            image.deadline,
            image.memo,
            len(image.suffixes),
            len(schema.ordered),
            len(schema.unique),
            len(schema.counters),
            QUARANTINE_MS,
            *(image.sort_keys.get(name, b"") for name in schema.ordered),
            *(image.unique.get(names, b"") for names in schema.unique),
            *sorted(schema.counters),
            *seen_words,
        ),
        parse=lambda reply: _found(reply, pk),
        is_write=is_repairing,
    )


def _found(reply: list[Any], pk: bytes) -> tuple[bool, Any]:
    """Return (True, Faults), or (False, the bytes that are stored by now)."""
    if reply[0] == 0:
        return False, reply[1] if len(reply) > 1 else None
    return True, [
        Fault(kind.decode(), key, pk, detail, bool(is_repaired))
        for kind, key, is_repaired, detail in reply[1:]
    ]


def quarantine_key(space: Space, key: bytes) -> bytes:
    """Return the name of a quarantined key: ``ormist:lost:{app.Model}:…``."""
    head = space.prefix.encode() + b":"
    return head + b"lost:" + key.removeprefix(head)


def quarantine(space: Space, key: bytes, kind: bytes) -> Operation:
    """Move a key to quarantine if it is not of this Redis type. Answers whether it was.

    A key that was quarantined before under its name is kept, too.
    """
    return Operation(
        QUARANTINE,
        (key, quarantine_key(space, key)),
        (kind, QUARANTINE_MS),
        parse=bool,
        is_write=True,
    )


def image_entry_is_right(
    image: Image, name: str, entry: bytes, pk: bytes, created: float | None
) -> bool:
    """Return whether the object must have this entry of an ordered attribute."""
    sort_key = image.sort_keys.get(name)
    if sort_key is None or created is None:
        return False
    return entry == ordered_entry(sort_key, created, pk)


def ordered_entry(sort_key: bytes, created: float, pk: bytes) -> bytes | None:
    """Return the entry that the scripts write, None for an invalid creation time."""
    if not (created.is_integer() and 0 <= created < 2**53):
        return None
    return sort_key + int(created).to_bytes(7, "big") + pk + len(pk).to_bytes(3, "big")


def pk_in_entry(entry: bytes) -> bytes | None:
    """Return the id in an entry of an ordered attribute, None if it is invalid."""
    size = int.from_bytes(entry[-3:], "big")
    if len(entry) < size + 11:
        return None
    return entry[-3 - size : -3]


# Index entries of objects that were removed by hand


def purge_index(schema: Schema, pk: str) -> Flow[None]:
    """Flow that removes *pk* from every index of its model.

    Called only if a write found entries of an object that does not exist and left no
    memo (DEL by hand, eviction). It scans all keys of the database and the values of
    the unique attributes. Leaves an object that exists again. O(keys), in steps of
    1000.
    """
    space = schema.space
    pattern = glob_escaped(space.base)
    cursor = b"0"
    while True:
        cursor, keys = yield Operation(
            "SCAN", (), (cursor, "MATCH", pattern + b"[th]:*", "COUNT", 1000)
        )
        ours = [key for key in keys if key.startswith(space.base)]
        if ours:
            suffixes = [key[len(space.base) :] for key in ours]
            yield purge_entries(space, pk, build_memo(suffixes))
        if int(cursor) == 0:
            break
    for names in schema.unique:
        for value in (yield from _values_held(space, pk, names)):
            yield purge_entries(space, pk, build_memo(unique={names: value}))
    yield purge_entries(space, pk, build_memo(ordered=schema.ordered), is_last=True)


def purge_entries(
    space: Space, pk: str, memo: bytes, is_last: bool = False
) -> Operation:
    """Remove *pk* from the indexes of a memo if it does not exist. Answers 1 or 0.

    is_last: remove it from ``all``, too: no other index has it.
    """
    return Operation(
        PURGE_INDEX,
        (object_key(space, pk), all_key(space)),
        (pk_bytes(pk), memo, int(is_last)),
        is_write=True,
    )


def _values_held(space: Space, pk: str, names: tuple[str, ...]) -> Flow[Any]:
    """Flow that returns the values of one unique attribute that this id holds."""
    key, cursor, found = unique_key(space, names), b"0", []
    while True:
        cursor, flat = yield Operation("HSCAN", (key,), (cursor, "COUNT", 1000))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        found += [value for value, holder in pairs if holder == pk_bytes(pk)]
        if int(cursor) == 0:
            return found


__all__: Sequence[str] = (
    "CheckedModel",
    "Fault",
    "IndexEntry",
    "Suspect",
    "examine",
    "image_entry_is_right",
    "ordered_entry",
    "pk_in_entry",
    "quarantine",
    "quarantine_key",
)
