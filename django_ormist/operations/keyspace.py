"""Scans of the raw keys of the database, and their removal.

They serve management commands and test runs.
"""

from collections import Counter
from typing import Any

from ..keys import Space, is_under, parse_key
from .operation import Flow, Operation

KEYS_PER_STEP = 1000


def root(prefix: str) -> bytes:
    """Return the common start of all keys under a KEY_PREFIX, and only of these.

    A KEY_PREFIX cannot contain a brace, so "shop" does not match keys of "shop:eu".
    """
    return Space(prefix, "").base.removesuffix(b"}:")


def keys_by_model(start: bytes, prefix: str) -> Flow[dict[Space, tuple[int, int]]]:
    """Flow that returns {key space: (objects, keys)} of keys that begin with *start*.

    Unregistered models are included. A key may be counted twice while the server
    resizes its table. O(keys of the database), in steps of 1000.
    """
    keys_of: Counter[Space] = Counter()
    objects_of: Counter[Space] = Counter()
    cursor = b"0"
    while True:
        cursor, keys = yield scan(start, cursor)
        for key in keys:
            space, rest = parse_key(key, prefix)
            keys_of[space] += 1
            objects_of[space] += rest.startswith(b"o:")
        if int(cursor) == 0:
            return {space: (objects_of[space], keys_of[space]) for space in keys_of}


def list_quarantined(start: bytes, prefix: str) -> Flow[list[bytes]]:
    """Flow that returns the quarantined keys whose former names begin with *start*.

    O(keys of the database), in steps of 1000.
    """
    head, found, cursor = prefix.encode() + b":", [], b"0"
    lost = head + b"lost:" + start.removeprefix(head)
    while True:
        cursor, keys = yield scan(lost, cursor)
        found += keys
        if int(cursor) == 0:
            return list(dict.fromkeys(found))


def list_journals(prefix: str) -> Flow[list[bytes]]:
    """Flow that returns the keys of moves that are not done: see operations/move.py.

    O(keys of the database), in steps of 1000.
    """
    found, cursor = [], b"0"
    while True:
        cursor, keys = yield scan(f"{prefix}:moved:{{".encode(), cursor)
        found += keys
        if int(cursor) == 0:
            return list(dict.fromkeys(found))


def unlink(*keys: bytes) -> Operation:
    """Remove the keys. Answers the number of those that existed. O(keys)."""
    return Operation("UNLINK", keys, is_write=True)


def unlink_some(
    start: bytes, cursor: bytes, only_objects: bool = False
) -> Flow[tuple[bytes, int]]:
    """Flow that removes the next keys that begin with *start*.

    Returns (next cursor, number of removed keys). The first cursor is ``b"0"``, and so
    is the last one that is returned. only_objects: keep the index. O(1000), at most two
    round trips.
    """
    cursor, keys = yield scan(start, cursor)
    if only_objects:
        prefix = start.partition(b":{")[0].decode()
        keys = [k for k in keys if parse_key(k, prefix)[1][:2] in (b"o:", b"c:")]
    removed = 0
    if keys:
        removed = yield unlink(*keys)
    return (b"0" if int(cursor) == 0 else cursor), removed


def copy_some(start: bytes, new: bytes, cursor: bytes) -> Flow[bytes]:
    """Flow that copies the next keys that begin with *start* to others with *new*.

    Returns the next cursor, as unlink_some() does. Expiration times are copied too.
    Existing keys are not replaced. O(1000 keys and their sizes), at most two round
    trips.
    """
    cursor, keys = yield scan(start, cursor)
    yield [
        Operation("COPY", (key, new + key.removeprefix(start)), is_write=True)
        for key in keys
    ]
    return b"0" if int(cursor) == 0 else cursor


def scan(start: bytes, cursor: bytes) -> Operation:
    """Return (next cursor, some keys that begin with *start*), by a SCAN. O(1000)."""

    def parse(reply: Any) -> tuple[bytes, list[bytes]]:
        # Checked again: keys are removed by it, whatever MATCH accepts.
        return reply[0], [key for key in reply[1] if is_under(start, key)]

    pattern = escape_glob(start) + b"*"
    return Operation(
        "SCAN", (), (cursor, "MATCH", pattern, "COUNT", KEYS_PER_STEP), parse=parse
    )


def escape_glob(text: bytes) -> bytes:
    r"""Return the pattern that matches only *text*: \\ before \\ * ? [ and ]."""
    return b"".join(
        b"\\" + bytes((byte,)) if byte in b"\\*?[]" else bytes((byte,)) for byte in text
    )
