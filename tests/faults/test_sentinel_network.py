"""A network that loses packets between the application and the primary, not within.

A proxy stands before the primary, for this client alone. So the sentinels see no fault.
"""

import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest
import redis
from redis.connection import UnixDomainSocketConnection

from django_ormist.connections import connections
from django_ormist.connections.endpoints import Endpoint
from django_ormist.connections.routing import LOST
from django_ormist.connections.unix_connections import AsyncUnixConnection
from tests import sentinels, servers
from tests.faults.load import Entry
from tests.proxy import Proxy

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


@pytest.fixture
def sentinel_set():
    made = sentinels.shared()
    made.heal()
    yield made
    made.heal()
    with made.primary().client() as client:
        client.flushall()


@pytest.fixture
def proxy(sentinel_set, settings, monkeypatch):
    """The proxy before the primary. The timeout of sockets is short."""
    options = {"socket_timeout": 0.3, "patience": 5}
    alias = {"LOCATION": sentinel_set.url, "KEY_PREFIX": "network", "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    at = Endpoint.at

    def over_proxy(endpoint, address):
        node = at(endpoint, address)
        arguments = {
            k: v for k, v in node.arguments.items() if k not in ("host", "port")
        }
        return replace(
            node,
            connection_class=UnixDomainSocketConnection,
            async_class=AsyncUnixConnection,
            arguments={**arguments, "path": str(between.path)},
        )

    with ExitStack() as opened:
        between = opened.enter_context(Proxy(sentinel_set.primary().socket_path))
        monkeypatch.setattr(Endpoint, "at", over_proxy)
        yield between
        connections.reset()


def test_reads_outlive_links_that_are_half_open(ask, proxy):
    """As after a firewall has forgotten them: new connections work."""
    made = ask(Entry.objects.create, "tag")
    proxy.lose()
    assert ask(Entry.objects.get, made.id) == made
    assert ask(Entry.objects.find("tag").count) == 1


def test_a_write_over_a_link_that_is_half_open_is_raised_and_the_next_one_passes(
    ask, proxy
):
    ask(Entry.objects.create, "tag", id="one")
    proxy.lose()
    with pytest.raises(redis.TimeoutError) as caught:
        ask(Entry.objects.create, "tag", id="two")
    assert LOST in caught.value.__notes__
    ask(Entry.objects.create, "tag", id="three")
    assert ask(Entry.objects.find("tag").ids) == ["one", "three"]


@pytest.mark.parametrize("cut", ["cut_next_reply", "cut_next_request"])
def test_a_write_that_is_cut_is_raised_and_applied_once_at_most(ask, proxy, cut):
    page = ask(Entry.objects.create, "tag", id="one")
    ask(page.increment, "hits")  # loads the script
    getattr(proxy, cut)()
    with pytest.raises(redis.ConnectionError) as caught:
        ask(page.increment, "hits")
    assert LOST in caught.value.__notes__
    assert ask(Entry.objects.get, "one").hits == 1 + (cut == "cut_next_reply")
    getattr(proxy, cut)()
    assert ask(Entry.objects.find("tag").count) == 1


@pytest.mark.parametrize("how", ["refuse", "swallow"])
def test_a_partition_that_ends_within_the_patience_is_not_noticed(ask, proxy, how):
    """By reads, nor by writes that begin in it."""
    ask(Entry.objects.create, "tag", id="one")
    proxy.refuse()  # which closes the connections
    getattr(proxy, how)()
    healed = threading.Timer(0.6, proxy.resume)
    healed.start()
    ask(Entry.objects.create, "tag", id="two")
    healed.join()
    assert ask(Entry.objects.find("tag").ids) == ["one", "two"]


def test_a_partition_that_lasts_is_said_with_the_address(ask, proxy, sentinel_set):
    ask(Entry.objects.create, "tag", id="one")
    location = connections["default"].alias.location
    proxy.refuse()
    connections["default"]._router._patience = 0.2
    with pytest.raises(redis.ConnectionError) as caught:
        ask(Entry.objects.create, "tag", id="two")
    text = str(caught.value)
    assert f"127.0.0.1:{sentinel_set.primary().port} as the primary" in text
    assert "ORMIST['default']" in text
    assert location == sentinel_set.url
    proxy.resume()
    assert ask(Entry.objects.find("tag").ids) == ["one"]
