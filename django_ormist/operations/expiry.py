"""Objects whose deadline is past: which they are, and taking them away."""

from typing import Any

from ..keys import Space, all_key, expires_key, memo_key
from .operation import Flow, Operation, Script
from .replies import mistyped

DUE = Script("due")
SWEEP = Script("sweep")


def due(space: Space) -> Operation:
    """The ids that are due and not swept yet. O(log n + due)."""
    return Operation(DUE, (expires_key(space),))


def clock() -> Operation:
    """The server's clock in ms. O(1)."""

    def parse(reply: Any) -> int:
        seconds, micros = reply
        return int(seconds) * 1000 + int(micros) // 1000

    return Operation("TIME", (), parse=parse)


def sweep(space: Space, limit: int = 50) -> Flow:
    """Flow: remove at most *limit* due objects; how many. One round trip.

    limit: 1 to 500. Fifty with eight terms each hold the server 1 to 3 ms.
    """

    def parse(reply: Any) -> int:
        if isinstance(reply, list):
            raise mistyped(reply[1])
        return int(reply)

    if not 1 <= limit <= 500:
        raise ValueError(f"A sweep takes 1 to 500 objects a batch, not {limit}.")
    keys = (expires_key(space), all_key(space), memo_key(space))
    return (yield Operation(SWEEP, keys, (limit,), parse=parse, is_write=True))
