"""One object against its index: what differs, found and mended in one atomic step."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import is_later
from ..exceptions import CorruptDataError
from ..keys import (
    Space,
    all_key,
    expires_key,
    index_keys,
    memo_key,
    term_key,
)
from .objects import NOTHING, Image, pk_of
from .operation import Flow, Operation, Script

MEND = Script("mend")
PUT_ASIDE = Script("put_aside")

KEPT_ASIDE_MS = 7 * 24 * 3600 * 1000
"""So long stays what is put aside: a week."""

OPERATIONS_A_TRIP = 200
"""One script an object: other clients have their turn between two of them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is stored and should not be so, or the other way round.

    kind: a name that docs/operating.rst explains. detail: the member, field or id that
    it is about. is_mended: whether it was put right.
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


@dataclass(frozen=True)
class Subject:
    """A model as its index is checked: what Meta says, and how to read an object.

    imagine: the Image of stored bytes, called with them and their key; raises
    CorruptDataError, or ValueError for what cannot be indexed. spares_unreadable: what
    cannot be read is found and left where it is.
    """

    label: str
    space: Space
    imagine: Callable[[bytes, bytes], Image]
    ordered: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    counters: frozenset[str] = frozenset()
    spares_unreadable: bool = False

    def image(self, pk: bytes, packed: bytes) -> Image | None:
        """What these bytes are to have in the index; None if nobody can read them.

        Nobody can read an object whose id is not UTF-8.
        """
        try:
            pk_of(pk, self.space)
            return self.imagine(packed, self.space.objects + pk)
        except CorruptDataError:
            return None


@dataclass(slots=True)
class Doubt:
    """An id to look at: the bytes that were read, and entries that named it."""

    pk: bytes
    packed: bytes | None
    seen: list[Seen] = field(default_factory=list)


def examine(subject: Subject, doubts: Iterable[Doubt], is_mending: bool) -> Flow:
    """Flow: the Faults of these ids, each looked at, and mended, in one step.

    Where the bytes that were read are not those that are stored by now, that id is
    looked at once more: a fault is true of what was stored when it was found. One
    round trip for 200 ids.
    """
    faults: list[Fault] = []
    waiting = list(doubts)
    while waiting:
        some, waiting = waiting[:OPERATIONS_A_TRIP], waiting[OPERATIONS_A_TRIP:]
        operations, sent = [], []
        for doubt in some:
            try:
                operation = mend(subject, doubt, is_mending)
            except ValueError as error:
                key, why = subject.space.objects + doubt.pk, str(error).encode()
                faults.append(Fault("unindexable-object", key, doubt.pk, why))
                continue
            kind = _kind_to_leave(subject, doubt, operation)
            if kind is not None:
                faults.append(Fault(kind, subject.space.objects + doubt.pk, doubt.pk))
                continue
            operations.append(operation)
            sent.append(doubt)
        for doubt, (is_sure, answer) in zip(sent, (yield operations), strict=True):
            if is_sure:
                faults += answer
            else:
                doubt.packed = answer
                waiting.append(doubt)
    return faults


def _kind_to_leave(subject: Subject, doubt: Doubt, operation: Operation) -> str | None:
    """The kind of fault where nothing may be mended; None where it may."""
    if operation.args[2] != "unreadable":
        return None
    if is_later(doubt.packed or b""):
        return "later-format"
    return "unreadable-object" if subject.spares_unreadable else None


def mend(subject: Subject, doubt: Doubt, is_mending: bool) -> Operation:
    space, pk, packed = subject.space, doubt.pk, doubt.packed
    image: Image | None = NOTHING
    state = "none"
    if packed is not None:
        image = subject.image(pk, packed)
        state = "unreadable" if image is None else "object"
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
