"""What a pool is built from: the connection classes, their arguments, the limits."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from ..exceptions import ImproperlyConfigured

MAX_CONNECTIONS = 50
TIMEOUT = 20.0
"""So many seconds to wait for a connection when all are in use."""

PROTOCOL = 2

# redis-py and its pools hand these to each other; nobody writes them in settings.
_INTERNAL = {
    "event_dispatcher",
    "himport_registry",
    "maint_notifications_pool_handler",
    "maintenance_notification_hash",
    "maintenance_state",
    "orig_host_address",
    "orig_socket_connect_timeout",
    "orig_socket_timeout",
    "oss_cluster_maint_notifications_handler",
    "parser",
    "self",
}
_RETRY = ("retry", "retry_on_error", "retry_on_timeout")

_IN_LOCATION = "Write it in LOCATION, as in 'redis://host:6379/0'."
_ITSELF = "Write its entries in OPTIONS themselves."
_OF_POOL = "A pool is made of LOCATION and OPTIONS, or borrowed: name a cache in CACHE."
_OF_CACHE = "It is an option of a cache, and nothing of it is used here. Leave it out."
# Options of other libraries, and of redis-py's clients and pools: what to write here.
_INSTEAD = {
    "ssl": "Write rediss:// in LOCATION instead; the ssl_ options stay in OPTIONS.",
    "connection_pool_kwargs": _ITSELF,
    "redis_client_kwargs": _ITSELF,
    "connection_class": "The scheme of LOCATION chooses it: redis, rediss or unix.",
    "connection_pool": _OF_POOL,
    "connection_pool_class": _OF_POOL,
    "pool_class": _OF_POOL,
    "unix_socket_path": "Write it in LOCATION, as in 'unix:///path/of/server.sock'.",
    "url": _IN_LOCATION,
    "host": _IN_LOCATION,
    "port": _IN_LOCATION,
    "client_class": _OF_CACHE,
    "redis_client_class": _OF_CACHE,
    "serializer": _OF_CACHE,
    "compressor": _OF_CACHE,
    "pickle_version": _OF_CACHE,
    "ignore_exceptions": _OF_CACHE,
}
_SYNC_ONLY = {"parser_class", "command_packer"}  # how bytes are cut, not what is sent


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A place to connect to, in both colours.

    async_class: None if there is no twin of *connection_class*. place: the same for
    people, without user and password. lent: the pool of a cache, used as it is for
    sync calls.
    """

    connection_class: type[Any]
    async_class: type[Any] | None
    arguments: Mapping[str, Any] = field(repr=False)
    place: str
    max_connections: int = MAX_CONNECTIONS
    timeout: float | None = TIMEOUT
    lent: Any = None

    @cached_property
    def key(self) -> str:
        """Equal for endpoints that may share a pool: those with all options alike."""
        return _text(
            (self.connection_class, self.arguments, self.max_connections, self.timeout)
        )

    @cached_property
    def address(self) -> tuple[str, int | None] | None:
        """Host and port; a path (a socket's, or an embedded server's folder) and None.

        None for fakeredis, which has neither.
        """
        if "server" in self.arguments:
            return None
        for name in ("folder", "path"):
            if name in self.arguments:
                return str(self.arguments[name]), None
        host = self.arguments.get("host", "localhost")
        return host, int(self.arguments.get("port", 6379))

    def async_arguments(self) -> dict[str, Any]:
        """The arguments for *async_class*. ImproperlyConfigured if one is missing."""
        if self.async_class is None:
            raise ImproperlyConfigured(
                f"Cannot make async connections to {self.place}: redis.asyncio has no "
                f"twin of {self.connection_class.__name__}. Give the alias a LOCATION."
            )
        known = arguments_of(self.async_class)
        arguments = {k: v for k, v in self.arguments.items() if k not in _SYNC_ONLY}
        for name, value in arguments.items():
            if name not in known and value:  # TLS with OCSP, say: never dropped
                raise ImproperlyConfigured(
                    f"Cannot make async connections to {self.place}: redis.asyncio "
                    f"does not know {name!r}. Use sync calls, or remove the option."
                )
        return {k: v for k, v in arguments.items() if k in known}


