"""update.lua: new bytes and expiration, if other index entries do not change."""

import pytest

from django_ormist.operations import objects
from django_ormist.operations.objects import NOTHING, Image
from django_ormist.schema import Schema
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

LASTING = image("a", packed=b"old"), image("a", packed=b"new")
OLD = image("a", packed=b"old", expire=FAR)
NEW = image("a", packed=b"new", expire=FAR + 1000)


@pytest.fixture
def update(store):
    """Returns the raw reply: ``update(old, new)``."""
    return lambda old=OLD, new=NEW: store.run(
        objects.update(store.space, "one", old, new)
    )


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), LASTING])
def test_the_result_is_the_same_as_after_save(store, update, old, new):
    store.save("one", NOTHING, old)
    assert update(old, new) == 1
    updated = store.everything()
    store.save("one", new, old)
    assert store.save("one", old, new) == 1
    assert store.everything() == updated


def test_conflict_returns_the_stored_bytes(store, update):
    store.save("one", NOTHING, image(packed=b"other", expire=FAR))
    before = store.everything()
    assert update() == [0, b"other"]
    assert store.everything() == before


def test_conflict_without_bytes_if_the_object_is_not_stored(store, update):
    assert update() == [0, None]
    assert store.names() == []


def test_expired_writes_nothing(store, update):
    store.save("one", NOTHING, OLD)
    before = store.everything()
    assert update(new=image("a", packed=b"new", expire=1)) == [3]
    assert store.everything() == before


@pytest.mark.parametrize("rest", ["o:one", "expires"])
def test_mistyped_names_the_key_and_writes_nothing(store, update, rest):
    store.save("one", NOTHING, OLD)
    key = store.mistype(rest)
    before = store.everything()
    assert update() == [-1, key]
    assert store.everything() == before


@pytest.mark.parametrize(
    ("old", "new", "counters", "is_small"),
    [
        (OLD, NEW, None, True),
        (*LASTING, None, True),
        (*LASTING, {}, True),
        (OLD, NEW, {}, False),  # the counters expire too
        (*LASTING, {"n": 1}, False),
        (NOTHING, NEW, None, False),
        (OLD, LASTING[1], None, False),
        (LASTING[0], NEW, None, False),
        (LASTING[0], image("b", packed=b"new"), None, False),
        (LASTING[0], Image(b"new", (b"t:a",), None, {"age": b"1"}), None, False),
        (LASTING[0], Image(b"new", (b"t:a",), None, {}, {("x",): b"1"}), None, False),
    ],
)
def test_update_is_used_only_if_no_index_entry_changes(
    store, old, new, counters, is_small
):
    has_counters = counters is not None
    schema = Schema(store.space, counters=frozenset({"n"} if has_counters else ()))
    write = objects.rewrite(schema, "one", old, new, counters or {})
    assert write.command is (objects.UPDATE if is_small else objects.SAVE)


def test_a_write_that_guards_counters_is_a_save(store):
    schema = Schema(store.space, counters=frozenset({"n"}))
    write = objects.rewrite(schema, "one", *LASTING, counted={"n": 1})
    assert write.command is objects.SAVE
