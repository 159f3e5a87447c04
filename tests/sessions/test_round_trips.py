"""Round trips of the engine, and the bytes of a renewal, at the socket."""

import pytest

from django_ormist.sessions import SessionStore

pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "valkey91-django-redis")


@pytest.fixture
def of(round_trips, ask):
    """Return the round trips of a method."""

    def counted(method, *args, **kwargs):
        with round_trips() as seen:
            ask(method, *args, **kwargs)
        return seen.count

    return counted


def test_load_and_create_take_one_round_trip(of, ask):
    session = SessionStore()
    session["a"] = 1
    ask(session.exists, "opens-a-connection")
    assert of(session.create) == 1
    assert of(SessionStore(session.session_key).load) == 1
    assert of(SessionStore("unknown-key").load) == 1
    assert of(session.exists, session.session_key) == 1


def test_load_change_and_save_take_two_round_trips(of, ask, stored):
    session = SessionStore(stored(a=1))
    assert of(session.get, "a") == 1
    session["a"] = 2
    assert of(session.save) == 1
    session["b"] = 2
    assert of(session.save) == 1
    assert of(session.flush) == 1


def test_an_unchanged_session_takes_two_round_trips_without_its_payload(
    of, ask, stored, round_trips
):
    session = SessionStore(stored(big="x" * 200_000))
    assert of(session.get, "big") == 1
    with round_trips() as seen:
        ask(session.save)
    assert seen.count == 1
    assert sum(len(word) for words in seen.commands for word in words) < 1000


def test_a_conflicting_save_takes_one_more_round_trip(of, ask, stored):
    key = stored(a=1)
    one, two = SessionStore(key), SessionStore(key)
    for session in (one, two):
        session._session  # noqa: B018 - loads
    one["b"] = two["c"] = 1
    assert of(one.save) == 1
    assert of(two.save) == 2


def test_a_login_takes_three_round_trips(of, ask, stored):
    session = SessionStore(stored(a=1))
    assert of(session.cycle_key) == 3
    session["_auth_user_id"] = "1"
    assert of(session.save) == 1
