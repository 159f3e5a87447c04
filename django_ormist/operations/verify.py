"""Check of every key of a model, in pages.

Two rounds find all faults. The first scans keys and checks each index entry against
its object, for surplus entries; the second checks each object against its entries. In
this order, because the first frees unique values that a wrong object holds. Memory is
bounded by a page.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import find_too_deep
from ..exceptions import CorruptDataError
from ..keys import Space, all_key, expires_key, memo_key, unique_key
from .objects import Image
from .operation import Flow, Operation
from .repair import (
    CheckedModel,
    Fault,
    IndexEntry,
    Suspect,
    examine,
    image_entry_is_right,
    pk_in_entry,
    quarantine,
)
from .scan import creation_times, load_objects
from .stats import scan, unlink

ENTRIES_PER_STEP = 1000
KEYS_PER_ROUND_TRIP = 40
"""Keys scanned at once, about a thousand entries of them together. A small set comes
in one piece: with the servers' defaults at most 40 * 128."""

_TYPES = {
    b"t:": b"zset",
    b"h:": b"zset",
    b"by:": b"zset",
    b"of:": b"hash",
    b"u:": b"hash",
    b"all": b"zset",
    b"expires": b"zset",
    b"idx": b"hash",
}
_SINGLE_KEYS = (b"all", b"expires", b"idx")
_OWN = (b"o:", b"c:")


def kind_of(rest: bytes) -> bytes | None:
    """Return the kind of a model's key by its name after the base, or None."""
    if rest in _SINGLE_KEYS:
        return rest
    starts = (b"o:", b"c:", b"t:", b"h:", b"by:", b"of:", b"u:")
    return next((start for start in starts if rest.startswith(start)), None)


# ---------------------------------------------------------------- keys


def main_keys(subject: CheckedModel, is_repairing: bool) -> Flow[Any]:
    """Flow that returns the Faults of the main keys. One round trip, or two."""
    space = subject.space
    keys = [all_key(space), expires_key(space), memo_key(space)]
    faults, _ = yield from _typed(subject, keys, is_repairing)
    return faults


def keys(start: bytes, cursor: bytes) -> Flow[Any]:
    """Flow that returns a page of keys: (next cursor, keys). It ends at b"0"."""
    cursor, found = yield scan(start, cursor)
    return (b"0" if int(cursor) == 0 else cursor), found


