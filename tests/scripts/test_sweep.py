"""sweep.lua: removes expired objects with all their entries."""

import pytest

from django_ormist.codecs import pack
from django_ormist.operations import objects
from django_ormist.operations.batches import Link, NewObject
from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


def test_the_reply_is_the_number_of_swept_objects_and_no_keys_are_left(store):
    store.save("one", NOTHING, image("a", "b" * 65, expire=FAR), {"n": 1})
    store.save("two", NOTHING, image(expire=FAR))
    store.expire_now("one", "two")
    assert store.sweep() == 2
    assert store.names() == []
    assert store.sweep() == 0


def test_live_objects_stay(store):
    store.fill("live", "far", terms=["a"], expire=FAR)
    store.fill("ever", terms=["a"])
    before = store.everything()
    assert store.sweep() == 0
    store.fill("late", terms=["a"], expire=FAR)
    store.expire_now("late")
    assert store.sweep() == 1
    assert store.everything() == before


def test_a_limited_sweep_begins_with_the_earliest_expiration(store):
    pks = [f"n{number}" for number in range(5)]
    store.fill(*pks, terms=["a"], expire=FAR)
    store.expire_now(*pks)
    store.client.zadd(store.key("expires"), {"n3": 0})
    assert store.sweep(2) == 2
    assert store.ids("all") == store.ids("t:a") == ["n1", "n2", "n4"]
    assert store.sweep(500) == 3


def test_expired_bytes_that_the_server_still_has_are_removed(store):
    store.fill("one", expire=FAR)
    store.client.zadd(store.key("expires"), {"one": 1})
    assert store.sweep() == 1
    assert store.names() == []


@pytest.mark.parametrize("rest", ["expires", "all", "idx"])
def test_mistyped_names_the_key_and_sweeps_nothing(store, rest):
    store.fill("one", terms=["a"], expire=FAR)
    store.expire_now("one")
    key = store.mistype(rest)
    before = store.everything()
    assert store.sweep() == [-1, key]
    assert store.everything() == before


def test_a_term_key_of_another_type_does_not_stop_the_sweep(store):
    store.fill("one", terms=["a", "b"], expire=FAR)
    store.expire_now("one")
    store.mistype("t:a")
    assert store.sweep() == 1
    assert store.names() == ["t:a"]


def _renew(store, packed):
    operation = objects.extend(store.schema, "one", packed, FAR + 1000)
    return store.run(operation)


WRITES = {
    "save": lambda store, old: store.save("one", old, image("b", expire=FAR)),
    "update": lambda store, old: store.run(
        objects.update(store.space, "one", old, old._replace(packed=b"new"))
    ),
    "increment": lambda store, old: store.increment("one", "n", 1),
    "renew": lambda store, old: _renew(store, old.packed),
    "delete": lambda store, old: store.delete("one", old),
    "insert_many": lambda store, old: store.insert_many(
        NewObject("two", image("b", packed=b"two"))
    ),
    "delete_many": lambda store, old: store.delete_many(("one", old)),
    "commit": lambda store, old: store.commit(
        objects.save(store.schema, "one", old, image("b", expire=FAR))
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_sweeps_three_expired_objects_and_a_batch_thirty(store, name):
    packed = pack({"k": 1}, [], FAR, "msgpack")
    old = image("a", packed=packed, expire=FAR)
    store.save("one", NOTHING, old)
    late = [f"n{number:03}" for number in range(40)]
    store.fill(*late, terms=["a"], expire=FAR)
    store.expire_now(*late)
    WRITES[name](store, old)
    swept = 30 if name in ("insert_many", "delete_many") else 3
    assert set(late[:swept]).isdisjoint(store.ids("all"))
    assert set(late[swept:]) <= set(store.ids("all"))


def test_a_batch_among_several_sweeps_five_expired_objects(store):
    late = [f"n{number:03}" for number in range(40)]
    store.fill(*late, terms=["a"], expire=FAR)
    store.expire_now(*late)
    for place in range(3):
        new = NewObject(f"new{place}", image("b"))
        assert store.insert_many(new, link=Link("a", place, place == 2)) == 1
        left = late[5 * place + 5 :]
        assert [pk for pk in late if pk in store.ids("all")] == left


@pytest.mark.parametrize("name", ["update", "increment", "renew"])
@pytest.mark.parametrize("rest", ["all", "idx"])
def test_a_mistyped_sweep_key_refuses_the_write_if_objects_expired(store, name, rest):
    packed = pack({"k": 1}, [], FAR, "msgpack")
    old = image(packed=packed, expire=FAR)
    store.save("one", NOTHING, old)
    store.fill("late", terms=["a"], expire=FAR)
    key = store.mistype(rest)
    store.expire_now("late")
    before = store.everything()
    assert WRITES[name](store, old) == [-1, key]
    assert store.everything() == before


def test_fewer_objects_with_many_entries_are_swept(store):
    terms = [f"t{number}" for number in range(23)]
    pks = [f"n{number}" for number in range(10)]
    store.fill(*pks, terms=terms, expire=FAR)
    store.expire_now(*pks)
    assert store.sweep(500) == 4
    assert store.sweep(500) == 4
    assert store.sweep(500) == 2
    assert store.names() == []
