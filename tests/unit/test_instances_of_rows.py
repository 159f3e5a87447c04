"""Instances of rows: decoded in one loop, with a state on first use. No server."""

import copy
import pickle
import re
import threading
from datetime import UTC, datetime
from random import Random

import pytest

from django_ormist.codecs import many, pack, unpack, unpack_many, unpack_plain
from django_ormist.exceptions import CorruptDataError
from django_ormist.models.peers import Peers
from django_ormist.models.state import CountersState, ModelState, own_dict
from django_ormist.operations.rows import Rows
from tests.models import City, Todo

SPACE = Todo._meta.space("default")
ROW = (b"a", pack({"n": 1}, ["home"], 2_000_000_000_000), None)


def restored():
    return Todo._from_row(ROW, SPACE, "default")


def key(number):
    return b"key%d" % number


def unpacked(many):
    return [*zip(*unpack_many(many, key), strict=True)]


def can_unpack(packed):
    try:
        return bool(unpack(packed))
    except CorruptDataError:
        return False


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_many_objects_are_unpacked_as_each_is_alone(codec):
    many = [
        pack({}, codec=codec),
        pack({"n": 1}, ["home"], codec=codec),
        pack({"n": {1, 2}}, ["home"], 2_000_000_000_000, codec),
    ]
    found = unpacked(many)
    assert found == [unpack(each) for each in many]


LATER_MS = 2_000_000_000_000

VALUES = [{"n": 1, "m": [1, [2, 3]]}, {"name": "a", "n": {"m": None}}, {"x": {1, 2}}]


@pytest.mark.parametrize(
    "contents",
    [
        [(VALUES[0], ["home"], LATER_MS), (VALUES[1], ["home", "work"]), (VALUES[2],)],
        [(attrs,) for attrs in VALUES],
        [(attrs, ["home"]) for attrs in VALUES],
        [(attrs, ["home"], LATER_MS) for attrs in VALUES],
    ],
    ids=["mixed", "without tags", "with tags", "expiring"],
)
def test_damaged_bytes_among_others_are_found_as_alone(contents):
    whole = [pack(*each) for each in contents]
    assert unpacked(whole) == [unpack(each) for each in whole]
    rng = Random(5)
    for _ in range(4000):
        many, at = list(whole), rng.randrange(3)
        start = rng.randrange(len(many[at]) + 1)  # the end, too
        stop = rng.choice((start, start + 1, start + 2, len(many[at])))
        inserted = rng.choice((b"", rng.randbytes(1), b"\x01", rng.choice(whole)))
        many[at] = many[at][:start] + inserted + many[at][stop:]
        try:
            alone = [unpack(each, key(i)) for i, each in enumerate(many)]
        except CorruptDataError as error:
            with pytest.raises(CorruptDataError, match=re.escape(str(error))):
                unpack_many(many, key)
        else:
            assert unpacked(many) == alone


@pytest.mark.parametrize("number", [0, 1, 2, 999, 1000, 1001, 2500])
def test_as_many_as_wanted_are_unpacked_in_order(number):
    many = [pack({"n": n}, ["home"] * (n % 2)) for n in range(number)]
    assert [*zip(*unpack_many(many, key), strict=True)] == [*map(unpack, many)]


BEGUN = [b"\x81\xa1a", b"\x82\xa1a\x01\xa1b", b"\x92\xa1a", b"\xcd\x01", b"\xc3\x80"]
"""Maps and others that the bytes after them would complete, and what ends an object."""


@pytest.mark.parametrize("added", [*(bytes((byte,)) for byte in range(256)), *BEGUN])
def test_bytes_after_an_object_change_none_of_them(added):
    whole = [pack({"n": 1}), pack({"n": 2}, ["home"]), pack({}, (), LATER_MS)]
    for some in (whole, *([each] * 3 for each in whole)):
        for at in range(3):
            many = [each + added * (place == at) for place, each in enumerate(some)]
            assert unpacked(many) == [unpack(each) for each in many]


def test_the_corrupt_one_of_thousands_is_named():
    many = [pack({"n": n}, ["home"]) for n in range(2500)]
    many[1700] = many[1700][:-1]
    with pytest.raises(CorruptDataError, match="key1700'"):
        unpack_many(many, key)


def test_the_deepest_values_are_unpacked_among_others():
    data = b"\x01\x91\x81\xa1n"
    deepest = next(
        packed
        for levels in range(2000, 0, -1)
        if can_unpack(packed := data + b"\x91" * levels + b"\x90")
    )
    assert len(deepest) > 500
    assert unpacked([deepest, pack({})])[1] == ({}, [], None)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x90", b"\x01\x91\x01", b"{}"])
def test_the_key_of_the_corrupt_one_of_many_is_named(data):
    with pytest.raises(CorruptDataError, match="key1"):
        unpack_many([pack({}), data, b"?"], key)


