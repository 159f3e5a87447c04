"""Index entries whose object somebody removed behind our back."""

from ..keys import Space, all_key, pk_bytes
from .operation import Flow, Operation


def forget(space: Space, pk: str) -> Flow:
    """Flow: take *pk* out of every index of its model; nothing else knows which.

    Called only where a write met entries of an object that is not there and that
    left no memo (DEL by hand, eviction). It scans the keys of the whole database,
    so it costs O(keys), in steps of 1000.
    """
    pattern = b"".join(
        b"\\" + bytes((byte,)) if byte in b"\\*?[]^-" else bytes((byte,))
        for byte in space.base
    )
    cursor, member = b"0", pk_bytes(pk)
    while True:
        cursor, keys = yield Operation(
            "SCAN", (), (cursor, "MATCH", pattern + b"[th]:*", "COUNT", 1000)
        )
        if keys:
            yield [
                Operation("ZREM", (key,), (member,), is_write=True)
                for key in keys
                if key.startswith(space.base)
            ]
        if int(cursor) == 0:
            break
    yield Operation("ZREM", (all_key(space),), (member,), is_write=True)
