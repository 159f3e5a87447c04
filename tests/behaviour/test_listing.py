"""Lists of one index, which SORT reads with their objects."""

import random

import pytest
from redis.exceptions import (
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)

from django_ormist.connections import connections
from django_ormist.connections.refusals import is_forbidden
from django_ormist.keys import all_key
from django_ormist.operations import listing
from django_ormist.operations.listing import sorted_rows
from django_ormist.operations.operation import REFUSED
from django_ormist.queries.query import Query
from tests.models import Page, Todo

pytestmark = pytest.mark.servers("valkey91", "redis62", "redis82", "fakeredis")


def space():
    return Todo._meta.space("default")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(listing, "CHUNK", 3)
    monkeypatch.setattr(listing, "CHUNKS_PER_ROUND_TRIP", 2)


def texts(ask, collection):
    return [each.text for each in ask(collection.list)]


def follow(flow, meanwhile=lambda: None):
    """Return the result of a flow, and its round trips. *meanwhile* runs between."""
    connection, answer, round_trips = connections["default"], None, 0
    try:
        while True:
            step = flow.send(answer)
            if step is REFUSED:
                answer = connection.refused
                continue
            if round_trips:
                meanwhile()
            round_trips += 1
            operations = step if isinstance(step, list) else [step]
            replies = connection.send(operations)
            answer = [o.parse(r) for o, r in zip(operations, replies, strict=True)]
            answer = answer if isinstance(step, list) else answer[0]
    except StopIteration as done:
        return done.value, round_trips


@pytest.mark.servers("valkey91", "valkey91-sentinel", "valkey91-django-redis")
def test_a_list_of_up_to_1000_takes_one_round_trip(ask, round_trips):
    ask(Todo.objects.bulk_create, [Todo("a", text=str(n)) for n in range(1000)])
    for collection in (Todo.objects.all(), Todo.objects.find("a").reverse()):
        with round_trips() as seen:
            found = texts(ask, collection)
        assert seen.count == 1
        assert sorted(map(int, found)) == list(range(1000))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 20])
def test_chunks_make_one_list(server, small_chunks, size):
    made = Todo.objects.bulk_create([Todo("a") for _ in range(size)])
    pks = [each.id.encode() for each in made]
    for query in (Query(), Query(("a",))):
        rows, round_trips = follow(sorted_rows(space(), query))
        assert [pk for pk, _, _ in rows] == pks
        assert round_trips == 1 + -(-max(size - 3, 0) // 6)
        rows, _ = follow(sorted_rows(space(), query.reverse()))
        assert [pk for pk, _, _ in rows] == pks[::-1]


def test_each_object_that_stays_is_listed_once_while_others_come_and_go(
    server, small_chunks
):
    draw, fallen_back = random.Random(5), 0
    for _ in range(40):
        made = Todo.objects.bulk_create([Todo("a") for _ in range(20)])
        staying = made[::3]
        leaving = [each for each in made if each not in staying]
        draw.shuffle(leaving)

        def change(leaving=leaving):
            if leaving and draw.random() < 0.4:
                leaving.pop().delete()
            if draw.random() < 0.4:
                Todo.objects.create("a")

        rows, _ = follow(sorted_rows(space(), Query(("a",))), change)
        if rows is None:
            fallen_back += 1
        else:
            pks = [pk.decode() for pk, packed, _ in rows if packed]
            assert len(set(pks)) == len(pks)
            assert {each.id for each in staying} <= set(pks)
        Todo.objects.find("a").delete()
    assert 0 < fallen_back < 40


def test_a_list_whose_objects_change_places_is_read_by_ids(ask, server, small_chunks):
    made = ask(Todo.objects.bulk_create, [Todo("a") for _ in range(9)])
    flow = sorted_rows(space(), Query(("a",)))
    assert follow(flow, made[0].delete)[0] is None
    assert ask(Todo.objects.find("a").list) == made[1:]


def test_objects_removed_at_the_end_of_the_list_end_it(server, small_chunks):
    made = Todo.objects.bulk_create([Todo("a") for _ in range(5)])

    def remove():
        for each in made[3:]:
            each.delete()

    rows, _ = follow(sorted_rows(space(), Query(("a",))), remove)
    assert [pk.decode() for pk, _, _ in rows] == [each.id for each in made[:3]]


def test_expired_and_missing_objects_are_left_out(ask, server):
    kept = ask(Todo.objects.create, "a", text="kept", expire=60)
    past = ask(Todo.objects.create, "a", text="past", expire=60)
    gone = ask(Todo.objects.create, "a", text="gone")
    server.client.delete(gone._key("default"))
    key = past._key("default")
    packed = server.client.get(key)
    server.client.set(key, packed[:-8] + bytes(7) + b"\x01")  # past, without a TTL
    assert ask(Todo.objects.find("a").list) == [kept]


def test_half_of_a_list_that_is_missing_is_swept(ask, server):
    made = ask(Todo.objects.bulk_create, [Todo("a", expire=60) for _ in range(4)])
    for each in made[:2]:
        server.client.delete(each._key("default"))
    assert ask(Todo.objects.find("a").list) == made[2:]
    assert server.client.zcard(all_key(space())) == 2


def test_counters_come_with_the_objects(ask, server):
    page = ask(Page.objects.create)
    ask(page.increment, "views", 3)
    assert [each.views for each in ask(Page.objects.all().list)] == [3]


@pytest.mark.servers("valkey91", "redis62", "redis82")
def test_a_user_who_may_not_sort_lists_in_two_round_trips(ask, server, round_trips):
    server.client.acl_setuser(
        "default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-sort"]
    )
    try:
        made = ask(Todo.objects.bulk_create, [Todo("a") for _ in range(3)])
        assert ask(Todo.objects.find("a").list) == made  # and it is known from now on
        with round_trips() as seen:
            assert ask(Todo.objects.find("a").list) == made
        assert seen.count == 2
    finally:
        server.client.acl_setuser(
            "default", enabled=True, nopass=True, keys=["*"], categories=["+@all"]
        )


@pytest.mark.servers("valkey91-cluster", "valkey91-sentinel")
def test_a_cluster_lists_without_sort(ask, server):
    made = ask(Todo.objects.bulk_create, [Todo("a") for _ in range(3)])
    assert ask(Todo.objects.find("a").list) == made
    is_cluster = server.variant.name.endswith("cluster")
    assert connections["default"].refused == ({"SORT"} if is_cluster else set())


@pytest.mark.servers("valkey91")
def test_a_star_in_the_prefix_is_not_taken_for_the_place_of_the_id(
    ask, server, settings
):
    settings.ORMIST = {
        "default": dict(
            settings.ORMIST["default"], KEY_PREFIX=f"{server.key_prefix}:a*b"
        )
    }
    made = ask(Todo.objects.bulk_create, [Todo("a") for _ in range(3)])
    assert ask(Todo.objects.find("a").list) == made


@pytest.mark.parametrize(
    ("reply", "is_lasting"),
    [
        (NoPermissionError("this user has no permissions to run 'sort'"), True),
        (ResponseError("BY option of SORT denied due to insufficient ACL"), True),
        (ResponseError("unknown command 'SORT'"), True),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'"), False),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), False),
        (ResponseError("WRONGTYPE Operation against a key"), False),
        ([b"a"], False),
    ],
)
def test_only_lasting_refusals_are_kept(reply, is_lasting):
    assert is_forbidden(reply) is is_lasting
