"""update.lua: new bytes and another deadline, where no other index entry moves."""

import pytest

from django_ormist.operations import objects
from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = image("a", packed=b"old", expire=FAR)
NEW = image("a", packed=b"new", expire=FAR + 1000)


@pytest.fixture
def update(store):
    """``update(old, new)``: the raw reply."""
    return lambda old=OLD, new=NEW: store.run(
        objects.update(store.space, "one", old, new)
    )


def test_it_leaves_what_save_would_have_left(store, update):
    store.save("one", NOTHING, OLD)
    assert update() == 1
    updated = store.everything()
    store.save("one", NEW, OLD)
    assert store.save("one", OLD, NEW) == 1
    assert store.everything() == updated


def test_0_comes_with_the_bytes_that_are_stored(store, update):
    store.save("one", NOTHING, image(packed=b"other", expire=FAR))
    before = store.everything()
    assert update() == [0, b"other"]
    assert store.everything() == before


def test_0_alone_if_there_is_no_such_object(store, update):
    assert update() == [0, None]
    assert store.names() == []


def test_3_if_the_deadline_is_past_and_nothing_is_written(store, update):
    store.save("one", NOTHING, OLD)
    before = store.everything()
    assert update(new=image("a", packed=b"new", expire=1)) == [3]
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["o:one", "expires"])
def test_minus_1_names_the_key_of_another_type_and_writes_nothing(store, update, rest):
    store.save("one", NOTHING, OLD)
    key = store.mistype(rest)
    before = store.everything()
    assert update() == [-1, key]
    assert store.everything() == before
