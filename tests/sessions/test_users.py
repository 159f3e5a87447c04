"""A user's sessions: finding them, ending them, and what a new password ends."""

import io
import uuid

import pytest
from django.core.management import call_command
from django.test import Client

from django_ormist.sessions import (
    Session,
    SessionStore,
    alog_out_everywhere,
    log_out_everywhere,
)
from tests.sessions.users import User

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")


@pytest.fixture(params=[7, uuid.UUID(int=7), "ann:o'hara*", "é" * 80])
def user(request):
    """Users whose pk is of every kind."""
    return User(request.param)


@pytest.fixture
def sign_in(stored):
    """``sign_in(user)``: the public key of a new session of theirs."""
    return lambda user: stored(_auth_user_id=User._meta.pk.value_to_string(user))


@pytest.fixture
def log_out(ask):
    """log_out_everywhere() in one colour."""

    def called(user, **options):
        if ask.is_async:
            return ask.wait(alog_out_everywhere(user, **options))
        return log_out_everywhere(user, **options)

    return called


def test_sessions_are_found_by_a_pk_of_any_type(ask, user, sign_in, is_sound):
    keys = {sign_in(user) for _ in range(3)}
    sign_in(User("somebody else"))
    found = ask(Session.objects.find(user_id=user.pk).list)
    assert len(found) == len(keys) == 3
    assert found[0].data() == {"_auth_user_id": str(user.pk)}
    assert is_sound()


def test_log_out_everywhere_ends_all_of_one_user(ask, user, sign_in, log_out, is_sound):
    keys = [sign_in(user) for _ in range(3)]
    other = sign_in(User("somebody else"))
    assert log_out(user) == 3
    assert [ask(SessionStore(key).load) for key in keys] == [{}, {}, {}]
    assert ask(SessionStore(other).load)
    assert log_out(user) == 0
    assert is_sound()


def test_log_out_everywhere_may_keep_one(ask, user, sign_in, log_out):
    keys = [sign_in(user) for _ in range(3)]
    assert log_out(user, except_key=keys[1]) == 2
    assert [bool(ask(SessionStore(key).load)) for key in keys] == [False, True, False]


def test_a_session_moves_to_the_user_who_signs_in_on_it(ask, stored, is_sound):
    session = SessionStore(stored(_auth_user_id="1"))
    session["_auth_user_id"] = "2"
    ask(session.save)
    assert Session.objects.find(user_id=1).count() == 0
    assert Session.objects.find(user_id=2).count() == 1
    del session["_auth_user_id"]
    ask(session.save)
    assert Session.objects.find(user_id=2).count() == 0
    assert is_sound()


# ---------------------------------------------------------------- password changes


@pytest.fixture
def signed_in(ann):
    """Three clients on which Ann is signed in."""
    clients = [Client() for _ in range(3)]
    for client in clients:
        client.get("/in/?name=ann")
    return clients


@pytest.fixture
def end_others(settings):
    """END_OTHERS_ON_PASSWORD_CHANGE is on, as apps.ready() finds it."""
    from django.apps import apps

    settings.ORMIST_SESSIONS = {"END_OTHERS_ON_PASSWORD_CHANGE": True}
    apps.get_app_config("django_ormist").ready()


def users_of(clients):
    return [client.get("/show/").json()["user"] for client in clients]


@pytest.mark.django_db(transaction=True)
def test_a_password_change_ends_the_other_sessions(end_others, signed_in, ann):
    assert signed_in[0].get("/password/").text == "changed"
    assert Session.objects.find(user_id=ann.pk).count() == 1
    assert users_of(signed_in) == ["ann", "", ""]


@pytest.mark.django_db(transaction=True)
def test_a_password_change_by_somebody_else_ends_all(end_others, signed_in, ann):
    ann.set_password("z")
    ann.save()
    assert Session.objects.find(user_id=ann.pk).count() == 0
    assert users_of(signed_in) == ["", "", ""]


@pytest.mark.django_db(transaction=True)
def test_a_password_change_in_a_transaction_keeps_the_new_session(
    end_others, signed_in, ann, monkeypatch
):
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    signed_in[0].get("/password/")
    assert Session.objects.find(user_id=ann.pk).count() == 1
    assert users_of(signed_in) == ["ann", "", ""]


@pytest.mark.django_db(transaction=True)
def test_other_saves_of_a_user_end_nothing(end_others, signed_in, ann):
    ann.first_name = "Ann"
    ann.save()
    ann.check_password("x")
    assert Session.objects.find(user_id=ann.pk).count() == 3


@pytest.mark.django_db(transaction=True)
def test_without_the_setting_django_alone_ends_them(signed_in, ann, settings):
    settings.ORMIST_SESSIONS = {}
    signed_in[0].get("/password/")
    assert Session.objects.find(user_id=ann.pk).count() == 3
    assert users_of(signed_in) == ["ann", "", ""]


@pytest.mark.django_db(transaction=True)
def test_changepassword_ends_all(end_others, signed_in, ann, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "Long-enough-9")
    call_command("changepassword", "ann", stdout=io.StringIO())
    assert Session.objects.find(user_id=ann.pk).count() == 0
