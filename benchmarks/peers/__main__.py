"""Measure django_ormist and its peers at the same work: ``make bench-peers``."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from statistics import median
from typing import Any

import django
from django.conf import settings

from tests.servers import ROOT, find

from ..figure import Figure
from ..report import machine, show, write_json
from ..server import kept_apart
from . import facts, report
from .bare import Bare
from .contest import contest, fill
from .django_cache import DjangoCache
from .django_sql import DjangoPostgres, DjangoSqlite
from .job import Job
from .ormist2013 import Ormist2013
from .ours import Ours
from .peer import Peer
from .redis_om_models import RedisOm
from .rom_models import Rom
from .rows import ROWS, Stage
from .walrus_models import Walrus

PEERS: tuple[type[Peer], ...] = (
    *(Ours, Bare, Ormist2013, Walrus, RedisOm, Rom, DjangoCache),
    *(DjangoSqlite, DjangoPostgres),
)

SERVERS = ("redis82", "valkey91", "redis70")
"""Of these the first that is found serves all peers of Redis: redis-om needs it."""

RESULTS = Path(__file__).with_name("results.json")
"""The run that the manual shows."""

MANUAL = ROOT / "docs" / "explanation" / "peers.inc"

PACKAGES = ("walrus", "redis-om", "rom", "django-redis", "psycopg")


@dataclass(frozen=True)
class Scale:
    """The numbers of stored objects, of objects per bulk write, and of rounds.

    slice_ms: about so long is one peer measured in one round.
    """

    total: int
    bulk: int
    rounds: int
    slice_ms: float


LOADS = 5
"""The most rounds of new processes."""

WHOLE = Scale(100_000, 1000, 11, 15)
QUICK = Scale(5_000, 200, 3, 2)


def main() -> int:
    """Measure, print and write the file."""
    options = _options()
    scale = QUICK if options.quick else WHOLE
    scale = replace(
        scale,
        total=options.total or scale.total,
        rounds=options.rounds or scale.rounds,
    )
    with ExitStack() as stack:
        peers = _started(stack, options.only)
        around = describe(peers, scale, options.quick)
        print(heading(around))
        found: list[Figure] = []
        try:
            for figure in _figures(peers, scale):
                found.append(figure)
        finally:  # a run that fails leaves what it has
            show("")
            print(report.table(figure.as_json() for figure in found))
            write_json(options.json, around, found)
            print(f"\nEvery round: {options.json}")
        if options.manual:
            write_manual(options.json)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        default=[],
        help="peers whose name begins like this, beside ours: "
        + " ".join(f'"{peer.name}"' for peer in PEERS[1:]),
    )
    parser.add_argument("--total", type=int, metavar="N", help="objects stored before")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 11")
    parser.add_argument(
        "--quick", action="store_true", help="5 000 objects, 3 rounds: a minute"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("build/peers.json"),
        help="where every round is written; default: %(default)s",
    )
    parser.add_argument(
        "--manual",
        action="store_true",
        help=f"write {MANUAL.name} of the manual, and its source {RESULTS.name}",
    )
    options = parser.parse_args()
    for name in options.only:
        if not any(peer.name.startswith(name) for peer in PEERS[1:]):
            parser.error(f"--only: no peer's name begins with {name!r}")
    return options


def write_manual(file: Path) -> None:
    """Write the table of the manual, and keep the run that it shows."""
    RESULTS.write_text(file.read_text())
    MANUAL.write_text(report.manual(json.loads(file.read_text())))


def _started(stack: ExitStack, only: list[str]) -> list[Peer]:
    """Start the peers that can run here, and say which cannot."""
    names = [name for name in SERVERS if find(name)]
    if not names:
        sys.exit(f"None of {', '.join(SERVERS)} is installed: make servers.")
    peers: list[Peer] = []
    for kind in PEERS:
        if kind is not Ours and only and not kind.name.startswith(tuple(only)):
            continue
        if reason := kind.missing():
            print(f"Without {kind.name}: {reason}.")
            continue
        peers.append(kind())
    with kept_apart() as keep_to:
        keep_to(0)  # a child keeps to the cores of its parent
        for peer in peers:
            peer.start(names[0])
            stack.callback(peer.stop)
    configure(peers)
    for peer in peers:
        peer.connect()
    return peers


def configure(peers: list[Peer]) -> None:
    """Set Django up for the started peers."""
    by_type = {type(peer): peer for peer in peers}
    databases: dict[str, Any] = {
        peer.alias: peer.setting
        for peer in peers
        if isinstance(peer, DjangoSqlite | DjangoPostgres)
    }
    unused = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    ours: Any = by_type[Ours]
    cache: Any = by_type.get(DjangoCache)
    settings.configure(
        USE_TZ=True,
        SECRET_KEY=token_hex(),  # signs sessions in SQL
        INSTALLED_APPS=["django.contrib.sessions"],
        ORMIST={"default": {"LOCATION": ours.url}},
        DATABASES={"default": unused} | databases,
        CACHES={}
        if cache is None
        else {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": cache.url,
            }
        },
    )
    django.setup()


def describe(peers: list[Peer], scale: Scale, is_quick: bool) -> dict[str, Any]:
    """Return the machine, the versions, and the size of the run."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    servers = {peer.name: peer.version() for peer in peers}
    return {
        **machine(servers[Ours.name]),
        "rounds": scale.rounds,
        "is_quick": is_quick,
        "objects": scale.total,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0,
        "packages": versions,
        "servers": servers,
        "durable": {peer.name: peer.durable for peer in peers},
    }


