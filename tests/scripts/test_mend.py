"""mend.lua: one object, and everything that the index says of it."""

import pytest

from django_ormist.operations.mending import Seen
from django_ormist.operations.objects import NOTHING, Image, memo_of
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

ONE = Image(b"old", (b"t:a", b"t:b"), FAR, {"age": b"A"}, {("code",): b"t:1"})


@pytest.fixture
def sound(store):
    """One object with an entry at every kind of key, and another beside it."""
    store.save("one", NOTHING, ONE, {"n": 1})
    store.save("two", NOTHING, Image(b"two", (b"t:a",)))
    return store


def zrem(rest):
    return lambda store: store.client.zrem(store.key(rest), "one")


def hdel(rest, name="one"):
    return lambda store: store.client.hdel(store.key(rest), name)


def zadd(rest, score):
    return lambda store: store.client.zadd(store.key(rest), {"one": score})


def hset(rest, name, value):
    return lambda store: store.client.hset(store.key(rest), name, value)


def persist(rest):
    return lambda store: store.client.persist(store.key(rest))


def mistype(rest):
    return lambda store: store.mistype(rest)


def emptied(rest):
    return lambda store: store.client.delete(store.key(rest))


DAMAGES = [
    (zrem("t:b"), ("missing-entry", "t:b", "")),
    (zadd("t:b", 5), ("wrong-score", "t:b", "")),
    (emptied("by:age"), ("missing-entry", "by:age", "")),
    (hdel("of:age"), ("wrong-sort-key", "of:age", "")),
    (hset("of:age", "one", "Z"), ("wrong-sort-key", "of:age", "")),
    (hdel("u:code", "t:1"), ("missing-value", "u:code", "")),
    (hset("u:code", "t:1", "gone"), ("wrong-owner", "u:code", "gone")),
    (zrem("all"), ("unlisted-object", "all", "")),
    (zadd("all", 1.5), ("wrong-creation", "all", "")),
    (zrem("expires"), ("wrong-deadline", "expires", "")),
    (zadd("expires", FAR + 1), ("wrong-deadline", "expires", "")),
    (hdel("idx"), ("wrong-memo", "idx", "")),
    (hset("idx", "one", memo_of([b"t:c"])), ("wrong-memo", "idx", "")),
    (hset("c:one", "n", "many"), ("wrong-counter", "c:one", "n")),
    (hset("c:one", "m", 1), ("surplus-counter", "c:one", "m")),
    (persist("o:one"), ("wrong-ttl", "o:one", "")),
    (persist("c:one"), ("wrong-ttl", "c:one", "")),
]


def said(store, fault, is_mended):
    kind, rest, detail = fault
    return [kind.encode(), store.key(rest), int(is_mended), detail.encode()]


def test_1_alone_where_all_is_right(sound):
    before = sound.everything()
    assert sound.mend("one", ONE) == [1]
    assert sound.mend("two", Image(b"two", (b"t:a",)), is_mending=True) == [1]
    assert sound.mend("none", None, is_mending=True) == [1]
    assert sound.everything() == before


@pytest.mark.parametrize(("damage", "fault"), DAMAGES)
def test_1_a_fault_is_told_and_only_mended_when_asked_to(sound, damage, fault):
    damage(sound)
    before = sound.everything()
    assert said(sound, fault, False) in sound.mend("one", ONE)
    assert sound.everything() == before
    assert said(sound, fault, True) in sound.mend("one", ONE, is_mending=True)
    assert sound.mend("one", ONE) == [1]
    assert sound.get("one") == b"old"


@pytest.mark.parametrize("rest", ["t:b", "by:age", "of:age", "u:code", "idx", "c:one"])
def test_1_a_key_of_another_type_is_put_aside_and_made_anew(sound, rest):
    sound.mistype(rest)
    before = sound.everything()
    fault = ("mistyped-key", rest, "")
    assert said(sound, fault, False) in sound.mend("one", ONE)
    assert sound.everything() == before
    assert said(sound, fault, True) in sound.mend("one", ONE, is_mending=True)
    assert sound.client.lrange(sound.lost(rest), 0, -1) == [b"x"]
    assert sound.mend("one", ONE) == [1]


def test_1_a_value_that_another_object_holds_is_left_and_named(sound):
    sound.client.hset(sound.key("u:code"), "t:1", "two")
    fault = ("duplicate-value", "u:code", "two")
    for is_mending in (False, True):
        assert sound.mend("one", ONE, is_mending=is_mending) == [
            1,
            said(sound, fault, False),
        ]


def test_1_entries_that_were_seen_and_nothing_explains_go(sound):
    sound.client.zadd(sound.key("t:old"), {"one": 1, "two": 2})
    sound.client.hset(sound.key("u:code"), "t:old", "one")
    seen = [
        Seen(sound.key("t:old"), b"one"),
        Seen(sound.key("t:a"), b"one"),  # which is right
        Seen(sound.key("u:code"), b"t:old", is_value=True),
        Seen(sound.key("t:none"), b"one"),  # which is gone by now
    ]
    faults = [("surplus-entry", "t:old", ""), ("surplus-value", "u:code", "t:old")]
    assert sound.mend("one", ONE, *seen, is_mending=True) == [
        1,
        *(said(sound, fault, True) for fault in faults),
    ]
    assert sound.ids("t:old") == ["two"]
    assert sound.hash("u:code") == {b"t:1": b"one"}


def test_1_nothing_is_left_of_an_object_that_is_missing(sound):
    sound.client.delete(sound.key("o:one"))
    fault = ("missing-object", "o:one", "")
    assert sound.mend("one", None) == [1, said(sound, fault, False)]
    seen = [Seen(sound.key("t:a"), b"one"), Seen(sound.key("t:b"), b"one")]
    assert said(sound, fault, True) in sound.mend("one", None, *seen, is_mending=True)
    assert sound.names() == ["all", "o:two", "t:a"]
    assert sound.ids("all") == sound.ids("t:a") == ["two"]


def test_1_an_object_that_is_due_is_no_fault(sound):
    sound.expire_now("one")
    before = sound.everything()
    seen = [Seen(sound.key("t:a"), b"one"), Seen(sound.key("t:b"), b"one")]
    assert sound.mend("one", None, *seen, is_mending=True) == [1]
    assert sound.everything() == before


def test_1_what_cannot_be_read_is_put_aside_with_its_entries_gone(sound):
    fault = ("unreadable-object", "o:one", "")
    before = sound.everything()
    assert sound.mend("one", "unreadable") == [1, said(sound, fault, False)]
    assert sound.everything() == before
    assert said(sound, fault, True) in sound.mend("one", "unreadable", is_mending=True)
    assert sound.client.get(sound.lost("o:one")) == b"old"
    assert sound.ids("all") == ["two"]


def test_0_other_bytes_are_answered_and_nothing_is_mended(sound):
    sound.client.zrem(sound.key("t:b"), "one")
    before = sound.everything()
    others = Image(b"others", (b"t:c",))
    assert sound.mend("one", others, is_mending=True) == [0, b"old"]
    assert sound.mend("one", None, is_mending=True) == [0, b"old"]
    assert sound.mend("none", others, is_mending=True) == [0, None]
    assert sound.everything() == before
