"""Round trips, counted at the socket."""

import pytest

from tests import proxy
from tests.behaviour.test_expiry import expire_now
from tests.models import Page, Plain, Todo, User

# The number of round trips does not depend on the server, but may on the connection.
pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "valkey91-django-redis")


def counted(round_trips, ask, method, *args, **kwargs):
    with round_trips() as seen:
        result = ask(method, *args, **kwargs)
    return seen.count, result


def test_methods_of_one_object_take_one_round_trip(ask, round_trips):
    def of(method, *args, **kwargs):
        return counted(round_trips, ask, method, *args, **kwargs)[0]

    ask(Plain.objects.create)
    user = User("a", "b", name="x", expire=60)
    assert of(user.save) == 1
    user.name = "y"
    assert of(user.save) == 1
    assert of(User.objects.get, user.id) == 1
    assert of(User.objects.find(name="y").get) == 1
    assert of(user.refresh_from_db) == 1
    assert of(user.refresh_from_db, fields=["name"]) == 1
    assert of(user.refresh_from_db, fields=[]) == 0
    assert of(User.objects.create, name="z") == 1
    assert of(user.delete) == 1
    page = Page(views=3)
    assert of(page.save) == 1
    assert of(page.increment, "views") == 1
    assert of(page.increment, "size") == 1
    assert of(Page.objects.get, page.id) == 1
    assert of(page.refresh_from_db) == 1


def test_a_conflict_takes_one_more_round_trip(ask, round_trips):
    user = ask(User.objects.create, name="x")
    stale = ask(User.objects.get, user.id)
    user.age = 3
    ask(user.save)
    stale.name = "y"
    assert counted(round_trips, ask, stale.save)[0] == 2


def test_a_query_takes_one_round_trip(ask, round_trips):
    ask(Todo.objects.bulk_create, [Todo("a", "b", n=i) for i in range(50)])

    def of(method, *args, **kwargs):
        return counted(round_trips, ask, method, *args, **kwargs)[0]

    for collection in (
        Todo.objects.all(),
        Todo.objects.find("a"),
        Todo.objects.find("a", "b"),
    ):
        assert of(collection.count) == 1
        assert of(collection.exists) == 1
        assert of(collection.first) == 1
        assert of(collection.last) == 1
        assert of(collection.ids) == 1
        assert of(collection[10:20].list) == 1
        assert of(collection[0:1000].list) == 1
        assert of(collection.reverse()[5:9].list) == 1
        assert of(collection[3:9].count) == 1
    assert of(Todo.objects.find("a", pk__in=["x", "y"]).list) == 1
    assert of(Todo.objects.none().list) == 0
    assert of(Todo.objects.find(pk__in=[]).count) == 0
    assert of(Todo.objects.all()[5:5].list) == 0


@pytest.mark.parametrize("has_expired", [False, True])
def test_a_query_takes_one_round_trip_if_objects_are_gone(
    ask, round_trips, server, has_expired
):
    """Whether they expired, or their keys were deleted by hand."""
    live = ask(Todo.objects.bulk_create, [Todo("a", "b", n=i) for i in range(50)])
    gone = [live.pop(1), live.pop(10)]
    if has_expired:
        expire_now(server, *gone)
    else:
        server.client.delete(*(each._key() for each in gone))

    def of(method, *args, **kwargs):
        seen, found = counted(round_trips, ask, method, *args, **kwargs)
        assert seen == 1
        return found

    for collection in (
        Todo.objects.all(),
        Todo.objects.find("a"),
        Todo.objects.find("a", "b"),
    ):
        assert of(collection[:20].list) == live[:20]
        assert of(collection.reverse()[30:50].list) == live[::-1][30:]
        assert of(collection.first) == live[0]
        assert of(collection.exists)
        assert of(collection.count) == (48 if has_expired else 50)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "most"), [(5000, 2), (6000, 2), (6001, 3)])
def test_a_list_of_up_to_5000_takes_two_round_trips(ask, round_trips, size, most):
    ask(Todo.objects.bulk_create, [Todo("a") for _ in range(size)])
    count, found = counted(round_trips, ask, Todo.objects.find("a").list)
    assert len(found) == size
    assert count == most


@pytest.mark.slow
@pytest.mark.parametrize(("size", "most"), [(10_000, 1), (10_001, 2)])
def test_bulk_create_of_10_000_takes_one_round_trip(
    ask, round_trips, monkeypatch, size, most
):
    monkeypatch.setattr(
        proxy, "QUIET", 0.3
    )  # a busy machine makes pauses between pieces
    objs = [Todo("a") for _ in range(size)]
    assert counted(round_trips, ask, Todo.objects.bulk_create, objs)[0] == most


def test_chaining_takes_no_round_trip(round_trips):
    with round_trips() as seen:
        collection = Todo.objects.find("a").reverse()[5:10]
        Todo("a", expire=5).ttl()
        assert collection.ordered
    assert seen.count == 0
