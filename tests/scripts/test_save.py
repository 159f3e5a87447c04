"""save.lua: one object, its index entries, its expiration and its counters."""

import time

import pytest

from django_ormist.operations.objects import NOTHING, Image
from django_ormist.terms import term_suffix
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = image("a", "b", packed=b"old")


def test_done_writes_a_new_object(store):
    assert store.save("one", NOTHING, OLD) == 1
    assert store.get("one") == b"old"
    assert store.names() == ["all", "o:one", "t:a", "t:b"]
    created = store.scores("all")["one"]
    assert abs(created / 1e6 - time.time()) < 3600
    assert store.scores("t:a") == store.scores("t:b") == {"one": created}


def test_done_replaces_the_expected_bytes(store):
    store.save("one", NOTHING, OLD)
    created = store.scores("all")
    assert store.save("one", OLD, image("b", "c", packed=b"new")) == 1
    assert store.get("one") == b"new"
    assert store.names() == ["all", "o:one", "t:b", "t:c"]
    assert store.scores("all") == store.scores("t:b") == store.scores("t:c") == created


def test_creation_times_increase_even_if_the_clock_went_back(store):
    store.client.zadd(store.key("all"), {"late": FAR * 1000})
    store.save("one", NOTHING, OLD)
    assert store.scores("all")["one"] == FAR * 1000 + 1


@pytest.mark.parametrize("expected", [NOTHING, image("a", packed=b"others")])
def test_conflict_returns_other_bytes_and_keeps_them(store, expected):
    store.save("one", NOTHING, OLD)
    before = store.everything()
    assert store.save("one", expected, image("c", packed=b"new")) == [0, b"old"]
    assert store.everything() == before


def test_conflict_with_false_if_the_object_is_not_stored(store):
    assert store.save("one", OLD, image("c", packed=b"new")) == [0, None]
    assert store.names() == []


def test_conflict_if_the_stored_bytes_are_empty(store):
    store.client.set(store.key("o:one"), b"")
    assert store.save("one", NOTHING, OLD) == [0, b""]
    assert store.names() == ["o:one"]


@pytest.mark.parametrize("is_left", [image(), image("a")])
def test_orphan_index_keeps_unexplained_entries(store, is_left):
    store.save("one", NOTHING, is_left)
    store.client.delete(store.key("o:one"))
    before = store.everything()
    assert store.save("one", NOTHING, image("b")) == [2]
    assert store.everything() == before


def test_a_model_without_indexes_has_only_the_entry_in_all(store):
    store.save("one", NOTHING, image(), is_indexed=False)
    store.client.delete(store.key("o:one"))
    store.fill("two")
    assert store.save("one", NOTHING, image(), is_indexed=False) == 1
    assert store.ids("all") == ["two", "one"]


@pytest.mark.parametrize("old", [NOTHING, OLD])
def test_expired_writes_nothing(store, old):
    if old is OLD:
        store.save("one", NOTHING, OLD)
    before = store.everything()
    assert store.save("one", old, image("c", packed=b"new", expire=1)) == [3]
    assert store.everything() == before


@pytest.mark.parametrize(
    "rest", ["o:one", "all", "expires", "idx", "c:one", "t:a", "t:c"]
)
def test_mistyped_names_the_key_and_writes_nothing(store, rest):
    store.save("one", NOTHING, OLD)
    key = store.mistype(rest)
    before = store.everything()
    new = image("b", "c", packed=b"new", expire=FAR)
    assert store.save("one", OLD, new, {"n": 1}) == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["all", "t:a", "t:b", "t:c", "t:d"])
def test_a_change_of_terms_that_finds_another_type_leaves_all_as_it_was(store, rest):
    store.save("one", NOTHING, OLD)
    store.fill("two", terms=["c"])
    key = store.mistype(rest)
    before = store.everything()
    assert store.save("one", OLD, image("c", "d", packed=b"new")) == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["all", "t:a", "t:b"])
