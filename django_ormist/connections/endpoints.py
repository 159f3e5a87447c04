"""Endpoints: the connection classes of a pool, their arguments, its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from math import inf
from typing import Any

import redis.asyncio
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.driver_info import DriverInfo

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address
from .options import MAX_CONNECTIONS, TIMEOUT, arguments_of
from .unix_connections import AsyncUnixConnection

NO_LIMIT = (100, 2**31)
"""The default max_connections of redis-py's ConnectionPool since 8.0, and before."""

ASYNC_CLASSES: Mapping[type[Any], type[Any]] = {
    Connection: redis.asyncio.Connection,
    SSLConnection: redis.asyncio.SSLConnection,
    UnixDomainSocketConnection: AsyncUnixConnection,
}

REPLICAS_TIMEOUT = 1.0
"""Seconds in which replicas have to confirm a write."""

REPLICA_TIMEOUT = 1.0
"""Seconds that a read waits for a replica before it uses the primary."""

PATIENCE = 10.0
"""Seconds for which operations are sent again in a failover."""

_DRIVER = {"driver_info", "lib_name", "lib_version"}
_SYNC_ONLY = {"parser_class", "command_packer"}  # they do not change the request


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The server and the options of connections, sync and async.

    async_class: the async variant of *connection_class*, or None. safe_url: the URL for
    messages, without user and password. shared_pool: the pool of a cache for sync
    calls, or None. sentinels, cluster: the source of the host and the port, or None if
    these are in *arguments*. is_primary: whether a replica at this address is refused.
    is_read_only: whether to send READONLY, so that a replica of a Cluster answers.
    """

    connection_class: type[Any]
    async_class: type[Any] | None
    arguments: Mapping[str, Any] = field(repr=False)
    safe_url: str
    max_connections: int = MAX_CONNECTIONS
    timeout: float | None = TIMEOUT
    shared_pool: Any = None
    sentinels: "Sentinels | None" = None
    cluster: "Cluster | None" = None
    is_primary: bool = False
    is_read_only: bool = False

    @cached_property
    def key(self) -> str:
        """A text that is equal for endpoints with equal options. They share a pool."""
        kind = self.is_primary, self.is_read_only
        options = (self.max_connections, self.timeout, *kind)
        nodes = self.nodes and self.nodes.key
        return _text((self.connection_class, self.arguments, *options, nodes))

    @property
    def nodes(self) -> "Sentinels | Cluster | None":
        """The source of the host and the port, if there are several nodes."""
        return self.sentinels or self.cluster

    @cached_property
    def address(self) -> tuple[str, int | None] | None:
        """The host and port, or the path of a unix socket or an embedded server.

        With sentinels or a Cluster it is the address of the first one. fakeredis has
        none.
        """
        if self.sentinels is not None:
            return self.sentinels.endpoints[0].address
        if self.cluster is not None:
            return self.cluster.seeds[0]
        if "server" in self.arguments:
            return None
        for name in ("folder", "path"):
            if name in self.arguments:
                return str(self.arguments[name]), None
        host = self.arguments.get("host", "localhost")
        return host, int(self.arguments.get("port", 6379))

    def at(self, address: Address) -> "Endpoint":
        """Return the endpoint of the node at *address*.

        It is the primary if sentinels have found it. In a Cluster a replica names the
        primary in its reply.
        """
        host, port = address
        return replace(
            self,
            arguments={**self.arguments, "host": host, "port": port},
            sentinels=None,
            cluster=None,
            is_primary=self.sentinels is not None,
        )

    def at_replica(self, address: Address) -> "Endpoint":
        """Return the endpoint of the replica at *address*. Its timeouts are short."""
        node = self.at(address)
        arguments = {**node.arguments}
        for name in ("socket_timeout", "socket_connect_timeout"):
            arguments[name] = min(arguments.get(name) or inf, REPLICA_TIMEOUT)
        return replace(
            node,
            arguments=arguments,
            timeout=min(inf if self.timeout is None else self.timeout, REPLICA_TIMEOUT),
            is_primary=False,
            is_read_only=self.cluster is not None,
        )

    def async_arguments(self) -> dict[str, Any]:
        """Return the arguments for *async_class*.

        Raises ImproperlyConfigured if it, or one of its arguments, does not exist.
        """
        if self.async_class is None:
            raise ImproperlyConfigured(
                f"Cannot make async connections to {self.safe_url}: redis.asyncio has "
                f"no variant of {self.connection_class.__name__}. Give the alias a "
                "LOCATION."
            )
        known = arguments_of(self.async_class)
        arguments = {k: v for k, v in self.arguments.items() if k not in _SYNC_ONLY}
        for name, value in arguments.items():
            if name not in known and value:  # TLS with OCSP, say: never dropped
                raise ImproperlyConfigured(
                    f"Cannot make async connections to {self.safe_url}: redis.asyncio "
                    f"does not know {name!r}. Use sync calls, or remove the option."
                )
        arguments = {k: v for k, v in arguments.items() if k in known}
        return with_driver(self.async_class, arguments)


def with_driver(
    connection_class: type[Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a pool, with the name and version of the client.

    Without them redis-py looks up its own version for each connection: 1 ms.
    """
    if _DRIVER.isdisjoint(arguments) and "driver_info" in arguments_of(
        connection_class
    ):
        return {**arguments, "driver_info": driver_info()}
    return dict(arguments)


