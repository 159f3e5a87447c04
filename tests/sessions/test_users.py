"""The sessions of a user: finding them, ending them, and password changes."""

import io
import threading
import uuid

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User as DjangoUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings

from django_ormist.sessions import (
    Session,
    SessionStore,
    alog_out_everywhere,
    log_out_everywhere,
)
from tests.sessions.users import User

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")


@pytest.fixture
def proxy():
    """A proxy of Django's user, whose signals have another sender."""

    class UserProxy(DjangoUser):
        class Meta:
            app_label = "auth"
            proxy = True

    yield UserProxy
    del apps.all_models["auth"]["userproxy"]
    apps.clear_cache()


@pytest.fixture(params=[7, uuid.UUID(int=7), "ann:o'hara*", "é" * 80])
def user(request):
    """Users with pks of every kind."""
    return User(request.param)


@pytest.fixture
def sign_in(stored):
    """Returns the public key of a new session of the user: ``sign_in(user)``."""
    return lambda user: stored(_auth_user_id=User._meta.pk.value_to_string(user))


@pytest.fixture
def log_out(ask):
    """Call log_out_everywhere(), sync or async."""

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


def test_log_out_everywhere_may_keep_one_session(ask, user, sign_in, log_out):
    keys = [sign_in(user) for _ in range(3)]
    assert log_out(user, except_key=keys[1]) == 2
    assert [bool(ask(SessionStore(key).load)) for key in keys] == [False, True, False]


def test_a_session_moves_to_the_user_who_signs_in(ask, stored, is_sound):
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
    """Turns END_OTHERS_ON_PASSWORD_CHANGE on, as apps.ready() reads it."""
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
def test_a_request_that_changes_its_key_while_another_changes_the_password_ends(
    end_others, ann, stored
):
    session = SessionStore(stored(_auth_user_id=str(ann.pk)))
    assert session["_auth_user_id"]
    ann.set_password("z")
    thread = threading.Thread(target=async_to_sync(ann.asave))
    thread.start()
    thread.join()
    with pytest.raises(SessionInterrupted):
        session.cycle_key()
    assert Session.objects.count() == 0


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


def make_password_unusable(user):
    user.set_unusable_password()
    user.save()


def assign_a_hash(user):
    user.password = make_password("z")
    user.save()


def save_the_password_alone(user):
    user.set_password("z")
    user.save(update_fields=["password"])


def save_without_the_password_before_loading_it(user):
    partial = type(user).objects.only("username").get(pk=user.pk)
    partial.set_password("z")
    partial.save()


def deactivate(user):
    user.is_active = False
    user.save()


def deactivate_in_async_code(user):
    user.is_active = False
    async_to_sync(user.asave)(update_fields=["is_active"])


def delete(user):
    user.delete()


def delete_by_a_queryset(user):
    type(user).objects.filter(pk=user.pk).delete()


@pytest.mark.parametrize(
    "change",
    [
        make_password_unusable,
        assign_a_hash,
        save_the_password_alone,
        save_without_the_password_before_loading_it,
        deactivate,
        deactivate_in_async_code,
        delete,
        delete_by_a_queryset,
    ],
)
@pytest.mark.django_db(transaction=True)
def test_changes_that_prevent_a_login_end_the_sessions(
    end_others, signed_in, ann, stored, change
):
    other = stored(_auth_user_id="other")
    pk = ann.pk
    change(ann)
    assert Session.objects.find(user_id=pk).count() == 0
    assert SessionStore().exists(other)


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_deactivated_through_a_proxy_is_signed_out(
    proxy, end_others, signed_in, ann
):
    user = proxy.objects.get(pk=ann.pk)
    user.is_active = False
    user.save()
    assert Session.objects.find(user_id=ann.pk).count() == 0


def save_a_name(user):
    user.first_name = "Ann"
    user.save()


def save_a_name_after_setting_a_password(user):
    user.set_password("z")
    user.save(update_fields=["first_name"])


def upgrade_the_hash(user):
    hashers = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    with override_settings(PASSWORD_HASHERS=hashers):
        old = user.password
        assert user.check_password("x")
        assert user.password != old


def save_an_inactive_user(user):
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    user.refresh_from_db()
    user.save()


@pytest.mark.parametrize(
    "change",
    [
        save_a_name,
        save_a_name_after_setting_a_password,
        upgrade_the_hash,
        save_an_inactive_user,
    ],
)
@pytest.mark.django_db(transaction=True)
def test_other_saves_of_a_user_keep_the_sessions(end_others, signed_in, ann, change):
    change(ann)
    assert Session.objects.find(user_id=ann.pk).count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_deletion_keeps_the_sessions(end_others, signed_in, ann):
    with transaction.atomic():
        type(ann).objects.get(pk=ann.pk).delete()
        transaction.set_rollback(True)
    assert users_of(signed_in) == ["ann"] * 3


@pytest.mark.django_db(transaction=True)
def test_a_user_is_compared_by_one_query_and_only_with_the_setting(
    end_others, ann, settings, django_assert_num_queries
):
    with django_assert_num_queries(2):
        ann.save()
    with django_assert_num_queries(1):
        ann.save(update_fields=["last_login"])
    settings.ORMIST_SESSIONS = {}
    with django_assert_num_queries(1):
        ann.save()


@pytest.mark.django_db(transaction=True)
def test_without_the_setting_only_django_ends_sessions(signed_in, ann, settings):
    settings.ORMIST_SESSIONS = {}
    signed_in[0].get("/password/")
    assert Session.objects.find(user_id=ann.pk).count() == 3
    assert users_of(signed_in) == ["ann", "", ""]


@pytest.mark.django_db(transaction=True)
def test_changepassword_ends_all_sessions(end_others, signed_in, ann, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "Long-enough-9")
    call_command("changepassword", "ann", stdout=io.StringIO())
    assert Session.objects.find(user_id=ann.pk).count() == 0
