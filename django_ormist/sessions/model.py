"""The stored session: an ordinary model."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from ..deadlines import to_datetime
from ..models import Model
from . import serialization, settings
from .devices import device_name


class Session(Model):
    """One session. Its id is the private id, never the key of a cookie.

    Attributes: ``lifetime``, the value of ``set_expiry()`` or None; ``created_ms``;
    ``user_id``, the pk of the signed-in user as text; ``address``, ``agent`` and
    ``seen_ms`` if the middleware records them. Each key of the session is an attribute
    too, named ``k:`` and the key.
    """

    class Meta:
        app_label = "django_ormist"
        index_attrs = ("user_id",)
        using = settings.using

    @property
    def created(self) -> datetime | None:
        """The time when the session was stored under this key, or None.

        Signing in stores it under a new key.
        """
        return to_datetime(self.attrs.get("created_ms"))

    @property
    def seen(self) -> datetime | None:
        """The time of the last recorded activity; None without the middleware."""
        return to_datetime(self.attrs.get("seen_ms"))

    @property
    def device(self) -> str:
        """The browser and the system, as ``Firefox on Windows``; "" if unknown."""
        return device_name(self.attrs.get("agent"))

    def data(self) -> dict[Any, Any]:
        """Return the session's keys and values.

        Errors of SESSION_SERIALIZER pass through.
        """
        serializer = import_string(django_settings.SESSION_SERIALIZER)
        return serialization.decode_session(self.attrs, serializer)


VERSION = "2::"
"""The version of the id's format, so that a later one can coexist."""


def private_id(session_key: str) -> str:
    """Return the id of the session whose cookie holds *session_key*.

    The hash is one-way: a reader of the store learns no key. A key has 165 random
    bits, so a salt or a slow hash would not add security. A private id in a cookie is
    hashed again, and matches no session.
    """
    # A cookie may hold lone surrogates: they match no session, without an error.
    return VERSION + sha256(session_key.encode(errors="surrogatepass")).hexdigest()
