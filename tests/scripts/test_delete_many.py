"""delete_many.lua: many objects with their entries, each by its bytes."""

import pytest

from django_ormist.operations.objects import NOTHING
from django_ormist.sortkeys import sort_key
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

ONE = image("a", "b", packed=b"one", expire=FAR)
TWO = image("b", "c" * 65, packed=b"two")
BOTH = (("one", ONE), ("two", TWO))
ALIKE = {"ordered": ("rank",), "unique": (("code",),)}


def ranked(pk, rank, code):
    keys = {"rank": sort_key(rank)}
    new = image("t", packed=pk.encode())
    return pk, new._replace(sort_keys=keys, unique={("code",): b"t:" + code})


def test_done_deletes_the_objects_and_all_their_entries(store):
    store.save("one", NOTHING, ONE, {"n": 1})
    store.save("two", NOTHING, TWO, {"n": 1})
    assert store.delete_many(*BOTH, counters=frozenset("n")) == []
    assert store.names() == []


def test_done_removes_ordered_and_unique_entries(store):
    some = [ranked(f"pk{i}", i % 2, b"%d" % i) for i in range(4)]
    for each in some:
        store.save(each[0], NOTHING, each[1])
    before = {"pk3"}
    assert store.delete_many(*some[:3], **ALIKE) == []
    assert set(store.ids("all")) == set(store.ids("t:t")) == before
    assert store.hash("of:rank") == {b"pk3": sort_key(1)}
    assert store.hash("u:code") == {b"t:3": b"pk3"}
    assert store.client.zcard(store.key("by:rank")) == 1
    assert store.delete_many(some[3], **ALIKE) == []
    assert store.names() == []


def test_conflict_returns_other_bytes_and_keeps_them(store):
    store.save("one", NOTHING, ONE)
    store.save("two", NOTHING, TWO)
    before = store.everything()
    wrong = TWO._replace(packed=b"others")
    result = store.delete_many(("two", wrong), ("three", ONE))
    assert result == [[1, b"two"], [2, None]]
    assert store.everything() == before
    assert store.delete_many(("two", wrong), ("one", ONE)) == [[1, b"two"]]
    assert store.ids("all") == ["two"]
    assert store.names() == sorted(["all", "o:two", "t:b", *_digest(store)])


def _digest(store):
    return [name for name in store.names() if name.startswith("h:")]


def test_a_unique_value_of_another_object_is_not_freed(store):
    pk, stored = ranked("one", 1, b"1")
    store.save(pk, NOTHING, stored)
    store.client.hset(store.key("u:code"), b"t:1", b"another")
    store.delete_many((pk, stored), **ALIKE)
    assert store.hash("u:code") == {b"t:1": b"another"}


@pytest.mark.parametrize(
    "rest", ["all", "expires", "idx", "t:b", "by:rank", "of:rank", "u:code"]
)
def test_mistyped_names_the_key_and_deletes_nothing(store, rest):
    store.save("one", NOTHING, ONE)
    key = store.mistype(rest)
    before = store.everything()
    assert store.delete_many(*BOTH, **ALIKE) == [[-1, key]]
    assert store.everything() == before


def test_a_deletion_sweeps_thirty_expired_objects(store):
    pks = [f"due{number:03}" for number in range(40)]
    store.save("one", NOTHING, TWO)
    store.fill(*pks, expire=FAR)
    store.expire_now(*pks)
    store.delete_many(("one", TWO))
    assert len(store.ids("expires")) == 10
