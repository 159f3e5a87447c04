"""A query costs at most the sum of its sizes, and its result is right.

docs/explanation/query-cost.rst has the bound. ORMIST_QUERIES=2000 runs that many.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_, or_, xor
from random import Random

import pytest
from django.db.models import Count, Max, Q
from hypothesis import given, settings
from hypothesis import strategies as st

from django_ormist.connections.executor import run
from django_ormist.keys import (
    all_key,
    expires_key,
    object_key,
    ordered_key,
    term_key,
)
from django_ormist.operations import commit
from django_ormist.operations.scan import creation_times
from django_ormist.queries.conditions import (
    And,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Term,
    Xor,
)
from django_ormist.terms import term_suffix
from tests.conftest import scripts
from tests.models import City
from tests.python_queries import QueryGenerator, Thing
from tests.script_costs import counting

QUERIES = int(os.environ.get("ORMIST_QUERIES", "20"))
SIZE = 2500
COUNTRIES, NAMES, POPULATIONS = 1000, 50, 300
TAGS = ["most", "some", "few"]
TIMES, FEW = 12, 50
"""The bound: looks for each id, condition and place of the page; and a few more."""

ASKING = {
    "page",
    "count_terms",
    "query",
    "count_where",
    "aggregate",
    "query_ids",
    "term_ids",
    "commit",
}


class Broad(QueryGenerator):
    """A generator that also makes queries of many values."""

    def leaf(self):
        if self.random.random() < 0.4:
            return self.random.choice([self.many, self.many_ids, self.many_joined])()
        return super().leaf()

    def many(self):
        """Return a condition of up to 1000 values of an attribute."""
        name = self.random.choice(("country", "name", "population"))
        number = self.random.choice((100, 1000))
        some = {self.random.randrange(COUNTRIES) for _ in range(number)}
        if name != "population":
            terms = {f"{name}:{value}" for value in some}
            return Q(**{f"{name}__in": list(some)}), lambda t: bool(terms & set(t.tags))
        return Q(population__in=list(some)), lambda t: t.attrs.get(name) in some

    def many_ids(self):
        some = set(self.random.choices(self.pks, k=1000))
        return Q(pk__in=list(some)), lambda thing: thing.pk in some

    def many_joined(self):
        """Return any, or an odd number, of many overlapping ranges."""
        parts = []
        for _ in range(40):
            low = self.random.randrange(POPULATIONS)
            parts.append((low, low + self.random.choice((0, 1, 5, 50))))
        join, is_met = self.random.choice(
            ((or_, any), (xor, lambda facts: sum(facts) % 2 == 1))
        )
        q = reduce(join, [Q(population__range=part) for part in parts])

        def test(thing):
            size = thing.attrs.get("population")
            return size is not None and is_met(
                [low <= size <= high for low, high in parts]
            )

        return q, test


def drawn_attrs(random):
    attrs = {
        "country": random.randrange(COUNTRIES),
        "name": str(random.randrange(NAMES)),
        "population": random.randrange(POPULATIONS),
        "founded": random.random(),
    }
    return {name: value for name, value in attrs.items() if random.random() < 0.9}


def drawn_tags(random):
    return [
        tag
        for tag, share in zip(TAGS, (0.9, 0.3, 0.01), strict=True)
        if random.random() < share
    ]


class Crowd:
    """The stored objects, and the same as things; some have expired unswept."""

    def __init__(self, server, late_share):
        random = Random(7)
        made = [
            City(
                *drawn_tags(random), id=f"c{i}", expire=1000 + i, **drawn_attrs(random)
            )
            if random.random() < 0.7
            else City(*drawn_tags(random), id=f"c{i}", **drawn_attrs(random))
            for i in range(SIZE)
        ]
        City.objects.bulk_create(made, batch_size=500)
        self.client, self.space = server.client, City._meta.space("default")
        pks = [city.id.encode() for city in made]
        created = map(int, run(creation_times(self.space, pks), "default"))
        things = list(map(self._thing, made, created))
        late = {t.pk for t in things if t.expire and random.random() < late_share}
        for pk in late:
            self.client.zadd(expires_key(self.space), {pk: 1})
            self.client.delete(object_key(self.space, pk))
        self.everything = things
        self.things = [thing for thing in things if thing.pk not in late]
        self.late = len(late)
        values = {
            name: [t.attrs[name] for t in things if name in t.attrs]
            for name in ("country", "name", "population", "founded")
        }
        self.values = values

    def generator(self, random):
        draws = Broad(
            random,
            self.values,
            indexed=("country", "name"),
            ordered=("population", "name", "founded"),
            tags=TAGS,
        )
        draws.learn(self.everything)
        return draws

    @staticmethod
    def _thing(city, created):
        expire = None if city.expire is None else city.expire.timestamp()
        terms = [
            f"{name}:{city.attrs[name]}"
            for name in ("country", "name")
            if name in city.attrs
        ]
        return Thing(
            city.id, dict(city.attrs), (*city._state.tags, *terms), created, expire
        )

    def size(self, condition):
        """Return the size of a condition, and the number of its parts."""
        match condition:
            case Term(term):
                return self.client.zcard(term_key(self.space, term_suffix(term))), 1
            case Range(name, low, high):
                key = ordered_key(self.space, name)
                low = b"-" if low == b"" else b"[" + low
                return self.client.zlexcount(key, low, b"(" + high), 1
            case Period(name, first, last):
                key = all_key if name == "created" else expires_key
                return self.client.zcount(key(self.space), first, last), 1
            case Ids(pks):
                return len(pks), 1
            case Holds():
                return 1, 1
            case Not(part):
                return self.size(part)
        sizes = [self.size(part) for part in condition.parts]
        return sum(size for size, _ in sizes), sum(number for _, number in sizes) + 1


@pytest.fixture(params=[0, 0.05, 0.9], ids="late{}".format)
def crowd(server, request):
    return Crowd(server, request.param)


@pytest.fixture
def counter(server):
    asking = [script for script in scripts() if script.name in ASKING]
    with counting(server.client, asking) as counts:
        yield counts


def is_bounded(condition):
    """Whether the indexes of a condition contain all matches: it is not negated."""
    match condition:
        case Not(part):
            return not is_bounded(part)
        case And(parts):
            return any(map(is_bounded, parts))
        case Or(parts):
            return all(map(is_bounded, parts))
        case Xor(parts):
            return sum(not is_bounded(part) for part in parts) % 2 == 0
    return True


@pytest.mark.slow
@pytest.mark.stray_keys
@pytest.mark.servers("valkey91", "redis62")
@settings(max_examples=QUERIES)
@given(st.randoms(use_true_random=False))
def test_a_query_costs_at_most_the_sum_of_its_sizes(server, crowd, counter, random):
    random_query = crowd.generator(random).random_query()
    collection = random_query.apply_to(City.objects.all())
    part, end = random_query.slice_of(collection), random_query.stop or 0
    matches = random_query.matches(crowd.things)
    wanted = [each.pk for each in matches]
    condition = collection.query.condition
    size, number = crowd.size(condition)
    named = size + number + (0 if is_bounded(condition) else SIZE)

    def same(what, result, right, more=0):
        assert result == right, f"{what} of {collection.query}"
        counts = counter.take()
        bound = TIMES * (named + more) + FEW
        assert sum(counts) <= bound, f"{what}: {counts} > {bound} of {collection.query}"

    counter.take()
    same("count", collection.count(), len(matches))
    same("exists", collection.exists(), bool(matches))
    same("ids", collection.ids(), wanted)
    same("page", part.ids(), wanted[random_query.start : random_query.stop], end)
    same(
        "list",
        [city.id for city in part],
        wanted[random_query.start : random_query.stop],
        end,
    )
    same("explain", len(part.explain()) > 0, True, end)
    generated = collection.order_by("?")[:20].ids()
    same("at random", set(generated) <= set(wanted), True, 20)

    sizes = collection.facets("population")
    same("facets", sum(sizes.values()), sum("population" in t.attrs for t in matches))
    values = range(0, COUNTRIES, 10)
    of_values = sum(crowd.size(Term(f"country:{value}"))[0] for value in values)
    right = dict.fromkeys(values, 0)
    for each in matches:
        if each.attrs.get("country") in right:
            right[each.attrs["country"]] += 1
    counts = collection.facets("country", values)
    same("facets of values", counts, right, of_values + len(values))
    few = collection.aggregate(Max("name"), few=Count("pk", filter=Q("few")))["few"]
    same("aggregate", few, sum("few" in t.tags for t in matches), named)

    def guard():
        return (yield commit.commit([commit.absent(crowd.space, condition)]))

    is_free, *_ = run(guard(), "default")
    same("guard", is_free, not matches)


def joined(join, *names):
    return reduce(join, (Q(**{name: i}) for name in names for i in range(500)))


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EVERY_KIND = {
    "in": Q(country__in=range(1000)),
    "in and a range": Q(country__in=range(1000), population__gte=500),
    "in of an ordered one": Q("all", population__in=range(1000)),
    "in of a unique one": Q("all", code__in=range(1000)),
    "ids": Q("all", pk__in=[f"c{i}" for i in range(500)]),
    "or": Q("all") & joined(or_, "country", "population"),
    "xor": Q("all") & joined(xor, "country", "population"),
    "created": Q("all", created__gte=LONG_AGO),
    "created, not": Q("all") & ~Q(created__lt=LONG_AGO),
    "expire": Q("all", expire__isnull=True) | Q(expire__gte=LONG_AGO, country=7),
    "periods": Q("all")
    & reduce(or_, (Q(created__gt=LONG_AGO + timedelta(i)) for i in range(500))),
    "not in": Q("all") & ~Q(country__in=range(1000)),
    "not in, alone": ~Q(country__in=range(1000)),
    "many negations": reduce(and_, (~Q(country=i) for i in range(500)), Q("all")),
    "any of negations": reduce(or_, (~Q(country=i) for i in range(500)), ~Q("all")),
    "ranges": Q("all") & reduce(or_, (Q(population__range=(i, i)) for i in range(500))),
    "nested": Q("all")
    & reduce(or_, (Q(country=i) & ~Q(country=i, population=i) for i in range(500))),
}


@pytest.mark.stray_keys
@pytest.mark.servers("valkey91", "redis62", "fakeredis")
def test_every_kind_of_condition_is_read_once(server, counter):
    City.objects.bulk_create(
        City("all", id=f"c{i}", country=i, population=i, code=i) for i in range(1000)
    )
    for kind, q in EVERY_KIND.items():
        collection = City.objects.find(q)
        for method in (
            collection.count,
            collection.exists,
            collection.ids,
            collection[20:40].ids,
            collection.order_by("-population")[:20].ids,
            collection.order_by("?")[:20].ids,
            lambda collection=collection: collection.facets("population"),
            lambda collection=collection: collection.facets(
                "country", range(0, 1000, 5)
            ),
        ):
            counter.take()
            method()
            assert sum(counter.take()) <= TIMES * 3500 + FEW, (kind, method)


@pytest.mark.stray_keys
@pytest.mark.servers("valkey91", "redis62", "fakeredis")
def test_counting_values_does_not_read_every_expired_object(server, counter):
    City.objects.bulk_create(
        City(
            id=f"c{i}", country=i % 300, name=str(i % 300), population=i % 600, expire=9
        )
        for i in range(1500)
    )
    expires = expires_key(City._meta.space("default"))
    server.client.zadd(expires, {f"c{i}": 1 for i in range(700)})
    ranges = reduce(or_, (Q(population=i) for i in range(0, 600, 2)))
    collection = City.objects.find(ranges, name="8")
    counter.take()
    assert collection.facets("country", range(300, -1, -1))[8] == 2
    assert sum(counter.take()) <= TIMES * (1500 + 750 + 5 + 301 + 303) + FEW


@pytest.mark.stray_keys
@pytest.mark.servers("valkey91", "fakeredis")
def test_update_and_delete_cost_as_much_as_a_list(server, counter):
    City.objects.bulk_create(City(id=f"c{i}", country=i) for i in range(1000))
    counter.take()
    collection = City.objects.find(country__in=range(1000)).exclude(pk="c0")
    assert collection.update(name="x") == 999
    found = counter.take()
    assert sum(found) <= TIMES * 2001 + FEW
    assert collection.delete()[0] == 999
    assert sum(counter.take()) <= sum(found)
