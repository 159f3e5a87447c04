"""The relay between two nodes passes bytes on, or drops them."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.relay import Relay

pytestmark = pytest.mark.servers("valkey91-resp3")


@pytest.fixture
def relay(server):
    made = Relay(server.client.config_get("port")["port"])
    yield made
    made.stop()


@pytest.fixture
def client(relay):
    """A client behind the relay, without retries."""
    options = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 0.2}
    with redis.Redis(port=relay.port, **options) as client:
        yield client


def test_bytes_are_passed_on(client):
    assert client.ping()


@pytest.mark.parametrize("how", [{"is_cut_off": True}, {"cut_off": {"127.0.0.1"}}])
def test_bytes_are_dropped_until_it_resumes(client, relay, how):
    assert client.ping()
    for name, value in how.items():
        setattr(relay, name, value)
    with pytest.raises(redis.TimeoutError):
        client.ping()
    relay.resume()
    client.connection_pool.connection_kwargs["socket_timeout"] = 60
    client.connection_pool.disconnect()
    assert client.ping()


def test_another_host_is_not_cut_off(client, relay):
    relay.cut_off = {"127.0.0.9"}
    assert client.ping()
