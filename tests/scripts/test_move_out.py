"""move_out.lua: removes an object that was moved, and keeps one that has changed."""

import pytest

from django_ormist.operations.objects import NOTHING, Image
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

WHOLE = Image(b"bytes", (b"t:a",), FAR, {"age": b"A"}, {("code",): b"t:1"})
COUNTERS = (b"n", b"5", b"m", b"0")


@pytest.fixture(autouse=True)
def _stored(store):
    store.save("one", NOTHING, WHOLE, {"m": 0, "n": 5})


def test_removed_with_every_entry(store):
    store.save("two", NOTHING, Image(b"x", (b"t:a",)))
    assert store.move_out("one", WHOLE, COUNTERS) == 1
    assert store.names() == ["all", "o:two", "t:a"]
    assert store.move_out("one", WHOLE, COUNTERS) == [2]


def test_other_bytes_are_kept(store):
    before = store.everything()
    changed = Image(b"x", WHOLE.suffixes, FAR, WHOLE.sort_keys, WHOLE.unique)
    assert store.move_out("one", changed, COUNTERS) == [0, b"bytes"]
    assert store.everything() == before


@pytest.mark.parametrize(
    "counters",
    [(), (b"n", b"5"), (b"n", b"6", b"m", b"0"), (*COUNTERS, b"x", b"1")],
)
def test_other_counters_are_kept(store, counters):
    before = store.everything()
    assert store.move_out("one", WHOLE, counters) == [7]
    assert store.everything() == before


def test_an_expired_object_is_removed(store):
    store.expire_now("one")
    assert store.move_out("one", WHOLE, COUNTERS) == [2]
    assert store.names() == []


def test_entries_without_an_object_and_a_memo_stay(store):
    store.save("two", NOTHING, Image(b"x", (b"t:a",)))
    store.client.delete(store.key("o:two"))
    assert store.move_out("two", Image(b"x", (b"t:a",))) == [2, 1]


@pytest.mark.parametrize("rest", ["o:one", "all", "c:one", "t:a", "u:code"])
def test_a_key_of_another_type_is_named(store, rest):
    key = store.mistype(rest)
    before = store.everything()
    assert store.move_out("one", WHOLE, COUNTERS) == [-1, key]
    assert store.everything() == before
