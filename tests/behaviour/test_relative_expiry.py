"""Seconds and timedeltas count from the server's clock at the write."""

import copy
import pickle
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User as SqlUser
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

import django_ormist as ormist
from django_ormist import deadlines
from django_ormist.codecs import with_deadline
from django_ormist.connections.executor import run
from django_ormist.operations.expiry import sweep
from tests.checker import raw_faults
from tests.models import City, Page, Plain, Todo, Token

HOURS = 3_600_000


@pytest.fixture(params=[-120, 120], ids=["slow", "fast"])
def clock(request, monkeypatch):
    """Moves the clock of this machine, two minutes off the server's."""
    real_ms = deadlines.now_ms
    monkeypatch.setattr(deadlines, "now_ms", lambda: real_ms() + request.param * 1000)


@pytest.fixture(params=["msgpack", "json"])
def codec(request, server):
    server.connect(CODEC=request.param)
    return request.param


@pytest.fixture
def lives(server, ask, codec, clock):
    """Asserts the remaining lifetime of an object, wherever it is stored."""

    def check(instance, seconds):
        model, client = type(instance), server.client
        base = model._meta.space("default").base
        deadline_ms = int(client.zscore(base + b"expires", instance.id))
        (micros_s, micros) = client.time()
        left = deadline_ms - (micros_s * 1000 + micros // 1000)
        assert seconds * 1000 - 20_000 < left <= seconds * 1000
        found = ask(model.objects.get, instance.id)
        assert found._state.expire_at_ms == deadline_ms
        assert instance.expire == found.expire
        assert instance._state.packed == found._state.packed
        assert raw_faults(client, server.key_prefix) == []

    return check


@pytest.mark.parametrize("expire", [2, 2.0, timedelta(seconds=2)])
def test_a_short_lifetime_does_not_end_before_the_write(ask, codec, clock, expire):
    todo = ask(Todo.objects.create, "x", expire=expire)
    assert ask(Todo.objects.find("x").list) == [todo]


def test_create_counts_from_the_servers_clock(ask, lives):
    lives(ask(Todo.objects.create, "x", n=1, expire=600), 600)
    lives(ask(Plain.objects.create, n=1, expire=timedelta(hours=1)), 3600)
    lives(ask(Page.objects.create, "x", site="s", views=1, expire=600), 600)
    lives(ask(City.objects.create, code="c", population=1, expire=600), 600)


def test_meta_expire_counts_from_the_servers_clock(ask, lives):
    lives(ask(Token.objects.create, n=1), 3600)
    token = Token(n=1)
    ask(token.save)
    lives(token, 3600)


def test_saves_with_and_without_index_changes_count_from_the_servers_clock(ask, lives):
    todo = ask(Todo.objects.create, "x", expire=100)
    todo.expire = 600
    ask(todo.save)
    lives(todo, 600)
    todo.set_expire(timedelta(minutes=20))
    todo.tags = ["y"]
    ask(todo.save)
    lives(todo, 1200)


def test_an_object_without_expiration_can_get_a_lifetime(ask, lives):
    page = ask(Page.objects.create, "x", views=1)
    page.expire = 600
    ask(page.save)
    lives(page, 600)


def test_save_with_update_fields_counts_from_the_servers_clock(ask, lives):
    todo = ask(Todo.objects.create, "x", n=1)
    todo.expire = 600
    todo.n = 2
    ask(todo.save, update_fields=["expire"])
    lives(ask(Todo.objects.get, todo.id), 600)
    assert todo.expire == ask(Todo.objects.get, todo.id).expire


def test_set_expire_counts_from_the_servers_clock(ask, lives):
    todo = ask(Todo.objects.create, "x")
    assert ask(Todo.objects.find("x").set_expire, 600) == 1
    lives(ask(Todo.objects.get, todo.id), 600)


@pytest.mark.parametrize("expire", [600, timedelta(minutes=10)])
def test_update_counts_from_the_servers_clock(ask, lives, expire):
    todo = ask(Todo.objects.create, "x")
    page = ask(Page.objects.create, "x", site="a")
    assert ask(Todo.objects.find("x").update, expire=expire) == 1
    assert ask(Page.objects.find("x").update, site="b", expire=expire) == 1
    lives(ask(Todo.objects.get, todo.id), 600)
    lives(ask(Page.objects.get, page.id), 600)


def test_an_update_computes_from_the_stored_expiration_time(ask, lives):
    todo = ask(Todo.objects.create, "x", seconds=300)
    assert ask(Todo.objects.all().update, expire=F("seconds") * 2) == 1
    lives(ask(Todo.objects.get, todo.id), 600)


def test_bulk_create_counts_from_the_servers_clock(ask, lives):
    todos = [Todo("x", n=i, expire=600 + 60 * i) for i in range(3)]
    ask(Todo.objects.bulk_create, [*todos, Todo("x", id="ever")])
    for i, todo in enumerate(todos):
        lives(todo, 600 + 60 * i)
    assert ask(Todo.objects.get, "ever").expire is None


def test_bulk_create_with_ignored_conflicts_counts_from_the_servers_clock(ask, lives):
    ask(Todo.objects.create, id="one")
    todos = [Todo(id="one", expire=600), Todo(id="two", expire=600)]
    ask(Todo.objects.bulk_create, todos, ignore_conflicts=True)
    lives(todos[1], 600)
    assert ask(Todo.objects.get, "one").expire is None


def test_bulk_create_with_updated_conflicts_counts_from_the_servers_clock(ask, lives):
    ask(City.objects.create, id="one", code="c")
    city = City(code="c", expire=600)
    ask(
        City.objects.bulk_create,
        [city],
        update_conflicts=True,
        update_fields=["expire"],
        unique_fields=["code"],
    )
    assert city.id == "one"
    lives(city, 600)


def test_bulk_save_and_bulk_update_count_from_the_servers_clock(ask, lives):
    todos = ask(Todo.objects.bulk_create, [Todo("x", n=i) for i in range(3)])
    for todo in todos:
        todo.expire = 600
    ask(Todo.objects.bulk_save, todos)
    for todo in todos:
        lives(todo, 600)
        todo.expire = timedelta(seconds=900)
    ask(Todo.objects.bulk_update, todos, ["expire"])
    for todo in todos:
        lives(todo, 900)


def test_get_or_create_and_update_or_create_count_from_the_servers_clock(ask, lives):
    todo, _ = ask(Todo.objects.get_or_create, {"expire": 600}, id="one")
    lives(todo, 600)
    todo, _ = ask(Todo.objects.update_or_create, {"expire": 900}, id="one")
    lives(todo, 900)
    todo, _ = ask(Todo.objects.update_or_create, {"expire": 900}, id="two")
    lives(todo, 900)


def within(ask, work):
    """Run *work* in an atomic() block."""
    if not ask.is_async:
        with ormist.atomic():
            work()
        return

    async def around():
        async with ormist.atomic():
            work()

    ask.wait(around())


@pytest.mark.one_node("writes two models in one block")
def test_atomic_counts_from_the_commit(ask, lives):
    old = ask(Todo.objects.create, "x", n=1, expire=50)
    todo, page = Todo("x", expire=600), Page("x", site="s", views=2, expire=900)

    def work():
        Todo.save(todo)
        page.save()
        old.expire = 1200
        old.save()

    within(ask, work)
    lives(todo, 600)
    lives(page, 900)
    lives(old, 1200)


def test_several_saves_in_a_block_keep_the_lifetime_of_the_last(ask, lives):
    todo = Todo("x", expire=600)

    def work():
        todo.save()
        todo.n = 1
        todo.save()
        other = Todo("y", id=todo.id, expire=900)
        other.save()
        other.delete()
        todo.n = 2
        todo.save()

    within(ask, work)
    lives(todo, 600)
    assert ask(Todo.objects.get, todo.id).attrs == {"n": 2}


def test_the_last_of_several_instances_sets_the_lifetime(ask, lives):
    one, two = Todo("x", id="one", expire=600), Todo("x", id="one", n=1, expire=900)

    def work():
        one.save()
        two.save()

    within(ask, work)
    lives(two, 900)
    one.tags = ["z"]
    ask(one.save)
    lives(one, 900)


def test_a_lifetime_set_after_a_save_in_a_block_waits_for_the_next_save(ask, lives):
    todo = Todo("x", expire=600)

    def work():
        todo.save()
        todo.expire = 900

    within(ask, work)
    ask(todo.save)
    lives(todo, 900)


def test_a_conflict_does_not_extend_the_lifetime(ask, lives):
    todo = ask(Todo.objects.create, "x", n=1)
    ask(Todo.objects.find("x").update, m=1)
    todo.expire = 600
    ask(todo.save)
    lives(todo, 600)
    assert ask(Todo.objects.get, todo.id).attrs == {"n": 1, "m": 1}


def test_a_later_save_of_other_attributes_keeps_the_expiration_time(ask, lives):
    todo = ask(Todo.objects.create, "x", expire=600)
    before = todo.expire
    todo.n = 1
    ask(todo.save)
    assert todo.expire == before
    assert ask(Todo.objects.get, todo.id).expire == before


def test_a_lifetime_merges_as_an_attribute(ask, lives):
    ask(Todo.objects.create, "x", id="one", expire=600)
    mine, theirs = Todo.objects.get("one"), Todo.objects.get("one")
    theirs.expire = 1200
    ask(theirs.save)
    mine.n = 1
    ask(mine.save)
    lives(mine, 1200)
    theirs.expire = 300
    ask(theirs.save)
    lives(theirs, 300)


def test_a_delay_before_the_save_does_not_shorten_the_lifetime(ask, lives, monkeypatch):
    todo = Todo("x", expire=600)
    real_ms = deadlines.now_ms
    monkeypatch.setattr(deadlines, "now_ms", lambda: real_ms() + HOURS)
    ask(todo.save)
    lives(todo, 600)


@pytest.mark.parametrize("remade", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # fmt: skip  # noqa: E501
def test_a_copy_that_was_not_saved_keeps_its_lifetime(ask, lives, remade):
    todo = remade(Todo("x", expire=600))
    ask(todo.save)
    lives(todo, 600)


def test_a_datetime_is_kept_as_given(ask, lives):
    moment = datetime.now(UTC).replace(microsecond=5000) + timedelta(hours=1)
    todo = ask(Todo.objects.create, "x", expire=moment)
    assert ask(Todo.objects.get, todo.id).expire == todo.expire == moment


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_naive_datetime_is_read_and_reported_as_by_django(
    ask, server, settings, zone
):
    settings.TIME_ZONE = zone
    naive = datetime(2100, 1, 1, 12)
    field = SqlUser._meta.get_field("date_joined")
    with pytest.warns(RuntimeWarning, match="naive"), timezone.override("Asia/Kolkata"):
        meant = field.get_prep_value(naive)
    writes = [
        lambda: ask(Todo.objects.create, "x", id="a", expire=naive),
        lambda: ask(Todo.objects.all().set_expire, naive),
        lambda: ask(Todo.objects.update, expire=naive),
        lambda: ask(Todo.objects.bulk_create, [Todo("x", id="b", expire=naive)]),
    ]
    for write in writes:
        with (
            pytest.warns(RuntimeWarning, match="datetime.2100.* naive"),
            timezone.override("Asia/Kolkata"),
        ):
            write()
        assert ask(Todo.objects.get, "a").expire == meant
    with pytest.warns(RuntimeWarning, match="naive"):
        assert sorted(ask(Todo.objects.find(expire=naive).ids)) == ["a", "b"]
    settings.USE_TZ = False
    todo = ask(Todo.objects.create, "x", expire=naive)
    assert ask(Todo.objects.get, todo.id).expire == meant


@pytest.mark.parametrize("expire", [0, -1, timedelta(seconds=-1)])
def test_a_lifetime_that_is_over_removes_the_object(ask, codec, clock, server, expire):
    todo = ask(Todo.objects.create, "x", expire=600)
    todo.expire = expire
    ask(todo.save)
    assert server.keys() == []
    ask(Todo.objects.bulk_create, [Todo("x", expire=expire), Todo("y", id="y")])
    assert ask(Todo.objects.all().ids) == ["y"]
    assert ask(Todo.objects.all().set_expire, expire) == 1
    assert server.keys() == []


def test_before_the_save_expire_is_an_estimate(ask, codec, clock):
    todo = Todo("x", expire=600)
    by_this_clock = deadlines.to_datetime(deadlines.now_ms() + 600_000)
    assert abs(todo.expire - by_this_clock) < timedelta(seconds=5)
    assert todo.ttl() == 600
    ask(todo.save)
    assert todo.ttl() != 600


@pytest.mark.parametrize("years", [20, 250, 290, 7000])
def test_a_long_lifetime_has_an_expiration_time_of_more_digits(
    ask, codec, server, years
):
    expire = timedelta(days=365 * years)
    todo = ask(Todo.objects.create, "x", expire=expire)
    found = ask(Todo.objects.get, todo.id)
    assert found._state.packed == todo._state.packed
    assert abs(found.expire - (datetime.now(UTC) + expire)) < timedelta(minutes=1)
    assert raw_faults(server.client, server.key_prefix) == []


def test_the_last_expiration_time_is_in_the_year_9999(ask, codec, server, monkeypatch):
    """For a client with a slow clock."""
    monkeypatch.setattr(deadlines, "now_ms", lambda: 0)
    expire = timedelta(days=365 * 8020)
    todo = ask(Todo.objects.create, "x", expire=expire)
    found = ask(Todo.objects.get, todo.id)
    assert found.expire == todo.expire == datetime(9999, 12, 31, tzinfo=UTC)


# ---------------------------------------------------------------- a TTL set by hand


@pytest.fixture
def outlived(server, codec):
    """Expired objects that the server keeps, because their TTL was moved."""

    def make(model, *made):
        base, late_ms = model._meta.space("default").base, server_ms(server) - 1000
        for each in made:
            each.expire = 600
            each.save()
            packed = with_deadline(each._state.packed, late_ms)
            server.client.set(each._key(), packed, px=60_000)
            server.client.zadd(base + b"expires", {each.id: late_ms})
        return made

    return make


def server_ms(server):
    if server.variant.is_fake:
        return time.time_ns() // 1_000_000
    seconds, micros = server.client.time()
    return seconds * 1000 + micros // 1000


@pytest.mark.parametrize("model", [Plain, Page, Todo])
def test_an_object_with_a_later_ttl_is_absent_once_expired(
    ask, outlived, server, model
):
    ask(model.objects.create, id="live", expire=60)
    ask(model.objects.create, id="ever")
    (late,) = outlived(model, model(id="late"))  # last: a write sweeps it
    assert server.client.exists(late._key())
    assert ask(model.objects.get_or_none, "late") is None
    with pytest.raises(model.DoesNotExist):
        ask(late.refresh_from_db)
    assert sorted(ask(model.objects.in_bulk, ["late", "live", "ever"])) == [
        "ever",
        "live",
    ]
    chosen = model.objects.filter(pk__in=["late", "live", "ever"])
    assert sorted(ask(chosen.ids)) == ["ever", "live"]
    assert ask(chosen.count) == 2
    assert ask(model.objects.filter(pk="late").exists) is False
    assert ask(model.objects.filter(pk="live").exists) is True
    assert ask(chosen.values_list("id", flat=True).get, "live") == "live"


def test_an_object_with_a_forged_tag_is_absent_once_expired(ask, outlived, server):
    (late,) = outlived(City, City("country:x", id="late", country="y", name="None"))
    assert server.client.exists(late._key())
    assert ask(City.objects.get_or_none, "late") is None
    assert ask(City.objects.in_bulk, ["late"]) == {}
    assert ask(City.objects.filter(pk="late").exists) is False


@pytest.mark.parametrize("method", ["create", "bulk_create", "get_or_create", "block"])
def test_the_id_and_values_of_an_expired_object_are_free(ask, outlived, server, method):
    old = City(id="old", code="c", country="x", population=3)
    outlived(City, old, City(id="new", code="d", name="n", population=4))
    new = {"code": "c", "country": "y", "population": 5}
    if method == "bulk_create":
        ask(City.objects.bulk_create, [City(id="new", **new)])
    elif method == "get_or_create":
        assert ask(City.objects.get_or_create, new, id="new")[1]
    elif method == "block":
        within(ask, lambda: City(id="new", **new).save(force_insert=True))
    else:
        ask(City.objects.create, id="new", **new)
    assert ask(City.objects.get, "new").attrs == new
    assert ask(City.objects.get, code="c").id == "new"
    while run(sweep(City._meta.space("default")), "default"):
        pass
    assert ask(City.objects.ids) == ["new"]
    assert raw_faults(server.client, server.key_prefix) == []


def test_a_fast_local_clock_does_not_hide_a_live_object(ask, codec, clock):
    todo = ask(Todo.objects.create, id="live", expire=60)
    assert ask(Todo.objects.get, "live") == todo
    assert ask(Todo.objects.filter(pk="live").exists) is True


def test_reading_the_expiration_time_takes_no_round_trip(ask, round_trips):
    ask(Todo.objects.create, id="live", expire=60)
    with round_trips() as seen:
        ask(Todo.objects.get, "live")
        ask(Todo.objects.in_bulk, ["live"])
        ask(Todo.objects.filter(pk="live").exists)
    assert seen.count == 3


def test_verify_finds_a_wrong_ttl_and_repair_sets_it(outlived, server, capsys):
    todo = Todo(id="one", expire=600)
    todo.save()
    server.client.pexpire(todo._key(), 1_000_000)
    with pytest.raises(CommandError):
        call_command("ormist_inspect", "tests.Todo", verify=True)
    assert "wrong-ttl" in capsys.readouterr().out
    call_command("ormist_inspect", "tests.Todo", repair=True)
    assert server.client.pttl(todo._key()) <= 600_000
    assert raw_faults(server.client, server.key_prefix) == []
