"""Statistics of the store: counts, samples, sizes, the server.

They serve management commands and the overview of the admin.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..batching import batched
from ..codecs import unpack
from ..exceptions import CorruptDataError
from ..keys import (
    Space,
    all_key,
    counters_key,
    expires_key,
    object_key,
    pk_bytes,
    term_key,
)
from ..queries.query import Query
from ..schema import Schema
from ..terms import object_terms, term_suffix, unmark
from . import counts, objects
from .operation import Flow, Operation

SAMPLE = 500
"""Objects in a sample. A tag of one object in a hundred is missed once in 150
inspections, and the mean size is within a few per cent."""

OPERATIONS_PER_ROUND_TRIP = 1000

# ---------------------------------------------------------------- one model


@dataclass(frozen=True)
class ModelCounts:
    """Numbers of objects: live, live with a deadline, expired and not yet swept."""

    count: int
    expiring: int
    expired: int


@dataclass(frozen=True)
class Sample:
    """Some objects of a model, as rows of an id and its index terms.

    unreadable: the keys of objects with unreadable bytes.
    """

    rows: list[tuple[bytes, list[str]]]
    unreadable: list[bytes] = field(default_factory=list)

    @property
    def pks(self) -> list[bytes]:
        """The ids of the sample."""
        return [pk for pk, _ in self.rows]


def model_counts(space: Space) -> Flow[ModelCounts]:
    """Flow that returns the ModelCounts of a model. One round trip. O(log n)."""
    (_, live), stored, deadlines = yield [
        counts.count(space, Query()),
        Operation("ZCARD", (all_key(space),)),
        Operation("ZCARD", (expires_key(space),)),
    ]
    # Other clients may write in between, so a difference could be negative.
    expired = max(stored - live, 0)
    return ModelCounts(live, max(deadlines - expired, 0), expired)


def random_objects(
    space: Space, size: int = SAMPLE
) -> Flow[list[tuple[bytes, bytes | None]]]:
    """Flow that returns [(id, its bytes or None)] of random objects, 1 to 1000.

    Two round trips.
    """
    pks = yield Operation("ZRANDMEMBER", (all_key(space),), (size,))
    packed = (yield objects.load_many(space, pks)) if pks else []
    return list(zip(pks, packed, strict=True))


def sample(
    space: Space, indexed: Callable[[str], bool], size: int = SAMPLE
) -> Flow[Sample]:
    """Flow that returns a Sample of at most *size* objects.

    indexed: a function that returns whether an attribute is indexed, by its name.
    size: 1 to 1000. Two round trips.
    """
    stored = yield from random_objects(space, size)
    rows: list[tuple[bytes, list[str]]] = []
    unreadable = []
    for pk, packed in stored:
        terms: list[str] = []
        if packed is not None:
            key = space.objects + pk
            try:
                attrs, tags, _ = unpack(packed, key)
                chosen = {name: attrs[name] for name in filter(indexed, attrs)}
                terms = object_terms(chosen, tags, indexed)
            except CorruptDataError:
                unreadable.append(key)
        rows.append((pk, terms))
    return Sample(rows, unreadable)


def largest_tags(
    space: Space, seen: Sample, most: int = 5
) -> Flow[list[tuple[str, int]]]:
    """Flow that returns [(tag, number of live objects that carry it)], largest first.

    It takes the tags from the sample, and counts them exactly. One round trip.
    """
    carried = Counter(term for _, terms in seen.rows for term in terms)
    likely = [term for term, _ in carried.most_common(4 * most)]
    queries = [Query(terms=(term,)) for term in likely]
    numbers = yield from counts.count_each(space, queries)
    ranked = sorted(zip(likely, numbers, strict=True), key=lambda each: -each[1])
    return [(unmark(term), number) for term, number in ranked[:most] if number]


def size_bytes(schema: Schema, seen: Sample) -> Flow[int]:
    """Flow that returns the memory of a model in bytes, extrapolated from a sample.

    The size of an object includes its share of each term. Raises ResponseError on a
    server without MEMORY USAGE. One round trip per 1000 keys.
    """
    space = schema.space
    main = [*space.main_keys, *schema.index_keys]
    own = [space.objects + pk for pk in seen.pks]
    if schema.counters:
        own += [counters_key(space, pk) for pk in seen.pks]
    carried = Counter(
        term_key(space, term_suffix(term)) for _, terms in seen.rows for term in terms
    )
    keys = (*main, *own, *carried)
    sizes: list[int] = yield from _send_in_batches(map(_memory_usage, keys))
    numbers: list[int] = yield from _send_in_batches(
        Operation("ZCARD", (key,)) for key in (all_key(space), *carried)
    )
    stored, carriers = numbers[0], numbers[1:]
    fixed, sizes = sum(sizes[: len(main)]), sizes[len(main) :]
    if not seen.rows:
        return fixed
    shares = [
        times * size / number
        for times, size, number in zip(
            carried.values(), sizes[len(own) :], carriers, strict=True
        )
        if number
    ]
    per_object = (sum(sizes[: len(own)]) + sum(shares)) / len(seen.rows)
    return fixed + round(per_object * stored)


def _memory_usage(key: bytes) -> Operation:
    """Return the memory of a key in bytes, 0 if it does not exist. O(1)."""
    return Operation("MEMORY USAGE", (key,), parse=lambda reply: reply or 0)


def _send_in_batches(operations: Iterable[Operation]) -> Flow[list[Any]]:
    """Flow that returns the answers of any number of operations."""
    replies: list[Any] = []
    for some in batched(operations, OPERATIONS_PER_ROUND_TRIP):
        replies += yield some
    return replies


# ---------------------------------------------------------------- one object


@dataclass(frozen=True)
class Stored:
    """One object as it is stored. Missing facts are None.

    created_us: its creation time in the index. expire_at_ms: its deadline there.
    """

    packed: bytes | None
    counters: dict[str, int]
    created_us: int | None
    expire_at_ms: int | None


def load_stored(space: Space, pk: str) -> Flow[Stored]:
    """Flow that returns the Stored facts of one object. One round trip."""
    packed, counters, created_us, expire_at_ms = yield [
        objects.load(space, pk),
        objects.load_counters(space, pk),
        Operation("ZSCORE", (all_key(space),), (pk_bytes(pk),), parse=_to_int),
        Operation("ZSCORE", (expires_key(space),), (pk_bytes(pk),), parse=_to_int),
    ]
    return Stored(packed, counters, created_us, expire_at_ms)


def object_size_bytes(space: Space, pk: str) -> Flow[int]:
    """Flow that returns the memory of one object and its counters in bytes.

    Raises ResponseError on a server without MEMORY USAGE. One round trip.
    """
    keys = (object_key(space, pk), counters_key(space, pk))
    sizes = yield list(map(_memory_usage, keys))
    return sum(sizes)


def _to_int(score: Any) -> int | None:
    number = None if score is None else float(score)
    return None if number is None or not math.isfinite(number) else int(number)


# ---------------------------------------------------------------- the server


def server_info() -> Operation:
    """Return the fields of INFO: {field: text}. O(1)."""
    return Operation("INFO", (), parse=read_info)


def read_info(reply: bytes | str) -> dict[str, str]:
    """Return the lines ``field:text`` of INFO as a dict."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    pairs = (line.partition(":") for line in text.splitlines() if line[:1] != "#")
    return {name: value for name, colon, value in pairs if colon}


