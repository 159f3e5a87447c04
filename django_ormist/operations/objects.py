"""One object in the store: load it, write it, delete it, add to its counters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..codecs import Deadline, Lifetime, deadline_tail, with_deadline
from ..exceptions import CorruptDataError
from ..keys import (
    Space,
    all_key,
    counters_key,
    expires_key,
    index_keys,
    memo_key,
    object_key,
    pk_bytes,
    term_key,
)
from .operation import Operation, Script
from .replies import counters as read_counters
from .replies import mistyped, not_a_counter, outcome, outcome_among

_Changes = dict[Any, tuple[bytes, bytes]]

SWEPT_BY_A_WRITE = 100
"""Objects swept by each write at most, fewer where they have many index entries."""

MOST_MEMO_PARTS = 16_384
"""Index entries that an object with a deadline may have: a sweep removes them in one
step, 4 us each. The scripts read a memo no further."""

NONE: Mapping[Any, bytes] = MappingProxyType({})
NO_COUNTERS: Mapping[str, int] = MappingProxyType({})

SAVE = Script("save")
DELETE = Script("delete")
INCREMENT = Script("increment")
EXTEND = Script("extend")
UPDATE = Script("update")

HEAD = 160
"""So many bytes of an object are compared where its deadline alone is moved: the first
attribute is among them, whatever the codec, if its value has 80 bytes or fewer."""


@dataclass(frozen=True, slots=True)
class Image:
    """An object as it stands in the store, or will: bytes and index entries.

    packed: what ``codecs.pack`` made. suffixes: one for each index term, from
    ``terms.term_suffix``. expire_at_ms: its deadline or its lifetime, None without one.
    sort_keys: of each ordered attribute that it has. unique: what stands for its value
    of each unique one, by their names.
    """

    packed: bytes
    suffixes: tuple[bytes, ...] = ()
    expire_at_ms: Deadline | None = None
    sort_keys: Mapping[str, bytes] = field(default_factory=dict)
    unique: Mapping[tuple[str, ...], bytes] = field(default_factory=dict)

    @property
    def deadline(self) -> bytes:
        """The deadline or the lifetime as the scripts take it."""
        return b"" if self.expire_at_ms is None else deadline_word(self.expire_at_ms)

    @property
    def memo(self) -> bytes:
        """What sweeping must know of it, owed only with a deadline: build_memo().

        Raises ValueError for more than MOST_MEMO_PARTS index entries.
        """
        if self.expire_at_ms is None:
            return b""
        parts = len(self.suffixes) + len(self.sort_keys) + 2 * len(self.unique)
        if parts > MOST_MEMO_PARTS:
            raise ValueError(
                f"Cannot store an object that expires with {parts} index entries: "
                f"{MOST_MEMO_PARTS} are the most. Give it fewer tags and indexed "
                "attributes, or no expiration."
            )
        return build_memo(self.suffixes, self.sort_keys, self.unique)

    def written_at(self, now_ms: bytes | None) -> "Image":
        """Return what is stored, if it was written at *now_ms* of the server's clock.

        now_ms: as the scripts answer it, None where no lifetime was sent.
        """
        lifetime = self.expire_at_ms
        if now_ms is None or not isinstance(lifetime, Lifetime):
            return self
        deadline_ms = lifetime.deadline_ms(int(now_ms))
        packed = with_deadline(self.packed, deadline_ms)
        return Image(packed, self.suffixes, deadline_ms, self.sort_keys, self.unique)


def deadline_word(expire_at_ms: Deadline) -> bytes:
    """Return a deadline in ms, or a lifetime after ``+``, as the scripts take them."""
    if isinstance(expire_at_ms, Lifetime):
        return b"+%d" % expire_at_ms.ms
    return b"%d" % expire_at_ms


def difference(suffixes: Iterable[bytes], others: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the suffixes, in their order, that are not among the others. O(both)."""
    left_out = frozenset(others)
    if not left_out:
        return tuple(suffixes)
    return tuple([each for each in suffixes if each not in left_out])


