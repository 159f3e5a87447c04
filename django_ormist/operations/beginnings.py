"""Ids by how they begin: what a person types who has copied half of one."""

from ..keys import Space, all_key
from .inspection import glob_escaped
from .operation import Flow, Operation

STEP = 5000
"""Ids looked at in one step: one to two milliseconds of the server."""


def ids_beginning(
    space: Space, start: str, most: int = 50_000, limit: int = 100
) -> Flow:
    """Flow: ids that begin with *start*, and whether every id was looked at.

    No index knows how ids begin: at most *most* are looked at, in no order, and at
    most about *limit* returned. One round trip for 5000 ids.
    """
    pattern = glob_escaped(start.encode()) + b"*"
    found: dict[bytes, None] = {}
    cursor = b"0"
    for _ in range(max(most // STEP, 1)):
        cursor, flat = yield Operation(
            "ZSCAN", (all_key(space),), (cursor, "MATCH", pattern, "COUNT", STEP)
        )
        found.update(dict.fromkeys(flat[::2]))
        if int(cursor) == 0 or len(found) >= limit:
            break
    return list(found)[:limit], int(cursor) == 0
