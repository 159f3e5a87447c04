"""The longest time that each query and each command holds up other clients.

``python -m benchmarks.stalls`` measures them alone. ``--keep FOLDER`` keeps the stored
objects there, so that the next run need not write them again.
"""

import argparse
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import django
from django.conf import settings
from redis.connection import parse_url
from redis.exceptions import ResponseError

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.operations.operation import Script
from tests.servers import Server

from . import stall_works
from .figure import Figure
from .server import PREFIXES, Measured, known
from .stall_works import Work
from .stock import Stock, fill
from .timing import Clock

LONGEST_MS = 10
"""Our promise: another client waits no longer."""

LOGGED_US = 300
"""Shorter commands are not in the log."""

PAUSE_S = 0.0002
"""Time between two PING of the other client."""

IN_SCALE = ("ormist_inspect --verify", "ormist_reindex")
"""Works that the group "scale" does over more objects."""

SCRIPTS = Path(ormist.__file__).parent / "operations" / "scripts"


class Pings(NamedTuple):
    """The longest PING in ms, the number of those over LONGEST_MS, and of all."""

    longest_ms: float
    late: int
    total: int


@dataclass
class Stall:
    """The PINGs during a work, and the longest run of each command, in ms."""

    pings: Pings
    runs: dict[str, float] = field(default_factory=dict)

    def limit(self, other: "Stall") -> "Stall":
        """Return the shorter ones of two measures of the same work."""
        names = self.runs.keys() & other.runs.keys()
        runs = {name: min(self.runs[name], other.runs[name]) for name in names}
        return Stall(min(self.pings, other.pings), runs)


def prefer(pid: int) -> None:
    """Let a process run before others, where that is allowed. 0: this one.

    Not in real time: Linux takes the core of such a process for up to 50 ms a second.
    """
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, -20)


class Probe:
    """A client in a process of its own, which sends a PING every 0.2 ms."""

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_ping, args=(url, other), daemon=True)
        self.process.start()
        self.pipe.recv()
        self.restart()
        self.idle_ms = median(self._after(0.2).longest_ms for _ in range(10))

    def restart(self) -> Pings:
        """Return the PINGs since the last call."""
        self.pipe.send(True)
        longest_ns, late, total = self.pipe.recv()
        return Pings(longest_ns / 1e6, late, total)

    def _after(self, seconds: float) -> Pings:
        time.sleep(seconds)
        return self.restart()

    def close(self) -> None:
        """End the process."""
        self.pipe.send(False)
        self.process.join()


def _ping(url: str, pipe: Any) -> None:
    """Send PING until the pipe says to end, and tell it the longest reply."""
    prefer(0)
    options: Any = parse_url(url)  # type: ignore[no-untyped-call]
    if "path" in options:
        server = socket.socket(socket.AF_UNIX)
        server.connect(options["path"])
    else:
        server = socket.create_connection((options["host"], options.get("port", 6379)))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    longest_ns = late = total = 0
    pipe.send(True)
    while True:
        start = time.perf_counter_ns()
        server.sendall(b"PING\r\n")
        server.recv(100)
        spent_ns = time.perf_counter_ns() - start
        longest_ns, total = max(longest_ns, spent_ns), total + 1
        late += spent_ns > LONGEST_MS * 1_000_000
        if pipe.poll():
            if not pipe.recv():
                return
            pipe.send((longest_ns, late, total))
            longest_ns = late = total = 0
        time.sleep(PAUSE_S)


def measure(work: Work, total: int, probe: Probe, names: dict[str, str]) -> Stall:
    """Do the work, and return how long it held up the server.

    An interruption of the machine makes a PING longer, and a work of some seconds often
    meets one. So what can be done again is, until it meets none.
    """
    stall = _measure(work, total, probe, names)
    for number in range(1, work.at_most):
        if number >= work.at_least and stall.pings.longest_ms <= LONGEST_MS:
            break
        stall = stall.limit(_measure(work, total, probe, names))
    return stall


def _measure(work: Work, total: int, probe: Probe, names: dict[str, str]) -> Stall:
    if work.prepare is not None:
        work.prepare(total)
    client = connections["default"].client
    client.slowlog_reset()
    probe.restart()
    work.do(total)
    pings = probe.restart()
    longest_ms = max(pings.longest_ms - probe.idle_ms, 0.0)
    stall = Stall(pings._replace(longest_ms=longest_ms))
    log: Any = client.slowlog_get(100_000)
    for each in log:
        name = _name(each["command"].split(b" "), names)
        if name not in ("PING", "SLOWLOG"):  # ours: the machine took the core
            spent_ms = each["duration"] / 1000
            stall.runs[name] = max(spent_ms, stall.runs.get(name, 0))
    return stall


