"""Count the work of one call, of ours and of bare redis-py. Load does not change it.

calls: Python functions that are entered, and C functions that Python code calls. A
generator counts each time that it resumes. lines: lines of Python. instructions: those
of the machine, where valgrind is installed.

The server is a real one. Recorded replies would have to follow each change of commands
and scripts. A reply of over 64 KiB comes in several pieces, more on a busy machine, and
each costs calls and lines. So the counted list has 100 objects, and the smallest count
of several calls is taken.

    make counts                     print the counts beside the committed ones
    make counts ARGS=--write        commit to them: writes counts.json
"""

import argparse
import asyncio
import ctypes
import gc
import inspect
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

import django
from django.conf import settings

from . import contests
from .contest import Contest
from .server import PREFIXES, Measured, known, started
from .subjects import PLAIN, visitors
from .timing import Clock, Contestant

FILE = Path(__file__).with_name("counts.json")

WORK = ("create", "save one attribute", "get", "list of 100", "page of 20, first")
NAMES = [f"{mode}{work}, plain" for mode in ("", "async ") for work in WORK]
"""The contests that are counted."""

TOTAL = 100
WARM_UP, REPEATS = 3, 7
TOLERANCE = 0.1

GROWN = (
    "More work beside bare redis-py than benchmarks/counts.json says, by over a tenth. "
    "Do less, or say in the commit why it must be, with: make counts ARGS=--write"
)
SHRUNK = "Less work, by over a tenth. Keep it so with: make counts ARGS=--write"

Counts = dict[str, dict[str, list[int]]]
"""By the name of a contest and the kind of count: of ours, and of bare redis-py."""


def main() -> int:
    """Count, print, and write or judge. Return 1 if a ratio has grown."""
    options = _options()
    if options.gated:
        _run_gated(Measured("", options.gated, is_ours=False))
    with started(known()[0]) as server:
        found = count(server)
        if options.callgrind:
            for name, instructions in count_instructions(server).items():
                found[name]["instructions"] = instructions
    if options.json:
        print(json.dumps(found))
        return 0
    print(table(found))
    if options.write:
        write(found)
        return 0
    grown, shrunk = judge(found, read())
    for words, lines in ((GROWN, grown), (SHRUNK, shrunk)):
        if lines:
            print("\n".join(["", words, *lines]))
    return 1 if grown else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    parser.add_argument("--json", action="store_true", help="print JSON, for the tests")
    parser.add_argument(
        "--callgrind",
        action=argparse.BooleanOptionalAction,
        default=shutil.which("valgrind") is not None,
        help="count instructions too, which takes two minutes; default: if it is found",
    )
    parser.add_argument("--gated", metavar="URL", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---------------------------------------------------------------- calls and lines


class Monitor:
    """The numbers of calls and lines that this interpreter executes."""

    def __init__(self) -> None:
        self.calls = self.lines = 0
        events = sys.monitoring.events
        self._callbacks: dict[int, Callable[..., None]] = {
            events.PY_START: self._enter,
            events.PY_RESUME: self._enter,
            events.CALL: self._call,
            events.LINE: self._line,
        }

    def __enter__(self) -> "Monitor":
        tool = sys.monitoring.PROFILER_ID
        sys.monitoring.use_tool_id(tool, "counts")
        for event, callback in self._callbacks.items():
            sys.monitoring.register_callback(tool, event, callback)
        sys.monitoring.set_events(tool, sum(self._callbacks))
        return self

    def __exit__(self, *error: object) -> None:
        tool = sys.monitoring.PROFILER_ID
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)

    def _enter(self, code: CodeType, offset: int) -> None:
        self.calls += 1

    def _call(self, code: CodeType, offset: int, called: object, first: object) -> None:
        if not isinstance(called, FunctionType | MethodType):
            self.calls += 1

    def _line(self, code: CodeType, number: int) -> None:
        self.lines += 1


def count(server: Measured) -> Counts:
    """Return the calls and lines of each contest."""
    found: Counts = {}
    for contest, runner in _contests(server):
        sides = [_least(side, runner) for side in _sides(contest)]
        found[contest.name] = {
            kind: [each[number] for each in sides]
            for number, kind in enumerate(("calls", "lines"))
        }
    return found


def _least(side: Contestant, runner: asyncio.Runner) -> tuple[int, int]:
    """Return the smallest numbers of calls and lines of the counted repeats."""
    seen = []
    for call in _calls(side, runner):
        monitor = Monitor()
        call(monitor)
        seen.append((monitor.calls, monitor.lines))
    return min(seen[WARM_UP:])


def _calls(side: Contestant, runner: asyncio.Runner) -> Iterator[Callable[[Any], None]]:
    """Yield functions that do the same work once, within a context manager."""
    for _ in range(WARM_UP + REPEATS):
        random.seed(0)
        (thing,) = side.prepare(1)

        def call(context: Any, thing: Any = thing) -> None:
            with context:
                side.work(thing)

        async def acall(context: Any, thing: Any = thing) -> None:
            with context:
                await side.work(thing)

        if inspect.iscoroutinefunction(side.work):
            yield lambda context, acall=acall: runner.run(acall(context))
        else:
            yield call
        side.after()


