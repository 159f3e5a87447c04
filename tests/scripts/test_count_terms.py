"""count_terms.lua: the number of live objects with every term."""

import pytest

from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def members(store, rest, numbers):
    if numbers := list(numbers):
        store.client.zadd(store.key(rest), {f"n{each:04}": each for each in numbers})


def test_objects_are_counted_by_zero_one_or_several_terms(store):
    members(store, "all", range(10))
    members(store, "t:a", range(8))
    members(store, "t:b", range(6, 10))
    assert store.count() == 10
    assert store.count("a") == 8
    assert store.count("a", "b") == store.count("b", "a") == 2
    assert store.count("a", "b", "none") == store.count("none") == 0


@pytest.mark.parametrize(
    ("size", "late"),
    [
        (10, range(3)),  # fewer expired ids than members: each expired id is looked up
        (10, range(0, 3000)),  # more expired ids than members: each member is looked up
        (2500, range(0, 2400)),  # more than one chunk of either
        (2500, range(1200, 5000)),
        (10, range(20, 50)),  # expired ones of other terms
    ],
)
def test_expired_objects_are_not_counted(store, size, late):
    members(store, "all", range(5000))
    members(store, "t:a", range(size))
    members(store, "t:b", range(0, 5000, 2))
    members(store, "t:c", range(0, 5000, 3))
    store.client.zadd(
        store.key("expires"), {f"n{each:04}": 1 for each in late} | {"n0001": FAR}
    )
    gone = set(late) - {1}
    before = store.everything()
    assert store.count() == 5000 - len(gone)
    assert store.count("a") == len(set(range(size)) - gone)
    both = set(range(0, size, 2)) - gone
    assert store.count("a", "b") == store.count("b", "a") == len(both)
    assert store.count("c", "a", "b") == len(set(range(0, size, 6)) - gone)
    assert store.everything() == before
