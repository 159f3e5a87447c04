"""redis-py's clients of an alias with several nodes.

That of a Sentinel service uses the pool of the primary, and follows it. That of a
Cluster has connections of its own: redis-py's RedisCluster does not take ours.
"""

import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import REDIS_ALLOWED_KEYS, ClusterNode, RedisCluster
from redis.connection import SSLConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from ..exceptions import NotSupportedError
from .async_pools import LoopPool, pools_of_running_loop
from .endpoints import Cluster, Endpoint, with_driver
from .router import Router
from .routing import is_transient
from .thread_pools import ThreadPool


def client(router: Router) -> redis.Redis | RedisCluster:
    """Return a client of redis-py. It follows the primary, or the slots."""
    cluster = router.endpoint.cluster
    if cluster is not None:
        return _cluster_client(router.endpoint, cluster)
    return redis.Redis(connection_pool=PrimaryPool(router))


def async_client(router: Router) -> redis.asyncio.Redis | redis.asyncio.RedisCluster:
    """Return an async client of redis-py for the running loop. See client()."""
    loop_pools, cluster = pools_of_running_loop(), router.endpoint.cluster
    if cluster is not None:
        return loop_pools.cluster_client(
            router.endpoint, partial(_async_cluster_client, router.endpoint, cluster)
        )
    return loop_pools.client(router.endpoint, lambda: AsyncPrimaryPool(router))


def _cluster_client(endpoint: Endpoint, cluster: Cluster) -> RedisCluster:
    """Return redis-py's client. It asks a node for the others at once.

    Raises NotSupportedError if it has no argument for an option of TLS.
    """
    arguments = _arguments(endpoint, REDIS_ALLOWED_KEYS)
    node: Any = ClusterNode
    nodes = [node(*seed) for seed in cluster.seeds]
    return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **arguments)


def _async_cluster_client(
    endpoint: Endpoint, cluster: Cluster
) -> "redis.asyncio.RedisCluster":
    """See _cluster_client()."""
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


class PrimaryPool(ThreadPool):
    """A pool for redis-py's client. Its connections are those of the primary's pool."""

    def __init__(self, router: Router) -> None:
        endpoint = router.endpoint
        super().__init__(
            timeout=endpoint.timeout,
            max_connections=1,
            connection_class=endpoint.connection_class,
            retry=Retry(NoBackoff(), 0),
            **endpoint.arguments,
        )
        self._router = router

    def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> Any:
        """Return a connection to the primary. Wait for a failover to end."""
        pool = self._router.primary_pool()
        try:
            connection = pool.get_connection()
        except RedisError as error:
            if not is_transient(error):
                raise
            self._router.map.doubt()
            pool = self._router.primary_pool()
            connection = pool.get_connection()
        connection.owner = pool
        return connection

    def release(self, connection: Any) -> None:
        """Give a connection back to its pool."""
        vars(connection).pop("owner").release(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the idle connections."""
        self._router.close()


class AsyncPrimaryPool(LoopPool):
    """See PrimaryPool."""

    def __init__(self, router: Router) -> None:
        endpoint = router.endpoint
        super().__init__(
            timeout=endpoint.timeout,
            max_connections=1,
            connection_class=endpoint.async_class,
            retry=AsyncRetry(NoBackoff(), 0),
            **endpoint.async_arguments(),
        )
        self._router = router

    async def get_connection(
        self, command_name: Any = None, *keys: Any, **options: Any
    ) -> Any:
        """See PrimaryPool.get_connection()."""
        pool = await self._router.aprimary_pool()
        try:
            connection = await pool.get_connection()
        except RedisError as error:
            if not is_transient(error):
                raise
            self._router.map.doubt()
            pool = await self._router.aprimary_pool()
            connection = await pool.get_connection()
        connection.owner = pool
        return connection

    async def release(self, connection: Any) -> None:
        """Give a connection back to its pool."""
        await vars(connection).pop("owner").release(connection)
