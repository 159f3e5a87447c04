"""Writers and readers that go on during a fault, and a journal of their writes."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import django_ormist as ormist
from tests.sentinels import wait_until

WRITERS, READERS = 4, 2


class Entry(ormist.TaggedAttrsModel):
    """What the writers write."""

    class Meta:
        app_label = "tests"
        ordered = ["number"]
        counters = ["hits"]


@dataclass
class Journal:
    """What one run of writers and readers was told.

    created: by the id, the time of the confirmation. hits: the confirmed increments of
    each counter, and unknown_hits those whose reply was lost. errors: what was raised.
    longest: the longest time without a confirmed write.
    """

    created: dict[str, float] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    hits: dict[str, int] = field(default_factory=dict)
    unknown_hits: dict[str, int] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    wrong: list[Any] = field(default_factory=list)
    confirmed: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        times = sorted(self.confirmed)
        return max((b - a for a, b in pairwise(times)), default=0)

    def lost(self, stored: set[str]) -> dict[str, float]:
        """The confirmed writes that are not stored, and their times."""
        return {id: at for id, at in self.created.items() if id not in stored}


class Load:
    """Four writers and two readers, in threads or in tasks of one loop.

    Each writer creates objects, and counts on an object of its own.
    """

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async
        self.journal = Journal()
        self._is_over = threading.Event()
        self._threads = ThreadPoolExecutor(WRITERS + READERS)
        self._running: list[Any] = []

    def __enter__(self) -> "Load":
        for number in range(WRITERS):
            Entry.objects.create(id=f"counter{number}")
        if self.is_async:
            self._running = [self._threads.submit(asyncio.run, self._all())]
        else:
            jobs = [self._writer(n) for n in range(WRITERS)]
            jobs += [self._reader() for _ in range(READERS)]
            self._running = [self._threads.submit(_run, job) for job in jobs]
        self.wait_for(200)
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        for each in self._running:
            each.result()
        self._threads.shutdown()

    def wait_for(self, count: int) -> None:
        """Return when *count* more writes have been confirmed."""
        enough = len(self.journal.confirmed) + count
        wait_until(lambda: len(self.journal.confirmed) >= enough, f"{count} writes")

    # The jobs: generators of calls, so that threads and tasks run the same

    def _writer(self, number: int) -> Any:
        journal, counter = self.journal, f"counter{number}"
        for turn in range(10**9):
            if self._is_over.is_set():
                return
            id = f"w{number}-{turn}"
            try:
                yield Entry.objects.create, ("tag",), {"id": id, "number": turn}
                journal.created[id] = time.monotonic()
                journal.confirmed.append(time.monotonic())
            except Exception as error:
                journal.unknown.add(id)
                journal.errors.append(error)
            try:
                yield Entry(id=counter).increment, ("hits",), {}
                journal.hits[counter] = journal.hits.get(counter, 0) + 1
                journal.confirmed.append(time.monotonic())
            except Exception as error:
                unknown = journal.unknown_hits
                unknown[counter] = unknown.get(counter, 0) + 1
                journal.errors.append(error)

    def _reader(self) -> Any:
        while not self._is_over.is_set():
            try:
                page = yield Entry.objects.find("tag")[0:5].list, (), {}
                self.journal.wrong += [e for e in page if e.own_tags != ["tag"]]
            except Exception as error:
                self.journal.wrong.append(error)

    async def _all(self) -> None:
        jobs = [self._writer(n) for n in range(WRITERS)]
        jobs += [self._reader() for _ in range(READERS)]
        await asyncio.gather(*map(_arun, jobs))


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
