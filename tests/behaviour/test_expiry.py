"""An expired object is absent everywhere, and leaves no keys in the end."""

import time
from datetime import UTC, datetime, timedelta

import pytest

import django_ormist as ormist
from django_ormist import deadlines
from django_ormist.connections.executor import run
from django_ormist.keys import Space
from django_ormist.operations.expiry import sweep
from tests.models import Page, Plain, Todo, User

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pass_deadline(server, instance):
    """Wait until the expiration time of the instance is past on the server."""
    deadline_ms = instance._state.expire_at_ms
    while True:
        if server.variant.is_fake:
            now_ms = time.time_ns() // 1_000_000
        else:
            seconds, micros = server.client.time()
            now_ms = seconds * 1000 + micros // 1000
        if now_ms >= deadline_ms:
            return


def expire_now(server, *instances):
    """Let these objects expire now, also for the server."""
    for each in instances:
        base = each._key().partition(b"}:")[0] + b"}:"
        server.client.zadd(base + b"expires", {each.id: 1})
        for kind in (b"o:", b"c:"):
            server.client.pexpireat(base + kind + each.id.encode(), 1)


@pytest.fixture
def half_expired(server):
    """Twenty objects with the tag "x", of which every second has expired."""
    made = Todo.objects.bulk_create(
        Todo("x", *(["y"] if i % 3 == 0 else []), id=f"t{i:02}", n=i) for i in range(20)
    )
    late = made[::2]
    for each in late:
        each.expire = 0.25
    Todo.objects.bulk_save(late)
    pass_deadline(server, late[-1])
    return made


def test_an_expired_object_is_absent_everywhere(ask, half_expired):
    live = half_expired[1::2]
    collection = Todo.objects.find("x")
    assert ask(Todo.objects.get_or_none, "t00") is None
    assert ask(collection.list) == live
    assert ask(collection.count) == ask(Todo.objects.count) == 10
    assert ask(collection.ids) == [each.id for each in live]
    assert ask(collection.first) == live[0]
    assert ask(collection.last) == live[-1]
    assert ask(collection.contains, half_expired[0]) is False
    assert ask(Todo.objects.find("x", "y").count) == 3
    assert ask(Todo.objects.find("x", "y").list) == [
        each for each in live if each.n % 3 == 0
    ]
    assert ask(Todo.objects.find(pk__in=["t00", "t01"]).ids) == ["t01"]
    assert ask(Todo.objects.find(pk="t00").exists) is False


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("tags", [(), ("x",), ("x", "y")])
def test_pages_of_live_objects_have_no_gaps(half_expired, tags, is_reversed):
    live = [e for e in half_expired[1::2] if "y" not in tags or e.n % 3 == 0]
    collection = Todo.objects.find(*tags)
    if is_reversed:
        live, collection = live[::-1], collection.reverse()
    for start in range(11):
        for size in (1, 3, 10):
            part = collection[start : start + size]
            assert list(part) == live[start : start + size]
            assert part.ids() == [each.id for each in live[start : start + size]]
            assert part.count() == len(live[start : start + size])


def test_a_sweep_leaves_no_keys(ask, server):
    space = User._meta.space("default")
    made = [
        ask(User.objects.create, "tag", name=f"n{i}", expire=1000) for i in range(5)
    ]
    page = ask(Page.objects.create, "tag", views=3, expire=1000)
    expire_now(server, page, *made)
    assert run(sweep(space), "default") == 5
    assert run(sweep(space), "default") == 0
    assert run(sweep(Page._meta.space("default")), "default") == 1
    assert server.keys() == []


def test_a_write_sweeps_some_expired_objects(ask, server):
    late = Todo.objects.bulk_create([Todo("x", expire=1000) for _ in range(5)])
    expire_now(server, *late)
    todo = ask(Todo.objects.create, "x")
    assert server.client.zcard(f"{server.key_prefix}:{{tests.Todo}}:expires") == 2
    ask(todo.delete)
    assert server.keys() == []


def test_the_id_of_an_expired_object_is_free(ask, server):
    late = ask(Todo.objects.create, "old", id="one", expire=0.25)
    other = ask(Todo.objects.create, "old", id="two", expire=0.25)
    pass_deadline(server, other)
    pass_deadline(server, late)
    new = ask(Todo.objects.create, "new", id="one", n=2)
    assert ask(Todo.objects.find("old").count) == 0
    assert ask(Todo.objects.find("new").list) == [new]
    ask(Todo.objects.bulk_create, [Todo("new", id="two")])
    assert ask(Todo.objects.find("new").ids) == ["one", "two"]
    ask(Todo.objects.all().delete)
    assert server.keys() == []


def test_the_expiration_time_can_be_extended_and_cleared(ask, server):
    page = ask(Page.objects.create, "x", site="s", views=1, expire=0.5)
    page.expire = 1000
    ask(page.save)
    other = ask(Page.objects.create, "x", site="s", views=1, expire=0.5)
    other.expire = None
    ask(other.save)
    key = f"{server.key_prefix}:{{tests.Page}}:c:"
    assert 900_000 < server.client.pttl(key + page.id) <= 1_000_000
    assert server.client.pttl(key + other.id) == -1
    assert server.client.pttl(other._key()) == -1
    assert ask(Page.objects.get, other.id).expire is None
    ask(other.delete)
    ask(page.delete)
    assert server.keys() == []


