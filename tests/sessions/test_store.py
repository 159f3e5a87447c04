"""The contract of Django's session engines, and our further guarantees."""

import datetime as dt
import logging

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.signing import JSONSerializer

from django_ormist.keys import object_key
from django_ormist.sessions import (
    Session,
    SessionStore,
    flows,
    private_id,
    serialization,
)

pytestmark = pytest.mark.servers(
    "valkey91", "valkey91-json", "valkey91-cluster", "redis62", "fakeredis"
)


def held(ask, key):
    """Return the content that a new request finds under *key*."""
    return ask(SessionStore(key).load)


def test_the_engine_works_without_other_settings(ask, stored, is_sound):
    key = stored(cart=[1, 2], name="é")
    assert held(ask, key) == {"cart": [1, 2], "name": "é"}
    assert is_sound()


def test_two_requests_that_change_different_keys_both_survive(ask, stored, is_sound):
    key = stored(a=0, b=0, c=0, nested={"deep": [1]})
    one, two = SessionStore(key), SessionStore(key)
    ask(one.load), ask(two.load)
    one._session["a"] = two._session["b"] = 1
    one._session["nested"]["deep"].append(2)
    del two._session["c"]
    ask(one.save)
    ask(two.save)
    assert held(ask, key) == {"a": 1, "b": 1, "nested": {"deep": [1, 2]}}
    assert is_sound()


def test_a_save_returns_concurrent_changes_and_the_next_one_keeps_them(ask, stored):
    key = stored(a=0, b=0, gone=0)
    one, two = SessionStore(key), SessionStore(key)
    for session in (one, two):
        session._session  # noqa: B018 - loads
    one["b"], one["new"] = 1, [True]
    del one["gone"]
    ask(one.save)
    two["a"] = 1
    ask(two.save)
    assert dict(two.items()) == {"a": 1, "b": 1, "new": [True]}
    two["a"] = 2
    ask(two.save)
    assert held(ask, key) == {"a": 2, "b": 1, "new": [True]}


def test_the_last_writer_of_a_key_wins(ask, stored):
    key = stored(a=0)
    one, two = SessionStore(key), SessionStore(key)
    one["a"], two["a"] = 1, 2
    ask(two.save)
    ask(one.save)
    assert held(ask, key) == {"a": 1}


def test_a_session_that_ended_never_comes_back(ask, stored, server):
    key = stored(a=1)
    late = SessionStore(key)
    late["a"] = 2
    ask(SessionStore(key).delete)
    with pytest.raises(UpdateError):
        ask(late.save)
    assert not ask(late.exists, key)
    assert server.keys() == []


def test_an_unchanged_session_that_ended_never_comes_back(ask, stored, server):
    key = stored(a=1)
    late = SessionStore(key)
    assert late["a"] == 1
    ask(SessionStore(key).flush)
    with pytest.raises(UpdateError):
        ask(late.save)
    assert server.keys() == []


def test_clear_and_save_discard_concurrent_changes(ask, stored, is_sound):
    key = stored(a=1, b=2)
    session, other = SessionStore(key), SessionStore(key)
    assert session["a"] == 1
    other["late"] = 3
    ask(other.save)
    session.clear()
    session["only"] = True
    ask(session.save)
    assert held(ask, key) == {"only": True}
    blind = SessionStore(key)
    blind.clear()
    ask(blind.save)
    assert held(ask, key) == {}
    assert is_sound()


def test_clear_and_save_of_a_session_that_ended_is_refused(ask, stored):
    key = stored(a=1)
    session = SessionStore(key)
    session.clear()
    ask(SessionStore(key).delete)
    with pytest.raises(UpdateError):
        ask(session.save)


def test_flush_removes_everything_and_starts_a_new_session(ask, stored, server):
    session = SessionStore(stored(a=1))
    session["b"] = 2
    ask(session.flush)
    assert session.session_key is None
    assert server.keys() == []
    session["c"] = 3
    ask(session.save)
    assert held(ask, session.session_key) == {"c": 3}


def test_must_create_refuses_a_key_that_is_taken(ask, stored):
    key = stored(a=1)
    with pytest.raises(CreateError):
        ask(SessionStore(key).save, must_create=True)
    assert held(ask, key) == {"a": 1}


def test_create_generates_another_key_if_one_is_taken(ask, stored, monkeypatch):
    keys = [stored(a=1), "another-key-that-is-free"]
    session = SessionStore()
    monkeypatch.setattr(session, "_get_new_session_key", lambda: keys.pop(0))
    ask(session.create)
    assert session.session_key == "another-key-that-is-free"


def test_keys_are_32_characters_of_djangos_alphabet():
    keys = {SessionStore()._get_new_session_key() for _ in range(200)}
    assert len(keys) == 200
    assert {len(key) for key in keys} == {32}
    assert len(set("".join(keys))) == 36


