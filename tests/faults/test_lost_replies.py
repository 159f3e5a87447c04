"""Writes whose reply is lost: before the server got the request, or after it.

A proxy stands before the primary of a sentinel set. A rival writes to the primary
itself, after the request was lost and before it is sent again.
"""

import datetime as dt

import pytest
import redis

import django_ormist as ormist
from django_ormist.codecs import deadline_of, pack
from django_ormist.connections import connections
from django_ormist.connections.executor import arun, run
from django_ormist.connections.routing import LOST, UNPROVEN
from django_ormist.keys import journal_key
from django_ormist.operations import move
from django_ormist.operations.objects import Image
from django_ormist.operations.replies import Reply
from django_ormist.sessions import Session, SessionStore
from django_ormist.signals import post_delete, post_save
from tests import clusters, servers
from tests.behaviour.blocks import Block
from tests.checker import raw_faults
from tests.conftest import scripts
from tests.faults.routes import route_over
from tests.models import City, Page, Todo
from tests.proxy import Proxy

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

CUTS = pytest.mark.parametrize("cut", ["cut_next_reply", "cut_next_request"])
TOMORROW = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=1)


@pytest.fixture
def codec(ask):
    return "json" if ask.is_async else "msgpack"


@pytest.fixture
def store(ask, primary_proxy, sentinel_set, client, settings, codec):
    """The proxy. The alias "rival" goes to the primary itself."""
    rival = f"unix://{sentinel_set.primary().socket_path}?db=0"
    options = {"socket_timeout": 20, "patience": 60}  # a busy machine is not a fault
    alias = settings.ORMIST["default"] | {"CODEC": codec, "OPTIONS": options}
    settings.ORMIST = {
        "default": alias,
        "rival": {"LOCATION": rival, "KEY_PREFIX": "network", "CODEC": codec},
    }
    for script in scripts():
        client.script_load(script.source)
    ask(Todo.objects.create, id="first")  # opens the connection
    return primary_proxy


@pytest.fixture
def client(sentinel_set):
    with sentinel_set.primary().client() as found:
        yield found


@pytest.fixture
def sent():
    """The signals post_save and post_delete that were sent."""
    found = []

    def note(sender, instance, **arguments):
        found.append((instance, arguments.get("created")))

    for signal in (post_save, post_delete):
        signal.connect(note)
    yield found
    for signal in (post_save, post_delete):
        signal.disconnect(note)


def faults_of(client):
    """Return the faults of the store, which is not empty."""
    prefix = connections["default"].key_prefix
    assert client.keys(f"{prefix}:*:all")
    return raw_faults(client, prefix)


def is_stored(client, instance):
    """Whether the server has the bytes that the instance was stored as."""
    assert faults_of(client) == []
    packed = client.get(instance._key())
    return packed is not None and instance._state.packed == packed


EXPIRE = pytest.mark.parametrize(
    "expire", [None, 3600, TOMORROW], ids=["none", "lifetime", "moment"]
)


@CUTS
@EXPIRE
def test_a_created_object_is_stored_once(ask, store, client, sent, cut, expire):
    getattr(store, cut)()
    todo = ask(Todo.objects.create, "home", text="milk", expire=expire)
    assert is_stored(client, todo)
    assert (deadline_of(todo._state.packed) is None) is (expire is None)
    assert sent == [(todo, True)]
    assert ask(Todo.objects.find("home").ids) == [todo.id]


@CUTS
@EXPIRE
def test_a_changed_object_is_saved_once(ask, store, client, sent, cut, expire):
    city = ask(City.objects.create, id="x", country="no", code="a", population=1)
    city.set(code="b", population=2)
    city.expire = expire
    sent.clear()
    getattr(store, cut)()
    ask(city.save, force_update=expire is None)
    assert is_stored(client, city)
    assert sent == [(city, False)]
    assert ask(City.objects.get, code="b", population__gt=1) == city


@CUTS
def test_a_lifetime_is_renewed_once(ask, store, client, cut):
    """The contents are as before, so only the deadline shows what was applied."""
    todo = ask(Todo.objects.create, id="x", text="milk", expire=60)
    todo.expire = 3600
    getattr(store, cut)()
    ask(todo.save)
    assert is_stored(client, todo)
    assert client.pttl(todo._key()) > 3_000_000


@CUTS
def test_some_fields_are_saved_once(ask, store, client, sent, cut):
    todo = ask(Todo.objects.create, id="x", text="milk", done=False)
    todo.text, todo.done = "other", True
    sent.clear()
    getattr(store, cut)()
    ask(todo.save, update_fields=["done"])
    assert faults_of(client) == []
    assert sent == [(todo, False)]
    assert ask(Todo.objects.get, "x").attrs == {"text": "milk", "done": True}


@CUTS
@pytest.mark.parametrize("verb", ["get_or_create", "update_or_create"])
@pytest.mark.parametrize("expire", [None, 3600])
def test_an_object_is_created_once_by_a_search(
    ask, store, client, sent, cut, verb, expire
):
    """By a name that is not unique, so that the server checks it with the insert."""
    getattr(store, cut)(skip=1)  # the search
    search = getattr(City.objects, verb)
    city, is_new = ask(search, {"code": "a", "expire": expire}, name="Oslo")
    assert is_new
    assert is_stored(client, city)
    assert sent == [(city, True)]
    city, is_new = ask(search, {"code": "a"}, name="Oslo")
    assert not is_new


