"""The bytes of many objects are made in one call, and are those of each one alone."""

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_ormist.codecs import Lifetime, as_msgpack, many, objects, pack, pack_many
from django_ormist.codecs.depth import DEEPEST
from tests.properties.test_codecs import CODECS, storable, text

deadlines = st.none() | st.integers(0, 2**53).map(lambda ms: min(ms, objects.LAST_MS))
records = st.tuples(
    st.dictionaries(text, storable, max_size=3),
    st.lists(text, max_size=2),
    deadlines | st.builds(Lifetime, st.integers(1, 10**9)),
)


def columns(found):
    return [*map(list, zip(*found, strict=True))] or [[], [], []]


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("codec", CODECS)
@given(st.lists(records, max_size=5))
def test_the_bytes_are_those_of_each_object_alone(codec, found):
    assert pack_many(*columns(found), codec) == [pack(*each, codec) for each in found]


@pytest.mark.parametrize("number", [0, 1, 7, 8, 40_000])
def test_all_objects_take_one_call(number, monkeypatch):
    """The beginning of an array depends on its size."""
    found = [({"n": i}, ["a"] * (i % 2), None) for i in range(number)]
    right, calls = [pack(*each) for each in found], []
    monkeypatch.setattr(as_msgpack, "ormsgpack", Counting(calls))
    assert pack_many(*columns(found), "msgpack") == right
    assert len(calls) == 1


class Counting:
    """ormsgpack, which notes the calls of packb()."""

    def __init__(self, calls):
        self.calls = calls

    def packb(self, *args):
        self.calls.append(args)
        return ormsgpack.packb(*args)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (object(), TypeError, "attribute 'bad': object is not a storable type"),
        (bytearray(b"a"), TypeError, "attribute 'bad': bytearray is not a storable"),
        ("\ud800", ValueError, "attribute 'bad': it holds a lone surrogate"),
        (nested(DEEPEST + 1), ValueError, "attribute 'bad': it is nested more than"),
    ],
)
@pytest.mark.parametrize("codec", CODECS)
def test_an_error_names_the_attribute(codec, value, error, message, place):
    found = [({"good": i}, ["a"], None) for i in range(3)]
    found[place] = ({"good": 1, "bad": value}, ["a"], None)
    with pytest.raises(error, match=message):
        pack_many(*columns(found), codec)


def test_the_deepest_values_can_be_packed():
    found = [({"deep": nested(DEEPEST), "n": i}, [], None) for i in range(3)]
    assert pack_many(*columns(found), "msgpack") == [pack(*each) for each in found]


def test_an_object_that_is_too_large_is_refused(monkeypatch):
    found = [({"a": "x" * i}, [], None) for i in range(50)]
    size = len(pack(*found[-1]))
    for limit, is_allowed in ((size, True), (size - 1, False)):
        monkeypatch.setattr(objects, "LARGEST", limit)
        monkeypatch.setattr(many, "LARGEST", limit)
        if is_allowed:
            assert len(pack_many(*columns(found), "msgpack")) == 50
        else:
            with pytest.raises(ValueError, match="512 MB"):
                pack_many(*columns(found), "msgpack")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_value_may_contain_the_bytes_that_part_the_objects(number):
    between = as_msgpack._PACKED_BETWEEN
    for value in (between, between * 2, between[:-1], between[1:], between[2:]):
        found = [({"a": value, "b": [value, 1]}, ["a"], None), ({"a": 1}, [], 5)]
        found = [*found * number, ({"b": value[1:]}, [value.hex()], None)]
        assert pack_many(*columns(found), "msgpack") == [pack(*e) for e in found]
