"""Verification of all keys of a model, in pages.

It takes two rounds. The first scans the keys, and checks each index entry against its
object, to find surplus entries. The second checks each object against its entries. The
first frees the unique values that wrong objects hold, so the order matters. Memory is
bounded by a page.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..codecs import find_too_deep
from ..exceptions import CorruptDataError
from ..keys import Space, all_key, find_kind, unique_key
from ..sortkeys import build_entry, pk_of_entry
from .keyspace import unlink
from .objects import Image
from .operation import Flow, Operation, on_every_primary
from .repair import (
    CheckedModel,
    Fault,
    IndexEntry,
    Suspect,
    check_suspects,
    quarantine,
)
from .scan import creation_times, load_objects

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
_OWN = (b"o:", b"c:")


# ---------------------------------------------------------------- keys


def check_main_keys(model: CheckedModel) -> Flow[list[Fault]]:
    """Flow that returns the Faults of the main keys. One round trip, or two."""
    faults, _ = yield from _check_types(model, model.space.main_keys)
    return faults


def check_keys(
    model: CheckedModel, found: Iterable[bytes]
) -> Flow[tuple[list[Fault], list[bytes]]]:
    """Flow that returns the Faults of some keys, and the keys whose entries to scan.

    Checks objects and counters that are not in ``all``. Quarantines keys of another
    type and with unknown names. Removes indexes that Meta does not declare.
    """
    own: dict[bytes, list[bytes]] = {b"o:": [], b"c:": []}
    indexes, strange, unknown = [], [], []
    ordered = {name.encode() for name in model.schema.ordered}
    unique = {":".join(names).encode() for names in model.schema.unique}
    for key in found:
        rest = key.removeprefix(model.space.base)
        kind = find_kind(rest)
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
    faults = yield from _check_unlisted(model, own)
    for key in strange:
        is_moved = model.is_repairing and not model.spares_unreadable
        is_repaired = is_moved and (yield quarantine(model.space, key, b""))
        faults.append(Fault("foreign-key", key, is_repaired=bool(is_repaired)))
    for key in unknown:
        if model.is_repairing:
            yield unlink(key)
        faults.append(Fault("undeclared-index", key, is_repaired=model.is_repairing))
    more, sound = yield from _check_types(model, indexes)
    return faults + more, [key for key in sound if key != all_key(model.space)]


def _check_types(
    model: CheckedModel, keys: Sequence[bytes]
) -> Flow[tuple[list[Fault], list[bytes]]]:
    """Flow that returns the Faults of keys of another Redis type, and the other keys.

    One round trip, and one more to quarantine each of these.
    """
    types = yield [Operation("TYPE", (key,)) for key in keys]
    faults, sound = [], []
    for key, found in zip(keys, types, strict=True):
        kind = find_kind(key.removeprefix(model.space.base)) or b""
        # redis-py's parser may give a status as text.
        name = found.encode() if isinstance(found, str) else found
        if name == _TYPES[kind]:
            sound.append(key)
        elif name != b"none":
            is_moved = model.is_repairing and not model.spares_unreadable
            is_repaired = is_moved and (
                yield quarantine(model.space, key, _TYPES[kind])
            )
            faults.append(Fault("mistyped-key", key, is_repaired=bool(is_repaired)))
    return faults, sound


def _check_unlisted(
    model: CheckedModel, own: dict[bytes, list[bytes]]
) -> Flow[list[Fault]]:
    """Flow that returns the Faults of objects and counters that are not in ``all``."""
    pks = list(dict.fromkeys((*own[b"o:"], *own[b"c:"])))
    if not pks:
        return []
    scores = yield from creation_times(model.space, pks)
    unlisted = [pk for pk, score in zip(pks, scores, strict=True) if score is None]
    rows = yield from load_objects(model.space, unlisted)
    suspects = [Suspect(pk, packed) for pk, packed in rows]
    faults = yield from check_suspects(model, suspects)
    counters = model.space.base + b"c:"
    absent = {suspect.pk for suspect in suspects if suspect.packed is None}
    return [
        fault
        for fault in faults
        # The others are found by the scan of that index, or by the second round.
        if fault.is_repaired
        or (not model.is_repairing and fault.pk not in absent)
        or fault.key.startswith((counters, model.space.objects))
    ]


# ---------------------------------------------------------------- entries


@dataclass(frozen=True, slots=True)
class IndexCursor:
    """A position in a scan of the entries of an index key."""

    key: bytes
    cursor: bytes = b"0"


Page = tuple[IndexCursor, list[tuple[bytes, bytes]]]
"""Some entries of an index key: members with scores, or fields with values."""


@dataclass(slots=True)
class ScanResult:
    """The result of one step: faults, number of entries, where to continue."""

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
    model: CheckedModel, positions: Sequence[IndexCursor]
) -> Flow[ScanResult]:
    """Flow that checks the next entries of at most 40 keys against their objects.

    Returns the ScanResult. O(1000 entries). Three round trips and those of
    check_suspects().
    """
    done = ScanResult()
    size = ENTRIES_PER_STEP // max(len(positions), 1)
    replies = yield [_scan_step(model.space, position, size) for position in positions]
    pages: list[Page] = []
    for position, (cursor, flat) in zip(positions, replies, strict=True):
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        pages.append((position, pairs))
        done.entries += len(pairs)
        if int(cursor) != 0:
            done.rest.append(IndexCursor(position.key, cursor))
    ids = yield from _collect_ids(model, pages, done)
    known = yield from _load_known(model, ids, _collect_compared(model, pages))
    suspects: dict[bytes, Suspect] = {}
    for position, pairs in pages:
        for pk, seen in _find_suspects(model, position, pairs, known):
            suspects.setdefault(pk, Suspect(pk, known[pk].packed)).seen += seen
    faults = yield from check_suspects(model, suspects.values())
    scanned = {position.key for position in positions}
    done.faults += [
        fault
        for fault in faults
        # The others are found by the second round.
        if (model.is_repairing and fault.is_repaired)
        or all_key(model.space) in scanned
        or (not model.is_repairing and fault.kind in ("surplus-entry", "surplus-value"))
        or (fault.key in scanned and known[fault.pk].is_nowhere)
    ]
    if all_key(model.space) in scanned:
        done.faults += _find_deep(model, known)
    return done


def _find_deep(
    model: CheckedModel, known: Mapping[bytes, KnownObject]
) -> Iterator[Fault]:
    """Yield a Fault for each attribute that nests too deep to be saved again."""
    for pk, facts in known.items():
        try:
            names = find_too_deep(facts.packed or b"")
        except CorruptDataError:
            continue  # the object is a fault already
        for name in names:
            yield Fault("too-deep", model.space.objects + pk, pk, name.encode())


def _load_known(
    model: CheckedModel, pks: Sequence[bytes], imaged: Container[bytes]
) -> Flow[dict[bytes, KnownObject]]:
    """Flow that returns {id: KnownObject}. Only the ids in *imaged* get an image."""
    found = yield from load_objects(model.space, pks)
    created = yield from creation_times(model.space, pks)
    return {
        pk: KnownObject(
            packed,
            _read_image(model, pk, packed) if pk in imaged else None,
            score,
        )
        for (pk, packed), score in zip(found, created, strict=True)
    }


def _collect_compared(model: CheckedModel, pages: Iterable[Page]) -> set[bytes]:
    """Return the ids whose entries are compared with the images of their objects."""
    named: set[bytes] = set()
    for position, pairs in pages:
        kind = find_kind(position.key.removeprefix(model.space.base))
        if kind not in (b"all", b"expires", b"idx", b"of:"):
            ids = (_read_pk(kind, member, value) for member, value in pairs)
            named.update(pk for pk in ids if pk is not None)
    return named


def _find_suspects(
    model: CheckedModel,
    position: IndexCursor,
    pairs: Iterable[tuple[bytes, bytes]],
    known: Mapping[bytes, KnownObject],
) -> Iterator[tuple[bytes, list[IndexEntry]]]:
    """Yield each id that an entry makes suspect, with the entry if it may be wrong.

    Skips ids that are found by ``all`` or by their own key, to find each fault once.
    """
    rest = position.key.removeprefix(model.space.base)
    kind = find_kind(rest)
    for member, value in pairs:
        pk = _read_pk(kind, member, value)
        if pk is None:
            continue
        facts = known[pk]
        if kind == b"all":
            yield pk, []
        elif kind in (b"expires", b"idx", b"of:"):
            if facts.is_nowhere:
                yield pk, []
        elif facts.image is not None:
            if not _is_expected(facts.image, kind, rest, pk, member, facts.created):
                yield pk, [IndexEntry(position.key, member, is_value=kind == b"u:")]
        elif facts.packed is None or model.is_repairing:
            yield pk, [IndexEntry(position.key, member, is_value=kind == b"u:")]


def _is_expected(
    image: Image,
    kind: bytes | None,
    rest: bytes,
    pk: bytes,
    member: bytes,
    created: float | None,
) -> bool:
    """Return whether the object must have this entry."""
    if kind == b"by:":
        sort_key = image.sort_keys.get(rest[3:].decode())
        if sort_key is None or created is None:
            return False
        return member == build_entry(sort_key, created, pk)
    if kind == b"u:":
        return image.unique.get(tuple(rest[2:].decode().split(":"))) == member
    return rest in image.suffixes


def _read_image(model: CheckedModel, pk: bytes, packed: bytes | None) -> Image | None:
    try:
        return None if packed is None else model.read(pk, packed)[0]
    except ValueError:
        return None


def _collect_ids(
    model: CheckedModel, pages: Iterable[Page], done: ScanResult
) -> Flow[list[bytes]]:
    """Flow that returns the ids in entries. An entry without one is a Fault of *done*.

    One round trip for each of these, which it removes.
    """
    ids: dict[bytes, None] = {}
    for position, pairs in pages:
        kind = find_kind(position.key.removeprefix(model.space.base))
        for member, value in pairs:
            pk = _read_pk(kind, member, value)
            if pk is not None:
                ids[pk] = None
                continue
            if model.is_repairing:  # scripts do not write it, so it cannot be new
                yield Operation("ZREM", (position.key,), (member,), is_write=True)
            done.faults.append(
                Fault("surplus-entry", position.key, b"", member, model.is_repairing)
            )
    return list(ids)


def _read_pk(kind: bytes | None, member: bytes, value: bytes) -> bytes | None:
    """Return the id in an entry, if the entry is valid."""
    if kind == b"by:":
        return pk_of_entry(member)
    return value if kind == b"u:" else member


def _scan_step(space: Space, position: IndexCursor, size: int) -> Operation:
    kind = find_kind(position.key.removeprefix(space.base)) or b""
    verb = "ZSCAN" if _TYPES[kind] == b"zset" else "HSCAN"
    return Operation(verb, (position.key,), (position.cursor, "COUNT", size))


def check_ids(model: CheckedModel, pks: Sequence[bytes]) -> Flow[list[Fault]]:
    """Flow that returns the Faults of these objects and of their index entries.

    One round trip and those of check_suspects().
    """
    rows = yield from load_objects(model.space, pks)
    suspects = [Suspect(pk, packed) for pk, packed in rows]
    return (yield from check_suspects(model, suspects))


def unique_cursors(model: CheckedModel) -> list[IndexCursor]:
    """Return the start of a scan of each unique attribute."""
    schema = model.schema
    return [IndexCursor(unique_key(schema.space, names)) for names in schema.unique]


def database_size() -> Operation:
    """Return the number of keys of all primaries, foreign ones included. O(1)."""
    sizes = on_every_primary(Operation("DBSIZE", (), parse=int))
    return replace(sizes, parse=lambda reply: sum(n for _, n in sizes.parse(reply)))
