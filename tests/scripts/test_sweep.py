"""sweep.lua: what is past its deadline goes, with every entry it has."""

import pytest

from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


def test_how_many_were_swept_and_nothing_is_left(store):
    store.save("one", NOTHING, image("a", "b" * 65, expire=FAR), {"n": 1})
    store.save("two", NOTHING, image(expire=FAR))
    store.expire_now("one", "two")
    assert store.sweep() == 2
    assert store.names() == []
    assert store.sweep() == 0


def test_what_is_not_due_stays(store):
    store.fill("live", "far", terms=["a"], expire=FAR)
    store.fill("ever", terms=["a"])
    before = store.everything()
    assert store.sweep() == 0
    store.fill("late", terms=["a"], expire=FAR)
    store.expire_now("late")
    assert store.sweep() == 1
    assert store.everything() == before


def test_at_most_so_many_are_swept_those_first_that_were_due_first(store):
    pks = [f"n{number}" for number in range(5)]
    store.fill(*pks, terms=["a"], expire=FAR)
    store.expire_now(*pks)
    store.client.zadd(store.key("expires"), {"n3": 0})
    assert store.sweep(2) == 2
    assert store.ids("all") == store.ids("t:a") == ["n1", "n2", "n4"]
    assert store.sweep(500) == 3


def test_bytes_that_the_server_has_not_removed_yet_go_too(store):
    store.fill("one", expire=FAR)
    store.client.zadd(store.key("expires"), {"one": 1})
    assert store.sweep() == 1
    assert store.names() == []


@pytest.mark.parametrize("rest", ["expires", "all", "idx"])
def test_minus_1_names_the_key_of_another_type_and_sweeps_nothing(store, rest):
    store.fill("one", terms=["a"], expire=FAR)
    store.expire_now("one")
    key = store.mistype(rest)
    before = store.everything()
    assert store.sweep() == [-1, key]
    assert store.everything() == before


def test_a_term_whose_key_has_another_type_stops_nothing(store):
    store.fill("one", terms=["a", "b"], expire=FAR)
    store.expire_now("one")
    store.mistype("t:a")
    assert store.sweep() == 1
    assert store.names() == ["t:a"]
