"""The names of all Redis keys. Other modules do not build key names.

All keys of one model share the Cluster hash tag ``{model}``, or that of Meta.slot. So
they live in one slot. Ids and terms come last in a name. So they need no escaping,
and a text of a user cannot name another key.
"""

from binascii import crc_hqx
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

SINGLE_KEYS = (b"all", b"expires", b"idx")
KINDS = (b"o:", b"c:", b"t:", b"h:", b"by:", b"of:", b"u:")
"""The starts of all other names in a key space."""


@dataclass(frozen=True)
class Space:
    """The key space of one model: ``{prefix}:{{model}}:``.

    prefix: an alias's KEY_PREFIX. model: ``app_label.Model``, or ``Model``. slot:
    Meta.slot, or "" for a slot of its own. With it: ``{prefix}:{{slot}}:model:``.
    """

    prefix: str
    model: str
    slot: str = ""

    @property
    def name(self) -> str:
        """``{app.Model}``, or ``{slot}:app.Model``."""
        if self.slot:
            return f"{{{self.slot}}}:{self.model}"
        return f"{{{self.model}}}"

    @cached_property
    def base(self) -> bytes:
        """The start of every key of the model: ``b"ormist:{app.Model}:"``."""
        return f"{self.prefix}:{self.name}:".encode()

    @cached_property
    def objects(self) -> bytes:
        """The start of the key of every object."""
        return self.base + b"o:"

    @cached_property
    def counters(self) -> bytes:
        """The start of the key of the counters of every object."""
        return self.base + b"c:"

    @cached_property
    def main_keys(self) -> tuple[bytes, bytes, bytes]:
        """The all_key(), the expires_key() and the memo_key()."""
        return all_key(self), expires_key(self), memo_key(self)


def object_key(space: Space, pk: str) -> bytes:
    """Return the key of one packed object (string). Raises ValueError."""
    return space.objects + pk_bytes(pk)


def counters_key(space: Space, pk: str | bytes) -> bytes:
    """Return the key of the counters of one object (hash)."""
    return space.counters + pk_bytes(pk)


def all_key(space: Space) -> bytes:
    """Return the key of every id by creation time in microseconds (sorted set)."""
    return space.base + b"all"


def expires_key(space: Space) -> bytes:
    """Return the key of ids with a deadline, by deadline in ms (sorted set)."""
    return space.base + b"expires"


def memo_key(space: Space) -> bytes:
    """Return the key of memos by id (hash). See ``Image.memo``."""
    return space.base + b"idx"


def term_key(space: Space, suffix: bytes) -> bytes:
    """Return the key of the ids that carry a term, by creation time (sorted set).

    suffix: the ``terms.term_suffix`` of the term.
    """
    return space.base + suffix


def term_keys(space: Space, suffixes: Iterable[bytes]) -> list[bytes]:
    """Return the term_key() of each suffix."""
    base = space.base
    return [base + suffix for suffix in suffixes]


def ordered_key(space: Space, name: str) -> bytes:
    """Return the key of the entries of an ordered attribute (sorted set, by LEX).

    An entry is the sort key of the value, the creation time in seven bytes, the id, and
    the length of the id in three bytes.
    """
    return space.base + b"by:" + name.encode()


def sort_keys_key(space: Space, name: str) -> bytes:
    """Return the key of the sort keys of an ordered attribute, by id (hash)."""
    return space.base + b"of:" + name.encode()


def unique_key(space: Space, names: Sequence[str]) -> bytes:
    """Return the key of the holders of unique values, by value (hash)."""
    return space.base + b"u:" + ":".join(names).encode()


def marker_key(space: Space, nonce: str) -> bytes:
    """Return the key that counts the written batches of one request (string).

    ``ormist:batch:{app.Model}:NONCE``, in the slot of the model, outside its key space.
    The last batch removes it, or it expires.
    """
    return f"{space.prefix}:batch:{space.name}:{nonce}".encode()


def journal_key(space: Space) -> bytes:
    """Return the key of the journal of a move to this key space (hash).

    ``ormist:moved:{shop}:app.Model``: the token of the run, and the digests of objects
    that are moved and not yet removed from their former keys. See operations/move.py.
    """
    return f"{space.prefix}:moved:{space.name}".encode()


def index_keys(
    space: Space, ordered: Iterable[str] = (), unique: Iterable[Sequence[str]] = ()
) -> list[bytes]:
    """Return both keys of each ordered attribute, then the key of each unique one."""
    if not (ordered or unique):
        return []
    keys: list[bytes] = []
    for name in ordered:
        keys += (ordered_key(space, name), sort_keys_key(space, name))
    return keys + [unique_key(space, names) for names in unique]


def pk_bytes(pk: str | bytes) -> bytes:
    """Return the id as bytes. Raises ValueError if it is not valid Unicode."""
    if isinstance(pk, bytes):
        return pk
    try:
        return pk.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The id {pk!r} holds a lone surrogate, which no text can carry. "
            "Use an id of valid Unicode."
        ) from error


# ---------------------------------------------------------------- raw keys


def find_kind(rest: bytes) -> bytes | None:
    """Return the kind of a key by its name after the base, if it is one of ours."""
    if rest in SINGLE_KEYS:
        return rest
    return next((start for start in KINDS if rest.startswith(start)), None)


def parse_key(key: bytes, prefix: str) -> tuple[Space, bytes]:
    """Return the key space of a key that begins with the prefix and ``:{``; its rest.

    A label with a dot is not a slot, and a model in a slot is not named like a kind of
    key. So the answer is the same in every project.
    """
    tag, _, rest = key[len(prefix.encode()) + 2 :].partition(b"}:")
    label, colon, own = rest.partition(b":")
    is_in_slot = b"." not in tag and colon and find_kind(rest) is None
    if is_in_slot and (b"." in label or find_kind(own) is not None):
        return Space(prefix, _decode(label), _decode(tag)), own
    return Space(prefix, _decode(tag)), rest


def is_under(start: bytes, key: bytes) -> bool:
    """Return whether a key begins with *start*; if that is a base, is of that model.

    ``ormist:{Cart}:app.Item:all`` begins as the keys of a model ``Cart`` do, and is of
    ``app.Item`` in the slot "Cart".
    """
    prefix, _, name = start.partition(b":{")
    if not key.startswith(start) or not name.endswith(b":"):
        return key.startswith(start)
    return parse_key(key, _decode(prefix))[0].base == start


def _decode(name: bytes) -> str:
    return name.decode(errors="replace")


SLOTS = 16384
"""The number of hash slots of a Cluster."""


def slot_of(key: bytes) -> int:
    """Return the hash slot of *key*: that of its hash tag, if it has one."""
    slot = _slot_of_start(key[: key.find(b"}") + 1])
    return _slot(key) if slot is None else slot


@lru_cache(4096)
def _slot_of_start(start: bytes) -> int | None:
    """Return the hash slot of keys with this prefix, if it ends with a hash tag.

    All keys of a model share it, so the checksum is computed once.
    """
    opening = start.find(b"{")
    if opening < 0 or opening + 2 >= len(start):
        return None
    return crc_hqx(start[opening + 1 : -1], 0) % SLOTS


def _slot(key: bytes) -> int:
    opening = key.find(b"{")
    if opening >= 0:
        closing = key.find(b"}", opening)
        if closing > opening + 1:
            key = key[opening + 1 : closing]
    return crc_hqx(key, 0) % SLOTS
