"""The contests: ours and the bare ways to do the same work, for each payload.

Before the rounds of a contest, all sides do the work once. Their results must be equal:
the attributes and ids that they read, or the bytes and index entries that they write.
"""

import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from django_ormist.keys import Space

from . import native
from .bare import Bare, Held
from .bare_async import AsyncBare
from .contest import Contest
from .ours import AsyncOurs, Ours
from .server import PREFIXES, Measured
from .subjects import PLAIN, Payload, tags
from .timing import Clock, Contestant, Work

EVERYTHING = 100_000
PAGE = 20

TARGETS = {
    "get": 1.15,
    "list": 1.25,
    "page": 1.2,
    "count": 1.2,
    "create": 1.1,
    "save": 1.1,
    "bulk_create": 0.5,
}
"""The largest ratios to bare redis-py, by the kind of work."""


@dataclass
class Arena:
    """The stores and sizes of the contests of one payload.

    read: the bare side over our objects. written: the bare side over its own key space.
    total: the number of stored visitors. pks: some of their ids.
    """

    payload: Payload
    read: Bare
    written: Bare
    async_read: AsyncBare
    async_written: AsyncBare
    total: int
    bulk: int
    pks: list[str]
    clear_written: Callable[[], None]

    def ours(self, mode: str) -> Any:
        """Return our methods, sync or async."""
        return (AsyncOurs if mode else Ours)(self.payload)

    def new(self, count: int) -> Iterable[Held]:
        """Return objects that are not stored yet."""
        for _ in range(count):
            number = random.randrange(1_000_000)
            yield Held("", self.payload.attributes(number), tags(number, EVERYTHING))

    def created(self, count: int) -> list[Any]:
        """Return objects that ours stored."""
        model: Any = self.payload.written
        many = [model(*held.tags, **held.attrs) for held in self.new(count)]
        return list(model.objects.bulk_create(many))

    def stored(self, count: int) -> list[Held]:
        """Return objects that the bare side stored."""
        many = list(self.new(count))
        for held in many:
            self.written.create(held)
        return many

    def written_facts(self, prefix: str) -> Callable[[Any], Any]:
        """Return a function that reads what was stored under an id or an instance."""
        space = Space(prefix, self.payload.written._meta.label)
        client = self.written.client

        def facts(result: Any) -> Any:
            pk = result if isinstance(result, str) else result.id
            entries = [
                key.removeprefix(space.base)
                for key in client.scan_iter(space.base + b"*", 1000, _type="zset")
                if client.zscore(key, pk) is not None
            ]
            return client.get(space.objects + pk.encode()), sorted(entries)

        return facts

    def bulk_facts(self, prefix: str) -> Callable[[Any], Any]:
        """Return a function that reads all stored bytes, and the size of each index."""
        space = Space(prefix, self.payload.written._meta.label)
        client = self.written.client

        def facts(_: Any) -> Any:
            keys = list(client.scan_iter(space.base + b"*", 1000))
            objects = [key for key in keys if key.startswith(space.objects)]
            indexes = {
                key.removeprefix(space.base): client.zcard(key)
                for key in keys
                if not key.startswith(space.objects)
            }
            return sorted(client.mget(objects)), indexes

        return facts


@contextmanager
def arena(
    server: Measured,
    clock: Clock,
    payload: Payload,
    total: int,
    bulk: int,
    pks: list[str],
) -> Iterator[Arena]:
    """Open the bare sides over *server*, and close them at the end."""
    codec = native.PLAIN if payload is PLAIN else native.MIXED
    read = Bare(server.url, payload.read._meta.space("default"), codec)
    label = payload.written._meta.label
    written = Bare(server.url, Space(PREFIXES[1], label), codec)
    made = Arena(
        payload,
        read,
        written,
        AsyncBare(server.url, read),
        AsyncBare(server.url, written),
        total,
        bulk,
        pks,
        clear_written=lambda: server.clear_keys(f"*:{{{label}}}:*"),
    )
    made.clear_written()
    try:
        yield made
    finally:
        for asynchronous in (made.async_read, made.async_written):
            clock.runner.run(asynchronous.client.aclose())
        read.client.close()
        written.client.close()


def all_of(arena: Arena) -> Iterator[Contest]:
    """Yield every contest, the sync ones first."""
    for mode in ("", "async "):
        yield from _reads(arena, mode)
        yield from _writes(arena, mode)


# ---------------------------------------------------------------- reading


