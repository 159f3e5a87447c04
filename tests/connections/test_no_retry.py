"""A write is sent once, a read at most twice, with any policy of the pool.

redis-py sends a command again when the connection breaks before the reply, ten times by
default. A write may then be applied eleven times.
"""

import asyncio

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_ormist.operations.operation import Operation
from tests.connections.broken_servers import SilentServer
from tests.servers import free_port

WRITE = Operation("INCR", keys=(b"k",), is_write=True)
READ = Operation("GET", keys=(b"k",))


def own(configure, url):
    return configure(LOCATION=url)


def own_resp3(configure, url):
    return configure(LOCATION=url, OPTIONS={"protocol": 3})


def django_redis(configure, url):
    # A URL is one pool to django-redis, and the port of each test is another.
    options = {"CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 3)}}
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": options,
    }
    return configure(caches={"default": cache}, CACHE="default")


def django_core(configure, url):
    cache = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "OPTIONS": {"retry": Retry(NoBackoff(), 3)},
    }
    return configure(caches={"default": cache}, CACHE="default")


@pytest.fixture(params=[own, own_resp3, django_redis, django_core])
def connection(request, configure, breaking):
    return request.param(configure, breaking.url)


def test_an_error_without_a_server_says_what_to_do(ask, configure):
    port = free_port()
    connection = configure(LOCATION=f"redis://localhost:{port}/0")
    with pytest.raises(redis.ConnectionError) as raised:
        ask(connection.send, [READ])
    assert raised.value.__notes__ == [
        f"ORMIST alias 'default' at redis://localhost:{port}/0",
        "No server listens there. Start it, or set another LOCATION.",
    ]


def test_the_breaking_server_sees_redis_py_repeat_a_write(breaking):
    client = redis.Redis.from_url(breaking.url, retry=Retry(NoBackoff(), 3))
    with pytest.raises(redis.ConnectionError):
        client.incr("k")
    client.close()
    assert len(breaking.arrived) == 4


def test_a_write_arrives_once(ask, connection, breaking):
    with pytest.raises(redis.ConnectionError) as caught:
        ask(connection.send, [WRITE])
    assert breaking.arrived == [(b"INCR", b"k")]
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


def test_reads_in_a_batch_with_a_write_arrive_once(ask, connection, breaking):
    with pytest.raises(redis.ConnectionError):
        ask(connection.send, [READ, WRITE, READ])
    assert breaking.arrived.count((b"INCR", b"k")) == 1


def test_a_read_arrives_twice(ask, connection, breaking):
    with pytest.raises(redis.ConnectionError):
        ask(connection.send, [READ])
    assert breaking.arrived == [(b"GET", b"k")] * 2


def test_after_a_timeout_not_even_a_read_is_repeated(ask, configure):
    """The server may be working on it, and a second one would add to its load."""
    with SilentServer() as silent:
        connection = configure(LOCATION=silent.url, OPTIONS={"socket_timeout": 0.05})
        with pytest.raises(redis.TimeoutError) as caught:
            ask(connection.send, [READ])
    assert silent.arrived == [(b"GET", b"k")]
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


def test_a_write_of_the_client_arrives_once(connection, breaking):
    with pytest.raises(redis.ConnectionError):
        connection.client.incr("k")
    with pytest.raises(redis.ConnectionError):
        connection.client.pipeline(transaction=False).incr("p").execute()
    assert breaking.arrived == [(b"INCRBY", b"k", b"1"), (b"INCRBY", b"p", b"1")]


def test_a_write_of_the_async_client_arrives_once(connection, breaking):
    async def write():
        with pytest.raises(redis.ConnectionError):
            await connection.aclient.incr("k")

    asyncio.run(write())
    assert breaking.arrived == [(b"INCRBY", b"k", b"1")]


def test_a_borrowed_connection_is_returned_with_its_own_retry_policy(
    configure, breaking
):
    connection = django_redis(configure, breaking.url)
    with pytest.raises(redis.ConnectionError):
        connection.client.incr("k")
    taken = connection.endpoint.shared_pool.get_connection()
    assert taken.retry.get_retries() == 3
    connection.endpoint.shared_pool.release(taken)
    connection.endpoint.shared_pool.disconnect()