def check_keys(
    subject: CheckedModel, found: Iterable[bytes], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns (Faults of these keys of a model, keys whose entries to scan).

    Objects and counters that are not in ``all`` are examined. Keys of another type and
    unknown names are quarantined. Indexes that Meta does not declare are removed.
    """
    own: dict[bytes, list[bytes]] = {b"o:": [], b"c:": []}
    indexes, strange, unknown = [], [], []
    ordered = {name.encode() for name in subject.schema.ordered}
    unique = {":".join(names).encode() for names in subject.schema.unique}
    for key in found:
        rest = key.removeprefix(subject.space.base)
        kind = kind_of(rest)
        if kind is None:
            strange.append(key)
        elif kind in _OWN:
            own[kind].append(rest[2:])
        elif (kind in (b"by:", b"of:") and rest[3:] not in ordered) or (
            kind == b"u:" and rest[2:] not in unique
        ):
            unknown.append(key)
        else:
            indexes.append(key)
    faults = yield from _unlisted(subject, own, is_repairing)
    for key in strange:
        is_moved = is_repairing and not subject.spares_unreadable
        is_repaired = is_moved and (yield quarantine(subject.space, key, b""))
        faults.append(Fault("foreign-key", key, is_repaired=bool(is_repaired)))
    for key in unknown:
        if is_repairing:
            yield unlink(key)
        faults.append(Fault("undeclared-index", key, is_repaired=is_repairing))
    more, sound = yield from _typed(subject, indexes, is_repairing)
    return faults + more, [key for key in sound if key != all_key(subject.space)]


def _typed(
    subject: CheckedModel, keys: Sequence[bytes], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns (Faults of keys of another Redis type, the other keys)."""
    types = yield [Operation("TYPE", (key,)) for key in keys]
    faults, sound = [], []
    for key, found in zip(keys, types, strict=True):
        kind = kind_of(key.removeprefix(subject.space.base)) or b""
        # redis-py's parser may give a status as text.
        name = found.encode() if isinstance(found, str) else found
        if name == _TYPES[kind]:
            sound.append(key)
        elif name != b"none":
            is_moved = is_repairing and not subject.spares_unreadable
            is_repaired = is_moved and (
                yield quarantine(subject.space, key, _TYPES[kind])
            )
            faults.append(Fault("mistyped-key", key, is_repaired=bool(is_repaired)))
    return faults, sound


def _unlisted(
    subject: CheckedModel, own: dict[bytes, list[bytes]], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns the Faults of objects and counters that are not in ``all``."""
    pks = list(dict.fromkeys((*own[b"o:"], *own[b"c:"])))
    if not pks:
        return []
    listed = set((yield from _listed(subject.space, pks)))
    suspects = [
        Suspect(pk, packed)
        for pk, packed in (
            yield from load_objects(subject.space, [p for p in pks if p not in listed])
        )
    ]
    faults = yield from examine(subject, suspects, is_repairing)
    counters = subject.space.base + b"c:"
    absent = {suspect.pk for suspect in suspects if suspect.packed is None}
    return [
        fault
        for fault in faults
        # The others are found by the scan of that index, or by the second round.
        if fault.is_repaired
        or (not is_repairing and fault.pk not in absent)
        or fault.key.startswith((counters, subject.space.objects))
    ]


def _listed(space: Space, pks: Sequence[bytes]) -> Flow[Any]:
    """Flow that returns the ids that are in ``all``."""
    scores = yield from creation_times(space, pks)
    return [pk for pk, score in zip(pks, scores, strict=True) if score is not None]


# ---------------------------------------------------------------- entries


@dataclass(frozen=True, slots=True)
class IndexCursor:
    """A position in an index key: its entries from *cursor* on."""

    key: bytes
    cursor: bytes = b"0"


Page = tuple[IndexCursor, list[tuple[bytes, bytes]]]
"""Some entries of an index key: members with scores, or fields with values."""


@dataclass(slots=True)
class ScanResult:
    """The result of one step: faults, entries read, positions to continue from."""

    rest: list[IndexCursor] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    entries: int = 0


@dataclass(frozen=True, slots=True)
class KnownObject:
    """The stored facts of an id that entries name."""

    packed: bytes | None
    image: Image | None
    created: float | None

    @property
    def is_nowhere(self) -> bool:
        """Whether it is neither stored nor in ``all``."""
        return self.packed is None and self.created is None


def scan_entries(
    subject: CheckedModel, positions: Sequence[IndexCursor], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns the ScanResult of one step over at most 40 positions."""
    done = ScanResult()
    size = ENTRIES_PER_STEP // max(len(positions), 1)
    replies = yield [_page(subject.space, position, size) for position in positions]
    pages: list[Page] = []
    for position, (cursor, flat) in zip(positions, replies, strict=True):
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        pages.append((position, pairs))
        done.entries += len(pairs)
        if int(cursor) != 0:
            done.rest.append(IndexCursor(position.key, cursor))
    ids = yield from _named(subject, pages, done, is_repairing)
    known = yield from _known(subject, ids, _named_by_entries(subject, pages))
    suspects: dict[bytes, Suspect] = {}
    for position, pairs in pages:
        for pk, seen in _entries_of(subject, position, pairs, known, is_repairing):
            suspects.setdefault(pk, Suspect(pk, known[pk].packed)).seen += seen
    faults = yield from examine(subject, suspects.values(), is_repairing)
    scanned = {position.key for position in positions}
    done.faults += [
        fault
        for fault in faults
        if (is_repairing and fault.is_repaired)  # others are found by the second round
        or all_key(subject.space) in scanned
        or (not is_repairing and fault.kind in ("surplus-entry", "surplus-value"))
        or (fault.key in scanned and known[fault.pk].is_nowhere)
    ]
    if all_key(subject.space) in scanned:
        done.faults += _too_deep(subject, known)
    return done


def _too_deep(
    subject: CheckedModel, known: Mapping[bytes, KnownObject]
) -> Iterator[Fault]:
    """Yield a Fault for each attribute that is too deep to be written again."""
    for pk, facts in known.items():
        try:
            names = find_too_deep(facts.packed or b"")
        except CorruptDataError:
            continue  # the object is a fault already
        for name in names:
            yield Fault("too-deep", subject.space.objects + pk, pk, name.encode())


def _known(
    subject: CheckedModel, pks: Sequence[bytes], imaged: Container[bytes]
) -> Flow[Any]:
    """Flow that returns {id: KnownObject}. Only the ids in *imaged* get an image."""
    found = yield from load_objects(subject.space, pks)
    created = yield from creation_times(subject.space, pks)
    return {
        pk: KnownObject(
            packed,
            _image_of(subject, pk, packed) if pk in imaged else None,
            score,
        )
        for (pk, packed), score in zip(found, created, strict=True)
    }


def _named_by_entries(subject: CheckedModel, pages: Iterable[Page]) -> set[bytes]:
    """Return the ids that are to be compared with their objects."""
    named: set[bytes] = set()
    for position, pairs in pages:
        kind = kind_of(position.key.removeprefix(subject.space.base))
        if kind not in (b"all", b"expires", b"idx", b"of:"):
            ids = (_holder(kind, member, value) for member, value in pairs)
            named.update(pk for pk in ids if pk is not None)
    return named


def _entries_of(
    subject: CheckedModel,
    position: IndexCursor,
    pairs: Iterable[tuple[bytes, bytes]],
    known: Mapping[bytes, KnownObject],
    is_repairing: bool,
) -> Iterator[tuple[bytes, list[IndexEntry]]]:
    """Yield each id to examine because of an entry, with the entry if it is doubtful.

    An id that is found by ``all`` or by its own key is skipped, so that each fault is
    found once.
    """
    rest = position.key.removeprefix(subject.space.base)
    kind = kind_of(rest)
    for member, value in pairs:
        pk = _holder(kind, member, value)
        if pk is None:
            continue
        facts = known[pk]
        if kind == b"all":
            yield pk, []
        elif kind in (b"expires", b"idx", b"of:"):
            if facts.is_nowhere:
                yield pk, []
        elif facts.image is not None:
            if not _is_right(facts.image, kind, rest, pk, member, facts.created):
                yield pk, [IndexEntry(position.key, member, is_value=kind == b"u:")]
        elif facts.packed is None or is_repairing:
            yield pk, [IndexEntry(position.key, member, is_value=kind == b"u:")]


def _is_right(
    image: Image,
    kind: bytes | None,
    rest: bytes,
    pk: bytes,
    member: bytes,
    created: float | None,
) -> bool:
    """Return whether the object must have this entry."""
    if kind == b"by:":
        return image_entry_is_right(image, rest[3:].decode(), member, pk, created)
    if kind == b"u:":
        return image.unique.get(tuple(rest[2:].decode().split(":"))) == member
    return rest in image.suffixes


def _image_of(subject: CheckedModel, pk: bytes, packed: bytes | None) -> Image | None:
    try:
        return None if packed is None else subject.image(pk, packed)
    except ValueError:
        return None


def _named(
    subject: CheckedModel,
    pages: Iterable[Page],
    done: ScanResult,
    is_repairing: bool,
) -> Flow[Any]:
    """Flow that returns the ids that entries name. Other entries are Faults."""
    ids: dict[bytes, None] = {}
    for position, pairs in pages:
        kind = kind_of(position.key.removeprefix(subject.space.base))
        for member, value in pairs:
            pk = _holder(kind, member, value)
            if pk is not None:
                ids[pk] = None
                continue
            if is_repairing:  # no script writes it: no client can be writing it now
                yield Operation("ZREM", (position.key,), (member,), is_write=True)
            done.faults.append(
                Fault("surplus-entry", position.key, b"", member, is_repairing)
            )
    return list(ids)


def _holder(kind: bytes | None, member: bytes, value: bytes) -> bytes | None:
    """Return the id that an entry names, None for an invalid entry."""
    if kind == b"by:":
        return pk_in_entry(member)
    return value if kind == b"u:" else member


def _page(space: Space, position: IndexCursor, size: int) -> Operation:
    kind = kind_of(position.key.removeprefix(space.base)) or b""
    verb = "ZSCAN" if _TYPES[kind] == b"zset" else "HSCAN"
    return Operation(verb, (position.key,), (position.cursor, "COUNT", size))


def examine_all(
    subject: CheckedModel, pks: Sequence[bytes], is_repairing: bool
) -> Flow[Any]:
    """Flow that returns the Faults of these ids and of their missing index entries."""
    suspects = [
        Suspect(*each) for each in (yield from load_objects(subject.space, pks))
    ]
    return (yield from examine(subject, suspects, is_repairing))


def unique_cursors(subject: CheckedModel) -> list[IndexCursor]:
    """Return the start of a scan of each unique attribute."""
    schema = subject.schema
    return [IndexCursor(unique_key(schema.space, names)) for names in schema.unique]


def database_size() -> Operation:
    """Return the number of keys of the database, ours and others'."""
    return Operation("DBSIZE", ())


__all__ = [
    "KEYS_PER_ROUND_TRIP",
    "IndexCursor",
    "ScanResult",
    "check_keys",
    "database_size",
    "examine_all",
    "keys",
    "kind_of",
    "main_keys",
    "scan_entries",
    "unique_cursors",
]
