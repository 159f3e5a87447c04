"""Client processes that call one side at once: real processes behind a barrier.

They keep off the core of the server where there is another one. Each has its own
connections, and calls one method after the other, as a worker of a site does.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

from . import native
from .bare import Bare, Held
from .server import PREFIXES
from .subjects import PLAIN, tags

PAGE = 20
OWN = 200
"""Objects that each process saves, one after the other."""

PACKAGES = {"walrus": "walrus", "redis-om": "redis_om"}
"""Peers that take part where their package is installed, with that package."""

SIDES = ("django_ormist", "bare redis-py", *PACKAGES)

FEWEST = 20
"""Calls of a turn at a rate, however short it is."""

PATIENCE_S = 60
"""The longest wait for others at the barrier: one of them may have failed."""

Call = Callable[[], Any]


def sides() -> list[str]:
    """Return the names of the sides that can take part here."""
    return [name for name in SIDES if find_spec(PACKAGES.get(name, "redis"))]


@dataclass(frozen=True)
class Turn:
    """What the processes do next. rate: calls a second of each, None: at full speed."""

    side: str
    method: str
    clients: int
    seconds: float
    rate: float | None = None


@dataclass
class Answer:
    """The number of calls of one process, and the time of each after its arrival."""

    calls: int
    times_us: list[float]


class Clients:
    """Processes that wait for turns."""

    def __init__(self, url: str, total: int, counts: tuple[int, ...]) -> None:
        """Start the processes; *total* visitors are stored. counts: of the turns."""
        context = multiprocessing.get_context("spawn")
        self.barriers = {count: context.Barrier(count + 1) for count in counts}
        self.pipes = []
        self.processes = []
        for number in range(max(counts)):
            pipe, other = context.Pipe()
            arguments = (url, total, number, other, self.barriers)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            other.close()  # so that recv() fails rather than waits for one that ended
            self.pipes.append(pipe)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def take(self, turn: Turn) -> list[Answer]:
        """Return the answers of the processes of one turn, which begin together."""
        pipes = self.pipes[: turn.clients]
        for pipe in pipes:
            pipe.send(turn)
        self.barriers[turn.clients].wait(PATIENCE_S)
        return [pipe.recv() for pipe in pipes]

    def close(self) -> None:
        """End the processes, also those that wait for one that failed."""
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            with suppress(BrokenPipeError):
                pipe.send(None)
            process.join(5)
            process.terminate()


# ------------------------------------------------------------------ in a process


def _serve(url: str, total: int, number: int, pipe: Any, barriers: Any) -> None:
    """Do one turn after the other until the pipe says to end."""
    _leave_server_alone()
    if not settings.configured:
        settings.configure(
            USE_TZ=True,
            ORMIST={"default": {"LOCATION": url, "KEY_PREFIX": PREFIXES[0]}},
        )
        django.setup()
    random.seed(number)
    made = {name: _SIDES[name](url, total) for name in sides()}
    pipe.send(list(made))
    while (turn := pipe.recv()) is not None:
        call = getattr(made[turn.side], turn.method)()
        call()
        barriers[turn.clients].wait(PATIENCE_S)
        if turn.rate is None:
            pipe.send(_hurry(call, turn.seconds))
        else:
            pipe.send(_arrive(call, turn.seconds, turn.rate))


def _leave_server_alone() -> None:
    """Run on any core but the first, on which our own server runs."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        others = sorted(os.sched_getaffinity(0))[1:]
        if others:
            os.sched_setaffinity(0, others)


def _hurry(call: Call, seconds: float) -> Answer:
    """Call as often as possible."""
    calls, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        call()
        calls += 1
    return Answer(calls, [])


def _arrive(call: Call, seconds: float, rate: float) -> Answer:
    """Call at random times that do not depend on how long the calls take.

    The time of a call begins at its arrival. A call that waits for a slow one is slow,
    too. Otherwise a slow server would get fewer calls, and look faster than it is.
    """
    times_us: list[float] = []
    start = time.monotonic()
    arrival = start + random.expovariate(rate)
    while arrival < start + seconds or len(times_us) < FEWEST:
        while (left := arrival - time.monotonic()) > 0:
            if left > 0.002:
                time.sleep(left - 0.001)  # the rest is waited for exactly
        call()
        times_us.append((time.monotonic() - arrival) * 1e6)
        arrival += random.expovariate(rate)
    return Answer(len(times_us), times_us)


