"""Operations on one object: load, save, delete, extend, increment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from ..codecs import Deadline, Lifetime, deadline_tail, with_deadline
from ..exceptions import CorruptDataError
from ..keys import (
    Space,
    all_key,
    counters_key,
    expires_key,
    index_keys,
    object_key,
    pk_bytes,
    term_keys,
)
from ..schema import Schema
from .operation import Operation, Script, Word
from .repeatable import IdempotentWrite
from .replies import (
    counter_error,
    mistyped_error,
    parse_counters,
    parse_reply,
    reply_parser,
)

_Changes = dict[Any, tuple[bytes, bytes]]
Bounds = tuple[int | None, int | None]

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
"""Bytes of an object that are compared if only its deadline moves. They include the
first attribute, in every codec, if its value has 80 bytes or fewer."""


class Image(NamedTuple):
    """The stored form of an object: bytes and index entries.

    packed: the result of ``codecs.pack``. suffixes: the ``terms.term_suffix`` of each
    index term. expire_at_ms: the deadline or the lifetime, if any. sort_keys: one for
    each ordered attribute that it has. unique: the ``terms.unique_value`` of each
    unique constraint, by the names of its attributes.
    """

    packed: bytes
    suffixes: tuple[bytes, ...] = ()
    expire_at_ms: Deadline | None = None
    sort_keys: Mapping[str, bytes] = NONE
    unique: Mapping[tuple[str, ...], bytes] = NONE

    @property
    def deadline(self) -> bytes:
        """The deadline or the lifetime as an argument of the scripts."""
        return b"" if self.expire_at_ms is None else encode_deadline(self.expire_at_ms)

    @property
    def entries(self) -> int:
        """The number of index entries. An ordered and a unique one count twice."""
        return len(self.suffixes) + 2 * (len(self.sort_keys) + len(self.unique))

    @property
    def memo(self) -> bytes:
        """The memo: the index entries that a sweep must remove.

        It is empty without a deadline. Raises ValueError for more than MOST_MEMO_PARTS
        index entries.
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

    def resolve_deadline(self, now_ms: int | bytes | None) -> "Image":
        """Return this image with its lifetime replaced by the stored deadline.

        now_ms: the server's time of the write, as the scripts answer it; None if the
        image has no lifetime.
        """
        lifetime = self.expire_at_ms
        if now_ms is None or not isinstance(lifetime, Lifetime):
            return self
        deadline_ms = lifetime.deadline_ms(int(now_ms))
        packed = with_deadline(self.packed, deadline_ms)
        return Image(packed, self.suffixes, deadline_ms, self.sort_keys, self.unique)


def encode_deadline(expire_at_ms: Deadline) -> bytes:
    """Return a deadline in ms, or ``+`` and a lifetime in ms, for the scripts."""
    if isinstance(expire_at_ms, Lifetime):
        return b"+%d" % expire_at_ms.ms
    return b"%d" % expire_at_ms


def subtract_suffixes(
    suffixes: Iterable[bytes], others: Iterable[bytes]
) -> tuple[bytes, ...]:
    """Return the suffixes that are not among the others, in their order. O(both)."""
    excluded = frozenset(others)
    if not excluded:
        return tuple(suffixes)
    return tuple([each for each in suffixes if each not in excluded])


def build_memo(
    suffixes: Iterable[bytes] = (),
    ordered: Iterable[str] = (),
    unique: Mapping[tuple[str, ...], bytes] = NONE,
) -> bytes:
    """Return the memo of these index entries: parts, each after its length byte.

    A part is the suffix of a term, or ``by:`` and the name of an ordered attribute, or
    ``u:`` and the name of a unique one. The value of that is the next part. Meta limits
    the length of names.
    """
    parts = [*suffixes, *(b"by:" + name.encode() for name in ordered)]
    for names, value in unique.items():
        parts += (b"u:" + ":".join(names).encode(), value)
    return b"".join([b"%c%b" % (len(part), part) for part in parts])


NOTHING = Image(b"")
"""The image of an object that does not exist."""


def load(space: Space, pk: str) -> Operation:
    """Return the packed bytes of one object, or None. O(1)."""
    return Operation("GET", (object_key(space, pk),))


def exists(space: Space, pk: str) -> Operation:
    """Return whether the object exists. O(1)."""
    return Operation("EXISTS", (object_key(space, pk),), parse=bool)


