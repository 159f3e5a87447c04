"""Signing in on two browsers, and out of one from the other."""

import pytest
from django.test import Client

pytestmark = pytest.mark.servers("valkey91", "fakeredis")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


@pytest.fixture
def browsers(site, db):
    """Two clients on which ada has signed in by the form."""
    from site_config.management.commands.demo import PASSWORD, sign_up

    sign_up("ada")
    sign_up("ada")
    both = [Client(headers={"user-agent": FIREFOX}), Client()]
    for client in both:
        assert "ada" in client.get("/sign-in/").text
        response = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
        assert response.url == "/devices/"
    return both


def test_the_devices_page_uses_the_base_template_of_the_site(browsers):
    text = browsers[0].get("/devices/").text
    assert "Firefox on Linux" in text
    assert "Unknown device" in text
    assert 'aria-current="page">ada</a>' in text


def test_one_browser_is_signed_out_from_the_other(browsers):
    first, second = browsers
    other = first.get("/devices/").context["devices"][1]
    response = first.post(f"/devices/{other.pk}/end/", follow=True)
    assert "That device is signed out." in response.text
    assert second.get("/devices/").url == "/sign-in/?next=/devices/"
    assert "Sign in" in second.get("/").text


def test_everything_else_is_signed_out_at_once(browsers):
    response = browsers[1].post("/devices/end-others/", follow=True)
    assert "1 other device is signed out." in response.text
    assert browsers[0].get("/devices/").status_code == 302


def test_a_wrong_password_is_rejected(site, db):
    client = Client()
    response = client.post("/sign-in/", {"username": "ada", "password": "wrong"})
    assert "Please enter a correct username" in response.text
    assert "sessionid" not in client.cookies
