"""Writers and readers that go on during a fault, and a journal of their writes.

Each one is a process, and writes its journal into a file of its own, a line for each
reply. The clock of the times is the same in all processes.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import django_ormist as ormist
from django_ormist.connections.routing import LOST, UNPROVEN
from tests.concurrency.workers import PROCESSES, configure
from tests.faults.routes import route_over
from tests.servers import wait_until

WRITERS, READERS = 4, 2
LONGEST_CALL = 120.0  # seconds; the patience of the aliases is less


class Entry(ormist.TaggedAttrsModel):
    """What the writers create. In a cluster, the fault hits the primary of these."""

    class Meta:
        app_label = "tests"
        ordered = ["number"]


class Tally(ormist.TaggedAttrsModel):
    """What the writers increment. In a cluster, another primary has these."""

    class Meta:
        app_label = "tests"
        counters = ["hits"]


class Scrap(ormist.TaggedAttrsModel):
    """What those change that use many methods."""

    class Meta:
        app_label = "tests"
        ordered = ["number"]
        unique = ["code"]


class Journal:
    """What writers and readers have written down.

    created: by the id, when the call began and ended. unknown: the ids of those that
    raised. counted: for each confirmed increment the tally and the time, and in
    uncounted those that raised, by the tally. raised: the errors of writers, and
    strange: those that do not say what became of the write. wrong: what readers saw.
    changed: how many rounds of many methods ended without an error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.created: dict[str, tuple[float, float]] = {}
        self.unknown: set[str] = set()
        self.counted: list[tuple[str, float]] = []
        self.uncounted: Counter[str] = Counter()
        self.raised: list[str] = []
        self.strange: list[str] = []
        self.wrong: list[str] = []
        self.changed = 0
        self._read: dict[Path, int] = {}

    @property
    def confirmed(self) -> int:
        return len(self.created) + len(self.counted)

    @property
    def longest_gap(self) -> float:
        """The longest time without a confirmed creation, in seconds."""
        times = sorted(ended for _, ended in self.created.values())
        return max((b - a for a, b in pairwise(times)), default=0)

    def first_success(self, at: float) -> float:
        """Return the seconds from *at* to the end of a creation that began later."""
        ends = [end for began, end in self.created.values() if began > at]
        return min(ends, default=float("inf")) - at

    def lost(self, stored: set[str]) -> dict[str, float]:
        """Return the confirmed creations that are not stored, and their times."""
        return {id: end for id, (_, end) in self.created.items() if id not in stored}

    def read(self) -> None:
        """Read what has been written since the last time."""
        for path in self.folder.iterdir():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.splitlines():
                self._add(*json.loads(line))

    def _add(self, kind: str, *facts: Any) -> None:
        if kind == "created":
            id, began, ended = facts
            self.created[id] = began, ended
        elif kind == "counted":
            self.counted.append(facts)
        elif kind == "unknown":
            self.unknown.add(facts[0])
        elif kind == "uncounted":
            self.uncounted[facts[0]] += 1
        elif kind == "changed":
            self.changed += 1
        elif kind == "raised":
            text, is_known = facts
            self.raised.append(text)
            if not is_known:
                self.strange.append(text)
        else:
            self.wrong.append(facts[0])


class Load:
    """Four writers and two readers, each a process; sync, or in an event loop.

    Each writer creates objects, and counts on a tally of its own. routes: for some
    ports, the path of the unix socket that leads there. changers: how many processes
    call many other methods, too.
    """

    def __init__(
        self,
        alias: dict[str, Any],
        is_async: bool,
        routes: dict[int, str],
        changers: int = 0,
    ) -> None:
        self.alias, self.is_async, self.routes = alias, is_async, routes
        self.folder = Path(tempfile.mkdtemp(prefix="ormist-"))
        self.journal = Journal(self.folder)
        self._size = WRITERS + READERS + changers
        self._over = PROCESSES.Event()
        self._processes: list[Any] = []

    def __enter__(self) -> "Load":
        for number in range(WRITERS):
            Tally.objects.create(id=f"tally{number}")
        barrier = PROCESSES.Barrier(self._size)
        for number in range(self._size):
            process = PROCESSES.Process(
                target=_work,
                args=(number, self.alias, self.is_async, self.routes),
                kwargs={"folder": self.folder, "over": self._over, "barrier": barrier},
                daemon=True,
            )
            process.start()
            self._processes.append(process)
        try:
            wait_until(self._all_write, "All writers write", LONGEST_CALL)
            self.wait_for(200)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._over.set()
        if kind is None:
            for process in self._processes:
                process.join(LONGEST_CALL)
        self._kill()
        self.journal.read()
        shutil.rmtree(self.folder)

    def _kill(self) -> None:
        alive = [process for process in self._processes if process.is_alive()]
        for process in alive:
            process.kill()
            process.join()
        self._processes = []

    def _all_write(self) -> bool:
        self.journal.read()
        assert not self.journal.wrong, self.journal.wrong[0]
        return len({tally for tally, _ in self.journal.counted}) == WRITERS

    def wait_for(self, count: int) -> None:
        """Return when *count* more writes have been confirmed, some of each kind."""
        journal = self.journal
        journal.read()
        created, counted = (len(journal.created), len(journal.counted))

        def is_enough() -> bool:
            journal.read()
            assert not journal.wrong, journal.wrong[0]
            news = len(journal.created) - created, len(journal.counted) - counted
            return sum(news) >= count and min(news) >= count / 4

        wait_until(is_enough, f"{count} writes are confirmed", LONGEST_CALL)


