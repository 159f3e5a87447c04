"""quarantine.lua: moves a key of a wrong type away for a while."""

import pytest

from django_ormist.operations.repair import QUARANTINE_MS, quarantine, quarantine_key
from tests.scripts.store import ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


@pytest.fixture
def aside(store):
    def called(rest, kind):
        return store.run(quarantine(store.space, store.key(rest), kind))

    return called


def test_done_moves_a_key_of_another_type_for_a_week(store, aside):
    store.client.set(store.key("t:a"), "x")
    assert aside("t:a", b"zset") == 1
    lost = quarantine_key(store.space, store.key("t:a"))
    assert store.client.keys() == [lost]
    assert store.client.get(lost) == b"x"
    assert QUARANTINE_MS - 60_000 < store.client.pttl(lost) <= QUARANTINE_MS


def test_done_keeps_a_shorter_ttl(store, aside):
    store.client.set(store.key("z"), "x", ex=60)
    assert aside("z", b"") == 1
    assert store.client.pttl(quarantine_key(store.space, store.key("z"))) <= 60_000


def test_done_does_not_overwrite_quarantined_keys(store, aside):
    for text in (b"first", b"second"):
        store.client.set(store.key("t:a"), text)
        assert aside("t:a", b"zset") == 1
    kept = store.client.keys()
    assert {store.client.get(each) for each in kept} == {b"first", b"second"}
    assert quarantine_key(store.space, store.key("t:a")) in kept
    for each in kept:
        assert QUARANTINE_MS - 60_000 < store.client.pttl(each) <= QUARANTINE_MS


def test_not_done_if_the_key_has_the_right_type(store, aside):
    store.client.zadd(store.key("t:a"), {"one": 1})
    assert aside("t:a", b"zset") == 0
    assert aside("t:none", b"zset") == 0
    assert store.names() == ["t:a"]
