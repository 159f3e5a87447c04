"""increment.lua: one counter of a stored object."""

import pytest

from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


def test_the_new_value_has_every_digit(store):
    store.save("one", NOTHING, image(), {"n": 2**62})
    assert store.increment("one", "n", 5) == b"4611686018427387909"
    assert store.increment("one", "n", -(2**63)) == b"-4611686018427387899"
    assert store.increment("one", "new", -3) == -3


@pytest.mark.parametrize("sign", [1, -1])
def test_the_new_value_is_a_text_where_lua_would_round_it(store, sign):
    store.save("one", NOTHING, image(), {"n": sign * (2**53 - 2)})
    assert store.increment("one", "n", sign) == sign * (2**53 - 1)
    assert store.increment("one", "n", sign) == b"%d" % (sign * 2**53)
    assert store.increment("one", "n", sign) == b"%d" % (sign * (2**53 + 1))


def test_false_if_the_object_is_not_stored(store):
    assert store.increment("one", "n", 1) is None
    assert store.names() == []


@pytest.mark.parametrize("rest", ["o:one", "c:one", "expires"])
def test_mistyped_names_the_key_and_adds_nothing(store, rest):
    store.save("one", NOTHING, image(expire=FAR), {"n": 1})
    key = store.mistype(rest)
    before = store.everything()
    assert store.increment("one", "n", 1) == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize("by", [1, -1])
def test_overflow_past_64_bits_adds_nothing(store, by):
    full = {"n": 2**63 - 1 if by > 0 else -(2**63)}
    store.save("one", NOTHING, image(), full)
    assert store.increment("one", "n", by) == [-2]
    assert store.hash("c:one") == {b"n": b"%d" % full["n"]}


@pytest.mark.parametrize("held", [b"x", b"", b"1.5", b" 1", b"1e3"])
def test_not_an_integer_if_the_stored_value_is_something_else(store, held):
    store.fill("one")
    store.client.hset(store.key("c:one"), "n", held)
    assert store.increment("one", "n", 1) == [-3]
    assert store.hash("c:one") == {b"n": held}


def test_counters_expire_with_their_object(store):
    store.save("one", NOTHING, image(expire=FAR))
    store.save("two", NOTHING, image())
    assert store.increment("one", "n", 1) == store.increment("two", "n", 1) == 1
    assert store.ttl_ms("c:one") > 0
    assert store.ttl_ms("c:two") == -1
