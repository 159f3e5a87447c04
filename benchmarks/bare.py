"""The same work by bare redis-py, synchronous: the same bytes and index entries.

This is the floor that every ratio refers to. It is meant to be the best that a careful
engineer writes for one model, without a mapper:

- redis-py with hiredis, RESP2 (RESP3 is no faster), bytes in place of decoded text,
  ``execute_command`` in place of the named methods, which call it, and redis-py's own
  connection pool, because a process with threads needs one. A client bound to one
  connection saves a tenth of a ``GET`` and cannot be shared by threads.
- A unix socket: the cheapest wire, so that a ratio shows our own cost most strictly.
  Over a network every ratio is closer to 1.
- One round trip for each call where the server allows it: ``SORT ... GET`` for a list
  and a page, a script for a create and a save. A list and a page are also read by
  ``ZRANGE`` and ``MGET``; the faster one in the same run counts.
- Objects are dicts, decoded by one call of ormsgpack each: see native.py. Nothing is
  checked: no type, no damage, no name.

It does less than the package in three ways, and gets no allowance for them:

- Nothing expires. ``ZCARD``, ``SORT`` and ``ZRANGE`` do not look for expired objects by
  the server's clock; ours does in each query, although no object here expires.
- A create knows its four index entries beforehand. It refuses a taken id and orders by
  the server's clock, as ours; it looks for no entries left by an earlier object.
- A save knows that no index entry changes. It compares the loaded bytes with the stored
  ones, as ours; on a conflict it would have to begin again.

It is not made stronger by what gives up an answer: a ``SET`` without index entries, and
one that overwrites concurrent changes, are shown beside and not judged. bulk_create is
judged against plain pipelined commands, as its target says; pipelines that group
``ZADD`` are shown beside.
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from django_ormist.keys import Space

from .native import Native

CREATE = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  return 0
end
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
for i = 2, #KEYS do
  redis.call('ZADD', KEYS[i], created, ARGV[2])
end
return 1
"""
"""Refuses an id that is taken, and orders by the server's clock, as ours does."""

COMPARE_AND_SET = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

DELETE = """
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  redis.call('ZREM', KEYS[i], ARGV[1])
end
return 1
"""


@dataclass(slots=True)
class Held:
    """An object of code without a mapper."""

    pk: str
    attrs: dict[str, Any]
    tags: list[str]
    packed: bytes = b""


def now_us() -> int:
    """Return the current time in microseconds."""
    return time.time_ns() // 1000


def new_pk() -> str:
    """Return an id as long as ours: sixteen characters."""
    return secrets.token_hex(8)


class Keys:
    """Names of keys, built by hand."""

    def __init__(self, space: Space) -> None:
        self.base = space.base.decode()
        self.everything = self.base + "all"
        self.objects = self.base + "o:"
        self.pattern = self.objects + "*"
        self.terms = self.base + "t:"

    def entries(self, held: Held) -> list[str]:
        """Return the sorted sets of an object: all, its tags, city and age."""
        terms = self.terms
        return [
            self.everything,
            *(terms + tag for tag in held.tags),
            f"{terms}city:{held.attrs['city']}",
            f"{terms}age:{held.attrs['age']}",
        ]

    def sort(self, tag: str, start: int = 0, count: int = -1) -> tuple[Any, ...]:
        """Read objects in the order of an index by SORT, the fastest way."""
        limit = ("LIMIT", start, count) if count >= 0 else ()
        words = ("SORT", self.terms + tag, "BY", "nosort", *limit)
        return *words, "GET", "#", "GET", self.pattern


