"""The contests: ours and the bare ways to do the same work."""

import inspect
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from django_ormist.keys import Space

from . import ours
from .bare import Bare, Held
from .bare_async import AsyncBare
from .figure import Figure
from .server import PREFIXES, Measured
from .subjects import Arrival, Visitor, attributes, tags
from .timing import Clock, Contestant, Work

EVERYTHING = 100_000
PAGE = 20


@dataclass(frozen=True)
class Contest:
    """A comparison with bare ways: the first one if is_settled, else the fastest.

    target: the largest allowed ratio.
    """

    name: str
    target: float | None
    ours: Contestant
    bare: list[Contestant]
    is_settled: bool = False
    rounds: int | None = None
    calls: int | None = None

    def held(self, clock: Clock) -> Figure:
        """Measure and return the figure."""
        mine, *theirs = clock.contest([self.ours, *self.bare], self.rounds, self.calls)
        best = theirs[0]
        if not self.is_settled:
            best = min(theirs, key=lambda times: times.median_us)
        details = {
            times.name: {
                "median_us": times.median_us,
                "quartiles_us": times.quartiles_us(),
                "rounds_us": times.rounds_us,
                "ours_to_it": mine.ratio_to(times),
            }
            for times in (mine, *theirs)
        }
        return Figure(
            self.name,
            "us",
            mine.median_us,
            best.name,
            best.median_us,
            mine.ratio_to(best),
            self.target,
            details,
        )


@dataclass
class Arena:
    """The stores and sizes of the contests.

    read: the bare side over our objects. written: the bare side over its own key space.
    total: the number of stored visitors. pks: some of their ids.
    """

    read: Bare
    written: Bare
    async_read: AsyncBare
    async_written: AsyncBare
    total: int
    bulk: int
    pks: list[str]
    clear_arrivals: Callable[[], None]


@contextmanager
def arena(
    server: Measured, clock: Clock, total: int, bulk: int, pks: list[str]
) -> Iterator[Arena]:
    """Open the bare sides over *server*, and close them at the end."""
    read = Bare(server.url, Visitor._meta.space("default"))
    written = Bare(server.url, Space(PREFIXES[1], Arrival._meta.label))
    arrivals = f"*:{{{Arrival._meta.label}}}:*"
    made = Arena(
        read,
        written,
        AsyncBare(server.url, read),
        AsyncBare(server.url, written),
        total,
        bulk,
        pks,
        clear_arrivals=lambda: server.clear_keys(arrivals),
    )
    try:
        yield made
    finally:
        for asynchronous in (made.async_read, made.async_written):
            clock.runner.run(asynchronous.client.aclose())
        read.client.close()
        written.client.close()


def all_of(arena: Arena) -> Iterator[Contest]:
    """Yield every contest, the sync ones first."""
    yield from _reads(arena, "")
    yield from _writes(arena, "")
    yield from _reads(arena, "async ")
    yield from _writes(arena, "async ")


# ---------------------------------------------------------------- reading


