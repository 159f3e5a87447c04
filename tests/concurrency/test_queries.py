"""Every result is a consistent snapshot, while others write and objects expire.

ORMIST_QUERIES=10000 runs this many on each server, sync and async, in place of fewer.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event, Thread
from time import time

import pytest

from tests.models import City
from tests.properties.test_queries import TAGS, VALUES, generator, thing
from tests.python_queries import QueryGenerator, RandomQuery, Thing, rank

QUERIES = int(os.environ.get("ORMIST_QUERIES", "12"))


class Writer:
    """A writer of one object after the other, which remembers each state of the store.

    versions: the store after each write, of which the last one may not be applied yet.
    done: the number of the last applied one. Objects with a short lifetime stay.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.versions: list[dict[str, Thing]] = [{}]
        self.done = 0
        self.cities: dict[str, City] = {}
        self.number = 0
        self.failures: list[BaseException] = []

    def write(self) -> None:
        """Create, change or delete an object."""
        things = dict(self.versions[-1])
        lasting = [pk for pk in self.cities if pk in things]
        if len(lasting) < 150 or self.random.random() < 0.3:
            city = self._new()
            things[city.id] = thing(city, self.number)
            self._apply(things, city.save)
            return
        city = self.cities[self.random.choice(lasting)]
        if len(lasting) > 250 or self.random.random() < 0.2:
            del things[city.id], self.cities[city.id]
            self._apply(things, city.delete)
            return
        name = self.random.choice(list(VALUES))
        city.attrs[name] = self.random.choice(VALUES[name])
        city.tags = [tag for tag in TAGS if self.random.random() < 0.4]
        if self.random.random() < 0.2:
            self._let_expire(city)
        things[city.id] = thing(city, things[city.id].created)
        self._apply(things, city.save)

    def _new(self) -> City:
        self.number += 1
        chosen = {name: self.random.choice(VALUES[name]) for name in VALUES}
        attrs = {k: v for k, v in chosen.items() if self.random.random() < 0.8}
        tags = [tag for tag in TAGS if self.random.random() < 0.4]
        city = City(*tags, id=f"w{self.number}", code=f"c{self.number}", **attrs)
        self.cities[city.id] = city
        if self.random.random() < 0.4:
            self._let_expire(city)
        return city

    def _let_expire(self, city: City) -> None:
        # A moment: of a lifetime only the server knows where it ends.
        span = timedelta(seconds=self.random.uniform(0.3, 2))
        city.expire = datetime.now(UTC) + span
        del self.cities[city.id]

    def _apply(self, things: dict[str, Thing], method) -> None:
        self.versions.append(things)
        method()
        self.done = len(self.versions) - 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write in another thread, as fast as possible."""
        is_over = Event()

        def work() -> None:
            try:
                while not is_over.is_set():
                    self.write()
            except BaseException as failure:
                self.failures.append(failure)

        worker = Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            is_over.set()
            worker.join()
        assert not self.failures


class Moments:
    """The states that the store had between a call and its return."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.first = writer.done
        self.from_ms = int(time() * 1000)

    def states(self) -> Iterator[list[Thing]]:
        """Return each possible state until now, by writes and by expiration times."""
        till_ms, last = int(time() * 1000), len(self.writer.versions)
        for version in self.writer.versions[self.first : last]:
            deadlines = {self.from_ms} | {
                ms
                for each in version.values()
                if each.expire and self.from_ms < (ms := deadline_ms(each)) <= till_ms
            }
            for now_ms in sorted(deadlines):
                yield [
                    each
                    for each in version.values()
                    if each.expire is None or deadline_ms(each) > now_ms
                ]


def deadline_ms(each: Thing) -> int:
    return round(each.expire * 1000)


def check(ask, writer: Writer, query: RandomQuery) -> None:
    """Compare each method of one round trip with every moment of its call."""
    collection = query.apply_to(City.objects.all())
    part = query.slice_of(collection)
    page = part[:1000]
    methods = {
        "ids": (part.ids, lambda things: query.sliced(things)),
        "page": (page.list, lambda things: query.sliced(things)[:1000]),
        "count": (collection.count, lambda things: len(query.matches(things))),
        "exists": (part.exists, lambda things: bool(query.sliced(things))),
        "facets": (
            lambda: ask(collection.facets, "population"),
            lambda things: sizes(query.matches(things)),
        ),
    }
    for name, (method, wanted) in methods.items():
        moments = Moments(writer)
        result = method() if name == "facets" else ask(method)
        if name == "page":
            result = [city.id for city in result]
        states = list(moments.states())
        possible = [wanted(things) for things in states]
        assert result in possible, (
            f"{name} of {query} is {result} at no moment; {possible[0]} at the first"
        )


def sizes(things: list[Thing]) -> Counter:
    populations = [each.attrs.get("population") for each in things]
    return Counter(size for size in populations if rank(size))


@pytest.mark.servers("valkey91*", "redis*")
@pytest.mark.parametrize("seed", range(max(QUERIES // 200, 1)))
def test_a_result_is_a_consistent_snapshot(ask, server, seed):
    writer = Writer(seed)
    draws: QueryGenerator = generator(writer.random)
    draws = replace(draws, random=Random(1000 + seed))
    for _ in range(200):
        writer.write()
    with writer.running():
        for _ in range(min(QUERIES, 200)):
            draws.pks = list(writer.versions[-1])
            check(ask, writer, draws.random_query())
