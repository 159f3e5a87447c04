"""The end of a session: by its lifetime, by its use, by the browser."""

import datetime as dt
import math

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.utils import timezone

from django_ormist import deadlines
from django_ormist.sessions import Session, SessionStore, private_id

pytestmark = pytest.mark.servers("valkey91", "valkey91-json", "redis62", "fakeredis")


def ttl(key):
    """Return the remaining seconds of the stored session of this key."""
    return math.floor(Session.objects.get(private_id(key)).ttl())


def held(ask, key):
    """Return the content that a new request finds under *key*."""
    return ask(SessionStore(key).load)


def test_a_session_lives_as_long_as_the_cookie(ask, stored, settings, is_sound):
    settings.SESSION_COOKIE_AGE = 600
    assert 598 <= ttl(stored(a=1)) <= 600
    assert is_sound()


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        (300, 300),
        (0, 1209600),  # until the browser closes; the stored lifetime stays
        (dt.timedelta(hours=1), 3600),
        (None, 1209600),
    ],
)
def test_set_expiry_is_kept(ask, stored, lifetime, seconds):
    session = SessionStore(stored(a=1))
    ask(session.set_expiry, lifetime)
    ask(session.save)
    assert seconds - 3 <= ttl(session.session_key) <= seconds


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_datetime_is_kept_to_the_millisecond(ask, server, settings, use_tz):
    settings.USE_TZ = use_tz
    moment = timezone.now() + dt.timedelta(days=2)
    session = SessionStore()
    session.set_expiry(moment)
    ask(session.create)
    found = Session.objects.get(private_id(session.session_key)).expire
    assert abs(found.timestamp() - moment.timestamp()) <= 0.001


@pytest.mark.parametrize(
    "lifetime",
    [
        dt.datetime.max.replace(tzinfo=dt.UTC),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-12))),
        dt.datetime(9999, 12, 31, tzinfo=dt.timezone(dt.timedelta(hours=12))),
        10**12,
        math.inf,
    ],
)
def test_a_time_too_far_ahead_becomes_the_last_expiration_time(
    ask, stored, lifetime, is_sound
):
    session = SessionStore(stored(a=1))
    ask(session.set_expiry, lifetime)
    ask(session.save)
    found = Session.objects.get(private_id(session.session_key))
    assert found.expire == dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    assert held(ask, session.session_key)["a"] == 1
    ask(SessionStore(session.session_key).save)
    assert is_sound()


def test_a_negative_lifetime_ends_it_at_once(ask, stored, server):
    session = SessionStore(stored(a=1))
    ask(session.set_expiry, -5)
    ask(session.save)
    assert ask(SessionStore(session.session_key).load) == {}
    assert server.keys() == []
    new = SessionStore()
    new.set_expiry(-5)
    ask(new.create)
    assert not ask(new.exists, new.session_key)


def test_saving_an_unchanged_session_extends_it(ask, stored, settings, is_sound):
    session = SessionStore(stored(a=[1], _auth_user_id="1"))
    assert session["a"] == [1]
    settings.SESSION_COOKIE_AGE = 2 * 1209600
    before = Session.objects.get(private_id(session.session_key))
    ask(session.save)
    after = Session.objects.get(before.id)
    assert after.ttl() > 1209600
    assert after.attrs == before.attrs
    assert is_sound()


def test_a_renewal_does_not_undo_concurrent_saves(ask, stored, is_sound):
    key = stored(a=1, b=1)
    late = SessionStore(key)
    assert late["a"] == 1
    other = SessionStore(key)
    other["b"], other["new"] = 2, [3]
    ask(other.save)
    ask(late.save)
    assert ask(SessionStore(key).load) == {"a": 1, "b": 2, "new": [3]}
    late["a"] = 4
    ask(late.save)
    assert ask(SessionStore(key).load) == {"a": 4, "b": 2, "new": [3]}
    assert is_sound()


def test_a_renewal_uses_the_stored_lifetime(ask, stored, is_sound):
    key = stored(a=1)
    late = SessionStore(key)
    assert late["a"] == 1
    other = SessionStore(key)
    ask(other.set_expiry, 300)
    ask(other.save)
    ask(late.save)
    assert ttl(key) <= 300
    assert late["_session_expiry"] == 300
    assert is_sound()