def load_counters(space: Space, pk: str | bytes) -> Operation:
    """Return the stored counters of one object: {name: int}. O(counters)."""
    key = counters_key(space, pk)
    return Operation("HGETALL", (key,), parse=lambda reply: parse_counters(reply, key))


def load_many(space: Space, pks: Sequence[bytes]) -> Operation:
    """Return the packed bytes of each id, or None. O(ids).

    At most 1000 ids, which block the server for 0.2 ms.
    """
    return Operation("MGET", tuple([space.objects + pk for pk in pks]))


def save(
    schema: Schema,
    pk: str,
    old: Image,
    new: Image,
    counters: Mapping[str, int] = NO_COUNTERS,
    counted: Mapping[str, int] = NO_COUNTERS,
    kind: type[Operation] = Operation,
) -> Operation:
    """Write *new* if the bytes of *old* are stored. Answers (Reply, fact).

    old: NOTHING to insert. counters: the values to set. counted: the values that must
    be stored, else the reply is COUNTER_CHANGED. kind: a class of repeatable.py if the
    write may be repeated. The fact of REFUSED is the stored bytes. That of DONE is now
    in ms if *new* has a lifetime: see Image.resolve_deadline().
    O((entries + swept) log n).
    """
    space, member = schema.space, pk_bytes(pk)
    if old.suffixes:
        lost = subtract_suffixes(old.suffixes, new.suffixes)
        gained = subtract_suffixes(new.suffixes, old.suffixes)
    else:
        lost, gained = (), new.suffixes
    ordered = _find_changes(old.sort_keys, new.sort_keys)
    unique = _find_changes(old.unique, new.unique)
    facts = b"i" if schema.is_indexed else b""
    if schema.counters:
        facts += b"c"
    if old.expire_at_ms is not None:
        facts += b"e"
    keys = (
        space.objects + member,
        *space.main_keys,
        space.counters + member,
        *term_keys(space, lost + gained),
    )
    words: tuple[Word, ...] = (member, old.packed, new.packed, new.deadline, facts)
    # An argument takes the server a quarter of a command, so some are left out.
    if ordered or unique or counted or counters:
        keys = (*keys, *index_keys(space, ordered, unique))
        numbers = map(len, (lost, ordered, unique, counted))
        rest = (*_index_words(ordered, unique), *counter_words(counted))
        words = (*words, new.memo, *numbers, *rest, *counter_words(counters))
    elif old.packed:
        words = (*words, new.memo, len(lost))
    elif new.expire_at_ms is not None:
        words = (*words, new.memo)
    parse = reply_parser(unique) if unique else parse_reply
    return kind(SAVE, keys, words, parse, is_write=True)


def rewrite(
    schema: Schema,
    pk: str,
    old: Image,
    new: Image,
    counters: Mapping[str, int] = NO_COUNTERS,
    counted: Mapping[str, int] = NO_COUNTERS,
    kind: type[Operation] = Operation,
) -> Operation:
    """Return save(), or update() if that has the same effect in half the time."""
    if (
        not counters
        and not counted
        and old.packed
        and (old.expire_at_ms is None) is (new.expire_at_ms is None)
        and (not schema.counters or old.expire_at_ms == new.expire_at_ms)
        and old.suffixes == new.suffixes
        and old.sort_keys == new.sort_keys
        and old.unique == new.unique
    ):
        return update(schema.space, pk, old, new, kind)
    return save(schema, pk, old, new, counters, counted, kind)


def update(
    space: Space, pk: str, old: Image, new: Image, kind: type[Operation] = Operation
) -> Operation:
    """Do a save() that changes no index entry except the deadline. O(log n)."""
    return kind(
        UPDATE,
        (object_key(space, pk), expires_key(space)),
        (pk_bytes(pk), old.packed, new.packed, new.deadline),
        parse=parse_reply,
        is_write=True,
    )


def delete(
    schema: Schema, pk: str, stored: Image, kind: type[Operation] = Operation
) -> Operation:
    """Remove the object if the bytes of *stored* are stored. Answers (Reply, fact).

    After (ORPHAN_INDEX, 1) call repair.purge_index(): index entries without an object
    are left. kind: see save(). O((entries + swept) log n).
    """
    space, member = schema.space, pk_bytes(pk)
    return kind(
        DELETE,
        (
            *_own_keys(space, member),
            *term_keys(space, stored.suffixes),
            *index_keys(space, stored.sort_keys, stored.unique),
        ),
        (
            member,
            stored.packed,
            int(schema.is_indexed),
            len(stored.suffixes),
            len(stored.sort_keys),
            *stored.unique.values(),
        ),
        parse=parse_reply,
        is_write=True,
    )


