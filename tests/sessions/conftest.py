"""Fixtures of the tests of sessions: the engine, a small site, a user."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.checker import raw_faults


@pytest.fixture(autouse=True)
def engine(settings: Any) -> None:
    """Sets SESSION_ENGINE to ours, without other settings."""
    settings.SESSION_ENGINE = "django_ormist.sessions"


@pytest.fixture
def is_sound(server: Any) -> Callable[[], bool]:
    """Asserts that the raw checker does not find faults."""

    def check() -> bool:
        faults = raw_faults(server.client, server.key_prefix)
        assert not faults, "\n".join(faults[:20])
        return True

    return check


@pytest.fixture
def stored(server: Any, ask: Any) -> Callable[..., str]:
    """Returns the public key of a new session: ``stored(a=1)``."""
    from django_ormist.sessions import SessionStore

    def store(**data: Any) -> str:
        session = SessionStore()
        session.update(data)
        ask(session.create)
        key: str = session.session_key
        return key

    return store


MIDDLEWARE = [
    "django_ormist.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@pytest.fixture
def site(server: Any, settings: Any, db: None) -> None:
    """The settings of a small site, whose views are in site.py."""
    settings.ROOT_URLCONF = "tests.sessions.site"
    settings.MIDDLEWARE = MIDDLEWARE
    settings.LOGIN_URL = "/in/"
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture
def ann(site: None, django_user_model: Any) -> Any:
    """A user who may sign in."""
    return django_user_model.objects.create_user("ann", password="x")
