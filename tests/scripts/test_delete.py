"""delete.lua: one object and every entry it has."""

import pytest

from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = image("a", "b" * 65, packed=b"old", expire=FAR)


def test_1_the_object_and_all_its_entries_are_deleted(store):
    store.save("one", NOTHING, OLD, {"n": 1})
    assert store.delete("one", OLD) == 1
    assert store.names() == []


def test_1_nothing_of_another_object_is_deleted(store):
    store.fill("two", terms=["a"], expire=FAR)
    before = store.everything()
    store.save("one", NOTHING, OLD)
    assert store.delete("one", OLD) == 1
    assert store.everything() == before


@pytest.mark.parametrize("expected", [NOTHING, image("a", packed=b"others")])
def test_conflict_other_bytes_are_answered_and_stay(store, expected):
    store.save("one", NOTHING, OLD)
    before = store.everything()
    assert store.delete("one", expected) == [0, b"old"]
    assert store.everything() == before


def test_conflict_an_object_without_bytes_is_not_taken_for_none(store):
    store.client.set(store.key("o:one"), b"")
    assert store.delete("one", NOTHING) == [0, b""]
    assert store.names() == ["o:one"]


def test_missing_there_is_no_such_object(store):
    assert store.delete("one", OLD) == [2]
    assert store.names() == []


def test_missing_what_is_left_of_an_expired_object_goes(store):
    store.save("one", NOTHING, OLD, {"n": 1})
    store.expire_now("one")
    assert store.delete("one", NOTHING) == [2]
    assert store.names() == []


def test_missing_what_is_left_of_an_object_that_is_not_indexed_goes(store):
    store.save("one", NOTHING, image(), {"n": 1}, is_indexed=False)
    store.client.delete(store.key("o:one"))
    assert store.delete("one", NOTHING, is_indexed=False) == [2]
    assert store.names() == []


def test_orphan_index_entries_that_nothing_explains_stay(store):
    store.save("one", NOTHING, image("a"), {"n": 1})
    store.client.delete(store.key("o:one"))
    assert store.delete("one", image("a")) == [2, 1]
    assert store.names() == ["all", "t:a"]  # its counters alone are known to be its


@pytest.mark.parametrize("rest", ["o:one", "all", "expires", "idx", "c:one", "t:a"])
def test_mistyped_names_the_key_of_another_type_and_deletes_nothing(store, rest):
    store.save("one", NOTHING, OLD, {"n": 1})
    key = store.mistype(rest)
    before = store.everything()
    assert store.delete("one", OLD) == [-1, key]
    assert store.everything() == before


def test_a_delete_sweeps_a_hundred_that_are_due(store):
    pks = [f"due{number:03}" for number in range(130)]
    store.fill(*pks, terms=["a"], expire=FAR)
    store.expire_now(*pks)
    assert store.delete("none", NOTHING) == [2]
    assert len(store.ids("expires")) == len(store.ids("t:a")) == 30