def test_a_renewal_can_follow_a_renewal(ask, stored, settings, is_sound):
    key = stored(a=1)
    one, two = SessionStore(key), SessionStore(key)
    assert one["a"] == two["a"] == 1
    settings.SESSION_COOKIE_AGE = 900
    ask(one.save)
    settings.SESSION_COOKIE_AGE = 800
    ask(two.save)
    assert 797 <= ttl(key) <= 800
    two["a"] = 2
    ask(two.save)
    assert ask(SessionStore(key).load) == {"a": 2}
    assert is_sound()


def test_a_change_inside_a_value_is_saved_and_not_only_renewed(ask, stored):
    session = SessionStore(stored(cart={"n": [1]}))
    session._session  # noqa: B018 - loads
    session["cart"]["n"].append(2)
    ask(session.save)
    assert ask(SessionStore(session.session_key).load) == {"cart": {"n": [1, 2]}}


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1)])
def test_a_change_of_type_is_saved(ask, stored, old, new):
    session = SessionStore(stored(a=old))
    session["a"] = new
    ask(session.save)
    assert repr(ask(SessionStore(session.session_key).load)) == repr({"a": new})


def test_an_expired_session_is_missing_and_cannot_be_saved(ask, stored, server):
    from django_ormist.keys import object_key

    key = stored(a=1)
    session = SessionStore(key)
    assert session["a"] == 1
    space = Session._meta.space("default")
    server.client.zadd(space.base + b"expires", {private_id(key): 1})
    server.client.delete(object_key(space, private_id(key)))
    assert ask(SessionStore(key).load) == {}
    assert Session.objects.count() == 0
    with pytest.raises(UpdateError):
        ask(session.save)


@pytest.mark.parametrize("method", ["save", "cycle_key"])
def test_a_save_uses_the_lifetime_that_another_request_set(
    ask, stored, is_sound, method
):
    key = stored(a=1)
    late = SessionStore(key)
    assert late["a"] == 1
    other = SessionStore(key)
    ask(other.set_expiry, 300)
    ask(other.save)
    late["a"] = 2
    ask(getattr(late, method))
    assert ttl(late.session_key) <= 300
    assert ask(SessionStore(late.session_key).load) == {"a": 2, "_session_expiry": 300}
    assert is_sound()


@pytest.fixture(params=[-120, 120], ids=["slow", "fast"])
def clock(request, monkeypatch):
    """Moves the clock of this machine, two minutes off the server's."""
    real_ms = deadlines.now_ms
    monkeypatch.setattr(deadlines, "now_ms", lambda: real_ms() + request.param * 1000)


def stored_ttl(server, key):
    """Return the remaining seconds of the session by the server's clock."""
    return server.client.pttl(Session(id=private_id(key))._key()) / 1000


def test_a_lifetime_counts_from_the_servers_clock(ask, server, clock, is_sound):
    session = SessionStore()
    session.set_expiry(60)
    session["a"] = 1
    ask(session.create)
    assert 50 < stored_ttl(server, session.session_key) <= 60
    for lifetime, changes in ((90, {"a": 2}), (90, {}), (120, {}), (120, {"b": 1})):
        session = SessionStore(session.session_key)
        ask(session.load)
        session.set_expiry(lifetime)
        session.update(changes)
        ask(session.save)
        assert lifetime - 10 < stored_ttl(server, session.session_key) <= lifetime
        assert is_sound()
    ask(session.cycle_key)
    assert 110 < stored_ttl(server, session.session_key) <= 120
    assert ask(SessionStore(session.session_key).load)["b"] == 1
    assert is_sound()


def test_a_renewal_counts_from_the_servers_clock(ask, server, clock, stored, is_sound):
    session = SessionStore(stored(a=1))
    assert ask(session.get, "a") == 1
    for _ in range(2):
        server.client.pexpire(session._stored._key(), 1000_000)
        ask(session.save)
        assert 1209500 < stored_ttl(server, session.session_key) <= 1209600
        found = Session.objects.get(session._stored.id)
        assert session._stored.expire == found.expire
        assert session._stored._state.packed == found._state.packed
    assert is_sound()


def test_a_datetime_does_not_depend_on_the_local_clock(ask, server, clock, is_sound):
    moment = timezone.now().replace(microsecond=0) + dt.timedelta(days=2)
    session = SessionStore()
    session.set_expiry(moment)
    ask(session.create)
    found = Session.objects.get(private_id(session.session_key))
    assert abs(found.expire - moment) <= dt.timedelta(milliseconds=1)
