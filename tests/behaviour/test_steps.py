"""Queries that examine many ids are answered in steps."""

from functools import reduce
from math import ceil
from operator import and_, or_, xor

import pytest
from django.db.models import Count, Max, Q, Sum

from django_ormist.connections import connections
from django_ormist.connections.executor import run_over
from django_ormist.keys import expires_key
from django_ormist.operations import aggregate, counts, search, steps
from django_ormist.operations.operation import Script
from django_ormist.queries import splitting
from tests.conftest import scripts
from tests.models import City
from tests.script_costs import counting

pytestmark = pytest.mark.servers("valkey91", "fakeredis")

SIZE = 400
LOOKS, LEAVES = 50, 8
MOST_EXAMINED = 8 * LOOKS
"""Words of the commands of one step and of their replies, but for each condition."""

QUERIES = {
    "two tags": Q("all", "half"),
    "a tag and a range": Q("half", population__gte=100),
    "a tag or a range": Q("half") | Q(population__gte=300),
    "ranges": Q(population__lt=50) | Q(population__gt=350) | Q(name__gte="c399"),
    "one or the other": Q("half") ^ Q(population__gte=100),
    "not both": ~Q("half", population__gte=100),
    "many values": Q(country__in=range(20)),
    "many ranges": reduce(or_, (Q(population=i) for i in range(0, SIZE, 20))),
    "ids": Q("half", pk__in=[f"c{i:03}" for i in range(0, SIZE, 3)]),
    "nested": Q(
        "all", Q("half", population__gte=50) | Q("third", country__in=range(9))
    ),
    "deadlines": Q(expire__isnull=False) & Q("half"),
    "created": Q("half") & Q(created__isnull=False) & Q(population__lt=300),
}


@pytest.fixture
def cities(server):
    made = [
        City(
            *("all", *["half"] * (i % 2), *["third"] * (i % 3 == 0)),
            id=f"c{i:03}",
            country=i % 100,
            name=f"c{i:03}",
            population=i * 7 % SIZE,
            expire=5000 if i % 4 == 1 else None,
        )
        for i in range(SIZE)
    ]
    City.objects.bulk_create(made, batch_size=400)
    return made


@pytest.fixture
def few_looks(monkeypatch):
    set_few_looks(monkeypatch)


def set_few_looks(monkeypatch):
    monkeypatch.setattr(steps, "MOST_LOOKS", LOOKS)
    monkeypatch.setattr(steps, "MOST_LEAVES", LEAVES)


def let_expire(server):
    """Let every fifth city expire."""
    late = {f"c{i:03}": 1 for i in range(0, SIZE, 5)}
    server.client.zadd(expires_key(City._meta.space("default")), late)


def answers(ask, collection):
    """Return the answers of every method that may take steps."""
    by_size = collection.order_by("-population", "name")
    return {
        "count": ask(collection.count),
        "exists": ask(collection.exists),
        "ids": ask(collection.ids),
        "reversed": ask(collection.reverse().ids),
        "list": [city.id for city in ask(by_size.list)],
        "page": ask(collection.order_by("population")[30:50].ids),
        "last page": ask(collection.order_by("population").reverse()[5:9].ids),
        "page by two": [city.id for city in ask(by_size[100:120].list)],
        "page by creation": [city.id for city in ask(collection[40:60].list)],
        "facets": ask(collection.facets, "population"),
        "facets of values": ask(collection.facets, "country", range(40)),
        "aggregates": ask(collection.aggregate, Sum("population"), Max("name")),
        "filtered": ask(collection.aggregate, n=Count("pk", filter=Q("third"))),
        "distinct": ask(collection.values_list("name", flat=True).distinct().list),
        "random": len({*ask(collection.order_by("?")[:20].ids)}),
    }


@pytest.mark.parametrize("kind", QUERIES)
@pytest.mark.parametrize("has_expired", [False, True])
@pytest.mark.stray_keys
@pytest.mark.servers("valkey*", "redis*")  # fakeredis, in the tests below, takes 11 s
def test_steps_are_short_and_give_the_same_answers(
    ask, server, cities, monkeypatch, kind, has_expired
):
    if has_expired:
        let_expire(server)
    collection = City.objects.find(QUERIES[kind])
    at_once = answers(ask, collection)
    set_few_looks(monkeypatch)
    assert answers(ask, collection) == at_once


