"""Measure django_ormist and bare redis-py: see ``python -m benchmarks --help``."""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from . import (
    contests,
    growth,
    imports,
    memory,
    queries,
    report,
    sessions,
    subjects,
    writes,
)
from .figure import Figure
from .server import PREFIXES, Measured, known, started
from .timing import Clock

APART = ("bytes", "growth", "import", "query", "session", "write")
"""The beginnings of the names of figures that are not contests."""


@dataclass(frozen=True)
class Scale:
    """The numbers of objects: to read, at once, for memory, for growth, for queries."""

    total: int
    bulk: int
    remembered: int
    sizes: tuple[int, ...]
    queried: int


WHOLE = Scale(100_000, 10_000, 50_000, growth.SIZES, 1_000_000)
QUICK = Scale(10_000, 1_000, 5_000, growth.SIZES[:3], 50_000)
TINY = Scale(1_000, 100, 500, growth.SIZES[:2], 2_000)


def main() -> int:
    """Measure, print and write the file."""
    options = _options()
    with started(options.server) as server:
        _configure(server)
        found = []
        around = report.surroundings(server.version(), options.rounds, options.quick)
        print(_heading(around))
        try:
            for figure in _figures(server, options):
                found.append(figure)
                report.show(figure.name)
        finally:
            report.show("")
            if found:
                print(report.table(found))
                report.write_json(options.json, around, found)
                print(f"\nEvery round: {options.json}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    servers = known()
    parser.add_argument(
        "--server",
        default=servers[0] if servers else "redis://localhost:6379/0",
        help=f"{', '.join(servers)}, or the URL of a server (its keys under "
        f"{' and '.join(PREFIXES)} are removed). Default: the first of them.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="figures whose name begins like this: get list growth bytes session "
        "write async",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 21")
    parser.add_argument(
        "--quick", action="store_true", help="less of everything: a minute"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="whether it runs: its figures say nothing"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("build/benchmarks.json"),
        help="where every round is written; default: %(default)s",
    )
    options = parser.parse_args()
    default = 1 if options.tiny else 5 if options.quick else 21
    options.rounds = default if options.rounds is None else options.rounds
    if options.rounds < 1:
        parser.error("--rounds takes 1 or more")
    if "://" not in options.server and options.server not in servers:
        parser.error(f"--server takes {', '.join(servers)}, or a URL")
    return options


def _configure(server: Measured) -> None:
    """Configure Django: ours writes under one prefix, the bare side under another."""
    grown = {growth.alias_of(n): f"{PREFIXES[0]}{n}" for n in growth.SIZES}
    aliases = {"default": PREFIXES[0], **grown}
    settings.configure(
        USE_TZ=True,
        ORMIST={
            alias: {"LOCATION": server.url, "KEY_PREFIX": prefix}
            for alias, prefix in aliases.items()
        },
        CACHES={
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": server.url,
                "KEY_PREFIX": PREFIXES[1],
            },
            sessions.DJANGO_CACHE: {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": server.url,
                "KEY_PREFIX": PREFIXES[1],
            },
        },
    )
    django.setup()


def _heading(around: dict[str, Any]) -> str:
    names = ("server", "python", "django", "redis-py", "hiredis", "rounds")
    line = ", ".join(
        f"{name} {around[name]}" if name != "server" else f"{around[name]}"
        for name in names
    )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    if load > 1:
        line += f"\nThe machine is busy (load {load:.1f}): trust only ratios."
    return line + "\n"


def _figures(server: Measured, options: argparse.Namespace) -> Iterator[Figure]:
    """Yield every requested figure when it is measured."""
    scale = TINY if options.tiny else QUICK if options.quick else WHOLE
    only = tuple(options.only or ("",))
    clock = Clock(options.rounds)
    try:
        if any(not word.startswith(APART) for word in only):
            yield from _contests(server, clock, scale, only)
        if _is_wanted("session", only):
            yield from sessions.figures(server, clock)
        if _is_wanted("write", only):
            yield from writes.figures(server, clock)
        if _is_wanted("bytes", only):
            for figure in memory.figures(server, scale.remembered):
                yield figure
                if figure.name.endswith("two indexed"):
                    yield memory.limit(figure)
        if _is_wanted("growth", only):
            yield from growth.figures(clock, scale.sizes, report.show)
            server.clear()
        if _is_wanted("query", only):
            yield from queries.figures(scale.queried, report.show)
            server.clear()
        if _is_wanted("import", only):
            yield from imports.figures(options.rounds)
    finally:
        clock.close()


def _contests(
    server: Measured, clock: Clock, scale: Scale, only: tuple[str, ...]
) -> Iterator[Figure]:
    for payload in subjects.PAYLOADS:
        server.clear()
        pks, percent = [], 100 / scale.total
        for batch in subjects.visitors(scale.total, payload=payload):
            pks += [visitor.id for visitor in batch]
            report.show(f"storing {payload.name} objects: {len(pks) * percent:.0f} %")
        held = contests.arena(server, clock, payload, scale.total, scale.bulk, pks)
        with held as arena:
            for contest in contests.all_of(arena):
                if contest.name.startswith(only):
                    report.show(contest.name)
                    yield contest.held(clock)
        server.clear()


def _is_wanted(group: str, only: tuple[str, ...]) -> bool:
    return any(word.startswith(group) or group.startswith(word) for word in only)


if __name__ == "__main__":
    sys.exit(main())
