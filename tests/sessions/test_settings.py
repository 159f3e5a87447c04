"""ORMIST_SESSIONS: read on first use, checked completely, with named errors."""

import subprocess
import sys
from datetime import timedelta

import pytest

from django_ormist import ImproperlyConfigured
from django_ormist.sessions.settings import current
from tests.servers import ROOT


def test_every_key_has_a_default(settings):
    assert (current().using, current().outage_status) == ("default", 500)
    assert current().activity_interval == timedelta(minutes=5)


def test_a_changed_setting_applies_at_once(settings):
    current()
    settings.ORMIST_SESSIONS = {"ACTIVITY_INTERVAL": 1.5, "TRUSTED_PROXIES": 2}
    assert current().activity_interval == timedelta(seconds=1.5)
    assert current().trusted_proxies == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "ORMIST_SESSIONS is a list. Make it a dict."),
        ({"USNIG": "x"}, "unknown key 'USNIG'. Use USING, END_OTHERS"),
        ({"USING": ""}, r"ORMIST_SESSIONS\['USING'\] is ''. Make it a text"),
        ({"END_OTHERS_ON_PASSWORD_CHANGE": 1}, "Make it True or False"),
        ({"OUTAGE_STATUS": 502}, "Make it 500 or 503"),
        ({"ACTIVITY_INTERVAL": -1}, "seconds or a timedelta, 0 or more"),
        ({"ACTIVITY_INTERVAL": "5m"}, "seconds or a timedelta"),
        ({"ACTIVITY_INTERVAL": float("inf")}, "is inf. .* at most 999999999 days"),
        ({"ACTIVITY_INTERVAL": float("nan")}, "is nan. .* at most 999999999 days"),
        ({"ACTIVITY_INTERVAL": 86_400_000_000_000}, "at most 999999999 days"),
        ({"ACTIVITY_INTERVAL": 10**400}, "at most 999999999 days"),
        ({"ACTIVITY_INTERVAL": timedelta(-1)}, "seconds or a timedelta, 0 or more"),
        ({"OUTAGE_STATUS": float("nan")}, "Make it 500 or 503"),
        ({"OUTAGE_STATUS": float("inf")}, "Make it 500 or 503"),
        ({"TRUSTED_PROXIES": float("inf")}, "a number of proxies"),
        ({"TRUSTED_PROXIES": float("nan")}, "a number of proxies"),
        ({"TRUSTED_PROXIES": -1}, "a number of proxies"),
        ({"TRUSTED_PROXIES": True}, "a number of proxies"),
        ({"BASE_TEMPLATE": None}, "a text of at least one"),
    ],
)
def test_an_invalid_setting_is_named_with_a_fix(settings, value, message):
    settings.ORMIST_SESSIONS = value
    with pytest.raises(ImproperlyConfigured, match=message):
        current()


@pytest.mark.parametrize("value", [86_399_999_999_999, timedelta.max])
def test_the_longest_interval_is_taken(settings, value):
    settings.ORMIST_SESSIONS = {"ACTIVITY_INTERVAL": value}
    assert current().activity_interval > timedelta(999_999_998)


def test_an_unknown_alias_is_named(settings):
    from django_ormist.sessions import SessionStore

    settings.ORMIST_SESSIONS = {"USING": "nope"}
    with pytest.raises(ImproperlyConfigured, match="nope"):
        SessionStore("some-session-key").load()


CODE = """
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    SESSION_ENGINE="django_ormist.sessions",
    ORMIST={"default": {"LOCATION": "fakeredis://"}},
    ORMIST_SESSIONS=%r,
)
import django; django.setup()
from importlib import import_module
session = import_module(settings.SESSION_ENGINE).SessionStore()
session["a"] = 1
session.save()
print(type(session)(session.session_key).load(), session._stored._meta.label)
"""


def ran(options):
    return subprocess.run(
        [sys.executable, "-c", CODE % options],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_engine_works_without_the_app_installed():
    assert ran({}).stdout == "{'a': 1} django_ormist.Session\n"


def test_password_changes_need_the_app_installed():
    done = ran({"END_OTHERS_ON_PASSWORD_CHANGE": True})
    assert "Add 'django_ormist' to INSTALLED_APPS." in done.stderr
