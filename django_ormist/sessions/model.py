"""The stored session: an object of the mapper like any other."""

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

    Attributes: ``lifetime``, what ``set_expiry()`` set or None; ``created_ms``;
    ``user_id``, the text of the user's pk, of one that is signed in; ``address``,
    ``agent`` and ``seen_ms`` where the middleware records them. The session's own keys
    stand beside them under ``k:`` and the key.
    """

    class Meta:
        app_label = "django_ormist"
        index_attrs = ("user_id",)
        using = settings.using

    @property
    def created(self) -> datetime | None:
        """When it was stored under this key: signing in begins a new one."""
        return to_datetime(self.attrs.get("created_ms"))

    @property
    def seen(self) -> datetime | None:
        """The last activity that was recorded; None without the middleware."""
        return to_datetime(self.attrs.get("seen_ms"))

    @property
    def device(self) -> str:
        """``Firefox on Windows``, "" if that is not known."""
        return device_name(self.attrs.get("agent"))

    def data(self) -> dict[Any, Any]:
        """The session's own keys and values. Raises what SESSION_SERIALIZER raises."""
        serializer = import_string(django_settings.SESSION_SERIALIZER)
        return serialization.data(self.attrs, serializer)


VERSION = "2::"
"""Says how the id is made, so that another way can stand beside it one day."""


def private_id(session_key: str) -> str:
    """The id of the session whose cookie holds *session_key*.

    Nothing leads back: who reads the store learns no key. A key has 165 random bits,
    so neither a salt nor a slow hash would add to that. A private id that is
    presented as a key is hashed as well, and finds nothing.
    """
    # A cookie may hold what no text can: it misses, and is no error.
    return VERSION + sha256(session_key.encode(errors="surrogatepass")).hexdigest()