def test_the_expiration_time_is_kept_to_the_millisecond(ask, alias):
    todo = ask(Todo.objects.create, expire=1234.5678)
    assert ask(Todo.objects.get, todo.id).expire == todo.expire


def test_saving_with_a_past_expiration_time_removes_the_object(ask, server):
    todo = ask(Todo.objects.create, "x", expire=60)
    todo.expire = -5
    ask(todo.save)
    assert server.keys() == []
    ask(Todo("x", expire=-5).save)
    assert server.keys() == []
    with pytest.raises(Todo.NotUpdated):
        ask(todo.save, force_update=True)


@pytest.mark.parametrize("expire", [0, -0.001, -5, timedelta(0), timedelta(-1), EPOCH])
def test_an_object_created_with_a_past_expiration_time_is_not_stored(
    ask, server, expire
):
    todo = ask(Todo.objects.create, "x", expire=expire)
    assert todo._state.adding
    assert todo.ttl() == 0.0
    assert server.keys() == []
    todo.expire = 60
    ask(todo.save)
    assert ask(Todo.objects.find("x").list) == [todo]
    with pytest.raises(ormist.IntegrityError, match="is taken"):
        ask(Todo.objects.create, id=todo.id, expire=expire)
    assert ask(Todo.objects.get, todo.id).tags == ["x"]


@pytest.mark.parametrize(
    "expire",
    [timedelta.max, timedelta.min, datetime.max, datetime.max.replace(tzinfo=UTC)],
)
@pytest.mark.filterwarnings("ignore:A datetime is expected to be aware")
def test_an_expiration_time_outside_the_calendar_is_refused(ask, alias, expire):
    with pytest.raises(ValueError, match="before the year 9999"):
        ask(Todo.objects.create, expire=expire)
    with pytest.raises(ValueError, match="before the year 9999"):
        ask(Todo.objects.all().set_expire, expire)


@pytest.mark.parametrize("moment", [datetime(9999, 12, 30, 23, 59, tzinfo=UTC), EPOCH])
def test_the_ends_of_the_calendar_are_valid_expiration_times(ask, alias, moment):
    ask(Todo(id="one", expire=moment).save)
    found = ask(Todo.objects.get_or_none, "one")
    assert found is None if moment == EPOCH else found.expire == moment


@pytest.mark.parametrize("hours", [-5, 5])
def test_expiration_follows_the_servers_clock(ask, server, hours, monkeypatch):
    """For a client with a slow or a fast clock."""
    now = datetime.now(UTC).replace(microsecond=0)
    live, late = now + timedelta(hours=1), now - timedelta(hours=1)
    real_ms = deadlines.now_ms
    monkeypatch.setattr(deadlines, "now_ms", lambda: real_ms() + hours * 3_600_000)
    kept = ask(Todo.objects.create, "x", expire=live)
    ask(Todo.objects.create, "x", expire=late)
    ask(Todo.objects.bulk_create, [Todo("x", expire=late)])
    assert ask(Todo.objects.find("x").list) == [kept]
    assert ask(Todo.objects.get, kept.id).expire == live
    assert (
        kept.ttl() == 0.0 if hours > 0 else kept.ttl() > 3600
    )  # only the client's clock
    kept.text = "milk"
    ask(kept.save)
    assert ask(Todo.objects.find("x").count) == 1


def test_a_forced_update_of_an_expired_object_is_refused(ask, server):
    plain = ask(Plain.objects.create, a=1, expire=0.25)
    pass_deadline(server, plain)
    plain.expire = None
    with pytest.raises(Plain.NotUpdated):
        ask(plain.save, force_update=True)
    assert ask(Plain.objects.count) == 0


def test_a_model_without_tags_does_not_keep_a_memo(ask, server):
    plain = ask(Plain.objects.create, a=1, expire=60)
    todo = ask(Todo.objects.create, expire=60)
    assert server.keys("*:idx") == []
    ask(plain.delete)
    ask(todo.delete)


def test_the_server_deletes_the_data_by_itself(server):
    todo = Todo.objects.create("x", expire=0.25)
    pass_deadline(server, todo)
    assert server.client.exists(todo._key()) == 0


def test_the_memo_of_an_expiring_object_follows_its_tags(ask, server):
    todo = ask(Todo.objects.create, "a", "b", expire=60)
    todo.tags = ["b", "c"]
    todo.expire = 1000
    ask(todo.save)
    expire_now(server, todo)
    assert run(sweep(Todo._meta.space("default")), "default") == 1
    assert server.keys() == []


@pytest.mark.parametrize("limit", [0, 501])
def test_a_sweep_removes_a_bounded_batch(limit):
    with pytest.raises(ValueError, match="1 to 500"):
        sweep(Space("ormist", "Todo"), limit)
