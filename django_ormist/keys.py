"""The name of every Redis key. Nobody else joins a key.

All keys of one model share the Cluster hash tag ``{model}``, so they live in one
slot. Ids and terms are the last part of a name: nothing needs escaping, and no
text of a user can meet another key.
"""

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


def counters_key(space: Space, pk: str) -> bytes:
    """Hash: the declared counters of one object."""
    return space.base + b"c:" + pk_bytes(pk)


def all_key(space: Space) -> bytes:
    """Sorted set: every id by creation time in microseconds."""
    return space.base + b"all"


def expires_key(space: Space) -> bytes:
    """Sorted set: the id of each object that expires, by deadline in ms."""
    return space.base + b"expires"


def memo_key(space: Space) -> bytes:
    """Hash: id -> the term suffixes of an object that expires: ``Image.memo``."""
    return space.base + b"idx"


def term_key(space: Space, suffix: bytes) -> bytes:
    """Sorted set: the ids that carry a term, by creation time.

    suffix: what ``terms.term_suffix`` made of the term.
    """
    return space.base + suffix


def pk_bytes(pk: str) -> bytes:
    """The id as it stands in keys and in sorted sets."""
    try:
        return pk.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The id {pk!r} holds a lone surrogate, which no text can carry. "
            "Use an id of valid Unicode."
        ) from error
