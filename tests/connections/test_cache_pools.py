"""{"CACHE": alias}: the connections of django-redis and of Django's own RedisCache."""

import asyncio
import contextvars

import pytest
import valkey
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.checks import run_checks

from django_ormist.connections import connections
from django_ormist.connections.cache_pools import NoRetryPool
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.operations.operation import Operation
from tests.connections.test_pools import in_threads, sockets

PING = [Operation("PING", keys=())]
CORE = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


@pytest.fixture
def borrow(configure, real, fresh_cache_pools):
    """Returns the connection over a cache: ``borrow(CORE, OPTIONS={...})``."""

    def borrowed(backend, **cache):
        cache = {"BACKEND": backend, "LOCATION": real.unix_url, **cache}
        return configure(caches={"shop": cache}, CACHE="shop")

    return borrowed


class ValkeyCache(BaseCache):
    """A cache over a fork of redis-py, as of django-valkey."""

    def __init__(self, location, params):
        super().__init__(params)
        self.client = self
        self.connection_pool = valkey.ConnectionPool.from_url(location)

    def get_client(self, write=True):
        return self


@pytest.mark.parametrize("backend", [CORE, DJANGO_REDIS])
@pytest.mark.parametrize("protocol", [None, 2, 3])
def test_a_cache_of_either_kind_works_sync_and_async(ask, borrow, backend, protocol):
    options = {} if protocol is None else {"protocol": protocol}
    if backend == DJANGO_REDIS:
        options = {"CONNECTION_POOL_KWARGS": options}
    connection = borrow(backend, OPTIONS=options)
    key = b"ormist:borrowed:%d" % ask.is_async
    replies = ask(
        connection.send,
        [
            Operation("SET", (key,), (b"\xff\0",), is_write=True),
            Operation("GET", (key,)),
            Operation("HGETALL", (key + b":none",)),
            Operation("DEL", (key,), is_write=True),
        ],
    )
    assert replies == [b"OK", b"\xff\0", [], 1]


def test_the_pool_of_django_redis_is_shared(borrow):
    connection = borrow(DJANGO_REDIS)
    theirs = caches["shop"].client.get_client(write=True).connection_pool
    assert connection.endpoint.shared_pool is theirs
    assert isinstance(connection.client.connection_pool, NoRetryPool)
    assert connection.client.ping()
    connection.close()  # which leaves it to its owner
    assert theirs._available_connections[0].is_connected


def test_twenty_threads_that_start_together_share_the_pool_of_django_redis(borrow):
    borrow(DJANGO_REDIS)
    found = in_threads(20, lambda: connections["default"].endpoint.shared_pool)
    assert len(set(map(id, found))) == 1


def test_djangos_own_cache_shares_its_arguments_and_not_its_pool(
    configure, start_server
):
    """It has a pool for each thread and request; twenty requests are twenty pools."""
    server = start_server()
    cache = {
        "BACKEND": CORE,
        "LOCATION": f"{server.unix_url}",
        "OPTIONS": {"client_name": "shop", "socket_timeout": 4},
    }
    configure(caches={"shop": cache}, CACHE="shop")

    def request():
        connection = connections["default"]
        connection.send(PING)
        return id(connection.client.connection_pool)

    found = {contextvars.Context().run(request) for _ in range(20)}
    assert len(found) == 1
    assert sockets(server) == 1
    arguments = connections["default"].endpoint.arguments
    assert (arguments["client_name"], arguments["socket_timeout"]) == ("shop", 4)


def test_the_limit_of_the_cache_is_kept(borrow):
    assert borrow(CORE, OPTIONS={"max_connections": 3}).endpoint.max_connections == 3
    assert borrow(CORE).endpoint.max_connections == 50


def test_async_requests_share_one_pool_with_the_same_arguments(borrow):
    connection = borrow(DJANGO_REDIS)

    async def request():
        await connections["default"].asend(PING)
        return id(connections["default"].aclient.connection_pool)

    async def main():
        tasks = [
            asyncio.create_task(request(), context=contextvars.Context())
            for _ in range(20)
        ]
        return set(await asyncio.gather(*tasks))

    assert len(asyncio.run(main())) == 1
    assert connection.endpoint.async_arguments()["path"].endswith(".sock")


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        (CORE, {"decode_responses": True}),
        (DJANGO_REDIS, {"CONNECTION_POOL_KWARGS": {"decode_responses": True}}),
    ],
)
def test_a_cache_that_decodes_is_refused(ask, borrow, backend, options):
    connection = borrow(backend, OPTIONS=options)
    with pytest.raises(ImproperlyConfigured) as caught:
        ask(connection.send, PING)
    for words in ("'default'", "CACHES['shop']", "decode_responses", "Remove it"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("cache", "named"),
    [
        (
            {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "without one connection pool",
        ),
        (
            {
                "BACKEND": DJANGO_REDIS,
                "LOCATION": ["redis://127.0.0.1:1", "redis://127.0.0.1:2"],
                "OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"},
            },
            "without one connection pool",
        ),
    ],
)
def test_a_cache_without_a_pool_is_refused(configure, cache, named):
    connection = configure(caches={"shop": cache}, CACHE="shop")
    with pytest.raises(ImproperlyConfigured, match=named) as caught:
        connection.send(PING)
    assert "'default'" in str(caught.value)
    assert "LOCATION" in str(caught.value)


def test_a_cache_over_a_fork_of_redis_py_is_refused(ask, configure):
    backend = f"{__name__}.{ValkeyCache.__name__}"
    cache = {"BACKEND": backend, "LOCATION": "redis://localhost:6379/0"}
    connection = configure(caches={"shop": cache}, CACHE="shop")
    with pytest.raises(ImproperlyConfigured) as caught:
        ask(connection.send, PING)
    for words in ("'default'", "'shop'", "'valkey'", "not of redis-py", "a LOCATION"):
        assert words in str(caught.value)
    found = {each.id: each.msg for each in run_checks(tags=["ormist"])}
    assert found["ormist.E004"] == str(caught.value)


def test_a_cache_that_does_not_exist_is_named(configure):
    connection = configure(caches={"default": {"BACKEND": CORE}}, CACHE="shop")
    with pytest.raises(ImproperlyConfigured, match=r"'shop'.*settings\.CACHES"):
        connection.send(PING)


def test_a_cache_whose_backend_is_not_installed_is_named(configure):
    absent = {"BACKEND": "no_such_package.cache.RedisCache"}
    connection = configure(caches={"shop": absent}, CACHE="shop")
    with pytest.raises(ImproperlyConfigured, match="no_such_package") as caught:
        connection.send(PING)
    assert "Install it, or correct CACHES['shop']." in str(caught.value)


def test_a_cache_over_fakeredis_works_sync_and_async(ask, configure):
    cache = {
        "BACKEND": CORE,
        "LOCATION": "redis://ormist-fake:6379/0",
        "OPTIONS": {"connection_class": _fake_class()},
    }
    connection = configure(caches={"shop": cache}, CACHE="shop")
    assert ask(connection.send, PING) == [b"PONG"]


def _fake_class():
    import fakeredis

    return fakeredis.FakeRedisConnection


def test_an_error_names_the_cache_and_hides_the_password(configure):
    cache = {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://u:s3cret@127.0.0.1:1/2"}
    connection = configure(caches={"shop": cache}, CACHE="shop")
    with pytest.raises(Exception, match="refused") as caught:
        connection.send(PING)
    where, _ = caught.value.__notes__
    assert where == "ORMIST alias 'default' at CACHES['shop'] (redis://127.0.0.1:1/2)"
