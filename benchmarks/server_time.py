"""Microseconds of the server for one call: ours, and a bare script of the same writes.

The server measures its own time, without sockets: see ``INFO commandstats``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import redis

import django_ormist as ormist

from .figure import Figure
from .server import Measured
from .server_sides import BareSide, Row, numbers
from .server_writes import attributes, writes
from .timing import Contestant, Times

TURN = 40
"""Calls of one side in a row. The server counts in microseconds."""

STORED = 20_000
"""The most objects to read. A tenth has the second term of the pages and counts."""

PAGE = 20

FRAMES = ("eval", "evalsha", "eval_ro", "evalsha_ro", "exec")
"""Commands whose time includes that of others, which are also counted themselves."""


def figures(
    server: Measured,
    calls: int,
    show: Callable[[str], None],
    only: tuple[str, ...] = ("",),
) -> Iterator[Figure]:
    """Yield the server's time of each call, and of the bare way to do the same.

    calls: of each side, for each row. The sides take turns of TURN calls. only:
    beginnings of names, or of "server time".
    """
    with server.client() as client:
        bare = BareSide(client)
        for row in writes(bare):
            if _name(row).startswith(only):
                show(_name(row))
                yield _measure(client, row, calls)
                server.clear()  # or the memory of a long run holds all of its objects
        for row in reads(bare, min(STORED, 50 * calls)):
            if _name(row).startswith(only):
                show(_name(row))
                yield _measure(client, row, calls)
    server.clear()


def _name(row: Row) -> str:
    return f"server time, {row.name}"


def _measure(client: redis.Redis, row: Row, calls: int) -> Figure:
    """Return the figure of a row, from about *calls* calls of each side.

    Both sides are prepared before the first turn, which is theirs by turns. Else what
    one of them takes to prepare would leave its data colder.
    """
    sides = (row.ours, row.bare)
    times = [Times(each.name) for each in sides]
    for number in range(max(calls // TURN, 1)):
        things_of = [list(side.prepare(min(TURN, calls))) for side in sides]
        for place in range(len(sides)):
            turn = (number + place) % len(sides)
            things = things_of[turn]
            before = _spent_us(client)
            for thing in things:
                sides[turn].work(thing)
            spent_us = max(_difference(before, _spent_us(client)), 1) / len(things)
            times[turn].rounds_us.append(spent_us)
    ours, bare = times
    return Figure(
        _name(row),
        "us",
        ours.median_us,
        bare.name,
        bare.median_us,
        ours.ratio_to(bare),
        row.target,
        {each.name: {"rounds_us": each.rounds_us} for each in times},
    )


def _spent_us(client: redis.Redis) -> dict[str, float]:
    """Return the microseconds that each command has taken since the server's start."""
    found: Any = client.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): facts["usec"] for name, facts in found.items()
    }


def _difference(before: dict[str, float], after: dict[str, float]) -> float:
    """Return the time in between: of scripts and transactions, or of all commands."""
    spent = {name: us - before.get(name, 0) for name, us in after.items()}
    of_frames = sum(spent.get(name, 0) for name in FRAMES)
    return of_frames or sum(us for name, us in spent.items() if name != "info")


class Read(ormist.TaggedModel):
    """The objects to read: all have one tag, and a tenth another."""


def reads(bare: BareSide, total: int) -> Iterator[Row]:
    """Store *total* objects, and yield the reads. The bare side reads the same keys."""
    pks = []
    for first in range(0, total, 10_000):
        many = [
            Read("one", *(["two"] if number % 10 == 0 else []), **attributes(number))
            for number in range(first, min(first + 10_000, total))
        ]
        pks += [each.id for each in Read.objects.bulk_create(many)]
    space = Read._meta.space("default")
    client, one, two = bare.client, space.base + b"t:one", space.base + b"t:two"

    def some(count: int) -> list[str]:
        return [pks[number * 37 % total] for number in range(count)]

    def page(start: int) -> list[Any]:
        ids = client.zrange(one, start, start + PAGE - 1)
        found: list[Any] = client.mget([space.objects + pk for pk in ids])
        return found

    def meet(_: Any) -> list[Any]:
        ids = client.zinter([one, two], aggregate="MIN")[:PAGE]
        found: list[Any] = client.mget([space.objects + pk for pk in ids])
        return found

    def count_both(_: Any) -> int:
        try:
            return int(client.zintercard(2, [one, two]))
        except redis.ResponseError:  # it came with Redis 7.0
            return len(client.zinter([one, two]))

    objects: Any = Read.objects
    deep = total // 2
    for name, ours, theirs, things in (
        (
            "get",
            lambda pk: objects.get(pk),
            lambda pk: client.get(space.objects + pk.encode()),
            some,
        ),
        (
            "page of 20, first",
            lambda _: list(objects.find("one")[:PAGE]),
            lambda _: page(0),
            numbers(),
        ),
        (
            "page of 20, deep",
            lambda _: list(objects.find("one")[deep : deep + PAGE]),
            lambda _: page(deep),
            numbers(),
        ),
        (
            "page of 20, two terms",
            lambda _: list(objects.find("one", "two")[:PAGE]),
            meet,
            numbers(),
        ),
        (
            "count of one term",
            lambda _: objects.find("one").count(),
            lambda _: client.zcard(one),
            numbers(),
        ),
        (
            "count of two terms",
            lambda _: objects.find("one", "two").count(),
            count_both,
            numbers(),
        ),
    ):
        yield Row(
            name,
            Contestant("django_ormist", ours, things),
            Contestant("plain commands", theirs, things),
            target=None,
        )
