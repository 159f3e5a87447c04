"""Values <-> bytes. Nobody else packs a value; nothing is ever unpickled.

An object is stored as one string, whose first byte tells the format and its version:
0x01 and 0x02 are msgpack (as_msgpack.py), "{" is JSON (as_json.py).
"""

from .lifetimes import Deadline, Lifetime
from .objects import (
    as_plain,
    deadline_of,
    deadline_tail,
    is_later,
    marked,
    pack,
    pack_value,
    says_marked,
    too_deep,
    unpack,
    with_deadline,
)

__all__ = [
    "Deadline",
    "Lifetime",
    "as_plain",
    "deadline_of",
    "deadline_tail",
    "is_later",
    "marked",
    "pack",
    "pack_value",
    "says_marked",
    "too_deep",
    "unpack",
    "with_deadline",
]
