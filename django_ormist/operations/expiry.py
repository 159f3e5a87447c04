"""Objects whose deadline is past: which they are, and taking them away."""

from collections.abc import Sequence
from typing import Any

from ..keys import Space, all_key, expires_key, memo_key
from .operation import Flow, Operation, Script
from .replies import mistyped

EXPIRED_IDS = Script("expired_ids")
SWEEP = Script("sweep")
SWEEP_GONE = Script("sweep_gone")


def expired_ids(space: Space) -> Operation:
    """The ids that are due and not swept yet. O(log n + due)."""
    return Operation(EXPIRED_IDS, (expires_key(space),))


def _time_ms(reply: list[bytes]) -> int:
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


CLOCK = Operation("TIME", (), parse=_time_ms)
"""The server's clock in ms."""


def sweep(space: Space, limit: int = 50) -> Flow[Any]:
    """Flow: remove at most *limit* due objects; how many. One round trip.

    limit: 1 to 500. Fifty with eight terms each hold the server 1 to 3 ms.
    """

    if not 1 <= limit <= 500:
        raise ValueError(f"A sweep takes 1 to 500 objects a batch, not {limit}.")
    return (yield Operation(SWEEP, _keys(space), (limit,), parse=_swept, is_write=True))


def sweep_gone(space: Space, pks: Sequence[bytes]) -> Operation:
    """Remove what is left of those of 1 to 500 objects that expire and are not stored.

    Answers how many. Nothing is done to others.
    """
    args = tuple(pks)
    return Operation(SWEEP_GONE, _keys(space), args, parse=_swept, is_write=True)


def _keys(space: Space) -> tuple[bytes, ...]:
    return (expires_key(space), all_key(space), memo_key(space))


def _swept(reply: Any) -> int:
    if isinstance(reply, list):
        raise mistyped(reply[1])
    return int(reply)