def _sides(contest: Contest) -> list[Contestant]:
    return [contest.ours, contest.others[0]]


def _contests(server: Measured) -> Iterator[tuple[Contest, asyncio.Runner]]:
    """Yield the contests over stored objects, without collections of garbage."""
    settings.configure(
        USE_TZ=True,
        ORMIST={"default": {"LOCATION": server.url, "KEY_PREFIX": PREFIXES[0]}},
    )
    django.setup()
    server.clear()
    clock = Clock(rounds=1)
    gc.disable()
    try:
        (batch,) = visitors(TOTAL, payload=PLAIN)
        pks = [visitor.id for visitor in batch]
        with contests.arena(server, clock, PLAIN, TOTAL, 1, pks) as arena:
            for contest in contests.all_of(arena):
                if contest.name in NAMES:
                    yield contest, clock.runner
    finally:
        gc.enable()
        clock.close()
        server.clear()


# ---------------------------------------------------------------- instructions

GATE = "qsort_r"
"""The function at which callgrind dumps: glibc's qsort() calls it, and little else.

Callgrind does not see a call by ctypes itself.
"""


def count_instructions(server: Measured) -> dict[str, list[int]]:
    """Return the machine instructions of each contest, by callgrind.

    A process under callgrind does the same work over the same server. Callgrind dumps
    its counts at each gate, before and after a call. Raises RuntimeError if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = (
            *("valgrind", "--tool=callgrind", f"--dump-before={GATE}"),
            f"--callgrind-out-file={folder}/out",
            *(sys.executable, "-m", f"{__package__}.counts", "--gated", server.url),
        )
        env = os.environ | {"PYTHONHASHSEED": "0"}  # the order of sets is work too
        ran = subprocess.run(
            words, env=env, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise RuntimeError(f"valgrind has failed:\n{ran.stderr}")
        dumps = sorted(
            Path(folder).glob("out.*"), key=lambda dump: int(dump.suffix[1:])
        )
        totals = [_total(dump) for dump in dumps]
    names: list[str] = json.loads(ran.stdout)
    within = totals[-4 * REPEATS * len(names) :][1::2]  # others sorted before that
    least = [min(within[at : at + REPEATS]) for at in range(0, len(within), REPEATS)]
    return {name: least[2 * at : 2 * at + 2] for at, name in enumerate(names)}


def _total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)
    assert found, f"{dump} has no totals"
    return int(found[1])


def _run_gated(server: Measured) -> None:
    """Run all contests with a gate before and after each call; print their names.

    The process ends at once then, because its end may pass other gates.
    """
    names = []
    for contest, runner in _contests(server):
        names.append(contest.name)
        for side in _sides(contest):
            for number, call in enumerate(_calls(side, runner)):
                call(_gates() if number >= WARM_UP else nullcontext())
        if len(names) == len(NAMES):
            print(json.dumps(names), flush=True)
            os._exit(0)


@contextmanager
def _gates() -> Iterator[None]:
    """Let callgrind dump what came before the block, and then the block."""
    libc = ctypes.CDLL(None)
    libc.qsort(None, 0, 1, None)
    yield
    libc.qsort(None, 0, 1, None)


# ---------------------------------------------------------------- the committed counts


def read() -> Counts:
    """Return the committed counts."""
    found: Counts = json.loads(FILE.read_text())["counts"]
    return found


def write(found: Counts) -> None:
    """Commit to these counts. Kinds that were not counted stay."""
    before = read() if FILE.exists() else {}
    lines = [
        f"  {json.dumps(name)}: {json.dumps(before.get(name, {}) | kinds)}"
        for name, kinds in found.items()
    ]
    head = f' "python": "{".".join(platform.python_version_tuple()[:2])}",'
    FILE.write_text(
        "\n".join(("{", head, ' "counts": {', ",\n".join(lines), " }", "}", ""))
    )


def judge(found: Counts, limits: Counts) -> tuple[list[str], list[str]]:
    """Return the ratios that have grown by more than a tenth, and that have shrunk so.

    A line for each. A contest that is missing in *limits* has grown.
    """
    grown, shrunk = [], []
    for name, kinds in found.items():
        for kind, (ours, bare) in kinds.items():
            mine, theirs = limits.get(name, {}).get(kind, (0, 1))
            ratio, limit = ours / bare, mine / theirs
            line = f"{name}: {ours} {kind}, {ratio:.2f} of bare redis-py's {bare}"
            line += f", not {limit:.2f} ({mine} of {theirs})"
            if ratio > limit * (1 + TOLERANCE):
                grown.append(line)
            elif ratio < limit * (1 - TOLERANCE):
                shrunk.append(line)
    return grown, shrunk


def table(found: Counts) -> str:
    """Return the counts as text, beside the committed ratios."""
    limits = read() if FILE.exists() else {}
    lines = [f"{'':32}{'':>14}{'ours':>12}{'bare':>12}{'ratio':>8}{'committed':>11}"]
    for name, kinds in found.items():
        for kind, (ours, bare) in kinds.items():
            mine, theirs = limits.get(name, {}).get(kind, (0, 1))
            line = f"{name:32}{kind:>14}{ours:12,}{bare:12,}{ours / bare:8.2f}"
            lines.append(f"{line}{mine / theirs:11.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
