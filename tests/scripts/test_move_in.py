"""move_in.lua: writes a moved object once, and refuses one that is in the way."""

import pytest

from django_ormist.keys import journal_key
from django_ormist.operations import move
from django_ormist.operations.objects import NOTHING, Image
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

CODE = ("code",)
WHOLE = Image(b"bytes", (b"t:a",), FAR, {"age": b"A"}, {CODE: b"t:1"})
COUNTERS = (b"n", b"5", b"m", b"-1")


@pytest.fixture(autouse=True)
def _begun(store):
    store.run(move.begin(store.space, "run"))


def test_written_with_everything_it_has(store):
    assert store.move_in("one", WHOLE, 5, COUNTERS) == 1
    assert store.get("one") == b"bytes"
    assert store.scores("all") == store.scores("t:a") == {"one": 5}
    assert store.scores("expires") == {"one": FAR}
    assert store.hash("idx") == {b"one": WHOLE.memo}
    assert store.hash("of:age") == {b"one": b"A"}
    assert store.ids("by:age") == ["A\0\0\0\0\0\0\x05one\0\0\x03"]
    assert store.hash("u:code") == {b"t:1": b"one"}
    assert store.hash("c:one") == {b"n": b"5", b"m": b"-1"}
    for key in ("o:one", "c:one"):
        assert store.ttl_ms(key) > 1000
    digest = move.MovedObject(b"one", b"bytes", 5, COUNTERS).digest
    assert store.journal() == {b"token": b"run", b"o:one": digest}


def test_an_object_of_the_journal_is_not_written_again(store):
    assert store.move_in("one", WHOLE, 5, COUNTERS) == 1
    store.delete("one", WHOLE)
    before = store.everything()
    assert store.move_in("one", WHOLE, 5, COUNTERS) == [8]
    assert store.everything() == before
    assert store.move_in("one", image("a", packed=b"changed")) == 1


def test_the_same_object_without_a_journal_is_not_written_again(store):
    store.save("one", NOTHING, image("a"), {"n": 5})
    assert store.move_in("one", image("a"), 5, (b"n", b"5")) == [8]
    assert len(store.journal()) == 2
    assert store.move_in("one", image("a"), 5, (b"n", b"6")) == [0, b"old"]
    assert store.move_in("one", image("a")) == [0, b"old"]
    assert store.move_in("one", image("a", packed=b"x"), 5, (b"n", b"5")) == [0, b"old"]
    assert len(store.journal()) == 2


def test_a_past_deadline_is_not_written(store):
    assert store.move_in("one", Image(b"x", (), 1)) == [3]
    assert store.names() == [journal_key(store.space).decode()]


def test_a_unique_value_of_another_object_is_refused(store):
    other = Image(b"x", (), None, {}, {CODE: b"t:1"})
    store.save("two", NOTHING, other)
    assert store.move_in("one", WHOLE) == [5, 1, b"two"]
    assert store.get("one") is None
    store.client.delete(store.key("o:two"))
    assert store.move_in("one", WHOLE) == 1


def test_an_expired_object_of_its_id_is_removed_first(store):
    expired = Image(b"x", (b"t:b",), FAR, {"age": b"B"}, {CODE: b"t:2"})
    store.save("one", NOTHING, expired)
    store.expire_now("one")
    assert store.move_in("one", image("a")) == 1
    assert store.scores("all") == {"one": 5}
    names = [name for name in store.names() if "moved" not in name]
    assert names == ["all", "o:one", "t:a"]


def test_index_entries_without_a_memo_are_refused(store):
    store.save("one", NOTHING, image("a"))
    store.client.delete(store.key("o:one"))
    assert store.move_in("one", image("a")) == [2]
    assert store.move_in("one", image(), is_indexed=False) == 1


@pytest.mark.parametrize("created", [5, None, -1, 2**53, float("inf")])
def test_a_creation_time_is_kept_if_it_is_whole_and_free(store, created):
    store.client.zadd(store.key("all"), {"before": 4})
    assert store.move_in("one", image(), created) == 1
    assert store.move_in("two", image(), created) == 1
    scores = store.scores("all")
    if created == 5:
        assert scores == {"before": 4, "one": 5, "two": 6}
    else:
        now = store.now_ms() * 1000
        assert abs(scores["one"] - now) < 60_000_000
        assert scores["one"] < scores["two"] < 2**53


def test_nothing_is_written_after_a_later_run_has_begun(store):
    store.run(move.begin(store.space, "later"))
    assert store.move_in("one", image("a")) == [9]
    assert store.names() == [journal_key(store.space).decode()]
    store.client.delete(journal_key(store.space))
    assert store.move_in("one", image("a")) == [9]


@pytest.mark.parametrize(
    "rest",
    ["o:one", "all", "expires", "idx", "c:one", "t:a", "by:age", "of:age", "u:code"],
)
def test_a_key_of_another_type_is_named(store, rest):
    key = store.mistype(rest)
    before = store.everything()
    assert store.move_in("one", WHOLE) == [-1, key]
    assert store.everything() == before
