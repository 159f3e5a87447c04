"""Random queries, answered by django_ormist and by plain Python.

A query is query once and run twice: by django_ormist with Django's Q objects and
methods, and over a list of objects with a predicate and sorted().
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import reduce
from operator import and_, or_, xor
from random import Random
from typing import Any

from django.db.models import Q


@dataclass(frozen=True)
class Thing:
    """One object: created in microseconds, expire in seconds or None.

    tags: the explicit ones, and ``name:text`` of each indexed attribute.
    """

    pk: str
    attrs: dict[str, Any]
    tags: tuple[str, ...]
    created: int
    expire: float | None = None
    _ranks: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def rank(self, name: str) -> tuple[int, Any] | None:
        """Return the rank of one attribute, cached."""
        if name not in self._ranks:
            self._ranks[name] = rank(self.attrs.get(name))
        return self._ranks[name]

    def time(self, name: str) -> datetime | None:
        """Return ``created`` or ``expire`` as a datetime."""
        if name == "created":
            return EPOCH + timedelta(microseconds=self.created)
        if self.expire is None:
            return None
        return EPOCH + timedelta(milliseconds=round(self.expire * 1000))


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Test = Callable[[Thing], bool]


def rank(value: Any) -> tuple[int, Any] | None:
    """Return the sort key of a value among all values, or None without an order."""
    if isinstance(value, int | float | Decimal):
        return None if value != value else (0, value)
    if isinstance(value, datetime):
        return (4 if value.tzinfo else 3, value)
    for number, kind in ((1, timedelta), (2, date), (5, time), (6, str)):
        if isinstance(value, kind):
            return (number, value)
    return None


@dataclass(frozen=True)
class RandomQuery:
    """A query: conditions, order and slice."""

    q: Q
    test: Test
    order: tuple[str, ...] = ()
    is_reversed: bool = False
    start: int = 0
    stop: int | None = None

    def apply_to(self, collection: Any) -> Any:
        """Return the collection of this query."""
        found = collection.find(self.q)
        if self.order:
            found = found.order_by(*self.order)
        if self.is_reversed:
            found = found.reverse()
        return found

    def slice_of(self, collection: Any) -> Any:
        return collection[self.start : self.stop]

    def matches(self, things: list[Thing]) -> list[Thing]:
        """Return all matches in order, by the Python model."""
        found = sorted((t for t in things if self.test(t)), key=lambda t: t.created)
        for each in reversed(self.order):
            name, is_down = each.removeprefix("-"), each.startswith("-")
            ranks = [(place(thing, name), thing) for thing in found]
            there = [pair for pair in ranks if pair[0] is not None]
            there.sort(key=lambda pair: pair[0], reverse=is_down)
            found = [thing for _, thing in there]
            found += [thing for fact, thing in ranks if fact is None]
        return found[::-1] if self.is_reversed else found

    def sliced(self, things: list[Thing]) -> list[str]:
        return [t.pk for t in self.matches(things)][self.start : self.stop]


def place(thing: Thing, name: str) -> Any:
    if name == "created":
        return thing.created
    if name == "expire":
        return thing.expire
    return thing.rank(name)


# ---------------------------------------------------------------- generating queries


@dataclass
class QueryGenerator:
    """A generator of queries about objects with known values.

    values: some values of each attribute to query. indexed: names that compare by text.
    ordered: names with an order; only texts of the first one. times: some values of
    ``created`` and ``expire``.
    """

    random: Random
    values: dict[str, list[Any]]
    indexed: tuple[str, ...]
    ordered: tuple[str, ...]
    tags: list[str]
    pks: list[str] = field(default_factory=list)
    times: dict[str, list[datetime]] = field(default_factory=dict)

    def learn(self, things: list[Thing]) -> None:
        """Query the ids and the times of these objects."""
        self.pks = [each.pk for each in things]
        for name in ("created", "expire"):
            known = [time for each in things if (time := each.time(name))]
            self.times[name] = known or [EPOCH]

    def random_query(self) -> RandomQuery:
        q, test = self.tree(self.random.choice((0, 1, 1, 2, 3)))
        query = RandomQuery(q, test, self.order(), self.random.random() < 0.3)
        if self.random.random() < 0.7:
            start = self.random.choice((0, 0, 1, 5, 20, 300))
            query = replace(query, start=start)
            if self.random.random() < 0.9:
                size = self.random.choice((0, 1, 3, 20, 100, 1500))
                query = replace(query, stop=start + size)
        return query

    def order(self) -> tuple[str, ...]:
        names = [*self.ordered, "created", "expire"]
        chosen = self.random.sample(names, self.random.choice((0, 1, 1, 1, 2, 3)))
        return tuple(self.random.choice(("", "-")) + name for name in chosen)

    def tree(self, depth: int) -> tuple[Q, Test]:
        if depth == 0:
            return self.leaf()
        children = [
            self.tree(depth - 1) for _ in range(self.random.choice((1, 2, 2, 3)))
        ]
        join, are_met = self.random.choice(
            ((and_, all), (and_, all), (or_, any), (xor, is_odd))
        )
        q = reduce(join, [child[0] for child in children])
        tests = [child[1] for child in children]

        def test(thing: Thing) -> bool:
            return bool(are_met(each(thing) for each in tests))

        if self.random.random() < 0.25:
            return ~q, lambda thing: not test(thing)
        return q, test

    def leaf(self) -> tuple[Q, Test]:
        kinds = [self.tag, self.equal, self.compare, self.compare, self.null, self.ids]
        kinds += [self.period] if self.times else []
        return self.random.choice(kinds)()

    def tag(self) -> tuple[Q, Test]:
        some = self.random.sample(self.tags, 2)
        if self.random.random() < 0.5:
            return Q(tags=some[0]), lambda thing: some[0] in thing.tags
        if self.random.random() < 0.5:
            return Q(tags=some), lambda thing: set(some) <= set(thing.tags)
        return Q(tags__in=some), lambda thing: bool(set(some) & set(thing.tags))

    def equal(self) -> tuple[Q, Test]:
        name = self.random.choice(self.indexed)
        some = self.random.choices(self.values[name], k=self.random.choice((1, 3)))
        texts = {None if value is None else str(value) for value in some}

        def test(thing: Thing) -> bool:
            if name not in thing.attrs:
                return False
            value = thing.attrs[name]
            return (None if value is None else str(value)) in texts

        if len(some) == 1:
            return Q(**{name: some[0]}), test
        return Q(**{f"{name}__in": some}), test

    def compare(self) -> tuple[Q, Test]:
        name = self.random.choice(self.ordered)
        bound = self.random.choice([v for v in self.values[name] if rank(v)])
        limit = rank(bound)
        assert limit is not None
        lookup = self.random.choice(("gt", "gte", "lt", "lte", "range", "startswith"))
        if lookup == "startswith" and isinstance(bound, str):
            start = bound[: self.random.choice((0, 1, 2, 3))]
            return (
                Q(**{f"{name}__startswith": start}),
                lambda thing: (
                    isinstance(thing.attrs.get(name), str)
                    and thing.attrs[name].startswith(start)
                ),
            )
        if lookup in ("range", "startswith"):
            others = [v for v in self.values[name] if (rank(v) or [9])[0] == limit[0]]
            other = self.random.choice(others)
            high = rank(other)
            assert high is not None
            return Q(**{f"{name}__range": (bound, other)}), _compared(
                name, limit, lambda fact: limit[1] <= fact <= high[1]
            )
        compare = {
            "gt": lambda fact: fact > limit[1],
            "gte": lambda fact: fact >= limit[1],
            "lt": lambda fact: fact < limit[1],
            "lte": lambda fact: fact <= limit[1],
        }[lookup]
        return Q(**{f"{name}__{lookup}": bound}), _compared(name, limit, compare)

    def null(self) -> tuple[Q, Test]:
        name, wanted = self.random.choice(self.ordered), self.random.random() < 0.5
        return Q(
            **{f"{name}__isnull": wanted}
        ), lambda thing: (thing.rank(name) is None) is wanted

    def ids(self) -> tuple[Q, Test]:
        if not self.pks:
            return self.tag()
        some = set(self.random.choices(self.pks, k=self.random.choice((1, 20))))
        return Q(pk__in=list(some)), lambda thing: thing.pk in some

    def period(self) -> tuple[Q, Test]:
        """Return a lookup of the creation or the expiration time."""
        name = self.random.choice(("created", "expire"))
        lookup = self.random.choice(
            ("gt", "gte", "lt", "lte", "range", "exact", "in", "isnull")
        )
        if lookup == "isnull":
            wanted = self.random.random() < 0.5
            return Q(
                **{f"{name}__isnull": wanted}
            ), lambda thing: (thing.time(name) is None) is wanted
        one, other = (self._moment(name) for _ in range(2))
        compare, value = {
            "gt": (lambda time: time > one, one),
            "gte": (lambda time: time >= one, one),
            "lt": (lambda time: time < one, one),
            "lte": (lambda time: time <= one, one),
            "range": (lambda time: one <= time <= other, (one, other)),
            "exact": (lambda time: time == one, one),
            "in": (lambda time: time in (one, other), [one, other]),
        }[lookup]

        def test(thing: Thing) -> bool:
            time = thing.time(name)
            return time is not None and compare(time)

        return Q(**{f"{name}__{lookup}": value}), test

    def _moment(self, name: str) -> datetime:
        """Return a time of an object, or one close to it."""
        step = self.random.choice((0, 0, 0, 1, -1, 500, -500, 1000, -1000))
        return self.random.choice(self.times[name]) + timedelta(microseconds=step)


def _compared(name: str, limit: Any, compare: Callable[[Any], bool]) -> Test:
    def test(thing: Thing) -> bool:
        fact = thing.rank(name)
        return fact is not None and fact[0] == limit[0] and compare(fact[1])

    return test


def is_odd(facts: Any) -> bool:
    return sum(facts) % 2 == 1
