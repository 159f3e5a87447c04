"""Connections of a cache in settings.CACHES, for ``{"CACHE": alias}``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty
from typing import Any

from django.core.cache import InvalidCacheBackendError, caches
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import AbstractConnection
from redis.exceptions import (
    ConnectionError,
    RedisClusterException,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from ..conf import Alias
from ..exceptions import ImproperlyConfigured
from .cluster_urls import endpoint_of_client
from .endpoints import ASYNC_CLASSES, NO_LIMIT, Endpoint
from .options import TIMEOUT, copy_arguments, validate_options
from .sentinel_urls import endpoint_of_pool
from .thread_pools import Lease, is_broken
from .urls import safe_url

NO_RETRY = Retry(NoBackoff(), 0)


def endpoint(alias: Alias) -> Endpoint:
    """Return the endpoint of the cache ``alias.cache``. Opens no connection.

    django-redis has one pool per process, which is shared. Django's own RedisCache has
    one per thread and request, so its connection arguments are copied. So are those of
    a Sentinel pool, whose connections may stay on a former primary, and of redis-py's
    RedisCluster, which connects when it is made. Raises ImproperlyConfigured for a
    cache without a pool, or with one that decodes replies.
    """
    where = f"ORMIST[{alias.name!r}]['CACHE']"
    client, is_shared = _client(where, alias)
    if isinstance(client, RedisCluster):
        _check_decoding(where, alias, client.nodes_manager.connection_kwargs)
        return _name_cache(endpoint_of_client(where, client, alias.options), alias)
    pool = _pool(where, alias, client)
    _check_decoding(where, alias, pool.connection_kwargs)
    if isinstance(pool, SentinelConnectionPool):
        return _name_cache(endpoint_of_pool(where, pool, alias.options), alias)
    for name in alias.options:
        raise ImproperlyConfigured(
            f"ORMIST[{alias.name!r}] has an option {name!r}, which is for Sentinel or "
            f"a Cluster, and CACHES[{alias.cache!r}] has one server. Leave it out."
        )
    arguments = copy_arguments(pool)
    if arguments.get("protocol") is None:  # unset is RESP3 to redis-py 8, 2 to us
        arguments.pop("protocol", None)
    fields = validate_options(where, pool.connection_class, arguments)
    if pool.max_connections not in NO_LIMIT:
        fields["max_connections"] = pool.max_connections
    fields["timeout"] = getattr(pool, "timeout", TIMEOUT)
    found = Endpoint(
        connection_class=pool.connection_class,
        async_class=_async_class(pool.connection_class),
        safe_url=safe_url(pool.connection_class, fields["arguments"]),
        shared_pool=pool if is_shared else None,
        **fields,
    )
    return _name_cache(found, alias)


def _name_cache(found: Endpoint, alias: Alias) -> Endpoint:
    return replace(found, safe_url=f"CACHES[{alias.cache!r}] ({found.safe_url})")


def _check_decoding(where: str, alias: Alias, arguments: Mapping[str, Any]) -> None:
    if arguments.get("decode_responses"):
        raise ImproperlyConfigured(
            f"{where}: the connections of CACHES[{alias.cache!r}] have "
            "decode_responses, and objects are packed bytes. Remove it there, or give "
            f"ORMIST[{alias.name!r}] a LOCATION."
        )


def _client(where: str, alias: Alias) -> tuple[Any, bool]:
    """Return the client of the cache, if any, and whether the process shares it."""
    try:
        cache: Any = caches[alias.cache or ""]
    except InvalidCacheBackendError as error:
        if alias.cache in caches.settings:
            wrong = f"{error}. Install it, or correct CACHES[{alias.cache!r}]."
        else:
            wrong = "there is no such cache. Name an alias of settings.CACHES."
        raise ImproperlyConfigured(f"{where} is {alias.cache!r}: {wrong}") from error
    try:
        client = client_of(cache)
    except (AttributeError, TypeError):  # a get_client() of another kind
        client = None
    except RedisClusterException as error:
        raise ConnectionError(
            f"{where} is {alias.cache!r}, a cache whose Cluster cannot be reached: "
            f"{str(error).rstrip('.')}. Start its nodes, or correct "
            f"CACHES[{alias.cache!r}]."
        ) from error
    return client, _is_django_redis(cache)


def _pool(where: str, alias: Alias, client: Any) -> Any:
    """Return the pool of the cache's client."""
    pool: Any = getattr(client, "connection_pool", None)
    if not hasattr(pool, "connection_kwargs"):
        raise ImproperlyConfigured(
            f"{where} is {alias.cache!r}, a cache without one connection pool of "
            "redis-py. Name a django-redis cache (not its ShardClient) or Django's "
            f"RedisCache, or give ORMIST[{alias.name!r}] a LOCATION."
        )
    if not _is_of_redis_py(pool.connection_class):
        package = pool.connection_class.__module__.partition(".")[0]
        raise ImproperlyConfigured(
            f"{where} is {alias.cache!r}, a cache whose connections are those of "
            f"{package!r}, and not of redis-py. Name a django-redis cache or Django's "
            f"RedisCache, or give ORMIST[{alias.name!r}] a LOCATION, such as the "
            "cache's own."
        )
    return pool


