"""Conversion of values to bytes and back. Only this package does it, without pickle.

An object is stored as one string. Its first byte gives the format and its version:
0x01 and 0x02 are msgpack (as_msgpack.py), "{" is JSON (as_json.py).
"""

from .lifetimes import Deadline, Lifetime
from .many import Columns, pack_many, unpack_many
from .objects import (
    as_plain,
    deadline_of,
    deadline_tail,
    find_too_deep,
    is_later,
    is_marked,
    mark,
    pack,
    pack_value,
    unpack,
    unpack_plain,
    with_deadline,
)

__all__ = [
    "Columns",
    "Deadline",
    "Lifetime",
    "as_plain",
    "deadline_of",
    "deadline_tail",
    "find_too_deep",
    "is_later",
    "is_marked",
    "mark",
    "pack",
    "pack_many",
    "pack_value",
    "unpack",
    "unpack_many",
    "unpack_plain",
    "with_deadline",
]
