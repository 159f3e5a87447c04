"""Check and repair of one object and its index entries, in one atomic step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import is_later
from ..exceptions import CorruptDataError, TopologyChanged
from ..keys import (
    Space,
    all_key,
    object_key,
    pk_bytes,
    term_keys,
    unique_key,
)
from ..schema import Schema
from .keyspace import KeyScan
from .objects import (
    NOTHING,
    Image,
    build_memo,
    load_counters,
    pk_of,
    rewrite,
)
from .operation import Flow, Operation, Script
from .repeatable import IdempotentWrite
from .replies import Reply

CHECK_OBJECT = Script("check_object")
QUARANTINE = Script("quarantine")
PURGE_INDEX = Script("purge_index")

QUARANTINE_MS = 7 * 24 * 3600 * 1000
"""How long a quarantined key is kept: a week."""

NOTES = frozenset({"dangling-reference", "reserved-name"})
"""Kinds that are only reported: they are not damage, and a repair leaves them."""

ATTEMPTS = 3
"""Scans that may be begun again because slots move."""

OPERATIONS_PER_ROUND_TRIP = 50
"""Scripts, one for each object. The server may run those that arrive together without a
pause: 50 hold it for 2 to 5 ms."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong or missing stored value.

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
class Findings:
    """The faults of an object apart from its index entries, and their repair.

    faults: the kind and the detail of each. repaired: the image that repairs them, if
    that is possible. counters: values to add with it.
    """

    faults: Sequence[tuple[str, str]] = ()
    repaired: Image | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


NO_FINDINGS = Findings()


@dataclass(frozen=True)
class CheckedModel:
    """The schema of a model to check, and a function that reads its objects.

    read_image: a function of stored bytes and their key. Returns their Image and
    Findings. Raises CorruptDataError, or ValueError if they cannot be indexed.
    is_repairing: whether to repair. spares_unreadable: leave unreadable objects.
    """

    schema: Schema
    read_image: Callable[[bytes, bytes], tuple[Image, "Findings"]]
    is_repairing: bool = False
    spares_unreadable: bool = False

    @property
    def space(self) -> Space:
        """The key space of the model."""
        return self.schema.space

    @property
    def label(self) -> str:
        """``app_label.Model``, or ``Model`` outside any app."""
        return self.schema.space.model

    def read(self, pk: bytes, packed: bytes | None) -> tuple[Image | None, "Findings"]:
        """Return the image of stored bytes, and their Findings. Raises ValueError.

        Without the image if the bytes or the id are unreadable.
        """
        if packed is None:
            return NOTHING, NO_FINDINGS
        try:
            pk_of(pk, self.space)
            return self.read_image(packed, self.space.objects + pk)
        except CorruptDataError:
            return None, NO_FINDINGS


@dataclass(slots=True)
class Suspect:
    """An id to check: its stored bytes, and the entries that name it."""

    pk: bytes
    packed: bytes | None
    seen: list[IndexEntry] = field(default_factory=list)


def check_suspects(
    model: CheckedModel, suspects: Iterable[Suspect]
) -> Flow[list[Fault]]:
    """Flow that checks these ids, each in one atomic step, and returns their Faults.

    An id whose bytes were changed by another client is checked again. One round trip
    per 50 ids.
    """
    faults: list[Fault] = []
    waiting = list(suspects)
    while waiting:
        some, waiting = (
            waiting[:OPERATIONS_PER_ROUND_TRIP],
            waiting[OPERATIONS_PER_ROUND_TRIP:],
        )
        operations: list[Operation] = []
        sent: list[tuple[Suspect, Image | None, Findings]] = []
        for suspect in some:
            key = model.space.objects + suspect.pk
            try:
                image, findings = model.read(suspect.pk, suspect.packed)
                operation = check_object(model, suspect, image)
            except ValueError as error:
                why = str(error).encode()
                faults.append(Fault("unindexable-object", key, suspect.pk, why))
                continue
            kind = None if image is not None else _kind_to_leave(model, suspect)
            if kind is not None:
                faults.append(Fault(kind, key, suspect.pk))
                continue
            operations.append(operation)
            sent.append((suspect, image, findings))
        flawed = []
        replies = yield operations
        for (suspect, image, findings), reply in zip(sent, replies, strict=True):
            is_sure, answer = reply
            if is_sure:
                faults += answer
            else:
                suspect.packed = answer
                waiting.append(suspect)
            if is_sure and image is not None and findings is not NO_FINDINGS:
                flawed.append((suspect, image, findings))
        faults += yield from _report_findings(model, flawed, waiting)
    return faults


def _report_findings(
    model: CheckedModel,
    flawed: Sequence[tuple[Suspect, Image, Findings]],
    waiting: list[Suspect],
) -> Flow[list[Fault]]:
    """Flow that repairs these Findings if possible, and returns them as Faults.

    waiting: receives the ids that other clients have changed.
    """
    answers: dict[bytes, tuple[Reply, Any]] = {}
    if model.is_repairing:
        answers = yield from _write_repaired(model, flawed)
    faults = []
    for suspect, _, findings in flawed:
        code, stored = answers.get(suspect.pk, (None, None))
        if code in (Reply.REFUSED, Reply.COUNTER_CHANGED):
            suspect.packed = stored if code is Reply.REFUSED else suspect.packed
            waiting.append(suspect)
            continue
        key = model.space.objects + suspect.pk
        for kind, detail in findings.faults:
            is_repaired = code is Reply.DONE and kind not in NOTES
            faults.append(Fault(kind, key, suspect.pk, detail.encode(), is_repaired))
    return faults