def checked(where: str, connection_class: type[Any], given: Mapping[str, Any]) -> Any:
    """The fields of an Endpoint that stand in options: a dict for its constructor.

    where: the setting, for errors ("ORMIST['default']"). Raises ImproperlyConfigured
    for an option that redis-py does not know, and for those that cannot be ours.
    """
    arguments = dict(given)
    max_connections = arguments.pop("max_connections", MAX_CONNECTIONS)
    timeout = arguments.pop("timeout", TIMEOUT)
    if type(max_connections) is not int or max_connections < 1:
        raise ImproperlyConfigured(
            f"{where} has max_connections {max_connections!r}. Make it an int from 1."
        )
    if timeout is not None and not (
        isinstance(timeout, int | float) and not isinstance(timeout, bool)
    ):
        raise ImproperlyConfigured(
            f"{where} has timeout {timeout!r}. Make it seconds, or None for no end."
        )
    if arguments.pop("decode_responses", False):
        raise ImproperlyConfigured(
            f"{where} has decode_responses. Remove it: objects are packed bytes, "
            "which cannot be decoded as text."
        )
    for name in arguments:
        _check_name(where, name, connection_class)
    arguments.setdefault("protocol", PROTOCOL)
    if arguments["protocol"] not in (2, 3):
        raise ImproperlyConfigured(
            f"{where} has protocol {arguments['protocol']!r}. Make it 2 or 3."
        )
    return {
        "arguments": arguments,
        "max_connections": max_connections,
        "timeout": timeout,
    }


def _check_name(where: str, name: str, connection_class: type[Any]) -> None:
    if name in _RETRY:
        raise ImproperlyConfigured(
            f"{where} has {name!r}. Remove it: a write is sent once, since it may have "
            "been applied before the connection broke; a read is sent once more."
        )
    known = arguments_of(connection_class) | {"max_connections", "timeout"}
    instead = _INSTEAD.get(name.lower() if isinstance(name, str) else name)
    if instead is not None and name not in known:
        raise ImproperlyConfigured(f"{where} has an option {name!r}. {instead}")
    if name not in known:
        near = get_close_matches(str(name).lower(), known, 1)
        raise ImproperlyConfigured(
            f"{where} has an option {name!r} that redis-py's "
            f"{connection_class.__name__} does not know. "
            + (f"Did you mean {near[0]!r}?" if near else "Remove it.")
        )


def check_arguments(where: str, endpoint: Endpoint) -> Endpoint:
    """*endpoint*, if redis-py accepts it; ImproperlyConfigured. Nothing connects."""
    try:
        endpoint.connection_class(**endpoint.arguments)
    except Exception as error:
        raise ImproperlyConfigured(
            f"{where} cannot be used: redis-py says {error}. Mend LOCATION or OPTIONS."
        ) from error
    return endpoint


def copied_arguments(pool: Any) -> dict[str, Any]:
    """The connection arguments of someone else's *pool*, less retries and plumbing."""
    known = arguments_of(pool.connection_class) - {"maint_notifications_config"}
    return {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in known and name not in _RETRY and name != "decode_responses"
    }


def arguments_of(connection_class: type[Any]) -> set[str]:
    """The names that a connection class of redis-py takes, its bases included."""
    names: set[str] = set()
    for base in connection_class.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            names |= {p.name for p in parameters if p.kind not in _VARIADIC}
    return names - _INTERNAL


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _text(value: Any) -> str:
    """A text that equal options share; an object that has no text is itself alone."""
    if isinstance(value, Mapping):
        pairs = sorted((_text(k), _text(v)) for k, v in value.items())
        return "{" + ",".join(map(":".join, pairs)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if value is None or type(value) in (str, bytes, int, float, bool):
        return repr(value)
    return f"<{type(value).__qualname__} {id(value)}>"