def _work(
    number: int,
    alias: dict[str, Any],
    is_async: bool,
    routes: dict[int, str],
    *,
    folder: Path,
    over: Any,
    barrier: Any,
) -> None:
    """Write or read until *over* is set: writers, then readers, then changers."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    os.nice(5)  # so that the servers are not taken for frozen
    with (folder / f"{number}.journal").open("a", buffering=1) as file:

        def note(*facts: Any) -> None:
            file.write(json.dumps(facts) + "\n")

        try:
            configure(alias)
            if routes:
                route_over(routes)
            work = _write if number < WRITERS else _read
            if number >= WRITERS + READERS:
                work = _change
            job = work(number, over, note)
            barrier.wait(LONGEST_CALL)
            if is_async:
                asyncio.run(_arun(job))
            else:
                _run(job)
        except BaseException:
            note("wrong", traceback.format_exc())


# The jobs: generators of calls, so that sync and async processes run the same

Note = Callable[..., None]
Job = Iterator[Any]


def _write(number: int, over: Any, note: Note) -> Any:
    tally = f"tally{number}"
    for turn in range(10**9):
        if over.is_set():
            return
        id = f"w{number}-{turn}"
        began = time.monotonic()
        try:
            yield Entry.objects.create, ("tag",), {"id": id, "number": turn}
            note("created", id, began, time.monotonic())
        except Exception as error:
            note("unknown", id)
            note("raised", *_describe(error))
        try:
            yield Tally(id=tally).increment, ("hits",), {}
            note("counted", tally, time.monotonic())
        except Exception as error:
            note("uncounted", tally)
            note("raised", *_describe(error))


def _read(number: int, over: Any, note: Note) -> Any:
    while not over.is_set():
        try:
            page = yield Entry.objects.find("tag")[0:5].list, (), {}
            for entry in page:
                if entry.own_tags != ["tag"]:
                    note("wrong", f"{entry.pk}: {entry.own_tags}")
        except Exception:
            note("wrong", traceback.format_exc())


def _change(number: int, over: Any, note: Note) -> Any:
    """Call many methods on new objects. After an error begin with others."""
    scraps = Scrap.objects
    for turn in range(10**9):
        if over.is_set():
            return
        name = f"c{number}-{turn}"
        try:
            scrap = yield (
                scraps.create,
                (name,),
                {"id": name, "code": name, "number": 1},
            )
            scrap.number, scrap.code = 2, f"{name}b"
            yield scrap.save, (), {}
            more = [Scrap(name, number=n, code=f"{name}/{n}") for n in range(3)]
            yield scraps.bulk_create, (more,), {}
            yield scraps.find(name).update, (), {"number": 7}
            if (count := (yield scraps.find(name, number=7).count, (), {})) != 4:
                note("wrong", f"{name}: {count}")
            yield scrap.delete, (), {}
            if turn % 2:
                yield scraps.find(name).delete, (), {}
            note("changed")
        except Exception as error:
            note("raised", *_describe(error))


def _describe(error: Exception) -> tuple[str, bool]:
    """Return a text, and whether *error* says what became of the write."""
    notes = getattr(error, "__notes__", [])
    is_known = isinstance(error, ormist.NotReplicated) or {LOST, UNPROVEN} & {*notes}
    return " ".join([repr(error), *notes]), bool(is_known)


def _run(job: Any) -> None:
    """Make the calls of a job."""
    step = next(job, None)
    while step is not None:
        verb, arguments, options = step
        try:
            reply = verb(*arguments, **options)
        except Exception as error:
            step = _next(job.throw, error)
        else:
            step = _next(job.send, reply)


async def _arun(job: Any) -> None:
    """Make the async variants of the calls of a job."""
    step = next(job, None)
    while step is not None:
        verb, arguments, options = step
        twin = getattr(verb.__self__, f"a{verb.__name__}")
        try:
            reply = await twin(*arguments, **options)
        except Exception as error:
            step = _next(job.throw, error)
        else:
            step = _next(job.send, reply)


def _next(resume: Any, value: Any) -> Any:
    try:
        return resume(value)
    except StopIteration:
        return None