def test_an_unknown_key_is_dropped_and_creates_nothing(ask, server):
    for key in ("1", "unknown-session-key", "x" * 1240, "\ud800" * 8, "k\0:*{}" * 3):
        session = SessionStore(key)
        assert ask(session.load) == {}
        assert session.session_key is None
        assert not ask(session.exists, key)
        ask(session.delete, key)
    assert ask(SessionStore().exists, None) is False
    assert server.keys() == []


def test_json_values_are_converted_as_by_the_db_engine(ask, server):
    data = {
        1: "int key",
        None: "null key",
        2.5: "float key",
        "tuple": (1, (2,)),
        "nested": {2: {3: None}},
        "floats": [1.0, 1e300, -0.0, float("inf")],
        "ints": [2**70, -(2**63), 0],
        "text": ["", "\0", "é€😀", "\ud800"],
        "surrogate \ud800": "\udfff",
        "kinds": [1, 1.0, True, None],
        "deep": [[[[]]], {}, {"": {}}],
        "k:x": "prefix",
        "lifetime": "name of an attribute",
        "user_id": "7",
    }
    session = SessionStore()
    session.update(data)
    ask(session.create)
    found = held(ask, session.session_key)
    wanted = JSONSerializer().loads(JSONSerializer().dumps(data))
    assert repr(found) == repr(wanted)


def test_values_that_json_refuses_are_refused_and_not_written(ask, server):
    session = SessionStore()
    session["x"] = object()
    with pytest.raises(TypeError, match="not JSON serializable"):
        ask(session.create)
    assert server.keys() == []


class PickleSerializer:
    """The serializer that Django had until 4.2."""

    def dumps(self, value):
        import pickle

        return pickle.dumps(value)

    def loads(self, data):
        import pickle

        return pickle.loads(data)


def test_session_serializer_is_honoured(ask, server, settings):
    settings.SESSION_SERIALIZER = f"{__name__}.PickleSerializer"
    shared = ["x"]
    data = {1: (2, {3}), "a": dt.date(2026, 1, 1), "b": [shared, shared]}
    session = SessionStore()
    session.update(data)
    ask(session.create)
    assert held(ask, session.session_key) == data
    one, two = SessionStore(session.session_key), SessionStore(session.session_key)
    one[1], two["a"] = "one", "two"
    ask(one.save)
    ask(two.save)
    changed = {1: "one", "a": "two", "b": data["b"]}
    assert held(ask, session.session_key) == changed


def test_by_default_nothing_is_pickled(ask, stored, server):
    key = stored(a=(1, 2), b={"c": "x"})
    packed = server.client.get(
        object_key(Session._meta.space("default"), private_id(key))
    )
    assert b"\x80\x04" not in packed
    assert b"\x80\x05" not in packed


@pytest.mark.parametrize("change", ["bytes", "serializer"])
def test_an_unreadable_session_is_missing_and_logged(
    ask, stored, server, settings, caplog, change
):
    key = stored(a=(1, 2))
    if change == "bytes":
        name = object_key(Session._meta.space("default"), private_id(key))
        server.client.set(name, b"rubbish", keepttl=True)
    else:
        settings.SESSION_SERIALIZER = f"{__name__}.PickleSerializer"
    session = SessionStore(key)
    with caplog.at_level(logging.WARNING, "django.security.SuspiciousSession"):
        assert ask(session.load) == {}
    assert session.session_key is None
    assert private_id(key) in caplog.text
    assert key not in caplog.text


@pytest.mark.parametrize("error", [TimeoutError(), MemoryError()], ids=repr)
def test_an_interrupted_load_keeps_the_session(ask, stored, monkeypatch, error):
    key = stored(a=1)
    errors, decode = [error], serialization.decode_session

    def interrupted(*arguments):
        if errors:
            raise errors.pop()
        return decode(*arguments)

    monkeypatch.setattr(serialization, "decode_session", interrupted)
    session = SessionStore(key)
    with pytest.raises(type(error)):
        ask(session.load)
    assert session.session_key == key
    assert ask(session.load) == {"a": 1}


def test_a_session_of_more_than_1_mb_works(ask, stored, is_sound):
    key = stored(big="é" * 700_000, rows=[{"n": n} for n in range(30_000)])
    session = SessionStore(key)
    session["small"] = 1
    ask(session.save)
    found = held(ask, key)
    assert len(found["big"]) == 700_000
    assert found["rows"][-1] == {"n": 29_999}
    assert found["small"] == 1
    assert is_sound()


def test_adelete_test_cookie_is_saved(ask, stored):
    session = SessionStore(stored(testcookie="worked"))
    assert ask(session.test_cookie_worked)
    ask(session.delete_test_cookie)
    assert session.modified
    ask(session.save)
    assert held(ask, session.session_key) == {}


def test_cycle_key_keeps_the_data_and_ends_the_old_key(ask, stored, is_sound):
    old = stored(a=1, _auth_user_id="5")
    session = SessionStore(old)
    ask(session.cycle_key)
    assert held(ask, old) == {}
    assert held(ask, session.session_key) == {"a": 1, "_auth_user_id": "5"}
    assert Session.objects.find(user_id=5).count() == 1
    assert is_sound()


