"""Keys that were damaged or removed from outside."""

import pickle
import time
from itertools import count

import pytest
import redis

from django_ormist.connections.executor import run
from django_ormist.exceptions import CorruptDataError
from django_ormist.operations.expiry import sweep
from tests.checker import api_faults
from tests.models import Page, Plain, Todo, User

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")


@pytest.fixture
def page(server):
    """One of two pages, with an entry at every kind of key."""
    Page.objects.create("a", id="other", site="s", views=1, expire=1000)
    made = Page("a", "b" * 70, id="one", site="s", views=1, expire=1000)
    made.save()
    return made


def give_another_type(server, key):
    server.client.delete(key)
    server.client.lpush(key, "x")


WRITES = {
    "save": lambda page: (page.save, ()),
    "delete": lambda page: (page.delete, ()),
    "insert": lambda page: (
        Page("new", "a", id="new", site="t", views=2, expire=1000).save,
        (),
    ),
    "bulk": lambda page: (
        Page.objects.bulk_create,
        ([Page("new", "a", id=pk, site="t", views=2) for pk in ("n1", "new")],),
    ),
    "increment": lambda page: (page.increment, ("views",)),
}

TOUCHED = [
    ("save", "o:one"),
    ("save", "all"),
    ("save", "expires"),
    ("save", "idx"),
    ("save", "c:one"),
    ("save", "t:a"),
    ("save", "t:new"),
    ("delete", "o:one"),
    ("delete", "all"),
    ("delete", "expires"),
    ("delete", "idx"),
    ("delete", "c:one"),
    ("delete", "t:a"),
    ("delete", "t:site:s"),
    ("insert", "o:new"),
    ("insert", "all"),
    ("insert", "expires"),
    ("insert", "idx"),
    ("insert", "c:new"),
    ("insert", "t:a"),
    ("insert", "t:site:t"),
    ("bulk", "all"),
    ("bulk", "o:new"),
    ("bulk", "expires"),
    ("bulk", "idx"),
    ("bulk", "c:new"),
    ("bulk", "t:a"),
    ("bulk", "t:site:t"),
    ("increment", "o:one"),
    ("increment", "c:one"),
    ("increment", "expires"),
]


@pytest.mark.parametrize(("write", "rest"), TOUCHED)
def test_a_write_to_a_key_of_another_type_names_it_and_writes_nothing(
    server, page, key, snapshot, write, rest
):
    page.tags = ["new"]
    page.name = "x"
    method, args = WRITES[write](page)
    give_another_type(server, key(Page, rest))
    before = snapshot()
    with pytest.raises(CorruptDataError) as caught:
        method(*args)
    assert repr(key(Page, rest)) in str(caught.value)
    assert snapshot() == before


@pytest.mark.parametrize("rest", ["t:a", "t:site:s"])
def test_a_sweep_that_meets_another_type_does_not_affect_writes(
    server, key, faults, rest
):
    """A write sweeps expired objects, whose terms are only in the memo."""
    Page.objects.create("a", id="old", site="s", expire=0.1)
    give_another_type(server, key(Page, rest))
    while Page.objects.get_or_none("old"):
        pass
    made = Page("z", id="one", site="t", views=1)
    try:
        made.save()
    except (CorruptDataError, redis.ResponseError):
        assert Page.objects.get_or_none("one") is None
    server.client.delete(key(Page, rest))
    run(sweep(Page._meta.space("default"), 500), "default")
    made.save()
    assert faults() == []


