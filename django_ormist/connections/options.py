"""Options of an alias: their names and values, and the arguments of redis-py."""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..exceptions import ImproperlyConfigured

MAX_CONNECTIONS = 50
TIMEOUT = 20.0
"""Seconds to wait for a connection while all are in use."""

PROTOCOL = 2

# Arguments that redis-py and its pools pass to each other. They are no settings.
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
# Our options for several nodes.
_OWN = {
    "patience",
    "read_from",
    "replicas",
    "replicas_timeout",
    "sentinel_kwargs",
    "watch",
}
_RETRY = ("retry", "retry_on_error", "retry_on_timeout")

_IN_LOCATION = "Write it in LOCATION, as in 'redis://host:6379/0'."
_ITSELF = "Write its entries in OPTIONS themselves."
_OF_POOL = "A pool is made of LOCATION and OPTIONS, or borrowed: name a cache in CACHE."
_OF_SENTINEL = "It is for a LOCATION with redis+sentinel://. Leave it out."
_OF_NODES = (
    "It is for a LOCATION with redis+sentinel:// or redis+cluster://. Leave it out."
)
_IN_CLUSTER = "Write them in LOCATION: 'redis+cluster://n1:6379,n2:6379'."
_OF_CACHE = "It is an option of a cache, and is not used here. Leave it out."
# Options of other libraries and of redis-py's clients and pools, with a suggestion.
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
    "sentinels": "Write them in LOCATION: 'redis+sentinel://s1:26379,s2:26379/name'.",
    "service_name": "Write it in LOCATION: 'redis+sentinel://s1:26379,s2:26379/name'.",
    "startup_nodes": _IN_CLUSTER,
    "sentinel_kwargs": _OF_SENTINEL,
    "patience": _OF_NODES,
    "replicas": _OF_NODES,
    "replicas_timeout": _OF_NODES,
    "watch": _OF_SENTINEL,
    "read_from": _OF_NODES,
}


def validate_options(
    where: str, connection_class: type[Any], given: Mapping[str, Any]
) -> Any:
    """Return the fields of an Endpoint that are options, as a dict.

    where: the setting, for errors ("ORMIST['default']"). Raises ImproperlyConfigured
    for options that redis-py does not know, and for those that are not supported.
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
            f"{where} has timeout {timeout!r}. Make it seconds, or None for no limit."
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
        near = get_close_matches(str(name).lower(), known | _OWN, 1)
        raise ImproperlyConfigured(
            f"{where} has an option {name!r} that redis-py's "
            f"{connection_class.__name__} does not know. "
            + (f"Did you mean {near[0]!r}?" if near else "Remove it.")
        )


def copy_arguments(pool: Any) -> dict[str, Any]:
    """Return the connection arguments of another library's *pool*, without retries."""
    known = arguments_of(pool.connection_class) - {"maint_notifications_config"}
    return {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in known and name not in _RETRY and name != "decode_responses"
    }


def arguments_of(connection_class: type[Any]) -> set[str]:
    """Return the arguments of a redis-py connection class and its bases."""
    names: set[str] = set()
    for base in connection_class.__mro__:
        if "__init__" in vars(base) and base is not object:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            names |= {p.name for p in parameters if p.kind not in _VARIADIC}
    return names - _INTERNAL


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
