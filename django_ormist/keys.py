"""The name of every Redis key. Nobody else joins a key.

All keys of one model share the Cluster hash tag ``{model}``, so they live in one
slot. Ids and terms are the last part of a name: nothing needs escaping, and no
text of a user can meet another key.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Space:
    """The key space of one model: ``{prefix}:{{model}}:``.

    prefix: an alias's KEY_PREFIX. model: ``app_label.Model``, or ``Model``.
    """

    prefix: str
    model: str

    @cached_property
    def base(self) -> bytes:
        """What every key of the model starts with: ``b"ormist:{app.Model}:"``."""
        return f"{self.prefix}:{{{self.model}}}:".encode()

    @cached_property
    def objects(self) -> bytes:
        """What the key of every object starts with."""
        return self.base + b"o:"


def object_key(space: Space, pk: str) -> bytes:
    """String: one object, packed. ValueError if *pk* is not valid Unicode."""
    return space.objects + pk_bytes(pk)


def counters_key(space: Space, pk: str | bytes) -> bytes:
    """Hash: the declared counters of one object."""
    return space.base + b"c:" + pk_bytes(pk)


def all_key(space: Space) -> bytes:
    """Sorted set: every id by creation time in microseconds."""
    return space.base + b"all"


def expires_key(space: Space) -> bytes:
    """Sorted set: the id of each object that expires, by deadline in ms."""
    return space.base + b"expires"


def memo_key(space: Space) -> bytes:
    """Hash: id -> where an object that expires has index entries: ``Image.memo``."""
    return space.base + b"idx"


def term_key(space: Space, suffix: bytes) -> bytes:
    """Sorted set: the ids that carry a term, by creation time.

    suffix: what ``terms.term_suffix`` made of the term.
    """
    return space.base + suffix


def ordered_key(space: Space, name: str) -> bytes:
    """Sorted set: an entry for each object that has this ordered attribute, by LEX.

    An entry is the sort key of the value, the creation time in seven bytes, the id, and
    in three bytes how long the id is.
    """
    return space.base + b"by:" + name.encode()


def sort_keys_key(space: Space, name: str) -> bytes:
    """Hash: id -> the sort key of this ordered attribute."""
    return space.base + b"of:" + name.encode()


def unique_key(space: Space, names: Sequence[str]) -> bytes:
    """Hash: value -> the id that holds it, of attributes that are unique together."""
    return space.base + b"u:" + ":".join(names).encode()


def marker_key(space: Space, nonce: str) -> bytes:
    """String: how many batches of one request were written, while it goes on.

    ``ormist:batch:{app.Model}:NONCE``, in the same slot and outside the model's keys.
    It is gone with the last batch, and by itself if that never comes.
    """
    return f"{space.prefix}:batch:{{{space.model}}}:{nonce}".encode()


def index_keys(
    space: Space, ordered: Iterable[str] = (), unique: Iterable[Sequence[str]] = ()
) -> list[bytes]:
    """Of each ordered attribute its two keys, then of each unique one its key."""
    if not (ordered or unique):
        return []
    keys: list[bytes] = []
    for name in ordered:
        keys += (ordered_key(space, name), sort_keys_key(space, name))
    return keys + [unique_key(space, names) for names in unique]


def pk_bytes(pk: str | bytes) -> bytes:
    """The id as it stands in keys and in sorted sets. Bytes already stand there."""
    if isinstance(pk, bytes):
        return pk
    try:
        return pk.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The id {pk!r} holds a lone surrogate, which no text can carry. "
            "Use an id of valid Unicode."
        ) from error