def test_an_update_of_a_match_that_was_not_applied_is_sent_again(ask, store, client):
    ask(City.objects.create, name="Oslo", code="a")
    store.cut_next_request(skip=1)
    city, is_new = ask(City.objects.update_or_create, {"code": "b"}, name="Oslo")
    assert not is_new
    assert is_stored(client, city)


def test_an_update_of_a_match_is_not_proven_by_its_bytes(ask, store, client):
    """Two clients may give the same value to what both have found."""
    ask(City.objects.create, name="Oslo", code="a")
    store.cut_next_reply(skip=1)
    notes = raised(ask, City.objects.update_or_create, {"code": "b"}, name="Oslo")
    assert UNPROVEN in notes
    assert ask(City.objects.get, code="b")
    assert faults_of(client) == []


@CUTS
def test_a_list_is_saved_once(ask, store, client, cut):
    todos = [Todo(text=text) for text in "abc"]
    getattr(store, cut)()
    assert ask(Todo.objects.bulk_save, todos) == 3
    assert all(is_stored(client, each) for each in todos)


# ---------------------------------------------------------------- without a proof


def raised(ask, verb, *args, **options):
    """Return the notes of the error that the call raises."""
    with pytest.raises(redis.ConnectionError) as caught:
        ask(verb, *args, **options)
    return caught.value.__notes__


def test_a_strict_save_that_was_not_applied_is_sent_again(ask, store, client):
    todo = ask(Todo.objects.create, id="x", number=1)
    todo.number += 1
    store.cut_next_request()
    ask(todo.save, strict=True)
    assert is_stored(client, todo)


def test_a_strict_save_that_was_applied_is_not_proven_by_its_bytes(ask, store):
    """Another client may have added one to the same number."""
    todo = ask(Todo.objects.create, id="x", number=1)
    todo.number += 1
    store.cut_next_reply()
    assert UNPROVEN in raised(ask, todo.save, strict=True)


def test_two_clients_do_not_both_insert_one_id(ask, store, sent):
    def rival():
        Todo.objects.using("rival").create(id="x", state="waiting")

    store.cut_next_request(then=rival)
    assert UNPROVEN in raised(ask, Todo.objects.create, id="x", state="waiting")
    assert len(sent) == 1


@CUTS
def test_a_rival_that_writes_the_object_meanwhile_leaves_no_proof(
    ask, store, client, sent, cut
):
    def rival():
        other = Todo.objects.using("rival").get("x")
        other.theirs = 1
        other.save()

    todo = ask(Todo.objects.create, id="x", mine=0)
    todo.mine = 1
    sent.clear()
    getattr(store, cut)(then=rival)
    assert UNPROVEN in raised(ask, todo.save)
    was_applied = cut == "cut_next_reply"
    assert ask(Todo.objects.get, "x").attrs == {"mine": int(was_applied), "theirs": 1}
    assert faults_of(client) == []
    assert sent == [(todo, False)]  # that of the rival


def test_a_rival_that_moves_the_deadline_meanwhile_is_no_obstacle(ask, store, client):
    def rival():
        other = Todo.objects.using("rival").get("x")
        other.expire = 7200
        other.save()

    todo = ask(Todo.objects.create, id="x", text="milk", expire=60)
    todo.text, todo.expire = "bread", 3600
    store.cut_next_reply(then=rival)
    ask(todo.save)
    assert is_stored(client, todo)
    assert client.pttl(todo._key()) > 7_000_000


def test_a_unique_value_that_a_rival_has_taken_meanwhile_is_refused(ask, store, client):
    def rival():
        City.objects.using("rival").create(code="a")

    store.cut_next_request(then=rival)
    with pytest.raises(ormist.IntegrityError, match="code"):
        ask(City.objects.create, code="a")
    assert faults_of(client) == []


@CUTS
def test_counters_are_not_set_again(ask, store, client, cut):
    page = ask(Page.objects.create, id="x", views=5)
    page.views = 7
    getattr(store, cut)()
    assert LOST in raised(ask, page.save)
    assert ask(Page.objects.get, "x").views == (7 if cut == "cut_next_reply" else 5)


@CUTS
def test_an_update_is_not_sent_again(ask, store, client, cut):
    """Two clients may both have added one."""
    ask(Todo.objects.create, "home", id="x", number=1)
    getattr(store, cut)(skip=2)
    assert LOST in raised(ask, Todo.objects.find("home").update, number=2)
    assert ask(Todo.objects.get, "x").number == 1 + (cut == "cut_next_reply")


@CUTS
def test_a_batch_is_not_sent_again(ask, store, client, cut):
    getattr(store, cut)()
    assert LOST in raised(ask, Todo.objects.bulk_create, [Todo(id="x")])
    assert client.exists(Todo(id="x")._key()) == (cut == "cut_next_reply")