class Bare:
    """redis-py with hiredis, RESP2, bytes, its own pool."""

    def __init__(self, url: str, space: Space, native: Native) -> None:
        self.client: Any = redis.Redis.from_url(url, protocol=2)
        self.keys = Keys(space)
        self.pack, self.unpack = native.pack, native.unpack
        self.create_sha = self._load(CREATE)
        self.save_sha = self._load(COMPARE_AND_SET)
        self.delete_sha = self._load(DELETE)

    def _load(self, script: str) -> str:
        return str(self.client.script_load(script))

    def rows(self, reply: list[bytes]) -> list[tuple[bytes, dict[str, Any]]]:
        """Decode the reply of SORT ... GET # GET."""
        unpack = self.unpack
        return [
            (pk, unpack(packed))
            for pk, packed in zip(reply[::2], reply[1::2], strict=True)
        ]

    # One object

    def create(self, held: Held) -> str:
        """One EVALSHA."""
        pk, packed = new_pk(), self.pack(held.attrs, held.tags)
        keys = (self.keys.objects + pk, *self.keys.entries(held))
        words = (self.create_sha, len(keys), *keys, packed, pk)
        self.client.execute_command("EVALSHA", *words)
        held.pk, held.packed = pk, packed
        return pk

    def create_without_index(self, held: Held) -> str:
        """One SET: no index entry at all."""
        pk, packed = new_pk(), self.pack(held.attrs, held.tags)
        self.client.execute_command("SET", self.keys.objects + pk, packed)
        return pk

    def save(self, held: Held) -> str:
        """One EVALSHA that compares and sets."""
        held.attrs["visits"] += 1
        packed = self.pack(held.attrs, held.tags)
        words = (self.save_sha, 1, self.keys.objects + held.pk, held.packed, packed)
        self.client.execute_command("EVALSHA", *words)
        held.packed = packed
        return held.pk

    def save_blindly(self, held: Held) -> str:
        """One SET, which loses concurrent changes."""
        held.attrs["visits"] += 1
        packed = self.pack(held.attrs, held.tags)
        self.client.execute_command("SET", self.keys.objects + held.pk, packed)
        return held.pk

    def get(self, pk: str) -> dict[str, Any]:
        """One GET."""
        return self.unpack(self.client.execute_command("GET", self.keys.objects + pk))

    def delete(self, held: Held) -> str:
        """One EVALSHA."""
        keys = (self.keys.objects + held.pk, *self.keys.entries(held))
        words = (self.delete_sha, len(keys), *keys, held.pk)
        self.client.execute_command("EVALSHA", *words)
        return held.pk

    def delete_plainly(self, held: Held) -> str:
        """One pipeline of plain commands."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.execute_command("DEL", self.keys.objects + held.pk)
            for key in self.keys.entries(held):
                pipe.execute_command("ZREM", key, held.pk)
            pipe.execute()
        return held.pk

    # Many objects

    def list_by_sort(self, tag: str) -> Any:
        """One SORT."""
        return self.rows(self.client.execute_command(*self.keys.sort(tag)))

    def list_by_mget(self, tag: str) -> Any:
        """ZRANGE, then MGET."""
        key = self.keys.terms + tag
        return self._fetched(self.client.execute_command("ZRANGE", key, 0, -1))

    def page_by_sort(self, tag: str, start: int, count: int) -> Any:
        """One SORT."""
        return self.rows(
            self.client.execute_command(*self.keys.sort(tag, start, count))
        )

    def page_by_mget(self, tag: str, start: int, count: int) -> Any:
        """ZRANGE, then MGET."""
        words = (self.keys.terms + tag, start, start + count - 1)
        return self._fetched(self.client.execute_command("ZRANGE", *words))

    def meet(self, tags: tuple[str, ...]) -> Any:
        """ZINTER, then MGET: the objects with all these tags."""
        keys = [self.keys.terms + tag for tag in tags]
        words = (len(keys), *keys, "AGGREGATE", "MIN")
        return self._fetched(self.client.execute_command("ZINTER", *words))

    def _fetched(self, pks: Any) -> Any:
        objects = self.keys.objects.encode()
        found = self.client.execute_command("MGET", *[objects + pk for pk in pks])
        unpack = self.unpack
        return [(pk, unpack(packed)) for pk, packed in zip(pks, found, strict=True)]

    def count(self, tag: str) -> int:
        """One ZCARD."""
        number: int = self.client.execute_command("ZCARD", self.keys.terms + tag)
        return number

    def bulk_create(self, many: list[Held]) -> None:
        """Pipelines of plain commands: SET and a ZADD for each entry."""
        for some in batches(many):
            with self.client.pipeline(transaction=False) as pipe:
                self.queue(pipe, some)
                pipe.execute()

    def queue(self, pipe: Any, some: list[Held]) -> None:
        """Put the commands that create these objects into a pipeline."""
        created = now_us()
        for number, held in enumerate(some):
            pk, packed = new_pk(), self.pack(held.attrs, held.tags)
            pipe.execute_command("SET", self.keys.objects + pk, packed)
            for key in self.keys.entries(held):
                pipe.execute_command("ZADD", key, created + number, pk)

    def bulk_create_grouped(self, many: list[Held]) -> None:
        """The same with one ZADD for each sorted set of a pipeline."""
        for some in batches(many):
            entries: dict[str, list[Any]] = {}
            with self.client.pipeline(transaction=False) as pipe:
                created = now_us()
                for number, held in enumerate(some):
                    pk, packed = new_pk(), self.pack(held.attrs, held.tags)
                    pipe.execute_command("SET", self.keys.objects + pk, packed)
                    for key in self.keys.entries(held):
                        entries.setdefault(key, []).extend((created + number, pk))
                for key, members in entries.items():
                    pipe.execute_command("ZADD", key, *members)
                pipe.execute()


def batches(many: list[Held]) -> Iterator[list[Held]]:
    """Yield batches of a thousand objects."""
    for start in range(0, len(many), 1000):
        yield many[start : start + 1000]