def _is_of_redis_py(connection_class: Any) -> bool:
    """Return whether connections are redis-py's. Those of django-valkey are not."""
    return isinstance(connection_class, type) and issubclass(
        connection_class, AbstractConnection
    )


def client_of(cache: Any, write: bool = True) -> Any:
    """Return the redis-py client of a cache, if it has exactly one."""
    if _is_django_redis(cache):
        try:
            return cache.client.get_client(write=write)
        except NotImplementedError:  # its ShardClient: a client for each server
            return None
    if hasattr(cache, "get_client"):  # django-cachex
        return cache.get_client()
    client: Any = getattr(cache, "_cache", None)  # django.core.cache.backends.redis
    if hasattr(client, "get_client"):
        return client.get_client(None, write=write)
    return None


def decoder_of(cache: Any) -> Callable[[Any], Any] | None:
    """Return the function that reads a value of a cache from its bytes, if known."""
    if _is_django_redis(cache):
        found: Callable[[Any], Any] | None = getattr(cache.client, "decode", None)
        return found
    serializer = getattr(getattr(cache, "_cache", None), "_serializer", None)
    return getattr(serializer, "loads", None)


def _is_django_redis(cache: Any) -> bool:
    """Return whether the cache is django-redis's, whose pools the process shares."""
    return hasattr(getattr(cache, "client", None), "get_client")


def _async_class(connection_class: type[Any]) -> type[Any] | None:
    """Return the async variant of a connection class, if it is known."""
    if connection_class.__module__.partition(".")[0] == "fakeredis":
        import fakeredis

        found: type[Any] = fakeredis.FakeAsyncRedisConnection
        return found
    return ASYNC_CLASSES.get(connection_class)


class NoRetryPool:
    """A shared pool whose connections do not retry commands while we use them.

    redis-py's clients retry by the policy of the connection. The owner's policy may
    repeat a write ten times, although each attempt may have been applied.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def lease(self) -> Lease:
        """Return a lease of a connection that is connected and healthy."""
        return Lease(None, self.get_connection())

    def give_back(self, lease: Lease, is_sound: bool = True) -> None:
        """End a lease. Close the connection unless it *is_sound*."""
        connection, lease.connection = lease.connection, None
        if connection is not None:
            if not is_sound:
                connection.disconnect()
            self.release(connection)

    def renew(self, connection: Any) -> None:
        """See ThreadPool.renew()."""
        for each in self._pool._get_in_use_connections():
            each.mark_for_reconnect()
        self._pool.disconnect(inuse_connections=False)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection of the pool. Connecting follows its owner's policy."""
        try:
            connection = self._connect()
            _check_health(connection)
            vars(connection)["owners_retry"] = connection.retry
            connection.retry = NO_RETRY
        except RedisError:
            raise
        except BaseException:
            # Interrupted: an idle connection may be half connected.
            self._pool.disconnect(inuse_connections=False)
            raise
        return connection

    def _connect(self) -> Any:
        """Return a connection of the pool. Connect again if that fails."""
        try:
            return self._pool.get_connection()
        except ConnectionError as error:
            # redis-py's blocking pool raises this too after its timeout.
            if not is_broken(error) or isinstance(error.__context__, Empty):
                raise
        return self._pool.get_connection()

    def release(self, connection: Any) -> None:
        """Give the connection back with its owner's policy."""
        connection.retry = vars(connection).pop("owners_retry", connection.retry)
        self._pool.release(connection)


def _check_health(connection: Any) -> None:
    """Run the periodic health check. Reconnect if it fails."""
    try:
        connection.check_health()
    except (ConnectionError, TimeoutError):
        connection.disconnect()
        connection.connect()