def _name(words: list[bytes], names: dict[str, str]) -> str:
    """Return the name of a command, or of the script that it runs."""
    command = words[0].decode().upper()
    if command in ("EVAL", "EVALSHA"):
        return names.get(words[1].decode(), command)
    return command


def script_names() -> dict[str, str]:
    """Return {SHA-1: name} of our scripts."""
    scripts = [Script(path.stem) for path in SCRIPTS.glob("*.lua")]
    return {each.sha: f"{each.name}.lua" for each in scripts}


def load_scripts(client: Any) -> None:
    """Load our scripts, or the first call of each is longer by its compilation.

    Parts that other scripts include do not compile alone.
    """
    for path in SCRIPTS.glob("*.lua"):
        with suppress(ResponseError):
            client.script_load(Script(path.stem).source)


@contextmanager
def logging(client: Any) -> Iterator[None]:
    """Let the server log commands from LOGGED_US on."""
    wanted = {"slowlog-log-slower-than": LOGGED_US, "slowlog-max-len": 100_000}
    before = {name: client.config_get(name)[name] for name in wanted}
    try:
        for name, value in wanted.items():
            client.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


def figures(
    server: Measured,
    clock: Clock,
    size: int,
    show: Callable[[str], None],
    only: tuple[str, ...] = ("",),
    skipped: tuple[str, ...] = (),
) -> Iterator[Figure]:
    """Yield the longest stall of each query and command over *size* objects.

    The figure is the longest PING of another client, less that of an idle server.
    Beside it is the longest command or script in the server's own log. Several commands
    that arrive together may hold up others longer than each of them.
    only: beginnings of names. skipped: names.
    """
    client = connections["default"].client
    if Stock.objects.count() < size:
        server.clear()
        fill(size, show)
    load_scripts(client)
    if server.is_ours:
        prefer(client.info("server")["process_id"])
    probe, names = Probe(server.url), script_names()
    try:
        with logging(client), TemporaryDirectory() as folder:
            for work in stall_works.all_of(Path(folder)):
                if work.name.startswith(only) and work.name not in skipped:
                    show(f"stall: {work.name}")
                    stall = measure(work, size, probe, names)
                    yield figure(f"stall {size} {work.name}", stall)
    finally:
        probe.close()


def figure(name: str, stall: Stall) -> Figure:
    """Return the longest PING, beside the longest command or script."""
    command, spent_ms = max(stall.runs.items(), key=itemgetter(1), default=("", 0.0))
    return Figure(
        name,
        "ms",
        stall.pings.longest_ms,
        command,
        spent_ms,
        target=LONGEST_MS,
        details={**stall.runs, "late": stall.pings.late, "pings": stall.pings.total},
    )


def main() -> int:
    """Measure the stalls alone, and print them as they come."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stalls")
    parser.add_argument("--server", default=known()[0], choices=known())
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME")
    options = parser.parse_args()
    more: tuple[str, ...] = ()
    kept = options.keep and options.keep / f"{options.server}-{options.size}.rdb"
    if kept:
        options.keep.mkdir(parents=True, exist_ok=True)
        more = ("--dir", str(options.keep), "--dbfilename", kept.name)
    own = Server(options.server, more).start()
    try:
        server = Measured(options.server, own.unix_url, is_ours=True)
        settings.configure(
            USE_TZ=True,
            ORMIST={"default": {"LOCATION": server.url, "KEY_PREFIX": PREFIXES[0]}},
        )
        django.setup()
        while server.client().info("persistence")["loading"]:
            time.sleep(0.1)
        if kept and not kept.exists():
            fill(options.size, _show)
            own.client(socket_timeout=None).save()
        clock = Clock(1)
        for each in figures(server, clock, options.size, _show, tuple(options.only)):
            late, pings = each.details["late"], each.details["pings"]
            mark = "" if each.is_met else f"  OVER, {late} of {pings} PINGs"
            print(
                f"{each.name:55} {each.ours:9.1f} ms {each.other:9.1f} ms "
                f"{each.beside}{mark}",
                flush=True,
            )
        clock.close()
    finally:
        own.stop()
    return 0


def _show(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}\r")


if __name__ == "__main__":
    sys.exit(main())