@pytest.mark.servers("valkey*", "redis*")
def test_times_bound_the_steps_in_both_directions(ask, cities, monkeypatch):
    times = [city.created for city in City.objects.all()]
    collections = []
    for place in (1, SIZE // 2, SIZE - 2):
        one, half = Q(created=times[place]), Q("half")
        before, after = Q(created__lt=times[place]), Q(created__gte=times[place])
        for each in (one, before, after):
            for q in (~(each | half), each | half, each ^ half, half & ~each):
                found = City.objects.find(q)
                collections += [found[:SIZE], found.reverse()[:SIZE]]
    at_once = [collection.ids() for collection in collections]
    set_few_looks(monkeypatch)
    assert [ask(collection.ids) for collection in collections] == at_once


def sending_and(write, batches):
    """Return a function that sends, counts the round trips, and writes in between."""

    def send(operations):
        replies = connections["default"].send(operations)
        write(len(batches))
        batches.append(operations)
        return replies

    return send


@pytest.mark.parametrize("kind", QUERIES)
def test_an_object_that_stays_is_found_once_while_others_change(
    cities, few_looks, kind
):
    """Objects with a country below 60 stay; others come, go and change."""
    collection = City.objects.find(QUERIES[kind])
    stays = {city.id for city in cities if city.attrs["country"] < 60}
    wanted = {pk for pk in collection.ids() if pk in stays}
    passing = [city for city in cities if city.id not in stays]

    def write(number):
        if number < len(passing):
            City.objects.find(id=passing[number].id).delete()
            changed = passing[-1 - number]
            if changed.id != passing[number].id:
                City.objects.find(id=changed.id).update(population=number)
            City.objects.create("all", "half", population=number)

    batches = []
    flow = search.ids(collection.space, collection.query)
    found = [pk.decode() for pk in run_over(sending_and(write, batches), flow)]
    assert len({*found}) == len(found)
    assert {pk for pk in found if pk in stays} == wanted

    narrow = collection.find(country__in=range(60))
    batches.clear()
    flow = counts.size(narrow.space, narrow.query)
    assert run_over(sending_and(write, batches), flow) == len(wanted)


@pytest.mark.parametrize("kind", QUERIES)
def test_no_step_examines_many_ids(server, cities, few_looks, kind):
    collection = City.objects.find(QUERIES[kind])
    space, query = collection.space, collection.query
    parts = str(query.condition).count("(")
    by_name = collection.order_by("name").query
    flows = [
        counts.size(space, query),
        search.ids(space, query),
        search.ids(space, by_name),
        search.ids(space, by_name.slice(200, 210)),
        aggregate.count_values_each(space, {query: ["name", "population"]}),
    ]
    names = {"page", "count_terms", "query", "count_where", "aggregate", "query_ids"}
    asking = [each for each in scripts() if each.name in {*names, "term_ids"}]
    with counting(server.client, asking) as counter:
        examined = []
        for flow in flows:
            run_over(sending_and(lambda _: examined.append(counter.take()), []), flow)
    assert len(examined) > 2 * len(flows)
    assert len(examined) <= len(flows) * 20 * SIZE / LOOKS
    assert max(ids for _, ids in examined) <= MOST_EXAMINED + 20 * parts


def test_expired_objects_are_not_counted_though_a_sweep_removes_them_meanwhile(
    server, cities, few_looks
):
    """Each write sweeps some of them."""
    late = {f"c{i:03}": 1 + i for i in range(1, SIZE, 8)}
    server.client.zadd(expires_key(City._meta.space("default")), late)
    collection = City.objects.find("all")
    for writes in (0, 1, 4, 100):
        batches = []

        def write(number, writes=writes):
            if number % 5 == 1 and number < 5 * writes:
                City.objects.create("other", id=f"w{writes}-{number}")

        flow = counts.size(collection.space, collection.query)
        assert run_over(sending_and(write, batches), flow) == SIZE * 7 // 8
        assert writes or len(batches) > 2


def test_a_changed_part_of_the_expired_objects_makes_a_count_begin_anew(
    server, cities, few_looks
):
    key = expires_key(City._meta.space("default"))
    server.client.zadd(key, {f"c{i:03}": 1 + i for i in range(1, SIZE, 8)})

    def write(number):
        if number == 2:  # not the first of them, as a sweep
            server.client.zrem(key, "c393")
            server.client.zrem(City._meta.space("default").base + b"t:all", "c393")

    collection, batches = City.objects.find("all"), []
    flow = counts.size(collection.space, collection.query)
    assert run_over(sending_and(write, batches), flow) == SIZE * 7 // 8


def test_all_values_are_counted_in_steps(ask, cities, few_looks):
    assert ask(City.objects.facets, "name") == {f"c{i:03}": 1 for i in range(SIZE)}
    sizes = ask(City.objects.aggregate, Max("population"), Count("name"), Count("pk"))
    assert sizes == {
        "population__max": SIZE - 1,
        "name__count": SIZE,
        "pk__count": SIZE,
    }


def test_small_answers_keep_their_round_trips(cities, round_trips):
    collection = City.objects.find("half", population__gte=100)
    for method, number in (
        (collection.count, 1),
        (collection.ids, 1),
        (collection.list, 2),
        (collection[10:20].list, 1),
        (collection.order_by("name")[100:120].list, 1),
        (lambda: collection.facets("name"), 1),
        (lambda: collection.facets("country", [1, 2]), 1),
    ):
        with round_trips() as seen:
            method()
        assert seen.count == number


def test_a_long_list_of_ids_arrives_with_the_objects(cities, monkeypatch, round_trips):
    """1 + ceil(N / 5000) round trips, where SORT does not list them."""
    monkeypatch.setattr(search, "can_sort", lambda space, query: False)
    monkeypatch.setattr(search, "IDS_PER_ROUND_TRIP", 100)
    for collection in (City.objects.all(), City.objects.find("all").reverse()):
        with round_trips() as seen:
            found = [city.id for city in collection]
        ids = [city.id for city in cities]
        assert found == (ids[::-1] if collection.query.is_reversed else ids)
        assert seen.count == 1 + SIZE // 100
    assert [city.id for city in City.objects.all()[150:250]] == ids[150:250]
    monkeypatch.setattr(search, "LARGEST_PAGE", 10)
    with round_trips() as seen:
        assert [city.id for city in City.objects.all()[150:250]] == ids[150:250]
        assert City.objects.all()[50:250].ids() == ids[50:250]
    assert seen.count == 4 + 3


def test_many_ids_are_sent_in_parts(ask, cities, monkeypatch):
    for module in (splitting, search):
        monkeypatch.setattr(module, "MOST_IDS", 100)
    pks = [city.id for city in cities[:250]]
    collection = City.objects.find("half", pk__in=pks, population__gte=10)
    wanted = [
        city.id
        for city in cities[:250]
        if "half" in city.own_tags and city.attrs["population"] >= 10
    ]
    assert ask(collection.ids) == wanted
    assert ask(collection[:20].ids) == wanted[:20]
    assert ask(collection.count) == len(wanted)
    assert [city.id for city in ask(City.objects.in_bulk, pks).values()] == pks


def test_the_place_in_given_ids_does_not_move_with_a_unique_value(server, monkeypatch):
    """The holders of the values before the place are deleted between the steps."""
    City.objects.bulk_create(City("all", id=f"u{i:03}", code=i) for i in range(60))
    monkeypatch.setattr(steps, "MOST_LOOKS", 20)
    given = Q(code__in=range(10)) | Q(pk__in=[f"u{i:03}" for i in range(10, 60)])
    collection = City.objects.find("all", given)

    def write(number):
        if number in range(2, 5):
            City.objects.find(code=number).delete()

    batches = []
    flow = search.ids(collection.space, collection.query)
    found = run_over(sending_and(write, batches), flow)
    assert len(batches) > 4
    assert len({*found}) == len(found)
    assert {*found} >= {b"u%03d" % i for i in range(60) if i not in range(2, 5)}


def test_many_values_that_hold_few_ids_are_answered_at_once(ask, cities, round_trips):
    few = City.objects.find(~Q(country=1), population__in=range(SIZE - 5, SIZE + 200))
    with round_trips() as seen:
        assert len(ask(few.ids)) == 5
    assert seen.count == 1


LONG_QUERIES = {
    "values": Q(country__in=range(20)),
    "values of a tag": Q("half", country__in=range(20)),
    "not values": ~Q(country__in=range(20)),
    "a tag but not values": Q("half") & ~Q(country__in=range(20)),
    "ranges": Q(population__in=range(0, SIZE, 20)),
    "values and ranges": Q(country__in=range(20), population__in=range(0, SIZE, 3)),
    "values or not ranges": Q(country__in=range(20)) | ~Q(population__in=range(99)),
    "odd": reduce(xor, (Q(population__gte=i) for i in range(0, SIZE, 9)), ~Q("half")),
    "all": reduce(and_, (Q(population__gte=0) | Q(country=i) for i in range(20))),
    "ids": Q("half") & (Q(pk__in=[f"c{i:03}" for i in range(300)]) | Q("third")),
    "in turn": Q(country__in=City.objects.find("third").values("country")),
}


@pytest.mark.parametrize("kind", LONG_QUERIES)
@pytest.mark.parametrize("has_expired", [False, True])
@pytest.mark.stray_keys
@pytest.mark.servers("valkey*", "redis*", "fakeredis")
def test_long_queries_are_split_and_give_the_same_answers(
    ask, server, cities, monkeypatch, kind, has_expired
):
    if has_expired:
        let_expire(server)
    collection = City.objects.find(LONG_QUERIES[kind])
    at_once = answers(ask, collection)
    monkeypatch.setattr(steps, "MOST_LEAVES", LEAVES)
    assert answers(ask, collection) == at_once


def test_long_queries_are_updated_and_deleted(ask, cities, monkeypatch):
    monkeypatch.setattr(steps, "MOST_LEAVES", LEAVES)
    some = City.objects.find("half", country__in=range(1, 30))
    wanted = {c.id for c in cities if "half" in c.own_tags and 1 <= c.country < 30}
    assert ask(some.update, name="x") == len(wanted)
    assert {*City.objects.find(name="x").ids()} == wanted
    assert {city.id for city in some.iterator(chunk_size=7)} == wanted
    assert {row["id"] for row in some.values("id")} == wanted
    assert {*some.in_bulk()} == wanted
    assert ask(some.set_expire, 100) == len(wanted)
    assert ask(some.delete)[0] == len(wanted)
    assert City.objects.count() == SIZE - len(wanted)


@pytest.mark.parametrize("number", [100, 249, 250, 990])
def test_a_long_query_takes_one_round_trip_for_each_part(cities, number, round_trips):
    some = City.objects.find("half", country__in=range(98, 98 + number))
    for method, more in (
        (some.count, 0),
        (some.ids, 0),
        (some.list, 1),
        (some.order_by("name")[:5].list, int(number > 249)),
    ):
        with round_trips() as seen:
            method()
        assert seen.count == ceil((number + 1) / 250) + more
    with round_trips() as seen:
        City.objects.facets("country", range(98, 98 + number))
    assert seen.count == ceil(number / 250)


@pytest.mark.parametrize("number", [124, 200, 600])
def test_values_beside_a_long_query_are_counted_among_its_ids(
    ask, cities, number, round_trips
):
    some = City.objects.find(country__in=range(90, 90 + number))
    with round_trips() as seen:
        sizes = ask(some.facets, "country", range(100))
    countries = [city.country for city in cities]
    assert sizes == {c: countries.count(c) if c >= 90 else 0 for c in range(100)}
    assert seen.count == (1 if number < 150 else ceil(number / 250) + 1)


@pytest.mark.servers("valkey91", "redis82", "redis62")  # fakeredis counts no commands
@pytest.mark.parametrize(("size", "calls"), [(72, 0), (32, 1)])
def test_ids_that_may_take_too_long_to_store_are_not_intersected(
    server, cities, monkeypatch, size, calls
):
    """A look is enough for eight ids of two sets, or four that are stored as well."""
    for city in cities[:size]:
        city.tags.append("some")
    City.objects.bulk_save(cities[:size])
    let_expire(server)
    monkeypatch.setattr(steps, "MOST_LOOKS", 30)
    server.client.config_resetstat()
    number = sum(i % 2 and i % 5 > 0 for i in range(size))
    assert City.objects.find("half").facets("tags", ["some"]) == {"some": number}
    found = server.client.info("commandstats").get("cmdstat_zinter", {"calls": 0})
    assert found["calls"] == calls


@pytest.mark.servers("valkey*", "redis*")
def test_a_page_without_many_values_does_not_read_all_objects(
    ask, cities, server, monkeypatch, round_trips
):
    monkeypatch.setattr(steps, "MOST_LEAVES", LEAVES)
    wanted = [city.id for city in cities if city.country >= 20]
    some = City.objects.exclude(country__in=range(20))
    ask(some.exists)
    with round_trips() as seen:
        assert ask(some[:10].ids) == wanted[:10]
    assert seen.count == 1 + 1 + 3 + 1
    names = {"page", "query", "query_ids", "term_ids"}
    asking = [each for each in scripts() if each.name in names]
    with counting(server.client, asking) as counter:
        assert ask(some[:2].ids) == wanted[:2]
        assert sum(counter.take()) < SIZE
    assert ask(some[5:40].ids) == wanted[5:40]


def test_a_list_reads_its_ids_once(cities, few_looks, monkeypatch, round_trips):
    """Then it takes one more round trip, for the objects."""
    monkeypatch.setattr(search, "LARGEST_PAGE", 100)
    excluded = list(range(20, 100))
    for collection in (
        City.objects.find("all", "half"),
        City.objects.exclude(country__in=excluded)[:25],
        City.objects.find("half").exclude(country__in=excluded)[10:35],
        City.objects.exclude(country__in=excluded)[:200],
    ):
        with round_trips() as ids:
            found = collection.ids()
        with round_trips() as listed:
            assert [city.id for city in collection.all()] == found
        assert listed.count == ids.count + 1


def test_long_queries_take_short_steps(server, cities, few_looks):
    names = {"page", "query", "count_where", "aggregate", "query_ids", "term_ids"}
    asking = [each for each in scripts() if each.name in names]
    kinds = LONG_QUERIES.keys() - {"in turn"}
    with counting(server.client, asking) as counter:
        for kind in kinds:
            collection = City.objects.find(LONG_QUERIES[kind])
            space, query = collection.space, collection.query
            counter.take()
            for flow in (
                counts.size(space, query),
                search.ids(space, query.slice(0, 10)),
                aggregate.count_values_each(space, {query: ["name"]}),
            ):
                examined = []
                send = sending_and(lambda _, e=examined: e.append(counter.take()), [])
                run_over(send, flow)
                most = max(ids for _, ids in examined)
                assert most <= MOST_EXAMINED + 20 * LEAVES, kind


def test_the_looks_of_a_step_are_those_of_the_scripts():
    source = Script("query_ids").source.decode()
    assert f"local STEP = {steps.STEP_LOOKS}\n" in source


def test_explain_tells_the_steps(ask, cities, few_looks):
    collection = City.objects.find("half", population__gte=100)
    text = ask(collection.order_by("name").explain)
    assert text.endswith("In about 25 steps: other clients are served in between.")
    page = ask(collection.order_by("name")[150:170].explain)
    assert "There were too many ids for one step." in page
    assert page.endswith("steps: other clients are served in between.")
    assert "steps" not in ask(collection.find(pk="c001")[:1].explain)


@pytest.mark.parametrize("kind", QUERIES)
def test_explain_tells_about_how_many_steps_a_list_takes(
    ask, cities, few_looks, round_trips, kind
):
    collection = City.objects.find(QUERIES[kind])
    text = ask(collection.explain)
    told = int(text.split("In about ")[1].split()[0]) if "steps" in text else 1
    with round_trips() as seen:
        ask(collection.ids)
    assert told / 2 <= seen.count <= 2 * told + 2, text


def test_explain_tells_how_a_long_query_is_split(ask, cities):
    long = City.objects.find("half", country__in=range(498))
    text = ask(long.explain)
    assert "Split into 2 queries of at most 250 conditions." in text
    assert "  read: t:half (200)\n" in text
    assert text.endswith("In about 2 steps: other clients are served in between.")
    page = ask(long[10:20].explain)
    assert "ids were examined." in page
    assert page.endswith("In about 2 steps: other clients are served in between.")
    without = ask(City.objects.exclude(country__in=range(498))[:20].explain)
    assert "Split into 3 queries of at most 250 conditions." in without


def test_explain_tells_that_a_page_without_many_values_reads_few_ids(
    ask, cities, round_trips
):
    others = City.objects.exclude(country__in=range(20, 518))
    with round_trips() as seen:
        wanted = ask(others[5:15].ids)
    assert wanted == [city.id for city in cities if city.country < 20][5:15]
    text = ask(others[5:15].explain)
    assert "Split into 4 queries of at most 250 conditions." in text
    assert "A list" not in text
    examined = int(text.split(" ids were examined")[0].split()[-1])
    assert 50 <= examined <= 200
    assert text.endswith(
        f"In about {seen.count - 1} steps: other clients are served in between."
    )
    late = ask(City.objects.exclude(country__in=range(498))[5:15].explain)
    assert "The page is not complete in the first 50 ids.\nA list: " in late
