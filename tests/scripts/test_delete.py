"""delete.lua: one object and every entry it has."""

import pytest

from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = image("a", "b" * 65, packed=b"old", expire=FAR)


def test_done_deletes_the_object_and_all_its_entries(store):
    store.save("one", NOTHING, OLD, {"n": 1})
    assert store.delete("one", OLD) == 1
    assert store.names() == []


def test_done_keeps_keys_of_other_objects(store):
    store.fill("two", terms=["a"], expire=FAR)
    before = store.everything()
    store.save("one", NOTHING, OLD)
    assert store.delete("one", OLD) == 1
    assert store.everything() == before


@pytest.mark.parametrize("expected", [NOTHING, image("a", packed=b"others")])
def test_conflict_returns_other_bytes_and_keeps_them(store, expected):
    store.save("one", NOTHING, OLD)
    before = store.everything()
    assert store.delete("one", expected) == [0, b"old"]
    assert store.everything() == before


def test_conflict_if_the_stored_bytes_are_empty(store):
    store.client.set(store.key("o:one"), b"")
    assert store.delete("one", NOTHING) == [0, b""]
    assert store.names() == ["o:one"]


def test_missing_if_the_object_is_not_stored(store):
    assert store.delete("one", OLD) == [2]
    assert store.names() == []


def test_missing_removes_entries_of_an_expired_object(store):
    store.save("one", NOTHING, OLD, {"n": 1})
    store.expire_now("one")
    assert store.delete("one", NOTHING) == [2]
    assert store.names() == []


def test_missing_removes_keys_of_an_object_without_indexes(store):
    store.save("one", NOTHING, image(), {"n": 1}, is_indexed=False)
    store.client.delete(store.key("o:one"))
    assert store.delete("one", NOTHING, is_indexed=False) == [2]
    assert store.names() == []


def test_orphan_index_keeps_unexplained_entries(store):
    store.save("one", NOTHING, image("a"), {"n": 1})
    store.client.delete(store.key("o:one"))
    assert store.delete("one", image("a")) == [2, 1]
    assert store.names() == ["all", "t:a"]  # only its counters are certainly its own


@pytest.mark.parametrize("rest", ["o:one", "all", "expires", "idx", "c:one", "t:a"])
def test_mistyped_names_the_key_and_deletes_nothing(store, rest):
    store.save("one", NOTHING, OLD, {"n": 1})
    key = store.mistype(rest)
    before = store.everything()
    assert store.delete("one", OLD) == [-1, key]
    assert store.everything() == before


LASTING = image("a", "b", packed=b"old")


def test_an_object_that_does_not_expire_leaves_nothing(store):
    store.save("one", NOTHING, LASTING)
    assert store.delete("one", LASTING) == 1
    assert store.names() == []


@pytest.mark.parametrize("rest", ["o:one", "all", "t:a", "t:b"])
def test_mistyped_names_the_key_where_nothing_expires(store, rest):
    store.save("one", NOTHING, LASTING)
    key = store.mistype(rest)
    before = store.everything()
    assert store.delete("one", LASTING) == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["all", "t:a", "t:b"])
def test_an_object_is_deleted_without_entries_that_are_missing(store, rest):
    store.save("one", NOTHING, LASTING)
    store.client.zrem(store.key(rest), "one")
    assert store.delete("one", LASTING) == 1
    assert store.names() == []


def test_conflict_returns_other_bytes_where_nothing_expires(store):
    store.save("one", NOTHING, LASTING)
    before = store.everything()
    assert store.delete("one", image("a", packed=b"others")) == [0, b"old"]
    assert store.everything() == before


def test_a_delete_sweeps_three_expired_objects(store):
    pks = [f"due{number:03}" for number in range(40)]
    store.fill(*pks, terms=["a"], expire=FAR)
    store.expire_now(*pks)
    assert store.delete("none", NOTHING) == [2]
    assert len(store.ids("expires")) == len(store.ids("t:a")) == 37