READS = {
    "get": lambda: (Page.objects.get, ("one",), "o:one"),
    "refresh": lambda: (Page(id="one").refresh_from_db, (), "o:one"),
    "counters": lambda: (Page.objects.get, ("one",), "c:one"),
    "list": lambda: (Page.objects.all().list, (), "all"),
    "tag": lambda: (Page.objects.find("a").list, (), "t:a"),
    "page": lambda: (Page.objects.find("a")[:5].list, (), "t:a"),
    "count": lambda: (Page.objects.find("a").count, (), "t:a"),
    "due": lambda: (Page.objects.count, (), "expires"),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_of_a_key_of_another_type_raises_a_clear_error(
    server, page, key, snapshot, read
):
    method, args, rest = READS[read]()
    give_another_type(server, key(Page, rest))
    before = snapshot()
    with pytest.raises((CorruptDataError, redis.ResponseError), match=r"(?i)type"):
        method(*args)
    assert snapshot() == before


# ---------------------------------------------------------------- bytes


class Bomb:
    """A class that reveals unpickling."""

    def __reduce__(self):
        return (exit, ("unpickled",))


GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "pickle": pickle.dumps(Bomb()),
    "version": b"\x03\x91\x80",
    "cut": b"\x01\x91\x81\xa1a",
    "no array": b"\x01\x80",
    "attributes that are a list": b"\x01\x91\x90",
    "tags that are numbers": b"\x01\x92\x80\x91\x01",
    "names that are numbers": b"\x01\x91\x81\x01\x01",
    "deadline that is a text": b"\x01\x93\x80\x90\xa1x",
    "unknown extension": b"\x01\x91\x81\xa1a\xd4\x7f\x00",
    "wrong extension": b"\x01\x91\x81\xa1a\xd4\x01\xc1",
    "huge length": b"\x01\x91\x81\xa1a\xdd\xff\xff\xff\xff",
    "deep": b"\x01\x91\x81\xa1a" + b"\x91" * 100_000,
    "JSON cut": b'{"v":1,"attrs":{',
    "JSON of another shape": b'{"v":1}',
    "JSON version": b'{"v":3,"attrs":{},"tags":[],"expire":null}',
    "JSON deep": b'{"v":1,"attrs":{"a":' + b"[" * 100_000,
    "JSON type": b'{"v":1,"attrs":{"a":{"$":["os.system","x"]}},"tags":[],"expire":0}',
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("stored", GARBAGE.values(), ids=GARBAGE)
def test_foreign_bytes_are_named_everywhere(server, page, key, snapshot, stored):
    name = key(Page, "o:one")
    fresh = Page("z", id="one", name="x")
    server.client.set(name, stored)
    before = snapshot()
    for method, args in (
        (Page.objects.get, ("one",)),
        (Page.objects.all().list, ()),
        (Page.objects.find("a").list, ()),
        (Page.objects.find("a")[:5].list, ()),
        (page.refresh_from_db, ()),
        (page.save, ()),
        (page.delete, ()),
        (fresh.save, ()),
        (fresh.increment, ("size",)),
        (Page.objects.find("a").set_expire, (None,)),
        (Page.objects.find("a").delete, ()),
    ):
        with pytest.raises(CorruptDataError) as caught:
            method(*args)
        assert repr(name) in str(caught.value)
    assert snapshot() == before
    assert Page.objects.count() == 2
    # The other objects are as they were.
    assert Page.objects.get("other").site == "s"


def test_a_counter_that_is_not_a_number_is_named(ask, server, page, key):
    name = key(Page, "c:one")
    server.client.hset(name, "views", "many")
    for method, args in (
        (Page.objects.get, ("one",)),
        (Page.objects.all().list, ()),
        (Page.objects.find("a")[:5].list, ()),
        (page.increment, ("views",)),
    ):
        with pytest.raises(CorruptDataError) as caught:
            ask(method, *args)
        assert repr(name) in str(caught.value)
    assert server.client.hget(name, "views") == b"many"


def test_an_id_that_is_not_text_is_named(server, key):
    server.client.zadd(key(Todo, "all"), {b"\xff\xfe": 1})
    with pytest.raises(CorruptDataError, match="xff"):
        Todo.objects.all().ids()


# ---------------------------------------------------------------- removed


@pytest.fixture
def evicted(server, key):
    """Ten users, of which "u3" and "u7" are removed as by eviction."""
    made = [User("a", id=f"u{i}", name=f"n{i % 2}") for i in range(10)]
    User.objects.bulk_create(made)
    server.client.delete(key(User, "o:u3"), key(User, "o:u7"))
    return [each for each in made if each.id not in {"u3", "u7"}]


def test_an_evicted_object_is_absent(ask, evicted):
    assert ask(User.objects.get_or_none, "u3") is None
    with pytest.raises(User.DoesNotExist):
        ask(User.objects.get, "u7")
    for collection in (User.objects.all(), User.objects.find("a")):
        assert ask(collection.list) == evicted
        assert ask(collection[:5].list) == evicted[:5]
        assert ask(collection[:8].list) == evicted
        assert ask(collection.reverse()[:8].list) == evicted[::-1]
    assert ask(User.objects.find("a", name="n1").list) == evicted[1::2][:1] + [
        each for each in evicted[2:] if each.name == "n1"
    ]
    assert not ask(User.objects.find(pk="u3").exists)
    assert set(ask(User.objects.in_bulk, ["u2", "u3"])) == {"u2"}


def test_writes_treat_an_evicted_object_as_missing(ask, server, evicted, key):
    stale = ask(User.objects.get, "u5")
    server.client.delete(key(User, "o:u5"))
    with pytest.raises(User.NotUpdated):
        ask(stale.save, force_update=True)
    with pytest.raises(User.DoesNotExist):
        ask(stale.increment, "age")
    assert ask(stale.delete) == (0, {})
    assert "u5" not in ask(User.objects.find("a").ids)


@pytest.mark.parametrize("how", ["create", "save", "bulk"])
def test_creating_it_again_repairs_its_entries(ask, evicted, faults, how):
    new = [User("b", id=pk, name="new") for pk in ("u3", "u7")]
    if how == "bulk":
        ask(User.objects.bulk_create, new)
    else:
        for each in new:
            ask(each.save, force_insert=how == "create")
    assert faults() == []
    assert ask(User.objects.find("a").list) == evicted
    assert ask(User.objects.find("b").list) == new
    assert ask(User.objects.find(name="n1").count) == 3
    assert api_faults(User, ["a", "b", "name:n0", "name:n1", "name:new"]) == []


def test_saving_a_stale_copy_repairs_its_entries(ask, server, faults, key):
    user = ask(User.objects.create, "a", id="one", name="x", expire=1000)
    stale = ask(User.objects.get, "one")
    user.tags, user.name = ["b"], "y"
    ask(user.save)
    server.client.delete(key(User, "o:one"))
    stale.name = "z"
    ask(stale.save)
    assert faults() == []
    assert api_faults(User, ["a", "b", "name:x", "name:y", "name:z"]) == []


def test_deleting_a_stale_copy_leaves_no_keys(ask, server, faults, key):
    user = ask(User.objects.create, "a", id="one", name="x")
    stale = ask(User.objects.get, "one")
    user.tags, user.name = ["b"], "y"
    ask(user.save)
    server.client.delete(key(User, "o:one"))
    assert ask(stale.delete) == (0, {})
    ask(User.objects.create, "c", id="one", name="new")
    assert ask(User.objects.find("b").list) == []
    assert faults() == []


def test_an_evicted_object_is_swept_after_its_expiration_time(server, key, faults):
    todo = Todo.objects.create("a", id="one", expire=0.2)
    Todo.objects.create("a", id="two")
    server.client.delete(key(Todo, "o:one"))
    assert Todo.objects.find("a").ids()
    deadline = todo.expire.timestamp()
    while time.time() <= deadline + 0.01:
        pass
    run(sweep(Todo._meta.space("default"), 500), "default")
    assert Todo.objects.find("a").ids() == ["two"]
    assert Todo.objects.find("a").count() == 1
    assert faults() == []


@pytest.mark.servers("valkey91")
def test_eviction_does_not_give_partial_objects(server, start_server):
    own = start_server(server, "--maxmemory", "5mb")
    own.client().config_set("maxmemory-policy", "volatile-random")
    server.connect(own.unix_url)
    for number in count():
        User.objects.bulk_create(
            User("a", id=f"{number}-{i}", n=i, bio="x" * 1000, expire=1000)
            for i in range(100)
        )
        if own.client().info("stats")["evicted_keys"] > 500:
            break
    own.client().config_set("maxmemory", "0")  # or the next read evicts more
    listed = User.objects.find("a").list()
    assert 0 < len(listed) < 100 * (number + 1)
    assert User.objects.find("a")[:50].list() == listed[:50]
    assert User.objects.find("a", n=7).list() == [
        each for each in listed if each.n == 7
    ]
    gone = next(
        f"0-{i}" for i in range(100) if User.objects.get_or_none(f"0-{i}") is None
    )
    User.objects.create("b", id=gone, n=1000)
    assert User.objects.find("b").ids() == [gone]
    assert gone not in User.objects.find("a").ids()


def test_a_flushed_database_is_an_empty_one(ask, server):
    plain = ask(Plain.objects.create, n=1)
    server.clean()
    assert ask(Plain.objects.all().list) == []
    assert ask(Plain.objects.count) == 0
    plain.n = 2
    ask(plain.save)
    assert ask(Plain.objects.get, plain.id).n == 2
