"""put_aside.lua: a key that is not what it should be is moved out of the way."""

import pytest

from tests.scripts.store import ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

WEEK_MS = 7 * 24 * 3600 * 1000


def test_1_a_key_of_another_type_is_moved_and_kept_for_a_week(store):
    key = store.mistype("all")
    assert store.put_aside("all", b"zset") == 1
    lost = store.lost("all")
    assert store.client.keys() == [lost]
    assert key not in (lost, b"")
    assert store.client.lrange(lost, 0, -1) == [b"x"]
    assert WEEK_MS - 60_000 < store.client.pttl(lost) <= WEEK_MS


def test_1_a_name_that_is_none_of_ours_is_moved_whatever_it_holds(store):
    store.client.set(store.key("what"), "x", px=5000)
    assert store.put_aside("what", b"") == 1
    assert 0 < store.client.pttl(store.lost("what")) <= 5000  # none lives longer for it


def test_1_what_was_put_aside_before_is_overwritten(store):
    store.client.set(store.lost("all"), "before")
    store.mistype("all")
    assert store.put_aside("all", b"zset") == 1
    assert store.client.type(store.lost("all")) == b"list"


@pytest.mark.parametrize("is_there", [True, False])
def test_0_it_has_that_type_by_now_or_is_gone(store, is_there):
    if is_there:
        store.client.zadd(store.key("all"), {"one": 1})
    before = store.everything()
    assert store.put_aside("all", b"zset") == 0
    assert store.everything() == before
