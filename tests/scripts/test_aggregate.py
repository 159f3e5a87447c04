"""aggregate.lua: the number of live objects with each value of ordered attributes."""

import pytest

from django_ormist.operations.aggregate import count_values
from django_ormist.queries.conditions import EVERYTHING, Term
from django_ormist.queries.query import Query
from django_ormist.sortkeys import sort_key
from tests.scripts.store import ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def counts(store, *names, where=EVERYTHING, wants_objects=False):
    """Return (number of matches, [{sort key: (count, object)} of each name])."""
    step = count_values(store.space, Query().where(where), names, wants_objects)
    operation = step(b"")
    cursor, (number, tallies) = operation.parse(store.run(operation))
    assert cursor == b""
    return number, [{e.sort_key: (e.number, e.packed) for e in t} for t in tallies]


def sizes(**numbers):
    return {sort_key(int(size[1:])): (number, None) for size, number in numbers.items()}


def test_each_value_is_counted(sized):
    assert counts(sized, "size") == (12, [sizes(_0=3, _1=3, _2=3, _3=2)])
    assert counts(sized, "size", where=Term("b")) == (
        6,
        [sizes(_0=2, _1=1, _2=2, _3=1)],
    )
    assert counts(sized, "size", "other", where=Term("none")) == (0, [{}, {}])
    assert counts(sized) == (12, [])


@pytest.mark.parametrize("where", [EVERYTHING, Term("a")])
def test_expired_objects_are_not_counted(sized, where):
    sized.expire_now("n00", "n09", "n10", "n11")
    assert counts(sized, "size", where=where) == (8, [sizes(_0=2, _1=3, _2=3)])


def test_each_value_comes_with_an_object_that_has_it(sized):
    sized.client.delete(sized.key("o:n03"), sized.key("o:n04"), sized.key("o:n05"))
    _, (found,) = counts(sized, "size", wants_objects=True)
    held = {key: packed and int(packed) // 3 for key, (_, packed) in found.items()}
    assert held == {sort_key(0): 0, sort_key(1): None, sort_key(2): 2, sort_key(3): 3}


def test_long_runs_are_skipped_and_many_values_read(store):
    """The lowest and the highest of more than 1000 values come with their objects."""
    rows = [(size, n) for size in range(1500) for n in range(100 if size == 7 else 1)]
    entries = {}
    for created, (size, number) in enumerate(rows):
        pk = b"s%d-%d" % (size, number)
        entries[
            sort_key(size)
            + created.to_bytes(7, "big")
            + pk
            + len(pk).to_bytes(3, "big")
        ] = 0
        store.client.set(store.key("o:") + pk, b"%d" % size)
    store.client.zadd(store.key("by:size"), entries)
    store.client.zadd(store.key("all"), {f"m{n}": n for n in range(len(rows))})
    number, (found,) = counts(store, "size", wants_objects=True)
    assert number == len(rows)
    assert {key: count for key, (count, _) in found.items()} == {
        sort_key(size): 100 if size == 7 else 1 for size in range(1500)
    }
    assert [packed for _, packed in found.values() if packed] == [b"0", b"1499"]