def _reads(arena: Arena, mode: str) -> Iterator[Contest]:
    bare: Any = arena.async_read if mode else arena.read
    mine = arena.ours(mode)
    pks = partial(_some, arena.pks)
    yield Contest(
        f"{mode}get, {arena.payload.name}",
        TARGETS["get"],
        Contestant("django_ormist", mine.get, pks, _attrs),
        [Contestant("GET", bare.get, pks, _as_it_is)],
    )
    for tag, size, target in (
        ("hundred", 100, None),
        ("thousand", 1000, TARGETS["list"]),
        ("myriad", 10_000, TARGETS["list"]),
    ):
        if size <= arena.total:
            yield _listing(arena, mode, tag, size, target)
    for name, start in (("first", 0), ("deep", arena.total // 2)):
        yield _paging(arena, mode, name, start)
    both = ("thousand", "seventh")
    yield Contest(
        f"{mode}find by two tags, {arena.payload.name}",
        None,
        Contestant("django_ormist", _with(mine.meet, both), facts=_rows),
        [Contestant("ZINTER+MGET", _with(bare.meet, both), facts=_as_it_is)],
    )
    yield Contest(
        f"{mode}count of {arena.total}, {arena.payload.name}",
        TARGETS["count"],
        Contestant("django_ormist", _with(mine.count, "everyone"), facts=_as_it_is),
        [Contestant("ZCARD", _with(bare.count, "everyone"), facts=_as_it_is)],
    )


def _listing(
    arena: Arena, mode: str, tag: str, size: int, target: float | None
) -> Contest:
    bare: Any = arena.async_read if mode else arena.read
    work = _with(arena.ours(mode).listed, tag)
    return Contest(
        f"{mode}list of {size}, {arena.payload.name}",
        target,
        Contestant("django_ormist", work, facts=_rows),
        _allowed(
            arena.read,
            Contestant("SORT GET", _with(bare.list_by_sort, tag), facts=_as_it_is),
            Contestant("ZRANGE+MGET", _with(bare.list_by_mget, tag), facts=_as_it_is),
        ),
    )


def _paging(arena: Arena, mode: str, name: str, start: int) -> Contest:
    bare: Any = arena.async_read if mode else arena.read
    where = ("everyone", start, PAGE)
    return Contest(
        f"{mode}page of {PAGE}, {name}, {arena.payload.name}",
        TARGETS["page"],
        Contestant("django_ormist", _with(arena.ours(mode).page, *where), facts=_rows),
        _allowed(
            arena.read,
            Contestant("SORT GET", _with(bare.page_by_sort, *where), facts=_as_it_is),
            Contestant(
                "ZRANGE+MGET", _with(bare.page_by_mget, *where), facts=_as_it_is
            ),
        ),
    )


def _allowed(bare: Bare, by_sort: Contestant, by_mget: Contestant) -> list[Contestant]:
    """Return both ways, or one: users with a key prefix may not use SORT ... GET."""
    try:
        bare.page_by_sort("hundred", 0, 1)
    except ResponseError:
        return [by_mget]
    return [by_sort, by_mget]


# ---------------------------------------------------------------- writing


def _writes(arena: Arena, mode: str) -> Iterator[Contest]:
    bare: Any = arena.async_written if mode else arena.written
    mine, plain, name = arena.ours(mode), arena.written, arena.payload.name
    new, created, stored = arena.new, arena.created, arena.stored
    ours, theirs = map(arena.written_facts, PREFIXES)

    def blind(work: Work, prepare: Any) -> list[Contestant]:
        return [] if mode else [Contestant("SET", work, prepare)]

    yield Contest(
        f"{mode}create, {name}",
        TARGETS["create"],
        Contestant("django_ormist", mine.create, new, ours),
        [Contestant("EVALSHA", bare.create, new, theirs)],
        blind(plain.create_without_index, new),
    )
    yield Contest(
        f"{mode}save one attribute, {name}",
        TARGETS["save"],
        Contestant("django_ormist", mine.save, created, ours),
        [Contestant("EVALSHA", bare.save, stored, theirs)],
        blind(plain.save_blindly, stored),
    )
    yield Contest(
        f"{mode}delete, {name}",
        None,
        Contestant("django_ormist", mine.delete, created, ours),
        [Contestant("EVALSHA", bare.delete, stored, theirs)],
        []
        if mode
        else [Contestant("DEL, ZREMs", plain.delete_plainly, stored, theirs)],
    )
    arena.clear_written()
    yield _bulk(arena, mode)


def _bulk(arena: Arena, mode: str) -> Contest:
    bare: Any = arena.async_written if mode else arena.written
    after = arena.clear_written
    ours, theirs = map(arena.bulk_facts, PREFIXES)

    def many(calls: int) -> list[list[Held]]:
        return [list(arena.new(arena.bulk))]

    def bulk(name: str, work: Work, facts: Any) -> Contestant:
        return Contestant(name, work, many, facts, after)

    grouped = bulk("SET, grouped ZADD", arena.written.bulk_create_grouped, theirs)
    return Contest(
        f"{mode}bulk_create {arena.bulk}, {arena.payload.name}",
        TARGETS["bulk_create"],
        bulk("django_ormist", arena.ours(mode).bulk_create, ours),
        [bulk("SET, ZADD", bare.bulk_create, theirs)],
        [] if mode else [grouped],
        rounds=7,
        calls=1,
    )


# ---------------------------------------------------------------- things and facts


def _with(work: Any, *arguments: Any) -> Work:
    """Return *work* with fixed arguments, sync or async; it ignores the call number."""
    if inspect.iscoroutinefunction(work):

        async def awaited(_: Any) -> Any:
            return await work(*arguments)

        return awaited
    return lambda _: work(*arguments)


def _some(pks: list[str], count: int) -> list[str]:
    return random.choices(pks, k=count)


def _as_it_is(result: Any) -> Any:
    return result


def _attrs(visitor: Any) -> dict[str, Any]:
    attrs: dict[str, Any] = visitor.attrs
    return attrs


def _rows(visitors: list[Any]) -> list[tuple[bytes, dict[str, Any]]]:
    return [(visitor.id.encode(), visitor.attrs) for visitor in visitors]
