"""The contents of the store, and the use of a leak."""

import re

import pytest
from django.contrib.auth import get_user

from django_ormist.sessions import Session, SessionStore, private_id

pytestmark = pytest.mark.servers("valkey91", "valkey91-json", "redis62")


class Request:
    """The part of a request that get_user() uses."""

    def __init__(self, session_key):
        self.session = SessionStore(session_key)


def dump(client):
    """Return everything that the server holds, in all databases: keys and values."""
    for key in client.scan_iter(count=1000):
        yield key
        kind = client.type(key)
        if kind == b"string":
            yield client.get(key)
        elif kind == b"zset":
            yield from client.zrange(key, 0, -1)
        elif kind == b"hash":
            for pair in client.hgetall(key).items():
                yield from pair
        else:
            raise AssertionError((key, kind))


def test_a_dump_of_the_server_does_not_contain_public_keys(ask, stored, server):
    keys = {stored(a=number, _auth_user_id="7") for number in range(20)}
    for key in list(keys)[:10]:
        session = SessionStore(key)
        session["a"] = "changed"
        ask(session.save)
        ask(session.save)
        ask(session.cycle_key)
        keys.add(session.session_key)
    everything = b"\n".join(dump(server.client))
    assert everything.count(b"2::") >= 20
    for key in keys:
        assert key.encode() not in everything
    # Other texts of 32 letters, which could be keys, are not stored either.
    assert not re.search(rb"(?<![0-9a-z])[a-z0-9]{32}(?![0-9a-z])", everything)


def test_the_private_id_is_the_digest_of_the_key():
    assert private_id("abcdefgh") == (
        "2::9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"
    )


@pytest.mark.slow
@pytest.mark.django_db
def test_a_stolen_private_id_cannot_log_in(ask, server, django_user_model):
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    user = django_user_model.objects.create_user("ann", password="x")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    (stolen,) = Session.objects.find(user_id=user.pk)
    assert get_user(Request(session.session_key)) == user
    for said in (stolen.id, stolen.id[3:], private_id(stolen.id)):
        assert get_user(Request(said)).is_anonymous
        assert ask(SessionStore(said).load) == {}


def test_a_key_chosen_by_a_client_is_never_used(ask, server):
    session = SessionStore("a-key-that-a-client-chose-by-itself")
    session["a"] = 1
    ask(session.save)
    assert session.session_key != "a-key-that-a-client-chose-by-itself"