def test_cycle_key_keeps_concurrent_changes(ask, stored, is_sound):
    old = stored(a=1, b=1)
    session, other = SessionStore(old), SessionStore(old)
    assert session["a"] == 1
    other["late"] = [2]
    del other["b"]
    ask(other.save)
    ask(session.cycle_key)
    assert dict(session.items()) == {"a": 1, "late": [2]}
    assert held(ask, session.session_key) == {"a": 1, "late": [2]}
    assert held(ask, old) == {}
    assert is_sound()


def test_cycle_key_after_clear_drops_the_data(ask, stored, server):
    old = stored(a=1)
    session = SessionStore(old)
    session.clear()
    ask(session.cycle_key)
    assert held(ask, session.session_key) == {}
    assert held(ask, old) == {}


def test_cycle_key_of_a_new_session_creates_one(ask, server):
    session = SessionStore()
    session["a"] = 1
    ask(session.cycle_key)
    assert held(ask, session.session_key) == {"a": 1}


@pytest.mark.parametrize("is_cleared", [False, True])
def test_cycle_key_of_an_ended_session_is_interrupted(ask, stored, server, is_cleared):
    session = SessionStore(stored(a=1, _auth_user_id="5"))
    assert session["a"] == 1
    ask(SessionStore().delete, session.session_key)
    if is_cleared:  # it does not have a user any more, so it may continue
        session.clear()
        session["a"] = 2
        ask(session.cycle_key)
        assert held(ask, session.session_key) == {"a": 2}
        return
    with pytest.raises(SessionInterrupted, match="was deleted before its key"):
        ask(session.cycle_key)
    assert session.is_empty()
    assert server.keys() == []


def test_cycle_key_of_an_ended_anonymous_session_creates_one(ask, stored, server):
    session = SessionStore(stored(a=1))
    assert session["a"] == 1
    ask(SessionStore().delete, session.session_key)
    ask(session.cycle_key)
    assert held(ask, session.session_key) == {"a": 1}


def test_cycle_key_is_interrupted_if_the_new_session_is_ended_at_once(
    ask, stored, server, monkeypatch
):
    session = SessionStore(stored(a=1, _auth_user_id="5"))
    other = SessionStore(session.session_key)
    assert session["a"] == other["a"] == 1
    other["b"] = 2
    create = flows.create

    def end_after_creating(store, own=None):
        yield from create(store, own)
        yield from flows.delete(SessionStore(), store.session_key)
        yield from flows.save(other)

    monkeypatch.setattr(flows, "create", end_after_creating)
    with pytest.raises(SessionInterrupted):
        ask(session.cycle_key)
    assert server.keys() == []


def test_sessions_are_kept_on_the_alias_of_the_setting(ask, server, settings):
    settings.ORMIST = {
        **settings.ORMIST,
        "other": {**settings.ORMIST["default"], "KEY_PREFIX": f"{server.key_prefix}:o"},
    }
    settings.ORMIST_SESSIONS = {"USING": "other"}
    session = SessionStore()
    session["_auth_user_id"] = "1"
    ask(session.create)
    assert ask(session.exists, session.session_key)
    assert ask(Session.objects.find(user_id=1).count) == 1
    assert ask(Session.objects.using("default").count) == 0
    assert server.keys(f"{server.key_prefix}:o:*") == server.keys()


def test_clearsessions_sweeps_and_prints_the_number(stored, server, capsys, is_sound):
    from django.core.management import call_command

    for number in range(3):
        stored(a=number)
    space = Session._meta.space("default")
    for session in Session.objects.all()[:2]:
        server.client.zadd(space.base + b"expires", {session.id: 1})
        server.client.delete(object_key(space, session.id))
    call_command("clearsessions")
    assert capsys.readouterr().out == "Swept 2 expired sessions.\n"
    assert Session.objects.count() == 1
    assert is_sound()


def test_clear_expired_works_sync_and_async(ask, stored):
    stored(a=1)
    assert ask(SessionStore.clear_expired) == 0


@pytest.mark.servers("valkey91")
@pytest.mark.parametrize("signs_in", [True, False])
def test_a_save_after_a_failed_one_leaves_a_sound_store(
    ask, stored, server, is_sound, signs_in
):
    from redis.exceptions import ConnectionError

    session = SessionStore(stored(a=1, **({} if signs_in else {"_auth_user_id": "7"})))
    session._session  # noqa: B018 - loads
    if signs_in:
        session["_auth_user_id"] = "7"
    else:
        del session["_auth_user_id"]
    location = server.location
    server.connect("redis://127.0.0.1:1/0")
    with pytest.raises(ConnectionError):
        ask(session.save)
    assert session.is_unavailable
    server.connect(location)
    ask(session.save)
    assert Session.objects.find(user_id=7).count() == int(signs_in)
    assert is_sound()
