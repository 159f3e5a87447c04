"""The cost of each operation from a thousand to five million objects.

All stores exist at once, each under its own alias, and every operation is measured on
all of them in turns. So a slow moment of the machine slows all sizes. What visits every
object (verify, reindex, flush, iterator) is counted per object, and must be flat, too.
"""

import multiprocessing
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from itertools import islice
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.management.commands import (
    ormist_flush,
    ormist_inspect,
    ormist_reindex,
)

from . import stalls
from .figure import Figure
from .server import PREFIXES, Measured
from .stall_works import Work
from .subjects import CITIES, plain_attributes, tags
from .timing import Clock, Contestant

BASE = 10_000
"""The size that larger ones are compared with; in a tiny run the smallest one."""

FLAT = 1.3
PAGE = 20
KEPT = 2000
"""Ids of each store that are read and written at random."""

BATCH = 10_000


class Member(ormist.TaggedModel):
    """The stored objects: tags, an indexed attribute and an order."""

    class Meta:
        index_attrs = ("city",)
        ordered = ("credit",)


def alias_of(size: int) -> str:
    """Return the alias of the store with this number of objects."""
    return f"of{size}"


def aliases(url: str, sizes: Iterable[int]) -> dict[str, dict[str, str]]:
    """Return the settings of the stores."""
    return {
        alias_of(size): {"LOCATION": url, "KEY_PREFIX": f"{PREFIXES[0]}{size}"}
        for size in sizes
    }


def figures(
    server: Measured,
    clock: Clock,
    sizes: tuple[int, ...],
    show: Callable[[str], None],
) -> Iterator[Figure]:
    """Yield figures for each kind of work and size, compared with BASE objects."""
    server.clear()
    pks, each_us, each_bytes = {}, {}, {}
    for size in sizes:
        before, start = server.used_memory(), time.process_time()
        pks[size] = _fill(size, show)
        each_us[size] = (time.process_time() - start) / size * 1e6
        each_bytes[size] = (server.used_memory() - before) / size
    yield from _line("server memory an object", "B", each_bytes)
    yield from _line("bulk_create, client CPU an object", "us", each_us)
    for name, contestant in _works().items():
        show(f"scale: {name}")
        times = clock.contest([contestant(size, pks[size]) for size in sizes])
        by_size = dict(zip(sizes, times, strict=True))
        base = by_size[_base(sizes)]
        ratios = {size: each.ratio_to(base) for size, each in by_size.items()}
        medians = {size: each.median_us for size, each in by_size.items()}
        yield from _line(name, "us", medians, ratios)
    show("scale: iterator")
    read = {size: _iterate(server.url, size) for size in sizes}
    yield from _line(
        "iterator, an object", "us", {n: us for n, (us, _) in read.items()}
    )
    memory = {size: megabytes for size, (_, megabytes) in read.items()}
    yield from _line("client memory of iterator", "MB", memory, is_flat=False)  # ids
    yield from _commands(server, sizes, show)
    server.clear()


def _line(
    name: str,
    unit: str,
    values: dict[int, float],
    ratios: dict[int, float] | None = None,
    is_flat: bool = True,
) -> Iterator[Figure]:
    """Yield a figure for each size. is_flat: those above BASE are to cost no more."""
    base = _base(values)
    for size, value in values.items():
        ratio = ratios[size] if ratios else value / values[base]
        yield Figure(
            f"scale: {name}, of {size}",
            unit,
            value,
            "" if size == base else f"of {base}",
            None if size == base else values[base],
            None if size == base else ratio,
            FLAT if is_flat and size > base else None,
        )


def _base(sizes: Iterable[int]) -> int:
    return BASE if BASE in sizes else min(sizes)