def build_memo(
    suffixes: Iterable[bytes] = (),
    ordered: Iterable[str] = (),
    unique: Mapping[tuple[str, ...], bytes] = NONE,
) -> bytes:
    """Where an object has index entries: parts, each after a byte that is its length.

    A part is a term's suffix, the name of an ordered attribute after ``by:``, or that
    of a unique one after ``u:`` and then its value. Meta keeps names short enough.
    """
    parts = [*suffixes, *(b"by:" + name.encode() for name in ordered)]
    for names, value in unique.items():
        parts += (b"u:" + ":".join(names).encode(), value)
    return b"".join([b"%c%b" % (len(part), part) for part in parts])


NOTHING = Image(b"")
"""What is stored where no object is."""


def load(space: Space, pk: str) -> Operation:
    """The packed bytes of one object, or None. O(1)."""
    return Operation("GET", (object_key(space, pk),))


def exists(space: Space, pk: str) -> Operation:
    """Whether there is such an object. O(1)."""
    return Operation("EXISTS", (object_key(space, pk),), parse=bool)


def load_counters(space: Space, pk: str | bytes) -> Operation:
    """The stored counters of one object: {name: int}. O(counters)."""
    key = counters_key(space, pk)
    return Operation("HGETALL", (key,), parse=lambda reply: read_counters(reply, key))


def load_many(space: Space, pks: Sequence[bytes]) -> Operation:
    """The packed bytes of each id, None where none is. O(ids).

    At most 1000 ids: MGET holds the server 0.2 ms for so many, 2 ms for 10 000.
    """
    return Operation("MGET", tuple([space.objects + pk for pk in pks]))


def save(
    space: Space,
    pk: str,
    old: Image,
    new: Image,
    counters: Mapping[str, int] | None = None,
    is_indexed: bool = True,
    counted: Mapping[str, int] = NO_COUNTERS,
) -> Operation:
    """Write *new* if *old* is what is stored. Answers (Reply, stored bytes).

    (DONE, now in ms) where *new* has a lifetime: see Image.written_at().
    old: NOTHING to insert. counters: those to set; None for a model without any.
    counted: those that must have these values now; COUNTED if one has not.
    """
    lost = difference(old.suffixes, new.suffixes)
    gained = difference(new.suffixes, old.suffixes)
    ordered = _changes(old.sort_keys, new.sort_keys)
    unique = _changes(old.unique, new.unique)
    return Operation(
        SAVE,
        (
            *_own_keys(space, pk),
            *[term_key(space, suffix) for suffix in (*lost, *gained)],
            *index_keys(space, ordered, unique),
        ),
        (
            pk_bytes(pk),
            old.packed,
            new.packed,
            new.deadline,
            new.memo,
            0 if old.expire_at_ms is None else 1,
            SWEPT_BY_A_WRITE,
            int(is_indexed),
            0 if counters is None else 1,
            len(lost),
            len(gained),
            len(ordered),
            len(unique),
            len(counted),
            *(_index_words(ordered, unique) if ordered or unique else ()),
            *(counter_words(counted) if counted else ()),
            *(counter_words(counters) if counters else ()),
        ),
        parse=outcome_among(unique) if unique else outcome,
        is_write=True,
    )


def rewrite(
    space: Space,
    pk: str,
    old: Image,
    new: Image,
    counters: Mapping[str, int] | None = None,
    is_indexed: bool = True,
    counted: Mapping[str, int] = NO_COUNTERS,
) -> Operation:
    """As save(): update() where that does the same, in half the time."""
    if (
        not counters
        and not counted
        and old.packed
        and (old.expire_at_ms is None) is (new.expire_at_ms is None)
        and (counters is None or old.expire_at_ms == new.expire_at_ms)
        and old.suffixes == new.suffixes
        and old.sort_keys == new.sort_keys
        and old.unique == new.unique
    ):
        return update(space, pk, old, new)
    return save(space, pk, old, new, counters, is_indexed, counted)


def update(space: Space, pk: str, old: Image, new: Image) -> Operation:
    """As save(), where no index entry but the deadline moves, is gained or lost."""
    return Operation(
        UPDATE,
        (object_key(space, pk), expires_key(space)),
        (pk_bytes(pk), old.packed, new.packed, new.deadline, SWEPT_BY_A_WRITE),
        parse=outcome,
        is_write=True,
    )