def test_a_change_of_terms_does_without_entries_that_are_missing(store, rest):
    store.save("one", NOTHING, OLD)
    store.client.zrem(store.key(rest), "one")
    assert store.save("one", OLD, image("c", "d", packed=b"new")) == 1
    assert store.get("one") == b"new"
    assert store.names() == ["all", "o:one", "t:c", "t:d"]
    assert store.scores("t:c") == store.scores("t:d") == store.scores("all")


def test_a_change_of_terms_takes_an_entry_that_is_left(store):
    store.save("one", NOTHING, OLD)
    store.client.zadd(store.key("t:d"), {"one": 5})
    assert store.save("one", OLD, image("c", "d", packed=b"new")) == 1
    assert store.names() == ["all", "o:one", "t:c", "t:d"]
    assert store.scores("t:c") == store.scores("t:d") == store.scores("all")


def test_terms_can_be_lost_alone(store):
    store.save("one", NOTHING, OLD)
    assert store.save("one", OLD, image("b", packed=b"new")) == 1
    assert store.get("one") == b"new"
    assert store.names() == ["all", "o:one", "t:b"]


EVERYTHING = Image(
    b"new",
    tuple(map(term_suffix, "ab")),
    FAR,
    {"age": b"A", "name": b"N"},
    {("code",): b"t:1", ("email",): b"t:2"},
)
"""The image of an object with entries of each kind."""


@pytest.mark.parametrize(
    "rest",
    [
        *("o:one", "all", "expires", "idx", "c:one", "t:a", "t:b"),
        *("by:age", "of:age", "by:name", "of:name", "u:code", "u:email"),
    ],
)
def test_an_insertion_that_finds_another_type_leaves_nothing(store, rest):
    store.save("two", NOTHING, image("a", packed=b"two"))
    key = store.mistype(rest)
    before = store.everything()
    assert store.save("one", NOTHING, EVERYTHING, {}) == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize("taken", [b"t:1", b"t:2"])
def test_an_insertion_of_a_taken_value_leaves_nothing(store, taken):
    names = {b"t:1": ("code",), b"t:2": ("email",)}[taken]
    store.save("two", NOTHING, Image(b"two", unique={names: taken}))
    before = store.everything()
    number = 1 if taken == b"t:1" else 2
    assert store.save("one", NOTHING, EVERYTHING) == [5, number, b"two"]
    assert store.everything() == before


def test_an_insertion_takes_a_value_that_is_left_of_the_same_id(store):
    store.client.hset(store.key("u:code"), "t:1", "one")
    assert store.save("one", NOTHING, EVERYTHING) == 1
    assert store.hash("u:code") == {b"t:1": b"one"}
    assert store.hash("u:email") == {b"t:2": b"one"}
    assert store.ids("t:a") == store.ids("t:b") == ["one"]


def test_an_insertion_replaces_entries_that_are_left_of_the_same_id(store):
    store.client.zadd(store.key("t:b"), {"one": 5})
    store.client.hset(store.key("of:name"), "one", "old")
    assert store.save("one", NOTHING, EVERYTHING) == 1
    assert store.scores("t:a") == store.scores("t:b") == store.scores("all")
    assert store.hash("of:name") == {b"one": b"N"}
    assert store.client.zcard(store.key("by:age")) == 1
    assert store.client.zcard(store.key("by:name")) == 1


def test_unique_taken_if_another_object_holds_the_value(store):
    held = Image(b"old", unique={("a",): b"t:1", ("b", "c"): b"t:2"})
    assert store.save("one", NOTHING, held) == 1
    assert store.hash("u:b:c") == {b"t:2": b"one"}
    before = store.everything()
    other = Image(b"new", unique={("b", "c"): b"t:2"})
    assert store.save("two", NOTHING, other) == [5, 1, b"one"]
    both = Image(b"new", unique={("a",): b"t:0", ("b", "c"): b"t:2"})
    assert store.save("two", NOTHING, both) == [5, 2, b"one"]
    assert store.everything() == before
    store.client.delete(store.key("o:one"))
    assert store.save("two", NOTHING, both) == 1
    assert store.hash("u:b:c") == {b"t:2": b"two"}