class _Side:
    """The methods: each returns a function that does the work once."""

    def __init__(self, url: str, total: int) -> None:
        self.url, self.total = url, total
        self.start()

    def start(self) -> None:
        raise NotImplementedError

    def new(self) -> Held:
        """Return an object that is not stored yet."""
        number = random.randrange(1_000_000)
        return Held("", PLAIN.attributes(number), tags(number, self.total))


class _Ours(_Side):
    def start(self) -> None:
        read: Any = PLAIN.read
        self.read, self.written = read.objects, PLAIN.written
        self.pks = self.read.find("everyone")[:1000].ids()

    def get(self) -> Call:
        return lambda: self.read.get(random.choice(self.pks))

    def page(self) -> Call:
        return lambda: self.read.find("everyone")[:PAGE].list()

    def create(self) -> Call:
        def create() -> None:
            held = self.new()
            self.written.objects.create(*held.tags, **held.attrs)

        return create

    def save(self) -> Call:
        model: Any = self.written
        many = [
            model(*held.tags, **held.attrs) for held in (self.new() for _ in range(OWN))
        ]
        stored = model.objects.bulk_create(many)

        def save() -> None:
            visitor = random.choice(stored)
            visitor.visits += 1
            visitor.save()

        return save


class _Bare(_Side):
    def start(self) -> None:
        from django_ormist.keys import Space

        space = PLAIN.read._meta.space("default")
        self.read = Bare(self.url, space, native.PLAIN)
        space = Space(PREFIXES[1], PLAIN.written._meta.label)
        self.written = Bare(self.url, space, native.PLAIN)
        found = self.read.client.zrange(self.read.keys.terms + "everyone", 0, 999)
        self.pks = [pk.decode() for pk in found]

    def get(self) -> Call:
        return lambda: self.read.get(random.choice(self.pks))

    def page(self) -> Call:
        return lambda: self.read.page_by_sort("everyone", 0, PAGE)

    def create(self) -> Call:
        return lambda: self.written.create(self.new())

    def save(self) -> Call:
        stored = [self.new() for _ in range(OWN)]
        for held in stored:
            self.written.create(held)
        return lambda: self.written.save(random.choice(stored))


class _Walrus(_Side):
    """walrus with the same attributes; it has no tags, and indexes city and age."""

    def start(self) -> None:
        import walrus  # type: ignore[import-not-found]

        class Visitor(walrus.Model):  # type: ignore[misc]
            __database__ = walrus.Database(**_place(self.url))
            __namespace__ = PREFIXES[1]
            name = walrus.TextField()
            city = walrus.TextField(index=True)
            age = walrus.IntegerField(index=True)
            visits = walrus.IntegerField()
            score = walrus.FloatField()
            active = walrus.BooleanField()
            plan = walrus.TextField()
            credit = walrus.FloatField()

        self.model: Any = Visitor
        self.pk = Visitor.create(**PLAIN.attributes(1))._id

    def get(self) -> Call:
        return lambda: self.model.load(self.pk)

    def create(self) -> Call:
        return lambda: self.model.create(**self.new().attrs)


class _RedisOm(_Side):
    """redis-om with the same attributes, without indexes: they need modules."""

    def start(self) -> None:
        import redis
        import redis_om  # type: ignore[import-not-found]

        client = redis.Redis.from_url(self.url, decode_responses=True)

        class Visitor(redis_om.HashModel, index=True):  # type: ignore[misc]
            name: str
            city: str
            age: int
            visits: int
            score: float
            active: int  # it refuses a bool
            plan: str
            credit: float

            class Meta:
                database = client
                global_key_prefix = PREFIXES[1]

        self.model: Any = Visitor
        self.pk = Visitor(**PLAIN.attributes(1)).save().pk

    def get(self) -> Call:
        return lambda: self.model.get(self.pk)

    def create(self) -> Call:
        return lambda: self.model(**self.new().attrs).save()


def _place(url: str) -> dict[str, Any]:
    """Return the arguments of a redis-py client for this URL."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return {"unix_socket_path": parts.path}
    return {"host": parts.hostname, "port": parts.port or 6379}


_SIDES: dict[str, type[_Side]] = {
    "django_ormist": _Ours,
    "bare redis-py": _Bare,
    "walrus": _Walrus,
    "redis-om": _RedisOm,
}


def has(side: str, method: str) -> bool:
    """Return whether this side has this method."""
    return hasattr(_SIDES[side], method)