def _write_repaired(
    model: CheckedModel, flawed: Sequence[tuple[Suspect, Image, Findings]]
) -> Flow[dict[bytes, tuple[Reply, Any]]]:
    """Flow that writes repaired images. Returns {id: reply}. One or two round trips."""
    space = model.space
    able = [each for each in flawed if each[2].repaired is not None]
    counting = [suspect.pk for suspect, _, findings in able if findings.counters]
    loads = [load_counters(space, pk.decode()) for pk in counting]
    held = dict(zip(counting, (yield loads) if loads else [], strict=True))
    writes: dict[bytes, Operation] = {}
    for suspect, image, findings in able:
        now = {name: held[suspect.pk].get(name, 0) for name in findings.counters}
        new = {name: now[name] + value for name, value in findings.counters.items()}
        if all(-(2**63) <= value < 2**63 for value in new.values()):
            writes[suspect.pk] = rewrite(
                model.schema,
                suspect.pk.decode(),
                image,
                findings.repaired or image,
                new,
                counted=now,
            )
    return dict(
        zip(writes, (yield list(writes.values())) if writes else [], strict=True)
    )


def _kind_to_leave(model: CheckedModel, suspect: Suspect) -> str | None:
    """Return the kind of the fault if its unreadable bytes are to be left."""
    if is_later(suspect.packed or b""):
        return "later-format"
    return "unreadable-object" if model.spares_unreadable else None


def check_object(
    model: CheckedModel, suspect: Suspect, image: Image | None
) -> Operation:
    """Compare one id with its index entries, and repair them.

    Answers (True, Faults), or (False, the stored bytes) if these have changed.
    O(entries log n).
    """
    schema, pk, packed = model.schema, suspect.pk, suspect.packed
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
            *space.main_keys,
            space.base + b"c:" + pk,
            *term_keys(space, image.suffixes),
            *schema.index_keys,
            *(each.key for each in suspect.seen),
        ),
        (
            pk,
            packed or b"",
            state,
            int(model.is_repairing),
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
        parse=lambda reply: _parse_faults(reply, pk),
        is_write=model.is_repairing,
    )


def _parse_faults(reply: list[Any], pk: bytes) -> tuple[bool, Any]:
    """Return the answer of check_object()."""
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
    """Move a key to quarantine if it has another Redis type. Answers whether it did.

    A key that was quarantined earlier under the same name stays. O(1).
    """
    return Operation(
        QUARANTINE,
        (key, quarantine_key(space, key)),
        (kind, QUARANTINE_MS),
        parse=bool,
        is_write=True,
    )


# Index entries of objects that were deleted by hand


def purge_index(schema: Schema, pk: str) -> Flow[None]:
    """Flow that removes *pk* from every index of its model, unless the object exists.

    Needed only after a DEL by hand or an eviction: there are index entries, but neither
    the object nor a memo. Scans all keys of the database and the values of the unique
    attributes. In a Cluster it scans the one node that has the model. O(keys), in steps
    of 1000. Raises TopologyChanged if the model moves to another node three times.
    """
    space = schema.space
    for attempt in range(ATTEMPTS):
        try:
            yield from _purge_terms(space, pk)
            break
        except TopologyChanged:
            if attempt == ATTEMPTS - 1:
                raise
    for names in schema.unique:
        for value in (yield from _find_values(space, pk, names)):
            yield purge_entries(space, pk, build_memo(unique={names: value}))
    yield purge_entries(space, pk, build_memo(ordered=schema.ordered), is_last=True)


def _purge_terms(space: Space, pk: str) -> Flow[None]:
    """Flow that removes *pk* from every term."""
    terms = KeyScan(space.base, space.base, rest=b"[th]:*")
    while not terms.is_over:
        suffixes = [key[len(space.base) :] for key in (yield from terms.next_page())]
        if suffixes:
            yield purge_entries(space, pk, build_memo(suffixes))


def purge_entries(
    space: Space, pk: str, memo: bytes, is_last: bool = False
) -> Operation:
    """Remove *pk* from the indexes of a memo, unless it exists. Answers 1 or 0.

    is_last: remove it from ``all``, too, after all other indexes. O(entries log n).
    """
    return IdempotentWrite(
        PURGE_INDEX,
        (object_key(space, pk), all_key(space)),
        (pk_bytes(pk), memo, int(is_last)),
        is_write=True,
    )


def _find_values(space: Space, pk: str, names: tuple[str, ...]) -> Flow[list[bytes]]:
    """Flow that returns the values that this id holds of a unique attribute.

    One round trip per 1000 values.
    """
    key, cursor, found = unique_key(space, names), b"0", []
    while True:
        cursor, flat = yield Operation("HSCAN", (key,), (cursor, "COUNT", 1000))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        found += [value for value, holder in pairs if holder == pk_bytes(pk)]
        if int(cursor) == 0:
            return found
