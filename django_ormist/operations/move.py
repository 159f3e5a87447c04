"""The move of a model's objects to other keys, after a change of Meta.slot.

The former and the present keys may be on two nodes, so an object is written under the
present ones in one step, and removed under the former ones in another. A journal beside
the present keys names the objects between the two. So a move that was killed at any
moment goes on: an object of the journal is not written again, even if it was changed or
deleted since. Each run has a token, and a later run stops an earlier one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1

from ..keys import (
    Space,
    all_key,
    counters_key,
    index_keys,
    journal_key,
    parse_key,
)
from ..schema import Schema
from . import objects
from .keyspace import keys_by_model, list_journals, list_quarantined, root
from .objects import Image
from .operation import Flow, Operation, Script
from .repair import quarantine_key
from .repeatable import IdempotentWrite
from .replies import parse_reply, reply_parser

MOVE_IN = Script("move_in")
MOVE_OUT = Script("move_out")
MOVE_DONE = Script("move_done")


@dataclass(frozen=True, slots=True)
class MovedObject:
    """An object under its former keys.

    created: its creation time, if it is in ``all``. counters: names and values.
    """

    pk: bytes
    packed: bytes
    created: float | None
    counters: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        """A digest of the object: other contents have another one."""
        parts = (self.packed, *self.counters)
        text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return sha1(text, usedforsecurity=False).hexdigest().encode()


# ---------------------------------------------------------------- former keys


def find_former(
    prefix: str, spaces: Iterable[Space]
) -> Flow[dict[Space, list[tuple[Space, int]]]]:
    """Flow that returns {key space: [(former one, number of its objects)]}.

    Scans the keys of the database, three times: quarantined keys and journals count.
    """
    present = {space.model: space for space in spaces}
    found = yield from keys_by_model(root(prefix), prefix)
    lost = yield from list_quarantined(root(prefix), prefix)
    for key in lost:
        found.setdefault(_space_of(key, prefix, "lost"), (0, 0))
    for key in (yield from list_journals(prefix)):
        found.setdefault(_space_of(key + b":", prefix, "moved"), (0, 0))
    former: dict[Space, list[tuple[Space, int]]] = {}
    for space, (number, _) in sorted(found.items(), key=lambda each: each[0].base):
        if present.get(space.model, space) != space:
            former.setdefault(present[space.model], []).append((space, number))
    return former


def _space_of(key: bytes, prefix: str, word: str) -> Space:
    """Return the key space of a key whose name has *word* before that space."""
    space, _ = parse_key(key, f"{prefix}:{word}")
    return Space(prefix, space.model, space.slot)


def count_elsewhere(space: Space, slots: Iterable[str]) -> Flow[dict[Space, int]]:
    """Flow that returns {key space: objects} of this model in other slots.

    It reads the model's own slot and those in *slots*: one round trip, without a scan.
    """
    names = dict.fromkeys(("", *slots))
    others = [Space(space.prefix, space.model, name) for name in names]
    others = [other for other in others if other != space]
    counts = yield [Operation("ZCARD", (all_key(other),)) for other in others]
    return {other: n for other, n in zip(others, counts, strict=True) if n}


# ---------------------------------------------------------------- one object


def load_moved(
    space: Space, page: Sequence[tuple[bytes, float | None]]
) -> Flow[list[MovedObject]]:
    """Flow that returns the objects of these ids and creation times. One round trip."""
    replies = yield [
        objects.load_many(space, [pk for pk, _ in page]),
        *(Operation("HGETALL", (counters_key(space, pk),)) for pk, _ in page),
    ]
    return [
        MovedObject(pk, packed, created, tuple(counters))
        for (pk, created), packed, counters in zip(
            page, replies[0], replies[1:], strict=True
        )
        if packed is not None
    ]


def begin(space: Space, token: str) -> Operation:
    """Begin a run of a move to this key space. It stops earlier runs. O(1)."""
    key = journal_key(space)
    return IdempotentWrite("HSET", (key,), ("token", token), is_write=True)


def move_in(schema: Schema, each: MovedObject, image: Image, token: str) -> Operation:
    """Write an object under the keys of *schema*. Answers (Reply, fact).

    DONE, and MOVED_BEFORE: it may be removed from its former keys. REFUSED: another
    object has its id there, and the fact is its bytes. UNIQUE_TAKEN: the fact is the
    Holder. TAKEN_OVER: a later run has begun. O(entries log n).
    """
    space, ordered, unique = schema.space, image.sort_keys, image.unique
    created = "" if each.created is None else f"{each.created:.0f}"
    return IdempotentWrite(
        MOVE_IN,
        (
            *_own_keys(space, each.pk),
            journal_key(space),
            *(space.base + suffix for suffix in image.suffixes),
            *index_keys(space, ordered, unique),
        ),
        (
            each.pk,
            each.packed,
            image.deadline,
            image.memo,
            created,
            each.digest,
            token,
            int(schema.is_indexed),
            len(image.suffixes),
            len(ordered),
            len(unique),
            *ordered.values(),
            *unique.values(),
            *each.counters,
        ),
        parse=reply_parser(unique),
        is_write=True,
    )


def move_out(schema: Schema, each: MovedObject, image: Image) -> Operation:
    """Remove an object from its former keys, those of *schema*. Answers (Reply, fact).

    REFUSED, COUNTER_CHANGED: it was changed since it was loaded. ORPHAN_INDEX: it was
    gone. O(entries log n).
    """
    deletion = objects.delete(schema, each.pk.decode(), image)
    return IdempotentWrite(
        MOVE_OUT,
        deletion.keys,
        (*deletion.args, *each.counters),
        parse=parse_reply,
        is_write=True,
    )


def finish(
    space: Space, pks: Iterable[bytes], token: str, is_last: bool = False
) -> Operation:
    """Remove ids from the journal. Answers (Reply, fact). O(ids).

    is_last: remove the journal if it is empty then.
    """
    return IdempotentWrite(
        MOVE_DONE,
        (journal_key(space),),
        (token, int(is_last), *pks),
        parse=parse_reply,
        is_write=True,
    )


def has_journal(space: Space) -> Operation:
    """Return whether there is a journal: a run goes on, or was killed. O(1)."""
    return Operation("EXISTS", (journal_key(space),), parse=bool)


def load_journal(space: Space) -> Flow[dict[bytes, bytes]]:
    """Flow that returns {id: digest} of the journal. One round trip."""
    flat = yield Operation("HGETALL", (journal_key(space),))
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {
        name.removeprefix(b"o:"): digest
        for name, digest in pairs
        if name.startswith(b"o:")
    }


def find_finished(space: Space, former: Iterable[Space]) -> Flow[list[bytes]]:
    """Flow that returns ids of the journal that are under no former key any more.

    A run that was killed left them. One round trip, and one for each former key space.
    """
    pks = list((yield from load_journal(space)))
    for each in former:
        found = yield [Operation("EXISTS", (each.objects + pk,)) for pk in pks]
        pks = [pk for pk, is_there in zip(pks, found, strict=True) if not is_there]
    return pks


def _own_keys(space: Space, pk: bytes) -> tuple[bytes, ...]:
    return (space.objects + pk, *space.main_keys, counters_key(space, pk))


# ---------------------------------------------------------------- quarantined keys


def move_quarantined(space: Space, former: Space, key: bytes) -> Flow[bool]:
    """Flow that moves a quarantined key along with its model. Returns whether it did.

    It keeps its TTL. A key of its new name stays, and so does *key* then, unless both
    are equal. Three round trips.
    """
    rest = key.removeprefix(quarantine_key(former, former.base))
    new = quarantine_key(space, space.base) + rest
    body, ttl_ms = yield [Operation("DUMP", (key,)), Operation("PTTL", (key,))]
    if body is None:
        return False
    present = yield Operation("DUMP", (new,))
    if present is None:
        lifetime_ms = 0 if ttl_ms < 0 else max(ttl_ms, 1)  # 0 is none
        yield Operation("RESTORE", (new,), (lifetime_ms, body), is_write=True)
    elif present != body:
        return False
    yield IdempotentWrite("UNLINK", (key,), is_write=True)
    return True