def test_an_ordered_attribute_moves_with_its_value(store):
    def held(packed, **sort_keys):
        return Image(packed, sort_keys=sort_keys)

    assert store.save("one", NOTHING, held(b"1", age=b"A", name=b"N")) == 1
    assert store.hash("of:age") == {b"one": b"A"}
    assert store.save("one", held(b"1", age=b"A", name=b"N"), held(b"2", age=b"B")) == 1
    created = int(store.scores("all")["one"]).to_bytes(7, "big")
    entry = b"B" + created + b"one" + (3).to_bytes(3, "big")
    assert store.client.zrange(store.key("by:age"), 0, -1) == [entry]
    assert store.names() == ["all", "by:age", "o:one", "of:age"]


def test_an_expiration_time_is_in_the_ttl_the_index_and_the_memo(store):
    deadline = time.time_ns() // 1_000_000 + 3_600_000
    new = image("a", "b" * 65, expire=deadline)
    assert store.save("one", NOTHING, new, {"n": 5}) == 1
    assert store.scores("expires") == {"one": deadline}
    assert store.hash("idx") == {b"one": new.memo}
    for rest in ("o:one", "c:one"):
        assert 3_000_000 < store.ttl_ms(rest) < 3_600_000
    assert store.save("one", new, image("a", packed=b"kept"), {}) == 1
    assert store.names() == ["all", "c:one", "o:one", "t:a"]
    assert store.ttl_ms("o:one") == store.ttl_ms("c:one") == -1


def test_without_terms_an_expiring_object_has_no_memo(store):
    store.save("one", NOTHING, image("a", expire=FAR))
    assert store.save("one", image("a", expire=FAR), image(expire=FAR)) == 1
    assert store.names() == ["all", "expires", "o:one"]


def test_named_counters_are_set_and_others_kept(store):
    store.save("one", NOTHING, OLD, {"n": 1, "m": -(2**63)})
    assert store.save("one", OLD, OLD, {"n": 2}) == 1
    assert store.hash("c:one") == {b"n": b"2", b"m": b"-9223372036854775808"}


def test_a_new_object_starts_without_old_counters(store):
    store.client.hset(store.key("c:one"), "n", 7)
    assert store.save("one", NOTHING, OLD, {"m": 1}) == 1
    assert store.hash("c:one") == {b"m": b"1"}


def test_the_id_of_an_expired_object_is_reused_and_old_entries_removed(store):
    store.save("one", NOTHING, image("a", "b", expire=FAR), {"n": 1})
    store.fill("two")
    store.expire_now("one")
    assert store.save("one", NOTHING, image("c", packed=b"new")) == 1
    assert store.names() == ["all", "o:one", "o:two", "t:c"]
    assert store.ids("all") == ["two", "one"]


def test_a_memo_whose_key_has_another_type_does_not_stop_the_write(store):
    store.save("one", NOTHING, image("a", "b", expire=FAR))
    store.expire_now("one")
    store.mistype("t:a")
    assert store.save("one", NOTHING, image("c")) == 1
    assert store.names() == ["all", "o:one", "t:a", "t:c"]


def test_a_write_sweeps_three_expired_objects(store):
    pks = [f"due{number:03}" for number in range(40)]
    store.fill(*pks, terms=["a"], expire=FAR)
    store.expire_now(*pks)
    assert store.save("one", NOTHING, Image(b"x")) == 1
    assert len(store.ids("expires")) == len(store.ids("t:a")) == 37
    assert len(store.hash("idx")) == 37
    assert store.ids("all")[-1] == "one"


@pytest.mark.parametrize("held", [b"5", b"005", b"-5", b"0", None])
def test_counter_changed_if_a_guarded_counter_has_another_value(store, held):
    store.save("one", NOTHING, OLD, {"n": 1})
    if held is not None:
        store.client.hset(store.key("c:one"), "votes", held)
    value, before = int(held or 0), store.everything()
    new = image("c", packed=b"new")
    assert store.save("one", OLD, new, {"n": 2}, counted={"votes": 3}) == [7]
    assert store.everything() == before
    counted = {"n": 1, "votes": value}
    assert store.save("one", OLD, new, {"n": 2}, counted=counted) == 1
    assert store.hash("c:one")[b"n"] == b"2"