def _reads(arena: Arena, mode: str) -> Iterator[Contest]:
    bare: Any = arena.async_read if mode else arena.read
    mine = _mine(mode)
    pks = partial(_some, arena.pks)
    yield Contest(
        f"{mode}get",
        1.5,
        Contestant("django_ormist", mine("get"), pks, _attrs),
        [Contestant("GET", bare.get, pks, _as_it_is)],
    )
    for tag, size, target in (
        ("hundred", 100, None),
        ("thousand", 1000, 1.6),
        ("myriad", 10_000, None),
    ):
        if size <= arena.total:
            yield _listing(arena, mode, tag, size, target)
    last = arena.total - PAGE * 2
    for name, start in (("first", 0), ("deep", last // 2), ("deepest", last)):
        yield _paging(arena, f"{mode}page of {PAGE}, {name}", mode, start)
    both = ("thousand", "seventh")
    yield Contest(
        f"{mode}find by two tags",
        None,
        Contestant("django_ormist", _with(mine("meet"), both), facts=_rows),
        [Contestant("ZINTER+MGET", _with(bare.meet, both), facts=_as_it_is)],
    )
    yield Contest(
        f"{mode}count of {arena.total}",
        1.5,
        Contestant("django_ormist", _with(mine("count"), "everyone"), facts=_as_it_is),
        [Contestant("ZCARD", _with(bare.count, "everyone"), facts=_as_it_is)],
    )


def _listing(
    arena: Arena, mode: str, tag: str, size: int, target: float | None
) -> Contest:
    bare: Any = arena.async_read if mode else arena.read
    return Contest(
        f"{mode}list {size}",
        target,
        Contestant("django_ormist", _with(_mine(mode)("listed"), tag), facts=_rows),
        _allowed(
            arena.read,
            Contestant("SORT GET", _with(bare.list_by_sort, tag), facts=_as_it_is),
            Contestant("ZRANGE+MGET", _with(bare.list_by_mget, tag), facts=_as_it_is),
        ),
    )


def _paging(arena: Arena, name: str, mode: str, start: int) -> Contest:
    bare: Any = arena.async_read if mode else arena.read
    where = ("everyone", start, PAGE)
    return Contest(
        name,
        1.6,
        Contestant("django_ormist", _with(_mine(mode)("page"), *where), facts=_rows),
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
    mine = _mine(mode)
    plain = arena.written
    blind_create = [Contestant("SET", plain.create_without_index, _new)]
    blind_save = [Contestant("SET", plain.save_blindly, partial(_stored, plain))]
    yield Contest(
        f"{mode}create",
        1.5,
        Contestant("django_ormist", mine("create"), _new),
        [Contestant("EVALSHA", bare.create, _new), *([] if mode else blind_create)],
        is_settled=True,
    )
    yield Contest(
        f"{mode}save one attribute",
        None,
        Contestant("django_ormist", mine("save"), _created),
        [
            Contestant("EVALSHA", bare.save, partial(_stored, plain)),
            *([] if mode else blind_save),
        ],
        is_settled=True,
    )
    blind_delete = [
        Contestant("DEL, ZREMs", plain.delete_plainly, partial(_stored, plain))
    ]
    yield Contest(
        f"{mode}delete",
        None,
        Contestant("django_ormist", mine("delete"), _created),
        [
            Contestant("EVALSHA", bare.delete, partial(_stored, plain)),
            *([] if mode else blind_delete),
        ],
    )
    yield _bulk(arena, mode)


def _bulk(arena: Arena, mode: str) -> Contest:
    bare: Any = arena.async_written if mode else arena.written
    after = arena.clear_arrivals

    def many(calls: int) -> list[list[Held]]:
        return [list(_new(arena.bulk))]

    grouped = Contestant(
        "SET, grouped ZADD", arena.written.bulk_create_grouped, many, after=after
    )
    return Contest(
        f"{mode}bulk_create {arena.bulk}",
        1.2,
        Contestant("django_ormist", _mine(mode)("bulk_create"), many, after=after),
        [
            Contestant("SET, ZADD", bare.bulk_create, many, after=after),
            *([] if mode else [grouped]),
        ],
        is_settled=True,
        rounds=7,
        calls=1,
    )


# ---------------------------------------------------------------- things and facts


def _mine(mode: str) -> Callable[[str], Work]:
    """Return our function of this name, sync or async."""
    return lambda name: getattr(ours, f"a{name}" if mode else name)


def _with(work: Any, *arguments: Any) -> Work:
    """Return *work* with fixed arguments, sync or async; it ignores the call number."""
    if inspect.iscoroutinefunction(work):

        async def awaited(_: Any) -> Any:
            return await work(*arguments)

        return awaited
    return lambda _: work(*arguments)


def _some(pks: list[str], count: int) -> list[str]:
    return random.choices(pks, k=count)


def _new(count: int) -> Iterable[Held]:
    """Return objects that are not stored yet."""
    for _ in range(count):
        number = random.randrange(1_000_000)
        yield Held("", attributes(number), tags(number, EVERYTHING))


def _created(count: int) -> list[Arrival]:
    """Return objects that ours stored."""
    many = [Arrival(*held.tags, **held.attrs) for held in _new(count)]
    return Arrival.objects.bulk_create(many)


def _stored(bare: Bare, count: int) -> list[Held]:
    """Return objects that the bare side stored."""
    many = list(_new(count))
    for held in many:
        bare.create(held)
    return many


def _as_it_is(result: Any) -> Any:
    return result if isinstance(result, dict | list | int) else None


def _attrs(visitor: Visitor) -> dict[str, Any]:
    return visitor.attrs


def _rows(visitors: list[Visitor]) -> list[tuple[bytes, dict[str, Any]]]:
    return [(visitor.id.encode(), visitor.attrs) for visitor in visitors]
