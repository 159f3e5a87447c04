"""commit.lua: saves and deletions of several objects, all of them or none."""

import pytest

from django_ormist.keys import Space
from django_ormist.operations.commit import absent
from django_ormist.operations.objects import NOTHING, Image, delete, save
from django_ormist.queries.conditions import Not, Range, Term, all_of
from django_ormist.schema import Schema
from django_ormist.sortkeys import AFTER, sort_key
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = image("a", packed=b"old", expire=FAR)
NEW = image("b", packed=b"new")


def holding(value=None, packed=b"old", rank=None):
    """Return an object with a unique value and an ordered one."""
    unique = {} if value is None else {("code",): b"t:" + value}
    return Image(
        packed, (), None, {} if rank is None else {"rank": sort_key(rank)}, unique
    )


def test_saves_and_deletions_are_applied_together(store):
    store.save("one", NOTHING, OLD)
    store.save("two", NOTHING, OLD)
    result = store.commit(
        save(store.schema, "one", OLD, NEW),
        delete(store.schema, "two", OLD),
        save(store.schema, "three", NOTHING, NEW),
        save(store.schema, "four", NOTHING, NEW),
    )
    assert result == [1]
    assert store.names() == ["all", "o:four", "o:one", "o:three", "t:b"]
    assert store.ids("all") == store.ids("t:b") == ["one", "three", "four"]
    assert store.get("one") == b"new"


def test_writes_of_two_models_are_applied_together(store):
    other = Schema(Space(store.space.prefix, "tests.Other"))
    store.commit(
        save(store.schema, "one", NOTHING, OLD), save(other, "one", NOTHING, NEW)
    )
    assert store.client.get(other.space.objects + b"one") == b"new"
    assert store.get("one") == b"old"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_refused_write_refuses_all(store, place):
    store.fill("there")
    parts = [
        save(store.schema, "one", NOTHING, NEW),
        delete(store.schema, "two", NOTHING),
    ]
    parts.insert(place, save(store.schema, "there", NOTHING, NEW))
    before = store.everything()
    assert store.commit(*parts) == [0, [place + 1, [0, b"there"]]]
    assert store.everything() == before


def test_each_refused_write_is_named_with_its_reply(store):
    store.fill("there")
    key = store.mistype("t:a")
    before = store.everything()
    assert store.commit(
        save(store.schema, "there", NOTHING, NEW),
        delete(store.schema, "there", NOTHING),
        save(store.schema, "late", NOTHING, image(packed=b"x", expire=1)),
        save(store.schema, "gained", NOTHING, OLD),
        save(store.schema, "fine", NOTHING, NEW),
        save(store.schema, "gone", OLD, NEW),
    ) == [
        0,
        [1, [0, b"there"]],
        [2, [0, b"there"]],
        [3, [3]],
        [4, [-1, key]],
        [6, [0, None]],
    ]
    assert store.everything() == before


def test_orphan_index_refuses_a_save_and_not_a_deletion(store):
    for pk in ("one", "two"):
        store.save(pk, NOTHING, image("a"))
        store.client.delete(store.key(f"o:{pk}"))
    assert store.commit(
        save(store.schema, "one", NOTHING, NEW), delete(store.schema, "two", NOTHING)
    ) == [0, [1, [2]]]
    assert store.commit(
        save(store.schema, "three", NOTHING, NEW), delete(store.schema, "two", NOTHING)
    ) == [1, [2, [2, 1]]]


def test_missing_objects_to_delete_are_reported(store):
    assert store.commit(
        save(store.schema, "one", NOTHING, NEW), delete(store.schema, "two", NOTHING)
    ) == [1, [2, [2]]]


# ---------------------------------------------------------------- unique values


def test_unique_values_can_be_swapped_in_any_order(store):
    store.save("one", NOTHING, holding(b"x"))
    store.save("two", NOTHING, holding(b"y"))
    for parts in (
        [("one", b"x", b"y"), ("two", b"y", b"x")],
        [("two", b"x", b"y"), ("one", b"y", b"x")],
    ):
        assert store.commit(
            *[save(store.schema, pk, holding(o), holding(n)) for pk, o, n in parts]
        ) == [1]
    assert store.hash("u:code") == {b"t:x": b"one", b"t:y": b"two"}


