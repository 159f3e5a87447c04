"""connections["default"]: aliases, first use, and projects without our app."""

import os
import subprocess
import sys
import textwrap

import pytest
from django.core.exceptions import ImproperlyConfigured as DjangoImproperlyConfigured
from django.utils.connection import ConnectionDoesNotExist

from django_ormist.connections import ConnectionHandler, connections
from django_ormist.exceptions import OrmistError
from django_ormist.operations.operation import Operation
from tests.servers import ROOT

PING = [Operation("PING", keys=())]


def run(code, **environment):
    """Return the output of a fresh Python; fail with its error."""
    given = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**given, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "family", [OrmistError, ConnectionDoesNotExist, DjangoImproperlyConfigured]
)
def test_an_unknown_alias_is_named_with_a_fix(configure, family):
    configure(LOCATION="fakeredis://")
    with pytest.raises(family, match=r"'other'.*Add it to settings\.ORMIST"):
        connections["other"]


def test_an_invalid_alias_fails_at_its_first_use(settings):
    settings.ORMIST = {"default": {"LOCATION": "fakeredis://"}, "bad": {}}
    assert connections["default"].send(PING) == [b"PONG"]
    with pytest.raises(DjangoImproperlyConfigured, match="'bad'"):
        connections["bad"]


def test_a_handler_accepts_its_own_settings():
    handler = ConnectionHandler({"x": {"LOCATION": "fakeredis://"}})
    assert handler["x"].send(PING) == [b"PONG"]
    assert list(handler) == ["x"]


def test_importing_does_not_read_settings_or_connect_signals():
    said = run(
        """
        from django.core.signals import setting_changed
        before = len(setting_changed.receivers)
        from django.conf import settings
        import sys
        from importlib import import_module
        c = import_module("django_ormist.connections")
        print(settings.configured, len(setting_changed.receivers) - before,
              "fakeredis" in sys.modules, "django_redis" in sys.modules,
              vars(c.connections._connections), c.connections.__dict__.get("settings"))
        """
    )
    assert said.strip() == "False 0 False False {} None"


def test_a_script_without_django_settings_gets_localhost():
    said = run(
        """
        from django_ormist.connections import connections
        print(connections["default"].endpoint.safe_url)
        """
    )
    assert said.strip() == "redis://localhost:6379/0"


def test_without_the_app_installed_it_works_and_follows_settings():
    said = run(
        """
        from django.conf import settings
        settings.configure(ORMIST={"default": {"LOCATION": "fakeredis://"}})
        import django
        django.setup()
        from django.test import override_settings
        from django_ormist.connections import connections
        from django_ormist.operations.operation import Operation
        print(connections["default"].send([Operation("PING", keys=())]))
        with override_settings(ORMIST={"default": {"LOCATION": "fakeredis://b"}}):
            print(connections["default"].endpoint.safe_url)
        print(connections["default"].endpoint.safe_url)
        """
    )
    assert said.split() == ["[b'PONG']", "fakeredis://b", "fakeredis://"]


def test_a_missing_fakeredis_is_reported():
    said = run(
        """
        import sys
        sys.modules["fakeredis"] = None
        from django.conf import settings
        settings.configure(ORMIST={"default": {"LOCATION": "fakeredis://"}})
        from django_ormist.connections import connections
        try:
            connections["default"].endpoint
        except Exception as error:
            print(type(error).__name__, error)
        """
    )
    assert "ImproperlyConfigured" in said
    assert "pip install" in said
