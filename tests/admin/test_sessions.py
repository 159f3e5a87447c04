"""Sessions in the admin: found by private id and user, ended, never changed."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")

LIST = "django_ormist_session_changelist"


@pytest.fixture
def ann(admin_settings, django_user_model):
    return django_user_model.objects.create_user("ann", password="x")


@pytest.fixture
def bob(admin_settings, django_user_model):
    return django_user_model.objects.create_user("bob", password="x")


@pytest.fixture
def sign_in(settings, admin_settings):
    """Signs a user in with our engine; returns the client and the stored session."""
    from django_ormist.sessions import SessionStore

    def signed_in(user, **data):
        settings.SESSION_ENGINE = "django_ormist.sessions"
        client = Client()
        client.force_login(user)
        key = client.cookies[settings.SESSION_COOKIE_NAME].value
        store = SessionStore(key)
        store.update(data)
        store.save()
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        return key

    return signed_in


def stored(user):
    from django_ormist.sessions import Session

    return Session.objects.find(user_id=str(user.pk)).list()


def shown_messages(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_sessions_are_listed_without_the_key_of_a_cookie(root, sign_in, ann):
    key = sign_in(ann)
    [session] = stored(ann)
    session.agent = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
    session.save()
    content = root.get(url(LIST)).content.decode()
    assert session.pk[:15] in content
    assert "Firefox on Windows" in content
    assert ">ann<" in content or "ann</td>" in content
    assert key not in content


def test_a_session_is_shown_and_cannot_be_changed(root, sign_in, ann):
    key = sign_in(ann, cart=["book"], note="<b>")
    [session] = stored(ann)
    response = root.get(url("django_ormist_session_change", session.pk))
    content = response.content.decode()
    assert "book" in content
    assert "&lt;b&gt;" in content
    assert 'name="_save"' not in content
    assert key not in content
    assert session.data()["_auth_user_hash"] not in content
    sent = root.post(url("django_ormist_session_change", session.pk), {"_save": "1"})
    assert sent.status_code == 403
    assert root.get(url("django_ormist_session_add")).status_code == 403


def test_sessions_are_found_by_id_user_and_name(root, sign_in, ann, bob):
    sign_in(ann)
    sign_in(bob)
    [session] = stored(ann)
    for text in (session.pk, session.pk[:12], str(ann.pk), "ann"):
        result = root.get(url(LIST), {"q": text}).context["cl"].result_list
        assert [each.pk for each in result] == [session.pk], text


def test_a_session_is_ended(root, sign_in, ann):
    sign_in(ann)
    [session] = stored(ann)
    root.post(url("django_ormist_session_delete", session.pk), {"post": "yes"})
    assert stored(ann) == []


def act(client, action, sessions, **more):
    chosen = [session.pk for session in sessions]
    data = {"action": action, "_selected_action": chosen, "index": 0, **more}
    return client.post(url(LIST), data)


def test_selected_sessions_are_ended_after_confirmation(root, sign_in, ann, bob):
    sign_in(ann)
    sign_in(bob)
    assert "Are you sure" in act(root, "delete_selected", stored(ann)).content.decode()
    assert stored(ann)
    act(root, "delete_selected", stored(ann), post="yes")
    assert (stored(ann), len(stored(bob))) == ([], 1)


def test_all_sessions_of_a_user_are_ended(root, sign_in, ann, bob):
    for user in (ann, ann, ann, bob):
        sign_in(user)
    response = act(root, "end_all_of_user", stored(ann)[:1])
    assert "3 sessions ended." in shown_messages(response)
    assert (stored(ann), len(stored(bob))) == ([], 1)
    assert LogEntry.objects.count() == 3


def test_users_who_may_only_view_cannot_end_sessions(staff, sign_in, ann):
    sign_in(ann)
    client = staff("view_session")
    assert client.get(url(LIST)).status_code == 200
    act(client, "end_all_of_user", stored(ann))
    assert stored(ann)


@pytest.mark.parametrize("user_id", ["no number", "9" * 23, "-1", "9" * 5000, "\0", ""])
def test_a_session_of_a_deleted_user_is_listed(root, sign_in, ann, bob, user_id):
    sign_in(ann)
    sign_in(bob)
    session = stored(ann)[0]
    session.user_id = user_id
    session.save()
    response = root.get(url(LIST))
    assert user_id in response.text
    assert "bob" in response.text
    assert root.get(url("django_ormist_session_change", session.pk)).status_code == 200


@pytest.mark.parametrize("word", ["9" * 23, "9" * 5000])
def test_a_search_for_an_impossible_user_id_finds_nothing(root, sign_in, ann, word):
    sign_in(ann)
    response = root.get(url(LIST), {"q": word})
    assert response.context["cl"].result_count == 0


def test_values_that_could_sign_in_are_masked(root, sign_in, ann):
    secret = "s3cr3t-value"
    key = sign_in(
        ann,
        **dict.fromkeys(("_csrftoken", "_password_reset_token", "api_key"), secret),
        flow={"state": "shown", "access_token": secret},
        steps=[{"password": secret}],
    )
    content = root.get(url("django_ormist_session_change", stored(ann)[0].pk)).text
    assert "shown" in content
    assert secret not in content
    assert stored(ann)[0].data()["_auth_user_hash"] not in content
    assert key not in content
