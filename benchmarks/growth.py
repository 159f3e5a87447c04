"""The cost of a page, a count, a get and a save as the store grows."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .figure import Figure
from .subjects import Visitor, visitors
from .timing import Clock, Contestant

SIZES = (1_000, 10_000, 100_000, 1_000_000)
BASE = 10_000
FLAT = 1.3
KEPT = 2000
"""So many ids of each store are read and written at random."""


def alias_of(size: int) -> str:
    """Return the alias of the store with this number of objects."""
    return f"of{size}"


def figures(
    clock: Clock, sizes: tuple[int, ...], show: Callable[[str], None]
) -> Iterator[Figure]:
    """Yield a figure for each kind of work and size, compared with BASE objects.

    All stores exist at once, and are measured in turns.
    """
    pks = {}
    for size in sizes:
        chosen: list[str] = []
        for batch in visitors(size, alias_of(size)):
            share = max(min(KEPT, size) * len(batch) // size, 1)
            chosen += [visitor.id for visitor in random.sample(batch, share)]
            show(f"growth: storing {size} objects")
        pks[size] = chosen
    for name, contestant in _works().items():
        show(f"growth: {name}")
        times = clock.contest([contestant(size, pks[size]) for size in sizes])
        by_size = dict(zip(sizes, times, strict=True))
        for size in sizes:
            if size != BASE:
                yield _figure(name, size, by_size)


def _figure(name: str, size: int, times: dict[int, Any]) -> Figure:
    mine, base = times[size], times[BASE]
    return Figure(
        f"growth: {name}, of {size}",
        "us",
        mine.median_us,
        f"of {BASE}",
        base.median_us,
        mine.ratio_to(base),
        FLAT if size > BASE else None,
        {str(key): each.rounds_us for key, each in times.items()},
    )


def _works() -> dict[str, Callable[[int, list[str]], Contestant]]:
    return {
        "get": _get,
        "save": _save,
        "count of one tag": partial(_query, ask=lambda found, size: found.count()),
        "first page": partial(_query, ask=lambda found, size: found[:20].list()),
        "deep page": partial(
            _query, ask=lambda found, size: found[size // 2 : size // 2 + 20].list()
        ),
    }


def _get(size: int, pks: list[str]) -> Contestant:
    stored = Visitor.objects.using(alias_of(size))
    return Contestant(
        str(size), stored.get, prepare=lambda count: random.choices(pks, k=count)
    )


def _save(size: int, pks: list[str]) -> Contestant:
    stored = Visitor.objects.using(alias_of(size))

    def save(visitor: Visitor) -> None:
        visitor.visits += 1
        visitor.save()

    def loaded(count: int) -> list[Visitor]:
        return list(stored.in_bulk(random.sample(pks, count)).values())

    return Contestant(str(size), save, prepare=loaded)


def _query(size: int, pks: list[str], ask: Callable[[Any, int], Any]) -> Contestant:
    stored = Visitor.objects.using(alias_of(size))
    return Contestant(str(size), lambda _: ask(stored.find("everyone"), size))
