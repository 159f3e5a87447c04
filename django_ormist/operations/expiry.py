"""Operations that find expired objects and sweep them."""

from collections.abc import Sequence
from typing import Any

from ..batching import batched
from ..keys import Space, all_key, expires_key, memo_key
from .operation import Flow, Operation, Script, near
from .replies import mistyped_error

SWEEP = Script("sweep")
SWEEP_GONE = Script("sweep_gone")

MOST_SWEPT = 200
"""Missing objects that a list may sweep. They hold the server for some milliseconds."""


def _time_ms(reply: list[bytes]) -> int:
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


CLOCK = Operation("TIME", (), parse=_time_ms)
"""The server's clock in ms. In a Cluster that of the node of the other operations."""


def clock(space: Space) -> Operation:
    """Return the clock in ms of the node that has a model. O(1)."""
    return near(CLOCK, expires_key(space))


def sweep(space: Space, limit: int = 50) -> Operation:
    """Remove at most *limit* expired objects. Answers their number.

    limit: 1 to 500, and fewer once 100 index entries were removed. Raises ValueError.
    It blocks the server for 1 to 5 ms.
    """
    if not 1 <= limit <= 500:
        raise ValueError(f"A sweep takes 1 to 500 objects a batch, not {limit}.")
    return Operation(SWEEP, _keys(space), (limit,), parse=_parse_swept, is_write=True)


def sweep_gone(space: Space, pks: Sequence[bytes]) -> Operation:
    """Remove the index entries of objects whose bytes the server has removed.

    pks: 1 to 500 ids. Others than those of missing objects with a deadline are left
    alone. Answers the number of swept objects.
    """
    args = tuple(pks)
    return Operation(SWEEP_GONE, _keys(space), args, parse=_parse_swept, is_write=True)


def sweep_missing(space: Space, missing: Sequence[bytes], total: int) -> Flow[None]:
    """Flow that sweeps objects of a list whose bytes the server has removed.

    missing: their ids. total: the size of the list. One round trip if at least half of
    it are missing, else none.
    """
    if missing and 2 * len(missing) >= total:
        # A step of sweep_gone.lua ends after 100 index entries.
        yield [sweep_gone(space, some) for some in batched(missing[:MOST_SWEPT], 10)]


def _keys(space: Space) -> tuple[bytes, ...]:
    return (expires_key(space), all_key(space), memo_key(space))


def _parse_swept(reply: Any) -> int:
    if isinstance(reply, list):
        raise mistyped_error(reply[1])
    return int(reply)
