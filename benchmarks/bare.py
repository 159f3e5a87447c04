"""The same work by bare redis-py, synchronous: the same bytes and index entries."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from django_ormist.codecs import pack, unpack
from django_ormist.keys import Space

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


def rows(reply: list[bytes]) -> list[tuple[bytes, dict[str, Any]]]:
    """Decode the reply of SORT ... GET # GET."""
    return [
        (pk, unpack(packed)[0])
        for pk, packed in zip(reply[::2], reply[1::2], strict=True)
    ]


class Keys:
    """Names of keys, built by hand."""

    def __init__(self, space: Space) -> None:
        self.base = space.base.decode()
        self.everything = self.base + "all"
        self.objects = self.base + "o:"
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
        key, objects = self.terms + tag, self.objects + "*"
        limit = ("LIMIT", start, count) if count >= 0 else ()
        return "SORT", key, "BY", "nosort", *limit, "GET", "#", "GET", objects


class Bare:
    """redis-py with hiredis, RESP2, bytes, its own pool."""

    def __init__(self, url: str, space: Space) -> None:
        self.client: Any = redis.Redis.from_url(url, protocol=2)
        self.keys = Keys(space)
        self.create_sha = self._load(CREATE)
        self.save_sha = self._load(COMPARE_AND_SET)
        self.delete_sha = self._load(DELETE)

    def _load(self, script: str) -> str:
        return str(self.client.script_load(script))

    # One object

    def create(self, held: Held) -> None:
        """One EVALSHA."""
        pk, packed = new_pk(), pack(held.attrs, held.tags)
        keys = (self.keys.objects + pk, *self.keys.entries(held))
        self.client.evalsha(self.create_sha, len(keys), *keys, packed, pk)
        held.pk, held.packed = pk, packed

    def create_without_index(self, held: Held) -> None:
        """One SET: no index entry at all."""
        pk = new_pk()
        self.client.set(self.keys.objects + pk, pack(held.attrs, held.tags))

    def save(self, held: Held) -> None:
        """One EVALSHA that compares and sets."""
        held.attrs["visits"] += 1
        packed = pack(held.attrs, held.tags)
        key = self.keys.objects + held.pk
        self.client.evalsha(self.save_sha, 1, key, held.packed, packed)
        held.packed = packed

    def save_blindly(self, held: Held) -> None:
        """One SET, which loses concurrent changes."""
        held.attrs["visits"] += 1
        self.client.set(self.keys.objects + held.pk, pack(held.attrs, held.tags))

    def get(self, pk: str) -> dict[str, Any]:
        """One GET."""
        packed = self.client.get(self.keys.objects + pk)
        return unpack(packed)[0]

    def delete(self, held: Held) -> None:
        """One EVALSHA."""
        keys = (self.keys.objects + held.pk, *self.keys.entries(held))
        self.client.evalsha(self.delete_sha, len(keys), *keys, held.pk)

    def delete_plainly(self, held: Held) -> None:
        """One pipeline of plain commands."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.delete(self.keys.objects + held.pk)
            for key in self.keys.entries(held):
                pipe.zrem(key, held.pk)
            pipe.execute()

    # Many objects

    def list_by_sort(self, tag: str) -> Any:
        """One SORT."""
        return rows(self.client.execute_command(*self.keys.sort(tag)))

    def list_by_mget(self, tag: str) -> Any:
        """ZRANGE, then MGET."""
        return self._fetched(self.client.zrange(self.keys.terms + tag, 0, -1))

    def page_by_sort(self, tag: str, start: int, count: int) -> Any:
        """One SORT."""
        return rows(self.client.execute_command(*self.keys.sort(tag, start, count)))

    def page_by_mget(self, tag: str, start: int, count: int) -> Any:
        """ZRANGE, then MGET."""
        key = self.keys.terms + tag
        return self._fetched(self.client.zrange(key, start, start + count - 1))

    def meet(self, tags: tuple[str, ...]) -> Any:
        """ZINTER, then MGET: the objects with all these tags."""
        keys = [self.keys.terms + tag for tag in tags]
        return self._fetched(self.client.zinter(keys, aggregate="MIN"))

    def _fetched(self, pks: Any) -> Any:
        objects = self.keys.objects.encode()
        found = self.client.mget([objects + pk for pk in pks])
        return [(pk, unpack(packed)[0]) for pk, packed in zip(pks, found, strict=True)]

    def count(self, tag: str) -> int:
        """One ZCARD."""
        number: int = self.client.zcard(self.keys.terms + tag)
        return number

    def bulk_create(self, many: list[Held]) -> None:
        """Pipelines of plain commands: SET and a ZADD for each entry."""
        for some in _batches(many):
            with self.client.pipeline(transaction=False) as pipe:
                created = now_us()
                for number, held in enumerate(some):
                    pk = new_pk()
                    packed = pack(held.attrs, held.tags)
                    pipe.execute_command("SET", self.keys.objects + pk, packed)
                    for key in self.keys.entries(held):
                        pipe.execute_command("ZADD", key, created + number, pk)
                pipe.execute()

    def bulk_create_grouped(self, many: list[Held]) -> None:
        """The same with one ZADD for each sorted set of a pipeline."""
        for some in _batches(many):
            entries: dict[str, list[Any]] = {}
            with self.client.pipeline(transaction=False) as pipe:
                created = now_us()
                for number, held in enumerate(some):
                    pk = new_pk()
                    packed = pack(held.attrs, held.tags)
                    pipe.execute_command("SET", self.keys.objects + pk, packed)
                    for key in self.keys.entries(held):
                        entries.setdefault(key, []).extend((created + number, pk))
                for key, members in entries.items():
                    pipe.execute_command("ZADD", key, *members)
                pipe.execute()


def _batches(many: list[Held]) -> Iterator[list[Held]]:
    """Yield batches of a thousand objects."""
    for start in range(0, len(many), 1000):
        yield many[start : start + 1000]