DIFFERING = {
    "dragonfly": "its Lua is 5.4, and scripts that compute keys run one at a time",
    "garnet": "its Lua and what it makes atomic differ",
    "keydb": "it is Redis 6 with more threads, and no longer developed",
    "kvrocks": "it keeps its data on disk, and expires it in another way",
    "upstash": "it bills each command, and a script holds up the whole database",
}
"""Products that speak Redis's protocol and are not tested here: how they differ."""


def product_of(info: Mapping[str, str]) -> str | None:
    """Return the product that INFO names, by default "redis". Without INFO: None.

    Each has a field of its own, as ``dragonfly_version``. KeyDB is recognized by the
    name of its program.
    """
    if not info:
        return None
    program = info.get("executable", "").rpartition("/")[2]
    for product in ("valkey", *DIFFERING):
        if f"{product}_version" in info or program.startswith(product):
            return product
    return "redis"


def role_name(role: str | None) -> str | None:
    """Return "primary" or "replica" for a role of Redis."""
    return {"master": "primary", "slave": "replica"}.get(role or "", role)


def server_facts(info: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of INFO that an operator needs. Missing ones are None."""

    def number(name: str) -> int | None:
        return int(info[name]) if info.get(name, "").isdigit() else None

    def flag(name: str) -> bool | None:
        return None if number(name) is None else bool(number(name))

    product = product_of(info)
    version = info.get(f"{product}_version", info.get("redis_version"))
    return {
        "product": product,
        "version": version,
        "mode": info.get("server_mode", info.get("redis_mode")),
        "role": role_name(info.get("role")),
        "replicas": number("connected_slaves"),
        "uptime_seconds": number("uptime_in_seconds"),
        "memory": {
            "used_bytes": number("used_memory"),
            "peak_bytes": number("used_memory_peak"),
            "limit_bytes": number("maxmemory"),
            "eviction_policy": info.get("maxmemory_policy"),
        },
        "persistence": {
            "append_only": flag("aof_enabled"),
            "last_snapshot": number("rdb_last_save_time"),
            "changes_since_snapshot": number("rdb_changes_since_last_save"),
            "last_snapshot_status": info.get("rdb_last_bgsave_status"),
        },
    }


def merge_facts(every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the server_facts() of several primaries as one: sums, and all texts.

    Limits are only added if each server has one.
    """
    if not every:
        return server_facts({})
    merged: dict[str, Any] = {}
    for name, first in every[0].items():
        values = [facts[name] for facts in every]
        if isinstance(first, Mapping):
            merged[name] = merge_facts(values)
        elif name == "limit_bytes" and not all(values):
            merged[name] = None if None in values else 0
        else:
            merged[name] = _merge(name, [each for each in values if each is not None])
    return merged


def _merge(name: str, known: Sequence[Any]) -> Any:
    if not known:
        return None
    if isinstance(known[0], bool):
        return all(known)
    if isinstance(known[0], str):
        return ", ".join(sorted(set(known)))
    return min(known) if name in ("uptime_seconds", "last_snapshot") else sum(known)
