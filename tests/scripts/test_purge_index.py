"""purge_index.lua: removes entries of a missing object and keeps others."""

from django_ormist.operations.objects import NOTHING, Image, build_memo
from tests.scripts.store import ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

HELD = Image(
    b"old", (b"t:a", b"h:" + b"x" * 32), None, {"age": b"A"}, {("code",): b"t:1"}
)


def test_not_done_if_the_object_is_stored(store):
    store.save("one", NOTHING, HELD)
    before = store.everything()
    memo = build_memo(HELD.suffixes, HELD.sort_keys, HELD.unique)
    assert store.purge_index("one", memo, is_last=True) == 0
    assert store.everything() == before


def test_done_removes_the_entries_of_the_memo(store):
    store.save("one", NOTHING, HELD)
    store.save("two", NOTHING, Image(b"2", (b"t:a",), None, {"age": b"A"}))
    store.client.delete(store.key("o:one"))
    assert store.purge_index("one", build_memo(HELD.suffixes)) == 1
    assert store.ids("t:a") == ["two"]
    assert store.ids("all") == ["one", "two"]
    memo = build_memo(ordered=["age", "none"], unique=HELD.unique)
    assert store.purge_index("one", memo, is_last=True) == 1
    assert store.ids("all") == ["two"]
    assert store.hash("of:age") == {b"two": b"A"}
    assert store.names() == ["all", "by:age", "o:two", "of:age", "t:a"]
