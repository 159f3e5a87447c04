"""Objects as they are stored, by their ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from ..batching import batched
from ..codecs import deadline_of
from ..keys import Space, all_key, pk_bytes, term_key
from ..queries.query import Query
from ..terms import term_suffix
from .expiry import CLOCK, sweep_missing
from .objects import load_counters, load_many
from .operation import Flow, Operation

CHUNK = 1000
"""Objects per MGET: another client then waits at most two milliseconds."""

CHUNKS_PER_ROUND_TRIP = 5
"""MGETs per round trip."""

DECODED_TOGETHER = 1000
"""Objects that are decoded together. What is made of more leaves the CPU's caches."""

Row = tuple[bytes, bytes, dict[str, int] | None]
"""One matching object: its id, packed bytes and counters (None if not declared)."""


@dataclass(slots=True)
class Rows:
    """Matching objects by column: ids, packed bytes, and counters if declared.

    A tuple for each of 1000 objects would take longer than to receive them.
    """

    pks: list[bytes] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    counters: list[dict[str, int]] | None = None

    @classmethod
    def of(cls, rows: Sequence[Row], has_counters: bool = False) -> "Rows":
        """Return the columns of these rows."""
        counters: Any = [counters for _, _, counters in rows]
        return cls(
            [pk for pk, _, _ in rows],
            [packed for _, packed, _ in rows],
            counters if has_counters else None,
        )

    def __len__(self) -> int:
        return len(self.pks)

    def __iter__(self) -> Iterator[Row]:
        if self.counters is None:
            return zip(self.pks, self.packed, repeat(None))
        return zip(self.pks, self.packed, self.counters, strict=True)

    def chunks(self) -> Iterator["Rows"]:
        """Yield the rows, DECODED_TOGETHER at a time."""
        for start in range(0, len(self), DECODED_TOGETHER):
            part = slice(start, start + DECODED_TOGETHER)
            counters = None if self.counters is None else self.counters[part]
            yield Rows(self.pks[part], self.packed[part], counters)

    def extend(self, others: "Rows", limit: int | None = None) -> None:
        """Add the first *limit* of other rows, of the same model."""
        if not self.pks and others.counters is not None:
            self.counters = []
        self.pks += others.pks[:limit]
        self.packed += others.packed[:limit]
        if self.counters is not None and others.counters is not None:
            self.counters += others.counters[:limit]


IDS_PER_ROUND_TRIP = CHUNK * CHUNKS_PER_ROUND_TRIP
"""Ids that one round trip returns, or sends."""


def rows_of(space: Space, pks: Sequence[bytes], has_counters: bool) -> Flow[Rows]:
    """Flow that returns a row for each of these ids that is stored. One round trip.

    If half of them are missing, expired objects were removed by the server's TTL. Then
    their index entries are swept, in one more round trip.
    """
    rows: Rows
    (rows,) = yield from rows_and(space, pks, has_counters)
    return rows


def rows_and(
    space: Space, pks: Sequence[bytes], has_counters: bool, *others: Operation
) -> Flow[tuple[Any, ...]]:
    """Flow that returns rows_of() and the answers of other operations, sent before."""
    chunks = list(batched(pks, CHUNK))
    replies = yield [
        *others,
        *(load_many(space, some) for some in chunks),
        *(load_counters(space, pk) for pk in pks if has_counters),
    ]
    answers, replies = replies[: len(others)], replies[len(others) :]
    packed = [each for reply in replies[: len(chunks)] for each in reply]
    counters = replies[len(chunks) :] or [None] * len(pks)
    gone = [pk for pk, each in zip(pks, packed, strict=True) if each is None]
    yield from sweep_missing(space, gone, len(pks))
    if gone:
        rows = zip(pks, packed, counters, strict=True)
        return Rows.of(
            [row for row in rows if row[1] is not None], has_counters
        ), *answers
    return Rows([*pks], packed, counters if has_counters else None), *answers


def rows_by_id(space: Space, query: Query, has_counters: bool) -> Flow[Rows]:
    """Flow that returns the rows of the slice of a query by ids. One round trip."""
    pks = sorted(pk_bytes(pk) for pk in query.pks or ())
    keys, chunks = (all_key(space), *term_keys_of(space, query)), batched(pks, CHUNK)
    operations = []
    for some in chunks:
        operations += [Operation("ZMSCORE", (key,), tuple(some)) for key in keys]
        operations.append(load_many(space, some))
    now_ms, *replies = yield [
        CLOCK,
        *operations,
        *(load_counters(space, pk) for pk in pks if has_counters),
    ]
    counters = replies[len(operations) :] or [None] * len(pks)
    *scores, packed = (
        [
            each
            for reply in replies[at : len(operations) : len(keys) + 1]
            for each in reply
        ]
        for at in range(len(keys) + 1)
    )
    found = [
        (float(scores[0][i]), (pks[i], packed[i], counters[i]))
        for i in range(len(pks))
        if is_live(packed[i], now_ms) and all(each[i] is not None for each in scores)
    ]
    found.sort(key=lambda pair: pair[0], reverse=query.is_reversed)
    rows = [row for _, row in found[query.start : query.stop]]
    return Rows.of(rows, has_counters)


def is_live(packed: bytes | None, now_ms: int) -> bool:
    """Return whether an object is stored and not expired, whatever its TTL."""
    if packed is None:
        return False
    deadline_ms = deadline_of(packed)
    return deadline_ms is None or deadline_ms > now_ms


def term_keys_of(space: Space, query: Query) -> tuple[bytes, ...]:
    """Return the key of each term of a query."""
    return tuple([term_key(space, term_suffix(term)) for term in query.terms])