def extend(schema: Schema, pk: str, packed: bytes, expire_at_ms: Deadline) -> Operation:
    """Change the deadline of an object that begins as *packed*. Answers (Reply, fact).

    packed: the object as it was loaded, with a deadline. The request is short, whatever
    its size. The fact of DONE is now in ms if a lifetime was set. That of REFUSED is 1
    if the first HEAD bytes differ, or None if the object does not exist. O(log n).
    """
    if isinstance(expire_at_ms, Lifetime):
        tail, marked = deadline_tail(packed, expire_at_ms.placeholder_ms)
    else:
        tail, marked = deadline_tail(packed, expire_at_ms)
    space = schema.space
    counters = (counters_key(space, pk),) if schema.counters else ()
    return IdempotentWrite(
        EXTEND,
        (object_key(space, pk), expires_key(space), *counters),
        (
            pk_bytes(pk),
            packed[: min(HEAD, len(packed) - len(tail))],
            encode_deadline(expire_at_ms),
            tail,
            marked,
        ),
        parse=parse_reply,
        is_write=True,
    )


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """The answer to an increment that the bounds refused. value: the stored one."""

    value: int


def increment(
    space: Space, pk: str, name: str, by: int, bounds: Bounds = (None, None)
) -> Operation:
    """Add *by* to a counter. Answers the new value, if the object exists.

    bounds: the lowest and the highest new value; beyond them nothing is added, and the
    answer is OutOfBounds. Raises OverflowError past 64 bits. O(log n).
    """
    key = counters_key(space, pk)
    past_64_bits = OverflowError(
        f"Cannot add {by} to the counter {name!r} of {pk!r}: a counter holds 64 bits. "
        "Nothing was added."
    )

    def parse(reply: Any) -> int | OutOfBounds | None:
        if isinstance(reply, list):
            if reply[0] == -1:
                raise mistyped_error(reply[1])
            if reply[0] == -4:
                return OutOfBounds(int(reply[1]))
            raise past_64_bits if reply[0] == -2 else counter_error(key)
        return None if reply is None else int(reply)

    if not -(2**63) <= by < 2**63:
        raise past_64_bits
    allowed: Iterable[Word] = ()
    if bounds != (None, None):
        allowed = ["" if each is None else each - by for each in bounds]
    return Operation(
        INCREMENT,
        (object_key(space, pk), key, expires_key(space)),
        (pk_bytes(pk), name, by, *allowed),
        parse=parse,
        is_write=True,
    )


def check_pks(stored: Sequence[bytes], space: Space) -> None:
    """Raise CorruptDataError for a member of a sorted set that is no id."""
    try:
        b"\n".join(stored).decode()
    except UnicodeDecodeError:
        for each in stored:
            pk_of(each, space)


def pk_of(stored: bytes, space: Space) -> str:
    """Return the id of a member of a sorted set. Raises CorruptDataError."""
    try:
        return stored.decode()
    except UnicodeDecodeError as error:
        raise CorruptDataError(
            f"The key {all_key(space)!r} holds the id {stored!r}, which is not UTF-8. "
            "ormist_inspect --repair quarantines it."
        ) from error


def _own_keys(space: Space, pk: bytes) -> tuple[bytes, ...]:
    return (space.objects + pk, *space.main_keys, space.counters + pk)


def _index_words(ordered: _Changes, unique: _Changes) -> list[bytes]:
    """Return the new sort keys, then the old and new value of each unique attribute."""
    words = [now for _, now in ordered.values()]
    return words + [value for change in unique.values() for value in change]


def _find_changes(old: Mapping[Any, bytes], new: Mapping[Any, bytes]) -> _Changes:
    """Return {name: (old bytes, new bytes)} where they differ. b"" is no value."""
    if old is new or old == new:  # most models have neither
        return {}
    return {
        name: (old.get(name, b""), new.get(name, b""))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    }


def counter_words(counters: Mapping[str, int]) -> Iterable[str | int]:
    """Yield names and values of counters, as arguments of a script."""
    for name, value in counters.items():
        yield name
        yield value
