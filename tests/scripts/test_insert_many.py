"""insert_many.lua: new objects with their entries, all of them or none."""

import pytest

from django_ormist.operations.batches import Link, NewObject
from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


def new(pk, *terms, counters=None, **facts):
    return NewObject(pk, image(*terms, packed=pk.encode(), **facts), counters or {})


TWO = (new("one", "a", "b"), new("two", "b", counters={"n": 2}, expire=FAR))


def test_done_writes_all_in_order(store):
    assert store.insert_many(*TWO) == 1
    assert (store.get("one"), store.get("two")) == (b"one", b"two")
    assert store.ids("all") == store.ids("t:b") == ["one", "two"]
    created = store.scores("all")
    assert created["two"] == created["one"] + 1
    assert store.scores("t:a") == {"one": created["one"]}
    assert store.scores("expires") == {"two": FAR}
    assert store.hash("idx") == {b"two": TWO[1].image.memo}
    assert store.hash("c:two") == {b"n": b"2"}
    assert store.ttl_ms("o:one") == -1
    assert store.ttl_ms("o:two") > 0
    assert store.ttl_ms("c:two") > 0
    assert not store.client.exists(store.key("c:one"))


def test_done_appends_even_if_the_clock_went_back(store):
    store.client.zadd(store.key("all"), {"late": FAR * 1000})
    assert store.insert_many(*TWO) == 1
    assert store.ids("all") == ["late", "one", "two"]


def test_done_for_a_hundred_objects_with_many_terms(store):
    many = [new(f"n{i:03}", *(f"t{j}" for j in range(20)), "all") for i in range(100)]
    assert store.insert_many(*many) == 1
    assert store.ids("t:all") == store.ids("t:t19") == [each.pk for each in many]


def test_id_taken_returns_the_position_of_the_object(store):
    store.fill("two")
    before = store.everything()
    assert store.insert_many(*TWO) == [0, 2]
    assert store.everything() == before


def test_orphan_index_returns_the_position_of_the_object(store):
    store.fill("two", terms=["a"])
    store.client.delete(store.key("o:two"))
    before = store.everything()
    assert store.insert_many(*TWO) == [2, 2]
    assert store.everything() == before
    assert store.insert_many(new("two"), is_indexed=False) == 1


def test_expired_returns_the_position_of_the_object(store):
    assert store.insert_many(TWO[0], new("late", "a", expire=1)) == [3, 2]
    assert store.names() == []


def markers(store):
    """Return the markers of a running request: {marker: batches written}."""
    keys = store.client.keys("*:batch:*")
    assert all(0 < store.client.pttl(key) <= 10_000 for key in keys)
    return {key[-1:]: store.client.get(key) for key in keys}


def test_not_run_if_the_previous_batch_was_refused(store):
    store.fill("zero")
    assert store.insert_many(new("zero"), link=Link("a", 0, False)) == [0, 1]
    assert store.insert_many(*TWO, link=Link("a", 1, False)) == [4]
    assert store.insert_many(*TWO, link=Link("a", 2, True)) == [4]
    assert store.ids("all") == ["zero"]
    assert markers(store) == {}


def test_not_run_for_every_batch_after_a_refused_one(store):
    store.fill("two")
    assert store.insert_many(new("zero"), link=Link("a", 0, False)) == 1
    assert store.insert_many(*TWO, link=Link("a", 1, False)) == [0, 2]
    assert store.insert_many(new("three"), link=Link("a", 2, False)) == [4]
    assert markers(store) == {b"a": b"1"}
    assert store.insert_many(new("four"), link=Link("a", 3, True)) == [4]
    assert store.ids("all") == ["two", "zero"]
    assert markers(store) == {}


@pytest.mark.parametrize("is_taken", [False, True])
def test_the_last_batch_removes_the_marker_with_any_reply(store, is_taken):
    assert store.insert_many(new("zero"), link=Link("a", 0, False)) == 1
    assert store.insert_many(new("one"), link=Link("a", 1, False)) == 1
    assert markers(store) == {b"a": b"2"}
    if is_taken:
        store.fill("two")
    result = store.insert_many(new("two"), link=Link("a", 2, True))
    assert result == ([0, 1] if is_taken else 1)
    assert markers(store) == {}


def test_done_if_every_object_of_the_batch_is_skipped(store):
    store.fill("zero")
    code, *_ = store.insert_many(
        new("zero"), link=Link("a", 0, False), skips_conflicts=True
    )
    assert code == 1
    assert store.insert_many(*TWO, link=Link("a", 1, True), skips_conflicts=True) == 1


def test_not_run_markers_of_two_calls_are_separate(store):
    assert store.insert_many(new("zero"), link=Link("a", 0, False)) == 1
    assert store.insert_many(new("zero"), link=Link("b", 0, False)) == [0, 1]
    assert store.insert_many(new("one"), link=Link("b", 1, True)) == [4]
    assert store.insert_many(new("one"), link=Link("a", 1, True)) == 1
    assert markers(store) == {}


@pytest.mark.parametrize(
    "rest", ["o:two", "all", "expires", "idx", "c:two", "t:a", "t:b"]
)
def test_mistyped_names_the_key_and_writes_nothing(store, rest):
    key = store.mistype(rest)
    before = store.everything()
    assert store.insert_many(*TWO) == [-1, key]
    assert store.everything() == before


def test_ids_of_expired_objects_are_reused_and_old_entries_removed(store):
    store.save("one", NOTHING, image("x", expire=FAR), {"n": 1})
    store.save("two", NOTHING, image("x", expire=FAR), {"m": 1})
    store.expire_now("one", "two")
    assert store.insert_many(*TWO) == 1
    assert store.names() == sorted(
        ["all", "c:two", "expires", "idx", "o:one", "o:two", "t:a", "t:b"]
    )
    assert store.scores("expires") == {"two": FAR}
    assert store.hash("c:two") == {b"n": b"2"}


def test_an_insert_sweeps_thirty_expired_objects(store):
    pks = [f"due{number:03}" for number in range(40)]
    store.fill(*pks, terms=["x"], expire=FAR)
    store.expire_now(*pks)
    assert store.insert_many(*TWO) == 1
    assert len(store.ids("t:x")) == 10


def test_done_with_the_positions_of_skipped_objects(store):
    store.fill("two", terms=["c"])
    before = store.everything()
    code, _, *passed = store.insert_many(*TWO, skips_conflicts=True)
    assert (code, passed) == (1, [[2]])
    assert store.get("one") == b"one"
    assert store.ids("all") == ["two", "one"]
    code, _, *passed = store.insert_many(*TWO, skips_conflicts=True)
    assert (code, passed) == (1, [[1], [2]])
    store.delete("one", TWO[0].image)
    assert store.everything() == before


def test_done_with_the_holders_of_taken_values(store):
    def holding(pk, value, *terms):
        held = image(*terms, packed=b"x")._replace(unique={("code",): b"t:" + value})
        return NewObject(pk, held)

    store.insert_many(holding("old", b"1"), unique=(("code",),))
    code, _, *passed = store.insert_many(
        holding("a", b"1", "t"),
        holding("b", b"2", "t"),
        holding("c", b"2", "t"),
        unique=(("code",),),
        skips_conflicts=True,
    )
    assert (code, passed) == (1, [[1, 1, b"old"], [3, 1, b"b"]])
    assert store.ids("t:t") == ["b"]
    assert store.hash("u:code") == {b"t:1": b"old", b"t:2": b"b"}
