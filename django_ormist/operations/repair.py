"""One object against its index: what differs, found and mended in one atomic step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import is_later
from ..exceptions import CorruptDataError
from ..keys import Space, all_key, expires_key, index_keys, memo_key, term_key
from .objects import NOTHING, Image, load_counters, pk_of, rewrite
from .operation import Flow, Operation, Script
from .replies import Reply

MEND = Script("check_object")
PUT_ASIDE = Script("quarantine")

KEPT_ASIDE_MS = 7 * 24 * 3600 * 1000
"""So long stays what is put aside: a week."""

NOTES = frozenset({"reserved-name"})
"""Kinds that are no damage, and that no repair changes: only told of."""

OPERATIONS_A_TRIP = 200
"""One script an object: other clients have their turn between two of them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is stored and should not be so, or the other way round.

    kind: a name that docs/howto/repair.rst explains. detail: the member, field or id
    that it is about. is_mended: whether it was put right.
    """

    kind: str
    key: bytes
    pk: bytes = b""
    detail: bytes = b""
    is_mended: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry that names an id: a member of a sorted set, or a value of a hash."""

    key: bytes
    member: bytes
    is_value: bool = False


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is to be said of an object, though its index says what its bytes do.

    faults: the kind and the detail of each. renewed: what repairs those, written in
    place of the object; None where nothing does. counters: to be added with it.
    """

    faults: Sequence[tuple[str, str]] = ()
    renewed: Image | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


NO_REMARKS = Remarks()


@dataclass(frozen=True)
class Subject:
    """A model as its index is checked: what Meta says, and how to read an object.

    imagine: the Image of stored bytes, and Remarks; called with them and their key;
    raises CorruptDataError, or ValueError for what cannot be indexed.
    spares_unreadable: what cannot be read is found and left where it is.
    """

    label: str
    space: Space
    imagine: Callable[[bytes, bytes], tuple[Image, "Remarks"]]
    ordered: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    counters: frozenset[str] = frozenset()
    spares_unreadable: bool = False

    def image(self, pk: bytes, packed: bytes) -> Image | None:
        """What these bytes are to have in the index; None if nobody can read them.

        Nobody can read an object whose id is not UTF-8.
        """
        return self.imagined(pk, packed)[0]

    def imagined(
        self, pk: bytes, packed: bytes | None
    ) -> tuple[Image | None, "Remarks"]:
        """Return the image and the remarks of what is stored, if anything is."""
        if packed is None:
            return NOTHING, NO_REMARKS
        try:
            pk_of(pk, self.space)
            return self.imagine(packed, self.space.objects + pk)
        except CorruptDataError:
            return None, NO_REMARKS


@dataclass(slots=True)
class Doubt:
    """An id to look at: the bytes that were read, and entries that named it."""

    pk: bytes
    packed: bytes | None
    seen: list[Seen] = field(default_factory=list)


def examine(subject: Subject, doubts: Iterable[Doubt], is_mending: bool) -> Flow[Any]:
    """Flow: the Faults of these ids, each looked at, and mended, in one step.

    Where the bytes that were read are not those that are stored by now, that id is
    looked at once more: a fault is true of what was stored when it was found. One
    round trip for 200 ids.
    """
    faults: list[Fault] = []
    waiting = list(doubts)
    while waiting:
        some, waiting = waiting[:OPERATIONS_A_TRIP], waiting[OPERATIONS_A_TRIP:]
        operations: list[Operation] = []
        sent: list[tuple[Doubt, Image | None, Remarks]] = []
        for doubt in some:
            key = subject.space.objects + doubt.pk
            try:
                image, remarks = subject.imagined(doubt.pk, doubt.packed)
                operation = mend(subject, doubt, image, is_mending)
            except ValueError as error:
                why = str(error).encode()
                faults.append(Fault("unindexable-object", key, doubt.pk, why))
                continue
            kind = None if image is not None else _kind_to_leave(subject, doubt)
            if kind is not None:
                faults.append(Fault(kind, key, doubt.pk))
                continue
            operations.append(operation)
            sent.append((doubt, image, remarks))
        remarked = []
        replies = yield operations
        for (doubt, image, remarks), reply in zip(sent, replies, strict=True):
            is_sure, answer = reply
            if is_sure:
                faults += answer
            else:
                doubt.packed = answer
                waiting.append(doubt)
            if is_sure and image is not None and remarks is not NO_REMARKS:
                remarked.append((doubt, image, remarks))
        faults += yield from _told(subject, remarked, waiting, is_mending)
    return faults


def _told(
    subject: Subject,
    remarked: Sequence[tuple[Doubt, Image, Remarks]],
    waiting: list[Doubt],
    is_mending: bool,
) -> Flow[Any]:
    """Flow: the Faults that remarks tell of, repaired where there is a way.

    waiting: gets those that somebody wrote meanwhile.
    """
    answers: dict[bytes, tuple[Reply, Any]] = {}
    if is_mending:
        answers = yield from _renewed(subject, remarked)
    faults = []
    for doubt, _, remarks in remarked:
        code, stored = answers.get(doubt.pk, (None, None))
        if code in (Reply.REFUSED, Reply.COUNTER_CHANGED):
            doubt.packed = stored if code is Reply.REFUSED else doubt.packed
            waiting.append(doubt)
            continue
        key = subject.space.objects + doubt.pk
        for kind, detail in remarks.faults:
            is_mended = code is Reply.DONE and kind not in NOTES
            faults.append(Fault(kind, key, doubt.pk, detail.encode(), is_mended))
    return faults


def _renewed(
    subject: Subject, remarked: Sequence[tuple[Doubt, Image, Remarks]]
) -> Flow[Any]:
    """Flow: {id: the outcome} of writing what repairs. One round trip, or two."""
    space = subject.space
    able = [each for each in remarked if each[2].renewed is not None]
    counting = [doubt.pk for doubt, _, remarks in able if remarks.counters]
    loads = [load_counters(space, pk.decode()) for pk in counting]
    held = dict(zip(counting, (yield loads) if loads else [], strict=True))
    writes: dict[bytes, Operation] = {}
    for doubt, image, remarks in able:
        now = {name: held[doubt.pk].get(name, 0) for name in remarks.counters}
        new = {name: now[name] + value for name, value in remarks.counters.items()}
        if all(-(2**63) <= value < 2**63 for value in new.values()):
            writes[doubt.pk] = rewrite(
                space,
                doubt.pk.decode(),
                image,
                remarks.renewed or image,
                new if subject.counters else None,
                counted=now,
            )
    return dict(
        zip(writes, (yield list(writes.values())) if writes else [], strict=True)
    )


def _kind_to_leave(subject: Subject, doubt: Doubt) -> str | None:
    """The kind of fault where unreadable bytes are left alone; None where not."""
    if is_later(doubt.packed or b""):
        return "later-format"
    return "unreadable-object" if subject.spares_unreadable else None


def mend(
    subject: Subject, doubt: Doubt, image: Image | None, is_mending: bool
) -> Operation:
    space, pk, packed = subject.space, doubt.pk, doubt.packed
    state = "none" if packed is None else "object" if image else "unreadable"
    image = image or NOTHING
    seen_words = [
        word
        for each in doubt.seen
        for word in ("value" if each.is_value else "member", each.member)
    ]
    return Operation(
        MEND,
        (
            space.objects + pk,
            all_key(space),
            expires_key(space),
            memo_key(space),
            space.base + b"c:" + pk,
            *(term_key(space, suffix) for suffix in image.suffixes),
            *index_keys(space, subject.ordered, subject.unique),
            *(each.key for each in doubt.seen),
        ),
        (
            pk,
            packed or b"",
            state,
            int(is_mending),
            image.deadline,
            image.memo,
            len(image.suffixes),
            len(subject.ordered),
            len(subject.unique),
            len(subject.counters),
            KEPT_ASIDE_MS,
            *(image.sort_keys.get(name, b"") for name in subject.ordered),
            *(image.unique.get(names, b"") for names in subject.unique),
            *sorted(subject.counters),
            *seen_words,
        ),
        parse=lambda reply: _found(reply, pk),
        is_write=is_mending,
    )


def _found(reply: list[Any], pk: bytes) -> tuple[bool, Any]:
    """(True, Faults), or (False, the bytes that are stored by now)."""
    if reply[0] == 0:
        return False, reply[1] if len(reply) > 1 else None
    return True, [
        Fault(kind.decode(), key, pk, detail, bool(is_mended))
        for kind, key, is_mended, detail in reply[1:]
    ]


def lost_key(space: Space, key: bytes) -> bytes:
    """Where a key is put aside: ``ormist:lost:{app.Model}:…``, in the same slot."""
    head = space.prefix.encode() + b":"
    return head + b"lost:" + key.removeprefix(head)


def put_aside(space: Space, key: bytes, kind: bytes) -> Operation:
    """Move a key away if it is not of this Redis type; whether it was.

    What was put aside of it before stays beside it.
    """
    return Operation(
        PUT_ASIDE,
        (key, lost_key(space, key)),
        (kind, KEPT_ASIDE_MS),
        parse=bool,
        is_write=True,
    )


def image_entry_is_right(
    image: Image, name: str, entry: bytes, pk: bytes, created: float | None
) -> bool:
    """Whether the object is to have this entry of an ordered attribute."""
    sort_key = image.sort_keys.get(name)
    if sort_key is None or created is None:
        return False
    return entry == ordered_entry(sort_key, created, pk)


def ordered_entry(sort_key: bytes, created: float, pk: bytes) -> bytes | None:
    """The entry that the scripts write; None for a creation time that has none."""
    if not (created.is_integer() and 0 <= created < 2**53):
        return None
    return sort_key + int(created).to_bytes(7, "big") + pk + len(pk).to_bytes(3, "big")


def pk_in_entry(entry: bytes) -> bytes | None:
    """The id in an entry of an ordered attribute, None if it is no such entry."""
    size = int.from_bytes(entry[-3:], "big")
    if len(entry) < size + 11:
        return None
    return entry[-3 - size : -3]


__all__: Sequence[str] = (
    "Doubt",
    "Fault",
    "Seen",
    "Subject",
    "examine",
    "image_entry_is_right",
    "lost_key",
    "ordered_entry",
    "pk_in_entry",
    "put_aside",
)