@CUTS
def test_a_block_is_not_sent_again(ask, store, client, cut):
    getattr(store, cut)()
    with pytest.raises(redis.ConnectionError) as caught:
        Block(ask)(lambda ask: ask(Todo(id="x").save))
    assert LOST in caught.value.__notes__
    assert client.exists(Todo(id="x")._key()) == (cut == "cut_next_reply")


# ---------------------------------------------------------------- deletions, sessions


def test_a_deletion_that_was_not_applied_is_sent_again(ask, store, client, sent):
    todo = ask(Todo.objects.create, "home", id="x")
    sent.clear()
    store.cut_next_request()
    assert ask(todo.delete) == (1, {"tests.Todo": 1})
    assert not client.exists(todo._key())
    assert sent == [(todo, None)]


def test_an_object_that_is_gone_may_have_been_deleted_by_a_rival(ask, store, client):
    todo = ask(Todo.objects.create, "home", id="x")
    store.cut_next_reply()
    assert UNPROVEN in raised(ask, todo.delete)
    assert not client.exists(todo._key())
    assert faults_of(client) == []


@CUTS
def test_each_step_of_a_move_may_be_sent_again(ask, store, client, cut):
    schema, packed = Todo._meta.schema("default"), pack({"n": 1})
    each, image = move.MovedObject(b"x", packed, 5.0, ()), Image(packed)
    for step, lost, again in (
        (move.begin(schema.space, "token"), 1, 0),
        (move.move_in(schema, each, image, "token"), Reply.DONE, Reply.MOVED_BEFORE),
        (move.move_out(schema, each, image), Reply.DONE, Reply.ORPHAN_INDEX),
        (move.finish(schema.space, [b"x"], "token"), Reply.DONE, Reply.DONE),
    ):
        getattr(store, cut)()
        is_async = ask.is_async
        answer = ask.wait(arun(step, "default")) if is_async else run(step, "default")
        found = answer[0] if isinstance(answer, tuple) else answer
        assert found == (again if cut == "cut_next_reply" else lost)
    assert client.hgetall(journal_key(schema.space)) == {b"token": b"token"}
    assert ask(Todo.objects.all().ids) == ["first"]


@CUTS
def test_sessions_outlive_each_lost_reply(ask, store, client, settings, cut):
    settings.SESSION_ENGINE = "django_ormist.sessions"
    session = SessionStore()
    session["cart"] = [1]
    getattr(store, cut)()
    ask(session.create)
    key = session.session_key
    session["cart"] = [1, 2]
    getattr(store, cut)()
    ask(session.save)
    getattr(store, cut)()
    ask(session.save)  # renews the deadline alone
    assert ask(SessionStore(key).load) == {"cart": [1, 2]}
    getattr(store, cut)()
    ask(session.flush)
    assert Session.objects.count() == 0
    assert faults_of(client) == []


# ---------------------------------------------------------------- replicas


def test_replicas_do_not_confirm_a_write_that_was_applied_before(
    ask, store, client, settings
):
    """WAIT is about the writes of its own connection, which is a new one."""
    options = settings.ORMIST["default"]["OPTIONS"]
    more = {"replicas": 1, "replicas_timeout": 10, "socket_timeout": 20}
    alias = settings.ORMIST["default"] | {"OPTIONS": options | more}
    settings.ORMIST = settings.ORMIST | {"default": alias}
    ask(Todo.objects.create)
    store.cut_next_request()
    ask(Todo.objects.create)
    store.cut_next_reply()
    with pytest.raises(ormist.NotReplicated, match="0 of 1 replicas"):
        ask(Todo.objects.create)
    assert ask(Todo.objects.count) == 4
    assert faults_of(client) == []


# ---------------------------------------------------------------- a Cluster


@CUTS
def test_writes_to_a_cluster_outlive_lost_replies(ask, settings, monkeypatch, cut):
    cluster = clusters.shared()
    cluster.heal()
    options = {"socket_timeout": 20, "patience": 60}
    alias = {"LOCATION": cluster.url, "KEY_PREFIX": "network", "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    primary = cluster.primary_of(City._meta.space("default").base)
    with Proxy(primary.socket_path) as proxy, primary.client() as client:
        route_over({primary.port: str(proxy.path)}, monkeypatch.setattr)
        city = ask(City.objects.create, code="a")
        getattr(proxy, cut)()
        ask(City.objects.create, code="b", expire=3600)
        city.code = "c"
        getattr(proxy, cut)()
        ask(city.save)
        assert is_stored(client, city)
        assert ask(City.objects.count) == 2
        connections.reset()
    cluster.flush()


# ---------------------------------------------------------------- one server


@CUTS
def test_a_plain_connection_sends_a_write_once(ask, store, settings, cut):
    alias = {"LOCATION": store.url, "KEY_PREFIX": "network"}
    settings.ORMIST = {"default": alias}
    ask(Todo.objects.create)
    getattr(store, cut)()
    with pytest.raises(redis.ConnectionError):
        ask(Todo.objects.create, id="x")
    assert ask(Todo.objects.find().ids).count("x") == (cut == "cut_next_reply")
    assert connections["default"].endpoint.sentinels is None