def _fill(size: int, show: Callable[[str], None]) -> list[str]:
    """Store *size* objects, and return some of their ids."""
    pks: list[str] = []
    numbers = iter(range(size))
    stored = 0
    members: Any = Member.objects.using(alias_of(size))
    while some := list(islice(numbers, BATCH)):
        batch = [Member(*tags(n, size), **plain_attributes(n)) for n in some]
        members.bulk_create(batch)
        share = max(min(KEPT, size) * len(batch) // size, 1)
        pks += [member.id for member in random.sample(batch, share)]
        stored += len(batch)
        show(f"scale: storing {size} objects: {stored * 100 // size} %")
    return pks


# ------------------------------------------------------------------ single calls


def _works() -> dict[str, Callable[[int, list[str]], Contestant]]:
    def query(ask: Callable[[Any, int], Any]) -> Callable[..., Contestant]:
        def contestant(size: int, pks: list[str]) -> Contestant:
            stored = Member.objects.using(alias_of(size))
            return Contestant(str(size), lambda _: ask(stored, size))

        return contestant

    return {
        "get": _get,
        "save": _save,
        "save that moves entries": _move,
        "create": _create,
        "create and delete": _delete,
        "count": query(lambda all_, size: all_.count()),
        "count of one tag": query(lambda all_, size: all_.find("everyone").count()),
        "exists": query(
            lambda all_, size: all_.find("everyone", city="City01").exists()
        ),
        "first page": query(lambda all_, size: all_.find("everyone")[:PAGE].list()),
        "deep page": query(
            lambda all_, size: all_.find("everyone")[size // 2 :][:PAGE].list()
        ),
        "first page by an order": query(
            lambda all_, size: all_.order_by("credit")[:PAGE].list()
        ),
        "deep page by an order": query(
            lambda all_, size: all_.order_by("credit")[size // 2 :][:PAGE].list()
        ),
        "first page of two terms": query(
            lambda all_, size: all_.find("everyone", city="City01")[:PAGE].list()
        ),
        "list of 100": query(lambda all_, size: all_.find("hundred").list()),
    }


def _get(size: int, pks: list[str]) -> Contestant:
    stored = Member.objects.using(alias_of(size))
    return Contestant(str(size), stored.get, lambda count: random.choices(pks, k=count))


def _loaded(size: int, pks: list[str]) -> Callable[[int], list[Any]]:
    stored = Member.objects.using(alias_of(size))
    return lambda count: list(stored.in_bulk(random.sample(pks, count)).values())


def _save(size: int, pks: list[str]) -> Contestant:
    def save(member: Any) -> None:
        member.visits += 1
        member.save()

    return Contestant(str(size), save, _loaded(size, pks))


def _move(size: int, pks: list[str]) -> Contestant:
    def move(member: Any) -> None:
        member.city = f"City{random.randrange(CITIES):02}"
        member.credit += 0.5
        member.save()

    return Contestant(str(size), move, _loaded(size, pks))


def _create(size: int, pks: list[str]) -> Contestant:
    stored = Member.objects.using(alias_of(size))
    return Contestant(str(size), lambda n: stored.create("new", **plain_attributes(n)))


def _delete(size: int, pks: list[str]) -> Contestant:
    stored = Member.objects.using(alias_of(size))

    def delete(number: int) -> None:
        stored.create("new", **plain_attributes(number)).delete()

    return Contestant(str(size), delete)


# ------------------------------------------------------------------ whole stores


def _iterate(url: str, size: int) -> tuple[float, float]:
    """Return microseconds an object, and the largest memory of the process in MB."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_iterate_here, args=(url, size, other))
    process.start()
    spent_us, megabytes = pipe.recv()
    process.join()
    return spent_us, megabytes


def _iterate_here(url: str, size: int, pipe: Any) -> None:
    settings.configure(USE_TZ=True, ORMIST=aliases(url, (size,)))
    django.setup()
    start, found = time.perf_counter(), 0
    for _ in Member.objects.using(alias_of(size)).iterator():
        found += 1
    spent_us = (time.perf_counter() - start) / found * 1e6
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((spent_us, largest / (2**20 if sys.platform == "darwin" else 2**10)))


COMMANDS: dict[str, Callable[[str], Any]] = {
    "verify": lambda alias: _command(ormist_inspect, alias, verify=True),
    "reindex": lambda alias: _command(ormist_reindex, alias),
    "flush": lambda alias: _command(ormist_flush, alias, interactive=False),
}


def _command(module: Any, alias: str, **options: Any) -> None:
    call_command(module.Command(), "Member", using=alias, stdout=StringIO(), **options)


def _commands(
    server: Measured, sizes: tuple[int, ...], show: Callable[[str], None]
) -> Iterator[Figure]:
    """Yield the time an object of each command, and the longest stall of another."""
    client, names = connections["default"].client, stalls.script_names()
    if server.is_ours:
        stalls.prefer(client.info("server")["process_id"])
    probe = stalls.Probe(server.url)
    try:
        with stalls.logging(client):
            for name, command in COMMANDS.items():
                times_us, held_up = {}, {}
                for size in sizes:
                    show(f"scale: {name} of {size} objects")
                    work = Work(name, lambda n, run=command: run(alias_of(n)))
                    start = time.perf_counter()
                    held_up[size] = stalls.measure(work, size, probe, names)
                    times_us[size] = (time.perf_counter() - start) / size * 1e6
                yield from _line(f"{name}, an object", "us", times_us)
                for size, stall in held_up.items():
                    yield stalls.figure(f"scale: stall of {name}, of {size}", stall)
    finally:
        probe.close()
