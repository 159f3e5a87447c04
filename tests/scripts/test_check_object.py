"""check_object.lua: one object and its index. Each kind of fault: tests/faults."""

import pytest

from django_ormist.operations.objects import NOTHING, Image
from django_ormist.operations.repair import (
    NO_FINDINGS,
    CheckedModel,
    IndexEntry,
    Suspect,
    check_object,
)
from django_ormist.schema import Schema
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

OLD = Image(b"old", (b"t:a",), None, {"age": b"A"}, {("code",): b"t:1"})


@pytest.fixture
def look(store):
    """Returns the raw reply: ``look("one", OLD)``; repairs with ``repairs=True``."""

    def called(pk, known, repairs=False, seen=()):
        counters = frozenset({"n"})
        schema = Schema(store.space, True, ("age",), (("code",),), counters)
        findings = known, NO_FINDINGS
        subject = CheckedModel(schema, lambda packed, key: findings, repairs)
        packed = None if known is NOTHING else known.packed
        suspect = Suspect(pk.encode(), packed, list(seen))
        return store.run(check_object(subject, suspect, known))

    return called


def test_a_sound_object_has_no_faults_and_stays(store, look):
    store.save("one", NOTHING, OLD, {"n": 1})
    before = store.everything()
    assert look("one", OLD, repairs=True) == [1]
    assert store.everything() == before


def test_conflict_returns_the_stored_bytes_and_repairs_nothing(store, look):
    store.save("one", NOTHING, OLD)
    store.client.delete(store.key("t:a"))
    before = store.everything()
    assert look("one", image("a", packed=b"others"), repairs=True) == [0, b"old"]
    assert look("one", NOTHING, repairs=True) == [0, b"old"]
    assert look("none", OLD, repairs=True) == [0, None]
    assert store.everything() == before


def test_a_fault_is_reported_and_repaired_only_on_request(store, look):
    store.save("one", NOTHING, OLD)
    store.client.zrem(store.key("t:a"), "one")
    fault = [b"missing-entry", store.key("t:a")]
    assert look("one", OLD) == [1, [*fault, 0, b""]]
    assert store.ids("t:a") == []
    assert look("one", OLD, repairs=True) == [1, [*fault, 1, b""]]
    assert look("one", OLD) == [1]
    assert store.ids("t:a") == ["one"]


@pytest.mark.parametrize(
    ("late_ms", "is_wrong"), [(900, False), (2000, True), (-500, True)]
)
def test_a_ttl_may_be_late_by_the_time_of_a_migration(store, look, late_ms, is_wrong):
    expiring = Image(b"old", (b"t:a",), FAR)
    store.save("one", NOTHING, expiring)
    store.client.pexpireat(store.key("o:one"), FAR - 1 + late_ms)
    faults = [[b"wrong-ttl", store.key("o:one"), 1, b""]] if is_wrong else []
    assert look("one", expiring, repairs=True) == [1, *faults]
    assert look("one", expiring) == [1]


def test_a_missing_object_leaves_no_entries(store, look):
    store.save("one", NOTHING, Image(b"old", (b"t:a",), FAR, {"age": b"A"}), {"n": 1})
    store.client.delete(store.key("o:one"))
    found = look("one", NOTHING, repairs=True)
    assert found == [1, [b"missing-object", store.key("o:one"), 1, b""]]
    assert store.names() == []


def test_an_expired_object_keeps_only_the_entries_of_its_memo(store, look):
    store.save("one", NOTHING, Image(b"old", (b"t:a",), FAR))
    store.expire_now("one")
    store.client.zadd(store.key("t:b"), {"one": 1})
    seen = [IndexEntry(store.key("t:a"), b"one"), IndexEntry(store.key("t:b"), b"one")]
    found = look("one", NOTHING, repairs=True, seen=seen)
    assert found == [1, [b"surplus-entry", store.key("t:b"), 1, b""]]
    assert store.ids("t:a") == ["one"]


def test_an_entry_that_became_right_meanwhile_stays(store, look):
    store.save("one", NOTHING, OLD)
    seen = [
        IndexEntry(store.key("t:a"), b"one"),
        IndexEntry(store.key("u:code"), b"t:1", is_value=True),
    ]
    assert look("one", OLD, repairs=True, seen=seen) == [1]
    assert store.hash("u:code") == {b"t:1": b"one"}


def test_a_value_of_another_object_stays(store, look):
    store.save("one", NOTHING, OLD)
    store.save("two", NOTHING, Image(b"two", (b"t:a",), None, {"age": b"A"}))
    two = Image(b"two", (b"t:a",), None, {"age": b"A"}, {("code",): b"t:1"})
    found = look("two", two, repairs=True)
    assert found == [1, [b"duplicate-value", store.key("u:code"), 0, b"one"]]
