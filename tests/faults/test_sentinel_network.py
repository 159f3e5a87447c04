"""A network that loses packets between the application and the primary, not within.

A proxy stands before the primary, for this client alone. So the sentinels see no fault.
"""

import threading

import pytest
import redis

from django_ormist.connections import connections
from django_ormist.connections.routing import LOST
from tests import servers
from tests.faults.load import Entry, Tally

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


@pytest.fixture
def proxy(primary_proxy):
    return primary_proxy


def test_reads_outlive_links_that_are_half_open(ask, proxy):
    """As after a firewall has forgotten them: new connections work."""
    made = ask(Entry.objects.create, "tag")
    proxy.lose()
    assert ask(Entry.objects.get, made.id) == made
    assert ask(Entry.objects.find("tag").count) == 1


def test_a_write_over_a_link_that_is_half_open_is_raised_and_the_next_one_passes(
    ask, proxy
):
    page = ask(Tally.objects.create, "tag", id="one")
    proxy.lose()
    with pytest.raises(redis.TimeoutError) as caught:
        ask(page.increment, "hits")
    assert LOST in caught.value.__notes__
    assert ask(page.increment, "hits") == 1


def test_a_save_over_a_link_that_is_half_open_is_sent_again(ask, proxy):
    ask(Entry.objects.create, "tag", id="one")
    proxy.lose()
    ask(Entry.objects.create, "tag", id="two")
    assert ask(Entry.objects.find("tag").ids) == ["one", "two"]


@pytest.mark.parametrize("cut", ["cut_next_reply", "cut_next_request"])
def test_a_write_that_is_cut_is_raised_and_applied_once_at_most(ask, proxy, cut):
    tally = ask(Tally.objects.create, "tag", id="one")
    ask(tally.increment, "hits")  # loads the script
    getattr(proxy, cut)()
    with pytest.raises(redis.ConnectionError) as caught:
        ask(tally.increment, "hits")
    assert LOST in caught.value.__notes__
    assert ask(Tally.objects.get, "one").hits == 1 + (cut == "cut_next_reply")
    getattr(proxy, cut)()
    assert ask(Tally.objects.find("tag").count) == 1


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
