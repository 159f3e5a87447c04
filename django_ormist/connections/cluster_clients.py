"""redis-py's clients of a Cluster, made of the parameters of an alias.

They have connections of their own: redis-py's RedisCluster does not take ours.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import redis.asyncio
from redis.cluster import REDIS_ALLOWED_KEYS, ClusterNode, RedisCluster
from redis.connection import SSLConnection

from ..exceptions import NotSupportedError
from .endpoints import Cluster, Endpoint, with_driver


def client(endpoint: Endpoint, cluster: Cluster) -> RedisCluster:
    """Return redis-py's client. It asks a node for the others at once.

    Raises NotSupportedError if it has no argument for an option of TLS.
    """
    arguments = _arguments(endpoint, REDIS_ALLOWED_KEYS)
    node: Any = ClusterNode
    nodes = [node(*seed) for seed in cluster.seeds]
    return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **arguments)


def async_client(endpoint: Endpoint, cluster: Cluster) -> "redis.asyncio.RedisCluster":
    """Return redis-py's async client. See client()."""
    made: Any = redis.asyncio.RedisCluster
    arguments = _arguments(endpoint, inspect.signature(made).parameters)
    nodes = [redis.asyncio.cluster.ClusterNode(*seed) for seed in cluster.seeds]
    found: redis.asyncio.RedisCluster = made(
        startup_nodes=nodes, require_full_coverage=False, **arguments
    )
    return found


def _arguments(endpoint: Endpoint, known: Iterable[str]) -> dict[str, Any]:
    names = set(known)
    given = with_driver(endpoint.connection_class, endpoint.arguments)
    for name, value in given.items():
        if name.startswith("ssl_") and value and name not in names:
            raise NotSupportedError(
                f"redis-py's RedisCluster does not know {name!r}, which is set for "
                f"{endpoint.safe_url}. Make a client without it, or use run() with "
                "operations of your own."
            )
    arguments = {name: value for name, value in given.items() if name in names}
    if not arguments.get("db"):
        arguments.pop("db", None)
    if issubclass(endpoint.connection_class, SSLConnection):
        arguments["ssl"] = True
    return {**arguments, "max_connections": endpoint.max_connections}