@pytest.mark.parametrize("raised", [KeyError("late"), ValueError("late")])
def test_an_exception_from_outside_is_not_taken_for_corrupt_bytes(monkeypatch, raised):
    unpack_really, raisings = many._unpack_together, [raised]

    def interrupted(packed):
        if raisings:
            raise raisings.pop()
        return unpack_really(packed)

    monkeypatch.setattr(many, "_unpack_together", interrupted)
    is_lost = type(raised) is ValueError  # as ormsgpack's own errors are
    with pytest.raises(InterruptedError if is_lost else KeyError):
        unpack_many([pack({})], key)


def test_an_id_that_is_no_text_is_named():
    with pytest.raises(CorruptDataError, match="xff"):
        Todo._from_rows(Rows([b"a", b"\xff"], [ROW[1]] * 2), SPACE, "default", Peers())


def test_contents_and_state_are_taken_on_first_use():
    instance = restored()
    assert not own_dict(instance)
    assert instance.n == 1
    assert own_dict(instance) == {"id": "a", "attrs": {"n": 1}}
    state = instance._state
    assert instance._state is state
    assert type(state) is ModelState
    assert (state.packed, state.tags, state.using) == (ROW[1], ["home"], "default")
    assert (state.expire_at_ms, state.peers) == (2_000_000_000_000, None)
    assert not state.is_id_random
    assert vars(instance) == {"id": "a", "attrs": {"n": 1}, "_state": state}


def test_the_state_has_the_counters_of_the_row():
    state = Todo._from_row((*ROW[:2], {"visits": 3}), SPACE, "default")._state
    assert type(state) is CountersState
    assert (state.counters, state.assigned) == ({"visits": 3}, set())


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: each])
def test_an_instance_without_state_is_copied_and_pickled(again):
    instance = pickle.loads(pickle.dumps(again(restored())))
    assert instance == restored()
    assert instance._state.packed == ROW[1]
    assert instance.own_tags == ["home"]


def test_threads_that_need_the_state_at_once_get_the_same():
    for _ in range(50):
        instance, found = restored(), []
        barrier = threading.Barrier(4)

        def read(instance=instance, found=found, barrier=barrier):
            barrier.wait()
            found.append(instance._state)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(set(map(id, found))) == 1


def test_an_instance_without_contents_has_no_state():
    with pytest.raises(AttributeError, match="_read_row"):
        Todo.__new__(Todo)._state  # noqa: B018


def test_the_dict_of_an_instance_whose_class_has_a_mix_in_is_filled():
    row = (b"a", pack({"name": "Bern"}), None)
    city = City._from_row(row, City._meta.space("default"), "default")
    assert city.__dict__ == {"id": "a", "attrs": {"name": "Bern"}}


def test_rows_are_added_by_column():
    rows = Rows()
    rows.extend(Rows([b"a"], [b"1"]))
    rows.extend(Rows([b"b", b"c"], [b"2", b"3"]), 1)
    assert [*rows] == [(b"a", b"1", None), (b"b", b"2", None)]
    counted = Rows()
    counted.extend(Rows())
    counted.extend(Rows([b"a"], [b"1"], [{"n": 1}]))
    counted.extend(Rows([b"b", b"c"], [b"2", b"3"], [{"n": 2}, {"n": 3}]), 1)
    assert [*counted] == [(b"a", b"1", {"n": 1}), (b"b", b"2", {"n": 2})]


@pytest.mark.parametrize("codec", ["msgpack", "json"])
@pytest.mark.parametrize(
    "contents", [({},), ({"n": 1}, ["home"]), ({"n": 1.5}, [], 2_000_000_000_000)]
)
def test_plain_values_are_unpacked_as_all_are(contents, codec):
    packed = pack(*contents, codec=codec)
    assert unpack_plain(packed) == unpack(packed)


def test_values_of_extensions_equal_none_in_a_plain_look():
    now = datetime(2026, 1, 2, tzinfo=UTC)
    attrs, tags, _ = unpack_plain(pack({"at": now, "n": 1, "s": [{1}]}, ["home"]))
    assert (attrs["n"], tags) == (1, ["home"])
    assert attrs["at"] != now
    assert attrs["s"] != [{1}]


def test_damaged_bytes_are_named_in_a_plain_look():
    with pytest.raises(CorruptDataError, match="'key1'"):
        unpack_plain(pack({"n": 1})[:-1], key(1))


def test_each_of_thousands_has_its_own_contents_counters_and_deadline():
    deadlines = [LATER_MS if n == 1500 else None for n in range(2500)]
    rows = Rows(
        [b"c%d" % n for n in range(2500)],
        [pack({"n": n}, [f"t{n}"], deadlines[n]) for n in range(2500)],
        [{"views": n} for n in range(2500)],
    )
    found = City._from_rows(rows, City._meta.space("default"), "default", Peers())
    assert [each.id for each in found] == [f"c{n}" for n in range(2500)]
    assert [each.n for each in found] == [*range(2500)]
    assert [each._state.tags for each in found] == [[f"t{n}"] for n in range(2500)]
    assert [each._state.expire_at_ms for each in found] == deadlines
    assert [each._state.counters for each in found] == rows.counters
    assert [each._state.packed for each in found] == rows.packed