@cache
def driver_info() -> DriverInfo:
    """Return the name and version of redis-py, the same for all connections."""
    return DriverInfo()


@dataclass(frozen=True, eq=False)
class Sentinels:
    """The sentinels that know the address of the primary of *service*.

    patience: the longest time of a failover, in seconds. replicas: the number of
    replicas that confirm a write, within replicas_timeout seconds. watch: whether
    threads listen to the events of the sentinels. read_from: "primary" or "replicas".
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    patience: float = PATIENCE
    replicas: int = 0
    replicas_timeout: float = REPLICAS_TIMEOUT
    watch: bool = False
    read_from: str = "primary"

    @property
    def key(self) -> str:
        """A text that is equal for equal sentinels."""
        options = (self.patience, self.replicas, self.replicas_timeout, self.watch)
        sentinels = [each.key for each in self.endpoints]
        return _text((self.service, sentinels, *options, self.read_from))


@dataclass(frozen=True, eq=False)
class Cluster:
    """The nodes of a Cluster that LOCATION lists, and the options for all nodes.

    query_endpoint: the endpoint of queries about the topology, without an address.
    patience, replicas, replicas_timeout, read_from: as in Sentinels.
    """

    seeds: tuple[Address, ...]
    query_endpoint: Endpoint
    patience: float = PATIENCE
    replicas: int = 0
    replicas_timeout: float = REPLICAS_TIMEOUT
    read_from: str = "primary"

    @property
    def database(self) -> int:
        """The number of the database. Most Clusters have only 0."""
        return self.query_endpoint.arguments.get("db") or 0

    @property
    def key(self) -> str:
        """A text that is equal for equal Clusters."""
        options = (self.patience, self.replicas, self.replicas_timeout)
        return _text((self.seeds, self.query_endpoint.key, *options, self.read_from))

    def at(self, address: Address) -> Endpoint:
        """Return the endpoint for queries to the node at *address*."""
        return self.query_endpoint.at(address)


def check_arguments(where: str, endpoint: Endpoint) -> Endpoint:
    """Return *endpoint*. Raise ImproperlyConfigured if redis-py refuses its arguments.

    Opens no connection.
    """
    try:
        endpoint.connection_class(**endpoint.arguments)
    except Exception as error:
        raise ImproperlyConfigured(
            f"{where} cannot be used: redis-py says {error}. "
            "Correct LOCATION or OPTIONS."
        ) from error
    return endpoint


def database_ids(endpoint: Endpoint) -> set[tuple[Any, ...]]:
    """Return the identifiers of a database. Endpoints with a common one share it."""
    arguments, cluster = endpoint.arguments, endpoint.cluster
    number = arguments.get("db") or 0
    if endpoint.sentinels is not None:
        service = endpoint.sentinels.service
        known = [each.address for each in endpoint.sentinels.endpoints if each.address]
        return {
            ("sentinel", service, _local(host), port, number) for host, port in known
        }
    if cluster is not None:
        number = cluster.database
        return {("node", _local(host), port, number) for host, port in cluster.seeds}
    for name in ("server", "folder", "path"):  # fakeredis, embedded, unix socket
        if arguments.get(name) is not None:
            return {(name, str(arguments[name]), number)}
    host, port = arguments.get("host", "localhost"), arguments.get("port", 6379)
    return {("node", _local(host), port, number)}


def tls_hint(endpoint: Endpoint) -> str:
    """Return a text for servers that do not answer: "" without TLS."""
    if not issubclass(endpoint.connection_class, SSLConnection):
        return ""
    return (
        " They are asked with TLS. If their ports have none, write redis+ in place of "
        "rediss+ or valkeys+ in LOCATION."
    )


def _local(host: str) -> str:
    return "localhost" if host in ("127.0.0.1", "::1") else host


def _text(value: Any) -> str:
    """Return a text that is equal for equal options. Objects equal only themselves."""
    if isinstance(value, Mapping):
        pairs = sorted((_text(k), _text(v)) for k, v in value.items())
        return "{" + ",".join(map(":".join, pairs)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if value is None or type(value) in (str, bytes, int, float, bool):
        return repr(value)
    return f"<{type(value).__qualname__} {id(value)}>"


def format_address(address: Address) -> str:
    """Return ``host:port``, with an IPv6 address in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
