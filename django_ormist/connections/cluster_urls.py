"""Endpoints of Clusters, from a URL or from redis-py's client."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.cluster import RedisCluster
from redis.connection import Connection, SSLConnection

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address
from . import hosts
from .endpoints import (
    ASYNC_CLASSES,
    NO_LIMIT,
    Cluster,
    Endpoint,
    check_arguments,
    format_address,
)
from .options import arguments_of, validate_options

SCHEMES = ("redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster")
PORT = 6379
EXAMPLE = "redis+cluster://n1:6379,n2:6379"

ASKED_TIMEOUT = 1.0
"""Seconds to connect to a node, and to wait for its reply, when it is asked for the
others. Its commands have the timeout of OPTIONS."""

# Arguments that redis-py's client of a Cluster adds, or that are not ours to take.
_OF_CLIENT = {
    "decode_responses",
    "host",
    "maint_notifications_config",
    "path",
    "port",
    "redis_connect_func",
    "retry",
    "retry_on_error",
    "retry_on_timeout",
}
_OWN = ("patience", "replicas", "replicas_timeout", "read_from")
_CLASSES: Mapping[bool, type[Any]] = {False: Connection, True: SSLConnection}


def endpoint(
    where: str, locations: Sequence[str], options: Mapping[str, Any]
) -> Endpoint:
    """Return the endpoint of one URL, or of several that differ in their hosts alone.

    Raises ImproperlyConfigured, which never shows the URL: it may hold a password.
    """
    first, addresses = hosts.split_urls(where, locations, "a Cluster", EXAMPLE, PORT)
    if first["second"]:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has a path of two names. Write it as {EXAMPLE!r}."
        )
    database = first["first"]
    hosts.check_database(where, database, "after the nodes")
    given = dict(options)
    own = {name: given.pop(name) for name in _OWN if name in given}
    return make_endpoint(
        where,
        _CLASSES[first["scheme"].lower().startswith(("rediss", "valkeys"))],
        {**given, **hosts.named_arguments(where, first, database, _OWN)},
        addresses,
        own,
    )


def make_endpoint(
    where: str,
    connection_class: type[Any],
    given: Mapping[str, Any],
    addresses: Sequence[Address],
    own: Mapping[str, Any],
) -> Endpoint:
    """Return the endpoint of the Cluster at *addresses*. Raises ImproperlyConfigured.

    given: the arguments of nodes. own: the options in _OWN.
    """
    limits = hosts.read_limits(where, own)
    for name in ("host", "port", "path"):
        if name in given:
            raise ImproperlyConfigured(
                f"{where} has an option {name!r}. Write the addresses of nodes in "
                f"LOCATION, as in {EXAMPLE!r}."
            )
    fields = validate_options(where, connection_class, given)
    arguments = fields["arguments"]
    listed = ",".join(map(format_address, addresses))
    is_tls = issubclass(connection_class, SSLConnection)
    url = f"{'rediss' if is_tls else 'redis'}+cluster://{listed}"
    if arguments.get("db"):
        url = f"{url}/{arguments['db']}"
    classes: dict[str, Any] = {
        "connection_class": connection_class,
        "async_class": ASYNC_CLASSES[connection_class],
        "safe_url": url,
    }
    limited = {**arguments}
    for name in ("socket_timeout", "socket_connect_timeout"):
        limited[name] = min(arguments.get(name) or ASKED_TIMEOUT, ASKED_TIMEOUT)
    query_endpoint = Endpoint(
        **classes, arguments=limited, max_connections=4, timeout=ASKED_TIMEOUT
    )
    cluster = Cluster(tuple(dict.fromkeys(addresses)), query_endpoint, **limits)
    made = Endpoint(**classes, cluster=cluster, **fields)
    check_arguments(where, made.at(addresses[0]))
    if limits.get("replicas"):
        hosts.check_replicas(where, made, limits)
    return made


def endpoint_of_client(
    where: str, client: RedisCluster, own: Mapping[str, Any]
) -> Endpoint:
    """Return the endpoint with the nodes and the parameters of redis-py's *client*.

    own: options of this package.
    """
    for name in own:
        if name not in _OWN:
            raise ImproperlyConfigured(
                f"{where} names a cache on a Cluster, and the option {name!r} is for "
                "Sentinel. Leave it out."
            )
    found = client.nodes_manager.connection_kwargs
    is_tls = bool(found.get("ssl")) or issubclass(
        found.get("connection_class") or Connection, SSLConnection
    )
    known = arguments_of(_CLASSES[is_tls]) - _OF_CLIENT
    given = {name: value for name, value in found.items() if name in known}
    if given.get("protocol") is None:  # unset is RESP3 to redis-py 8, 2 to us
        given.pop("protocol", None)
    if found.get("max_connections") not in (None, *NO_LIMIT):
        given["max_connections"] = found["max_connections"]
    nodes = client.nodes_manager.startup_nodes.values()
    return make_endpoint(
        where,
        _CLASSES[is_tls],
        given,
        [(str(node.host), int(node.port)) for node in nodes],
        own,
    )
