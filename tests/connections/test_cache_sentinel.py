"""{"CACHE": alias} of a django-redis cache whose servers Sentinel watches."""

import pytest
from django.core.cache import caches
from redis.connection import Connection, SSLConnection

import django_ormist as ormist
from django_ormist.connections import connections
from tests import sentinels, servers
from tests.sentinels import SERVICE

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class CachedNote(ormist.TaggedAttrsModel):
    pass


@pytest.fixture
def borrow(configure, fresh_cache_pools):
    """The connection over a cache: ``borrow([("127.0.0.1", 26379)], SENTINEL_...)``."""

    def borrowed(addresses, location=f"redis://{SERVICE}/0", **options):
        cache = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": location,
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
                "SENTINELS": addresses,
                **options,
            },
        }
        return configure(caches={"shop": cache}, CACHE="shop")

    return borrowed


@pytest.fixture
def sentinel_set():
    made = sentinels.shared()
    yield made
    made.heal()
    made.flush()


def addresses(sentinel_set):
    return [("127.0.0.1", each.port) for each in sentinel_set.sentinels]


def test_models_live_beside_the_cache(ask, borrow, sentinel_set):
    connection = borrow(addresses(sentinel_set))
    caches["shop"].set("k", "v")
    note = ask(CachedNote.objects.create, "a", text="x")
    assert ask(CachedNote.objects.get, note.id).text == "x"
    assert connection.client.exists(":1:k")
    assert connection.address == ("127.0.0.1", sentinel_set.primary().port)
    assert connection.endpoint.safe_url.startswith("CACHES['shop'] (redis+sentinel://")


@pytest.mark.slow
def test_a_failover_is_followed(ask, borrow, sentinel_set):
    borrow(addresses(sentinel_set))
    ask(CachedNote.objects.create, "a")
    sentinel_set.fail_over("COORDINATED")
    ask(CachedNote.objects.create, "a")
    assert ask(CachedNote.objects.find("a").count) == 2


def test_the_parameters_of_the_cache_are_taken(borrow):
    connection = borrow(
        [("s1", 1), ("s2", "2")],
        "redis://app:pass@other/3",
        SENTINEL_KWARGS={"password": "own", "socket_timeout": 7, "ssl": True},
        CONNECTION_POOL_KWARGS={"socket_timeout": 4, "max_connections": 9},
    )
    endpoint = connection.endpoint
    assert endpoint.sentinels.service == "other"
    assert endpoint.connection_class is Connection
    assert endpoint.max_connections == 9
    assert endpoint.shared_pool is None
    for name, value in {
        "username": "app",
        "password": "pass",
        "db": 3,
        "socket_timeout": 4,
    }.items():
        assert endpoint.arguments[name] == value
    first, second = endpoint.sentinels.endpoints
    assert (first.address, second.address) == (("s1", 1), ("s2", 2))
    assert first.connection_class is SSLConnection
    assert first.arguments["password"] == "own"
    assert first.arguments["socket_timeout"] == 7
    assert endpoint.at(("h", 5)).async_arguments()["port"] == 5


def test_tls_of_the_cache_is_taken(borrow):
    endpoint = borrow([("s1", 1)], CONNECTION_POOL_KWARGS={"ssl": True}).endpoint
    assert endpoint.connection_class is SSLConnection
    assert endpoint.sentinels.endpoints[0].connection_class is Connection


def test_no_password_is_shown(borrow):
    connection = borrow(
        [("127.0.0.1", 1)],
        "redis://app:s3cret@other/3",
        SENTINEL_KWARGS={"password": "s3cret"},
    )
    assert "s3cret" not in repr(connection.endpoint)
    assert connection is connections["default"]