def delete(space: Space, pk: str, stored: Image, is_indexed: bool = True) -> Operation:
    """Remove the object if *stored* is what is stored. Answers (Reply, bytes).

    (UNEXPLAINED, 1): there is no object, and healing.forget() must follow.
    """
    return Operation(
        DELETE,
        (
            *_own_keys(space, pk),
            *(term_key(space, suffix) for suffix in stored.suffixes),
            *index_keys(space, stored.sort_keys, stored.unique),
        ),
        (
            pk_bytes(pk),
            stored.packed,
            SWEPT_BY_A_WRITE,
            int(is_indexed),
            len(stored.suffixes),
            len(stored.sort_keys),
            *stored.unique.values(),
        ),
        parse=outcome,
        is_write=True,
    )


def extend(
    space: Space,
    pk: str,
    packed: bytes,
    expire_at_ms: Deadline,
    has_counters: bool = False,
) -> Operation:
    """Move the deadline of an object that begins as *packed*. Answers (Reply, fact).

    packed: as it was loaded, with a deadline. It stays where it is: a few bytes are
    sent, whatever its size. (DONE, now in ms): of a lifetime. (REFUSED, None): there
    is no such object. (REFUSED, 1): it begins otherwise, in the first HEAD bytes.
    """
    if isinstance(expire_at_ms, Lifetime):
        tail, marked = deadline_tail(packed, expire_at_ms.placeholder_ms)
    else:
        tail, marked = deadline_tail(packed, expire_at_ms)
    counters = (counters_key(space, pk),) if has_counters else ()
    return Operation(
        EXTEND,
        (object_key(space, pk), expires_key(space), *counters),
        (
            pk_bytes(pk),
            packed[: min(HEAD, len(packed) - len(tail))],
            deadline_word(expire_at_ms),
            tail,
            marked,
            SWEPT_BY_A_WRITE,
        ),
        parse=outcome,
        is_write=True,
    )


def increment(space: Space, pk: str, name: str, by: int) -> Operation:
    """Add *by* to a counter. Answers the new value, None if the object is gone.

    Raises OverflowError past 64 bits.
    """

    key = counters_key(space, pk)
    past_64_bits = OverflowError(
        f"Cannot add {by} to the counter {name!r} of {pk!r}: a counter holds 64 bits. "
        "Nothing was added."
    )

    def parse(reply: Any) -> int | None:
        if isinstance(reply, list):
            if reply[0] == -1:
                raise mistyped(reply[1])
            raise past_64_bits if reply[0] == -2 else not_a_counter(key)
        return None if reply is None else int(reply)

    if not -(2**63) <= by < 2**63:
        raise past_64_bits
    return Operation(
        INCREMENT,
        (object_key(space, pk), key, expires_key(space)),
        (pk_bytes(pk), name, by, SWEPT_BY_A_WRITE),
        parse=parse,
        is_write=True,
    )


def pk_of(stored: bytes, space: Space) -> str:
    """The id that stands in a sorted set. Raises CorruptDataError."""
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise CorruptDataError(
            f"The key {all_key(space)!r} holds the id {stored!r}, which is not UTF-8. "
            "ormist_inspect --repair puts it aside."
        ) from error


def _own_keys(space: Space, pk: str) -> tuple[bytes, ...]:
    return (
        object_key(space, pk),
        all_key(space),
        expires_key(space),
        memo_key(space),
        counters_key(space, pk),
    )


def _index_words(ordered: _Changes, unique: _Changes) -> list[bytes]:
    """The new sort keys, then the old and the new value of each unique attribute."""
    words = [now for _, now in ordered.values()]
    return words + [value for change in unique.values() for value in change]


def _changes(old: Mapping[Any, bytes], new: Mapping[Any, bytes]) -> _Changes:
    """{name: (old bytes, new bytes)} where they differ, b"" where there are none."""
    if old == new:
        return {}
    return {
        name: (old.get(name, b""), new.get(name, b""))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    }


def counter_words(counters: Mapping[str, int]) -> Iterable[str | int]:
    for name, value in counters.items():
        yield name
        yield value
