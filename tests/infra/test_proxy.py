"""The proxy counts round trips and breaks connections correctly."""

import asyncio

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.proxy import Requests

pytestmark = pytest.mark.servers("valkey91")


@pytest.fixture
def client(proxy):
    """A client behind the proxy, without retries."""
    with redis.Redis.from_url(
        proxy.url, retry=Retry(NoBackoff(), 0), socket_timeout=60
    ) as client:
        yield client


def test_requests_are_split_correctly_in_any_fragmentation():
    data = b"*2\r\n$3\r\nGET\r\n$4\r\n\r\n*1\r\n*1\r\n$4\r\nPING\r\n"
    whole = Requests().feed(data)
    assert whole == [(b"GET", b"\r\n*1"), (b"PING",)]
    by_byte = Requests()
    pieces = [by_byte.feed(data[i : i + 1]) for i in range(len(data))]
    assert [words for piece in pieces for words in piece] == whole
    assert by_byte.is_between_commands


def test_a_handshake_is_not_a_round_trip(client, proxy):
    with proxy.counting() as seen:
        client.ping()
    assert seen.commands == [(b"PING",)]
    assert len(seen.all) > 1  # the handshake was seen


def test_a_pipeline_of_any_length_is_one_round_trip(client, proxy, server):
    client.ping()
    key = f"{server.key_prefix}:k"
    client.set(key, b"x" * 2000)
    with proxy.counting() as seen:
        pipeline = client.pipeline(transaction=False)
        for _ in range(5000):  # 10 MB of replies while requests are still sent
            pipeline.get(key)
        assert len(pipeline.execute()) == 5000
        client.mget([key] * 3_000)
    assert seen.count == 2
    assert len(seen.commands) == 5001


def test_an_async_pipeline_is_one_round_trip(proxy, server):
    async def exchange():
        client = redis.asyncio.Redis.from_url(proxy.url)
        async with client:
            await client.ping()
            key = f"{server.key_prefix}:k"
            with proxy.counting() as seen:
                pipeline = client.pipeline(transaction=False)
                for number in range(2000):
                    pipeline.set(key, b"%d" % number * 500)
                    pipeline.get(key)
                await pipeline.execute()
                await client.get(key)
            return seen.count

    assert asyncio.run(exchange()) == 2


def test_two_commands_are_two_round_trips(client, proxy):
    client.ping()
    with proxy.counting() as seen:
        client.ping()
        client.echo("x")
    assert seen.round_trips == [[(b"PING",)], [(b"ECHO", b"x")]]


def test_cut_ends_connections_and_the_next_one_is_served(client, proxy):
    client.ping()
    proxy.cut()
    assert proxy.connections == 0
    assert client.ping()  # redis-py checks an idle connection before it uses it
    assert proxy.connections == 1


def test_cut_next_request_does_not_execute(client, proxy, server):
    client.ping()
    proxy.cut_next_request()
    key = f"{server.key_prefix}:k"
    with pytest.raises(redis.ConnectionError):
        client.incr(key)
    assert server.client.exists(key) == 0
    assert client.incr(key) == 1


def test_cut_next_reply_executes_and_drops_the_reply(client, proxy, server):
    client.ping()
    proxy.cut_next_reply()
    key = f"{server.key_prefix}:k"
    with pytest.raises(redis.ConnectionError):
        client.incr(key)
    assert server.client.get(key) == b"1"
    assert client.incr(key) == 2


def test_refuse_turns_clients_away_until_resume(client, proxy):
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    proxy.resume()
    assert client.ping()


def test_swallow_does_not_reply(proxy):
    options = {"socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}
    with redis.Redis.from_url(proxy.url, **options) as client:
        client.ping()
        proxy.swallow()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        proxy.resume()
        assert client.ping()


def test_the_fixture_round_trips_loads_every_script_beforehand(round_trips, server):
    from django_ormist.operations.operation import Script

    assert server.client.script_exists(Script("save").sha) == [True]


def test_connections_are_cut_amid_messages(client, proxy, server):
    key = f"{server.key_prefix}:k"
    value = b"x" * 10_000
    proxy.cut_often()
    answers = []
    for _ in range(50):
        try:
            answers.append(client.set(key, value))
        except redis.ConnectionError:
            answers.append(None)
    assert {True, None} == {*answers}
    assert server.client.get(key) == value
    proxy.resume()
    assert client.set(key, value)
