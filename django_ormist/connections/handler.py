"""The aliases of settings.ORMIST, as ``connections["default"]``."""

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler, ConnectionDoesNotExist

from .. import conf
from ..exceptions import ImproperlyConfigured
from . import redirection
from .connection import Connection
from .pools import pools
from .positions import write_token


class UnknownAlias(ImproperlyConfigured, ConnectionDoesNotExist):
    """An alias that settings.ORMIST does not have."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} Add it to settings.ORMIST.")


if TYPE_CHECKING:  # generic in django-stubs alone
    _Handler = BaseConnectionHandler[Connection]
else:
    _Handler = BaseConnectionHandler


class ConnectionHandler(_Handler):
    """The connections by alias, one per process, made on first use.

    A Connection has no state of a request. So threads and contexts share it, unlike
    those of Django's other handlers.
    """

    settings_name = "ORMIST"
    exception_class = UnknownAlias

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._connections: Any = SimpleNamespace()
        self._space: str | None = None

    def __getitem__(self, alias: str) -> Connection:
        # Called several times per operation: one look-up in production.
        if redirection.has_begun or "django.test.utils" in sys.modules:
            space = redirection.space()
            if space != self._space:  # a test run has begun
                self._space, self._connections = space, SimpleNamespace()
        try:
            found: Connection = self._connections.__dict__[alias]
        except KeyError:
            return super().__getitem__(alias)
        return found

    def configure_settings(self, settings: Any) -> Any:
        # Here, on first use, for projects without django_ormist in INSTALLED_APPS.
        connect_signals()
        return conf.get_setting() if settings is None else settings

    def create_connection(self, alias: str) -> Connection:
        return redirection.connect(conf.read_alias(alias, self.settings))

    def reset(self) -> None:
        """Drop the connections and their pools. The next use reads the settings."""
        self.__dict__.pop("settings", None)
        self._settings: Any = None
        self._connections = SimpleNamespace()
        pools.drop()


connections = ConnectionHandler()


def position() -> str:
    """Return a token with the positions of all writes of this process, for at_least().

    It covers the aliases with ``OPTIONS["read_from"] = "replicas"``. A short text of
    letters, digits and punctuation, for a session, a header or a message. No round
    trip. Raises ImproperlyConfigured if no alias reads from replicas.
    """
    found = {alias: connections[alias].positions for alias in connections}
    known = {alias: each for alias, each in found.items() if each is not None}
    if not known:
        raise ImproperlyConfigured(
            "position() has no alias to tell the position of: none reads from "
            "replicas. Set OPTIONS['read_from'] = 'replicas' in settings.ORMIST, in "
            "the processes that write, too."
        )
    return write_token(known)


def connect_signals() -> None:
    """Follow changes of ORMIST and CACHES by override_settings(). Idempotent."""
    setting_changed.connect(_reset, dispatch_uid="django_ormist.connections")


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting in ("ORMIST", "CACHES"):
        connections.reset()