def test_a_value_of_a_deleted_object_is_free(store):
    store.save("one", NOTHING, holding(b"x"))
    assert store.commit(
        save(store.schema, "two", NOTHING, holding(b"x")),
        delete(store.schema, "one", holding(b"x")),
    ) == [1]
    assert store.hash("u:code") == {b"t:x": b"two"}


def test_a_taken_value_is_refused(store):
    store.save("one", NOTHING, holding(b"x"))
    assert store.commit(
        save(store.schema, "two", NOTHING, holding(b"y")),
        save(store.schema, "three", NOTHING, holding(b"x")),
    ) == [0, [2, [5, 1, b"one"]]]
    assert store.hash("u:code") == {b"t:x": b"one"}


def test_a_value_claimed_twice_is_refused(store):
    assert store.commit(
        save(store.schema, "one", NOTHING, holding(b"x")),
        save(store.schema, "two", NOTHING, holding(b"x")),
    ) == [0, [2, [5, 1, b"one"]]]
    assert store.names() == []


def test_a_value_left_by_an_expired_object_that_comes_back_is_free(store):
    gone = Image(b"old", (), FAR, {}, {("code",): b"t:x"})
    store.save("one", NOTHING, gone)
    store.expire_now("one")
    assert store.commit(
        save(store.schema, "two", NOTHING, holding(b"x")),
        save(store.schema, "one", NOTHING, holding(b"y")),
    ) == [1]
    assert store.hash("u:code") == {b"t:x": b"two", b"t:y": b"one"}


# ---------------------------------------------------------------- absent


def no_match(store, *conditions):
    return absent(store.space, all_of(conditions))


A, B = Term("a"), Term("b")


@pytest.mark.parametrize("conditions", [(A,), (A, B), (Not(Term("d")), B)])
def test_absent_refuses_if_a_live_object_matches(store, conditions):
    store.fill("two", terms=["b", "d"])
    store.fill("three", terms=["c"])
    part = save(store.schema, "new", NOTHING, NEW)
    assert store.commit(no_match(store, *conditions), part) == [1]
    store.delete("new", NEW)
    store.fill("both", terms=["c", "a", "b"])
    before = store.everything()
    assert store.commit(part, no_match(store, *conditions)) == [0, [2, [6, b"both"]]]
    assert store.everything() == before


def test_absent_ignores_missing_objects(store):
    store.fill("late", terms=["a"], expire=FAR)
    store.fill("gone", terms=["a"])
    store.expire_now("late")
    store.client.delete(store.key("o:gone"))
    assert store.commit(no_match(store, A)) == [1]


def test_absent_works_with_ordered_values(store):
    def rank(value):
        return Range("rank", sort_key(value), sort_key(value) + AFTER)

    store.save("one", NOTHING, holding(rank=5))
    assert store.commit(no_match(store, rank(4))) == [1]
    assert store.commit(no_match(store, rank(5))) == [0, [1, [6, b"one"]]]
    assert store.commit(no_match(store, A, rank(5))) == [1]
    both = Image(b"both", image("a").suffixes, None, {"rank": sort_key(5)})
    store.save("both", NOTHING, both)
    assert store.commit(no_match(store, A, rank(5))) == [0, [1, [6, b"both"]]]
    assert store.commit(no_match(store, A, rank(4))) == [1]


def test_absent_may_match_every_object(store):
    assert store.commit(no_match(store)) == [1]
    store.fill("one")
    assert store.commit(no_match(store)) == [0, [1, [6, b"one"]]]


@pytest.mark.parametrize("is_there", [True, False])
def test_absent_reads_more_than_a_thousand_objects(store, is_there):
    gone = {f"gone{i:04}": 1.0 + i for i in range(2500)}
    for rest in (b"t:a", b"t:b"):
        store.client.zadd(store.space.base + rest, gone)
    if is_there:
        store.fill("last", terms=["a", "b"])
    result = [0, [1, [6, b"last"]]] if is_there else [1]
    assert store.commit(no_match(store, A, B)) == result


def test_a_commit_sweeps_three_of_each_model(store):
    store.fill(*(f"due{number:03}" for number in range(40)), expire=FAR)
    store.expire_now(*(f"due{number:03}" for number in range(40)))
    store.commit(
        save(store.schema, "one", NOTHING, NEW), save(store.schema, "two", NOTHING, NEW)
    )
    assert len(store.ids("expires")) == 37
