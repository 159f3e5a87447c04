"""The devices page: the user's own sessions, and how to end them."""

import pytest
from django.test import Client
from django.urls import reverse

from django_ormist.sessions import Session, private_id

pytestmark = pytest.mark.servers("valkey91", "fakeredis")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)
DEVICES = "/devices/"


def signed_in(name, agent, **options):
    """Returns a client of a user who has signed in with that browser."""
    client = Client(headers={"user-agent": agent}, **options)
    client.get(f"/in/?name={name}")
    return client


def pk(client):
    return private_id(client.cookies["sessionid"].value)


def end(client, session, **options):
    return client.post(reverse("ormist_sessions:end", args=[session]), **options)


@pytest.fixture
def laptop(ann):
    return signed_in("ann", FIREFOX)


@pytest.fixture
def phone(ann):
    return signed_in("ann", PHONE)


@pytest.fixture
def bob(site, django_user_model):
    django_user_model.objects.create_user("bob", password="x")
    return signed_in("bob", FIREFOX)


def test_the_page_shows_the_users_devices_with_the_current_one_first(
    laptop, phone, bob
):
    response = laptop.get(DEVICES)
    devices = response.context["devices"]
    assert [(each.name, each.is_this) for each in devices] == [
        ("Firefox on Linux", True),
        ("Safari on iPhone", False),
    ]
    assert devices[0].address == "127.0.0.1"
    assert devices[0].seen
    assert "this device" in response.text
    assert "Sign out everywhere else" in response.text
    assert pk(bob) not in response.text
    assert "no-store" in response["Cache-Control"]


def test_the_page_shows_no_public_key(laptop, phone):
    text = laptop.get(DEVICES).text
    for client in (laptop, phone):
        assert client.cookies["sessionid"].value not in text


def test_a_device_is_signed_out_from_another(laptop, phone):
    assert end(laptop, pk(phone)).url == DEVICES
    assert phone.get("/show/").json()["user"] == ""
    assert laptop.get("/show/").json()["user"] == "ann"
    assert "everywhere else" not in laptop.get(DEVICES).text


def test_this_device_is_signed_out_here(laptop, phone):
    response = end(laptop, pk(laptop))
    assert response.url == "/in/"
    assert response.cookies["sessionid"].value == ""
    assert laptop.get("/show/").json()["user"] == ""
    assert phone.get("/show/").json()["user"] == "ann"


def test_everything_else_is_signed_out(laptop, phone, bob):
    others = [phone, signed_in("ann", PHONE)]
    assert laptop.post(reverse("ormist_sessions:end_others")).url == DEVICES
    assert [each.get("/show/").json()["user"] for each in others] == ["", ""]
    assert laptop.get("/show/").json()["user"] == "ann"
    assert bob.get("/show/").json()["user"] == "bob"


def test_a_session_of_another_user_is_not_found(laptop, bob):
    assert end(laptop, pk(bob)).status_code == 404
    assert bob.get("/show/").json()["user"] == "bob"


@pytest.mark.parametrize("session", ["unknown", "2::" + "0" * 64, "*", "é"])
def test_an_unknown_session_is_not_found(laptop, session):
    assert end(laptop, session).status_code == 404


def test_a_get_request_does_not_end_a_session(laptop, phone):
    assert (
        laptop.get(reverse("ormist_sessions:end", args=[pk(phone)])).status_code == 405
    )
    assert laptop.get(reverse("ormist_sessions:end_others")).status_code == 405
    assert Session.objects.count() == 2


def test_a_post_without_a_csrf_token_does_not_end_a_session(ann):
    client = signed_in("ann", FIREFOX, enforce_csrf_checks=True)
    assert end(client, pk(client)).status_code == 403
    assert client.post(reverse("ormist_sessions:end_others")).status_code == 403
    assert Session.objects.count() == 1


def test_the_page_requires_login(site, phone):
    stranger = Client()
    assert stranger.get(DEVICES).url.startswith("/in/?next=")
    assert end(stranger, pk(phone)).url.startswith("/in/")
    assert Session.objects.count() == 1


def test_the_page_extends_the_base_template_of_the_site(laptop, settings):
    assert (
        "<!doctype html>" in laptop.get(DEVICES).text
    )  # without base.html the page uses its own
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": False,
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"mine.html": "<b>mine</b>{% block content %}{% endblock %}"},
                    ),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ]
    settings.ORMIST_SESSIONS = {"BASE_TEMPLATE": "mine.html"}
    assert "<b>mine</b>" in laptop.get(DEVICES).text


def test_client_data_is_escaped(ann):
    client = signed_in("ann", "<script>alert(1)</script> Firefox/1 on Linux")
    text = client.get(DEVICES).text
    assert "<script>alert" not in text
    assert "Firefox on Linux" in text


def test_a_session_that_was_stored_without_the_middleware_is_shown(laptop, ann):
    Session.objects.create(user_id=str(ann.pk), expire=60)
    devices = laptop.get(DEVICES).context["devices"]
    assert [(each.name, each.seen, each.since) for each in devices[1:]] == [
        ("", None, None)
    ]
    assert "Unknown device" in laptop.get(DEVICES).text
