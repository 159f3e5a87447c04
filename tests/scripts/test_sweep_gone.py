"""sweep_gone.lua: removes entries of objects that the server removed too early."""

import pytest

from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def remove(store, *pks):
    """Remove objects, as a server does whose clock is ahead."""
    store.client.delete(*(store.key(f"o:{pk}") for pk in pks))


def test_the_reply_is_the_number_of_swept_objects_and_no_keys_are_left(store):
    store.fill("one", "two", terms=["a"], expire=FAR)
    remove(store, "one", "two")
    assert store.sweep_gone("one", "two", "three") == 2
    assert store.names() == []
    assert store.sweep_gone("one") == 0


def test_stored_objects_and_objects_without_expiration_are_left_alone(store):
    store.fill("live", terms=["a"], expire=FAR)
    store.fill("ever", terms=["a"])
    remove(store, "ever")
    before = store.everything()
    assert store.sweep_gone("live", "ever") == 0
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["expires", "all", "idx"])
def test_mistyped_names_the_key_and_sweeps_nothing(store, rest):
    store.fill("one", terms=["a"], expire=FAR)
    remove(store, "one")
    key = store.mistype(rest)
    before = store.everything()
    assert store.sweep_gone("one") == [-1, key]
    assert store.everything() == before