def heading(around: dict[str, Any]) -> str:
    """Return the lines above the table."""
    packages = [f"{name} {number}" for name, number in around["packages"].items()]
    names = ("python", "django", "redis-py", "hiredis")
    own = [f"{name} {around[name]}" for name in names]
    lines = [
        f"{around['objects']:,} objects, {around['rounds']} rounds",
        ", ".join([*dict.fromkeys(around["servers"].values()), *own, *packages]),
    ]
    if around["load"] > 1:
        lines.append(f"The machine is busy: load {around['load']:.1f}.")
    return "\n".join(lines) + "\n"


def _figures(peers: list[Peer], scale: Scale) -> Iterator[Figure]:
    """Yield each row for all peers."""
    job = Job(scale.total)
    stages: list[Stage] = []
    sizes = {}
    for peer in peers:
        stage, sizes[peer.name] = fill(peer, job, scale.bulk, show)
        stages.append(stage)
    gc.collect()
    gc.freeze()  # or each collection before a turn takes as long as the turn
    for row in ROWS:
        times = contest(row, stages, scale.rounds, scale.slice_ms, show)
        yield from report.timed(row.title, times)
        for peer in peers:
            if reason := peer.lacks.get(row.method):
                yield report.lacking(row.title, peer.name, reason)
    yield from report.counted("memory or disk per object", "B", sizes)
    yield from _facts(stages, scale)


def _facts(stages: list[Stage], scale: Scale) -> Iterator[Figure]:
    kinds = [type(stage.peer) for stage in stages]
    loads: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    rounds = min(scale.rounds, LOADS)
    for number in range(rounds + 1):
        for kind in kinds:
            show(f"imports: round {number} of {rounds}, {kind.name}")
            loads[kind.name].append(facts.import_ms(kind))
    # The first may have compiled.
    warm = {name: median(found[1:]) for name, found in loads.items()}
    yield from report.counted("import", "ms", warm)
    lines = {kind.name: facts.user_lines(kind) for kind in kinds}
    yield from report.counted("lines of user code", "", lines, is_compared=False)
    done = {kind.name: facts.rows_done(kind) for kind in kinds}
    title = f"for so many of the {len(ROWS)} rows of work"
    yield from report.counted(title, "", done, is_compared=False)
    title = (
        f"of {len(facts.EXPIRED_QUERIES)} queries, those that find an expired object"
    )
    answers = {}
    for stage in stages:
        peer = stage.peer
        show(f"expiration: {peer.name}")
        if reason := peer.lacks.get("expiring"):
            yield report.lacking(title, peer.name, reason)
        elif (number := facts.expired_answers(stage)) is None:
            yield report.lacking(title, peer.name, peer.lacks["count"])
        else:
            answers[peer.name] = number
    yield from report.counted(title, "", answers, is_compared=False)


if __name__ == "__main__":
    sys.exit(main())
