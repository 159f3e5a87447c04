"""The ORMIST_SESSIONS setting: defaults and validation.

ORMIST_SESSIONS = {
    "USING": "default",  # the alias of ORMIST
    "END_OTHERS_ON_PASSWORD_CHANGE": False,
    "OUTAGE_STATUS": 500,  # or 503: the middleware's response if the server is away
    "ACTIVITY_INTERVAL": 300,  # seconds between two records of the middleware
    "TRUSTED_PROXIES": 0,  # number of own proxies that add to X-Forwarded-For
    "BASE_TEMPLATE": "base.html",  # extended by the devices page
}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed

from ..exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated ORMIST_SESSIONS setting."""

    using: str = "default"
    end_others_on_password_change: bool = False
    outage_status: int = 500
    activity_interval: timedelta = timedelta(minutes=5)
    trusted_proxies: int = 0
    base_template: str = "base.html"


@cache
def current() -> Settings:
    """Return the current setting. Raises ImproperlyConfigured that names the key."""
    setting_changed.connect(_clear_cache, dispatch_uid="django_ormist.sessions")
    given = getattr(settings, "ORMIST_SESSIONS", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(
            f"ORMIST_SESSIONS is a {type(given).__name__}. Make it a dict."
        )
    for key in given:
        if key not in _VALIDATORS:
            raise ImproperlyConfigured(
                f"ORMIST_SESSIONS has an unknown key {key!r}. "
                f"Use {', '.join(_VALIDATORS)}."
            )
    return Settings(**{key.lower(): _VALIDATORS[key](given[key]) for key in given})


def using() -> str:
    """Return the alias of ORMIST that stores the sessions."""
    return current().using


def _validate_text(key: str) -> Callable[[Any], str]:
    def validate(value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise _setting_error(key, value, "a text of at least one character")
        return value

    return validate


def _validate_end_others(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _setting_error("END_OTHERS_ON_PASSWORD_CHANGE", value, "True or False")
    if value and not apps.is_installed("django_ormist"):
        raise ImproperlyConfigured(
            "ORMIST_SESSIONS['END_OTHERS_ON_PASSWORD_CHANGE'] has no effect without "
            "the app. Add 'django_ormist' to INSTALLED_APPS."
        )
    return value


def _validate_outage_status(value: Any) -> int:
    if isinstance(value, bool) or value not in (500, 503):
        raise _setting_error("OUTAGE_STATUS", value, "500 or 503")
    return int(value)


def _validate_activity_interval(value: Any) -> timedelta:
    longest = timedelta.max
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value < longest.total_seconds():
        return timedelta(seconds=value)
    raise _setting_error(
        "ACTIVITY_INTERVAL",
        value,
        f"seconds or a timedelta, 0 or more and at most {longest.days} days",
    )


def _validate_trusted_proxies(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _setting_error("TRUSTED_PROXIES", value, "a number of proxies, 0 or more")
    return value


_VALIDATORS: Mapping[str, Callable[[Any], Any]] = {
    "USING": _validate_text("USING"),
    "END_OTHERS_ON_PASSWORD_CHANGE": _validate_end_others,
    "OUTAGE_STATUS": _validate_outage_status,
    "ACTIVITY_INTERVAL": _validate_activity_interval,
    "TRUSTED_PROXIES": _validate_trusted_proxies,
    "BASE_TEMPLATE": _validate_text("BASE_TEMPLATE"),
}


def _setting_error(key: str, value: Any, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"ORMIST_SESSIONS[{key!r}] is {value!r}. Make it {wanted}."
    )


def _clear_cache(*, setting: str, **kwargs: Any) -> None:
    if setting in ("ORMIST_SESSIONS", "INSTALLED_APPS"):
        current.cache_clear()
