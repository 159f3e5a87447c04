"""Endpoints of services that Sentinel watches, from a URL or from redis-py's pool."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from redis.connection import Connection, SSLConnection
from redis.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address
from . import hosts
from .endpoints import (
    ASYNC_CLASSES,
    NO_LIMIT,
    Endpoint,
    Sentinels,
    check_arguments,
    format_address,
)
from .options import copy_arguments, validate_options

SCHEMES = ("redis+sentinel", "rediss+sentinel", "valkey+sentinel", "valkeys+sentinel")
PORT = 26379
SENTINEL_TIMEOUT = 1.0
"""Seconds to connect to a sentinel, and to wait for its reply, unless set."""

EXAMPLE = "redis+sentinel://s1:26379,s2:26379/mymaster/0"

_OWN = ("sentinel_kwargs", *hosts.OWN)
_CLASSES: Mapping[bool, type[Any]] = {False: Connection, True: SSLConnection}


def endpoint(
    where: str, locations: Sequence[str], options: Mapping[str, Any]
) -> Endpoint:
    """Return the endpoint of one URL, or of several that differ in their hosts alone.

    Raises ImproperlyConfigured, which never shows the URL: it may hold a password.
    """
    first, addresses = hosts.split_urls(where, locations, "sentinels", EXAMPLE, PORT)
    service, database = unquote(first["first"] or ""), first["second"]
    if not service:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] does not name a service, such as 'mymaster'. "
            f"Write it as {EXAMPLE!r}."
        )
    hosts.check_database(where, database, "after the service")
    is_tls = first["scheme"].lower().startswith(("rediss", "valkeys"))
    given = dict(options)
    own = {name: given.pop(name) for name in _OWN if name in given}
    return make_endpoint(
        where,
        _CLASSES[is_tls],
        {**given, **hosts.named_arguments(where, first, database, _OWN)},
        service,
        addresses,
        own,
    )


def make_endpoint(
    where: str,
    connection_class: type[Any],
    given: Mapping[str, Any],
    service: str,
    addresses: Sequence[Address],
    own: Mapping[str, Any],
) -> Endpoint:
    """Return the endpoint of *service*. Raises ImproperlyConfigured.

    given: the arguments of nodes. own: the options in _OWN. The ssl_ arguments of nodes
    are used for sentinels too; users, passwords and timeouts are not.
    """
    limits = hosts.read_limits(where, own)
    of_sentinels = own.get("sentinel_kwargs", {})
    if not isinstance(of_sentinels, Mapping):
        raise ImproperlyConfigured(
            f"{where} has sentinel_kwargs that are no dict. "
            "Make it a dict of redis-py's connection arguments."
        )
    for name in ("host", "port", "path"):
        if name in given or name in of_sentinels:
            raise ImproperlyConfigured(
                f"{where} has an option {name!r}. Write the addresses of sentinels in "
                f"LOCATION, as in {EXAMPLE!r}."
            )
    fields = validate_options(where, connection_class, given)
    listed = ",".join(map(format_address, addresses))
    database = fields["arguments"].get("db") or 0
    is_tls = issubclass(connection_class, SSLConnection)
    scheme = "rediss+sentinel" if is_tls else "redis+sentinel"
    made = Endpoint(
        connection_class=connection_class,
        async_class=ASYNC_CLASSES[connection_class],
        safe_url=f"{scheme}://{listed}/{service}/{database}",
        sentinels=Sentinels(
            service,
            tuple(_sentinels(where, is_tls, fields, addresses, of_sentinels)),
            **limits,
        ),
        **fields,
    )
    check_arguments(where, made.at(addresses[0]))
    if limits.get("replicas"):
        hosts.check_replicas(where, made, limits)
    return made


def _sentinels(
    where: str,
    is_tls: bool,
    of_nodes: Mapping[str, Any],
    addresses: Iterable[Address],
    given: Mapping[str, Any],
) -> Iterator[Endpoint]:
    """Yield the endpoint of each sentinel."""
    own = dict(given)
    connection_class = _CLASSES[bool(own.pop("ssl", is_tls))]
    shared = {
        name: value
        for name, value in of_nodes["arguments"].items()
        if name.startswith("ssl_") and connection_class is SSLConnection
    }
    limits = {"socket_timeout": SENTINEL_TIMEOUT, "max_connections": 4}
    limits |= {"socket_connect_timeout": SENTINEL_TIMEOUT, "timeout": SENTINEL_TIMEOUT}
    fields = validate_options(
        f"{where}, in its sentinel_kwargs,",
        connection_class,
        {**limits, **shared, **own, "db": 0},
    )
    for address in addresses:
        host, port = address
        arguments = {**fields["arguments"], "host": host, "port": port}
        yield Endpoint(
            connection_class=connection_class,
            async_class=ASYNC_CLASSES[connection_class],
            safe_url=f"sentinel {format_address(address)}",
            **{**fields, "arguments": arguments},
        )


def endpoint_of_pool(
    where: str, pool: SentinelConnectionPool, own: Mapping[str, Any]
) -> Endpoint:
    """Return the endpoint with the service and the parameters of redis-py's *pool*.

    own: options of this package.
    """
    sentinels = [each.connection_pool for each in pool.sentinel_manager.sentinels]
    given = copy_arguments(pool)
    of_sentinels = copy_arguments(sentinels[0])
    of_sentinels["ssl"] = issubclass(sentinels[0].connection_class, SSLConnection)
    for arguments in (given, of_sentinels):
        for name in ("host", "port", "connection_pool"):
            arguments.pop(name, None)
        if arguments.get("protocol") is None:  # unset is RESP3 to redis-py 8, 2 to us
            arguments.pop("protocol", None)
    if pool.max_connections not in NO_LIMIT:
        given["max_connections"] = pool.max_connections
    return make_endpoint(
        where,
        _CLASSES[issubclass(pool.connection_class, SentinelManagedSSLConnection)],
        given,
        pool.service_name,
        [
            (each.connection_kwargs["host"], int(each.connection_kwargs["port"]))
            for each in sentinels
        ],
        {**own, "sentinel_kwargs": of_sentinels},
    )
