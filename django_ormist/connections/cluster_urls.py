"""Endpoints of Clusters, from a URL."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.connection import Connection, SSLConnection

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address
from . import hosts
from .endpoints import (
    ASYNC_CLASSES,
    Cluster,
    Endpoint,
    check_arguments,
    format_address,
    validate_options,
)

SCHEMES = ("redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster")
PORT = 6379
EXAMPLE = "redis+cluster://n1:6379,n2:6379"

ASKED_TIMEOUT = 1.0
"""Seconds to connect to a node, and to wait for its reply, when it is asked for the
others. Its commands have the timeout of OPTIONS."""

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
        {**given, **hosts.named_arguments(where, first, database)},
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
    asked = Endpoint(
        **classes, arguments=limited, max_connections=4, timeout=ASKED_TIMEOUT
    )
    cluster = Cluster(tuple(dict.fromkeys(addresses)), asked, **limits)
    made = Endpoint(**classes, cluster=cluster, **fields)
    check_arguments(where, made.at(addresses[0]))
    if limits.get("replicas"):
        hosts.check_replicas(where, made, limits)
    return made
