"""Measure django_ormist beside bare redis-py: see ``python -m benchmarks --help``."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from . import (
    contests,
    imports,
    memory,
    queries,
    report,
    scale,
    server_time,
    sessions,
    stalls,
    subjects,
    throughput,
    writes,
)
from .figure import Figure, merge
from .server import PREFIXES, Measured, known, started
from .size import QUICK, TINY, WHOLE, Size
from .timing import Clock


@dataclass(frozen=True)
class Run:
    """What the groups of figures get. only: the beginnings of wanted names."""

    server: Measured
    clock: Clock
    size: Size
    only: tuple[str, ...]


def _contests(run: Run) -> Iterator[Figure]:
    server, size = run.server, run.size
    for payload in subjects.PAYLOADS:
        server.clear()
        pks, percent = [], 100 / size.total
        for batch in subjects.visitors(size.total, payload=payload):
            pks += [visitor.id for visitor in batch]
            report.show(f"storing {payload.name} objects: {len(pks) * percent:.0f} %")
        held = contests.arena(server, run.clock, payload, size.total, size.bulk, pks)
        with held as arena:
            for contest in contests.all_of(arena):
                if contest.name.startswith(run.only):
                    report.show(contest.name)
                    yield contest.held(run.clock)
        server.clear()


def _memory(run: Run) -> Iterator[Figure]:
    for figure in memory.figures(run.server, run.size.remembered):
        yield figure
        if figure.name.endswith("two indexed"):
            yield memory.limit(figure)


def _queries(run: Run) -> Iterator[Figure]:
    yield from queries.figures(run.size.queried, report.show)
    run.server.clear()


@dataclass(frozen=True)
class Group:
    """Figures whose names begin with *name*; the contests have many names.

    has_targets: whether --runs repeats it. is_long: whether it runs only if --only
    names it, or with --all.
    """

    name: str
    figures: Callable[[Run], Iterator[Figure]]
    has_targets: bool = False
    is_long: bool = False


GROUPS = (
    Group("", _contests, has_targets=True),
    Group(
        "session", lambda run: sessions.figures(run.server, run.clock), has_targets=True
    ),
    Group("bytes", _memory, has_targets=True),
    Group(
        "server time",
        lambda run: server_time.figures(
            run.server, run.size.server_calls, report.show, run.only
        ),
        has_targets=True,
    ),
    Group("write", lambda run: writes.figures(run.server, run.clock)),
    Group("import", lambda run: imports.figures(run.clock.rounds)),
    Group(
        "throughput",
        lambda run: throughput.figures(run.server, run.clock, run.size, report.show),
    ),
    Group("query", _queries, is_long=True),
    Group(
        "stall",
        lambda run: stalls.figures(
            *(run.server, run.clock, run.size.stalled, report.show),
            skipped=stalls.IN_SCALE,
        ),
        is_long=True,
    ),
    Group(
        "scale",
        lambda run: scale.figures(run.server, run.clock, run.size.scaled, report.show),
        is_long=True,
    ),
)


NAMES = (
    "Names begin with: get list page find count create save delete bulk_create, async "
    "and one of these, " + ", ".join(group.name for group in GROUPS if group.name)
)


def main() -> int:
    """Measure, print and write the file."""
    options = _options()
    with started(options.server) as server:
        _configure(server, options.size.scaled)
        found: list[Figure] = []
        around = report.surroundings(server.version(), options)
        print(_heading(around))
        try:
            for number in range(options.runs):
                is_last = number == options.runs - 1
                for figure in _figures(server, options, is_last):
                    found.append(figure)
                    report.show(figure.name)
                    # Each time, so that a run that is ended leaves what it has.
                    report.write_json(options.json, around, merge(found))
        finally:
            report.show("")
            if found:
                print(report.table(merge(found)))
                print(f"\n{report.LEGEND}\nEvery round: {options.json}")
    if words := unknown(options.only or (), found):
        print(f"--only: no figure is named {', '.join(words)}. {NAMES}")
        return 2
    return 0


def unknown(only: Sequence[str], found: Sequence[Figure]) -> list[str]:
    """Return the words of --only that name neither a group nor a figure."""
    groups = [group for group in GROUPS if group.name]
    return [
        word
        for word in only
        if not any(_names(group, word) for group in groups)
        and not any(figure.name.startswith(word) for figure in found)
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure django_ormist beside bare redis-py.",
    )
    servers = known()
    parser.add_argument(
        "--server",
        default=servers[0] if servers else "redis://localhost:6379/0",
        help=f"{', '.join(servers)}, or the URL of a server (its keys under "
        f"{' and '.join(PREFIXES)} are removed). Default: the first of them.",
    )
    long = ", ".join(group.name for group in GROUPS if group.is_long)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"figures whose name begins like this. {NAMES}",
    )
    parser.add_argument(
        "--all", action="store_true", help=f"also what takes long: {long}"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 21")
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        default=1,
        help="repeat what has targets, and print the medians of the runs",
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const=QUICK,
        default=WHOLE,
        help="less of everything",
    )
    sizes.add_argument(
        "--tiny",
        dest="size",
        action="store_const",
        const=TINY,
        help="whether it runs: its figures say nothing",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("build/benchmarks.json"),
        help="where every round is written; default: %(default)s",
    )
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = options.size.rounds
    if options.rounds < 1 or options.runs < 1:
        parser.error("--rounds and --runs take 1 or more")
    if "://" not in options.server and options.server not in servers:
        parser.error(f"--server takes {', '.join(servers)}, or a URL")
    return options


def _configure(server: Measured, scaled: tuple[int, ...]) -> None:
    """Configure Django: ours writes under one prefix, the bare side under another."""
    default = {"LOCATION": server.url, "KEY_PREFIX": PREFIXES[0]}
    theirs = {"LOCATION": server.url, "KEY_PREFIX": PREFIXES[1]}
    django_cache = "django.core.cache.backends.redis.RedisCache"
    settings.configure(
        USE_TZ=True,
        ORMIST={"default": default, **scale.aliases(server.url, scaled)},
        CACHES={
            "default": {"BACKEND": "django_redis.cache.RedisCache", **theirs},
            sessions.DJANGO_CACHE: {"BACKEND": django_cache, **theirs},
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
    if around["size"] == asdict(TINY):
        line += "\nA tiny run shows that it runs. Its figures and verdicts say nothing."
    return line + "\n"


def _figures(
    server: Measured, options: argparse.Namespace, is_last: bool
) -> Iterator[Figure]:
    """Yield the figures that the options --only and --all select.

    is_last: whether to include the groups that are measured once. They follow all
    other runs, because millions of objects change the state of a server.
    """
    clock = Clock(options.rounds)
    run = Run(server, clock, options.size, tuple(options.only or ("",)))
    try:
        for group in GROUPS:
            if _is_wanted(group, options) and (is_last or group.has_targets):
                yield from group.figures(run)
    finally:
        clock.close()


def _is_wanted(group: Group, options: argparse.Namespace) -> bool:
    if options.only is None:
        return options.all or not group.is_long
    if group.name:
        return any(_names(group, word) for word in options.only)
    others = [each for each in GROUPS if each.name]
    return any(not any(_names(each, word) for each in others) for word in options.only)


def _names(group: Group, word: str) -> bool:
    """Return whether a word of --only names the group, or figures of it."""
    return word.startswith(group.name) or group.name.startswith(word)


if __name__ == "__main__":
    sys.exit(main())
