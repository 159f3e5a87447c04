"""Stored values come back equal and of the same type, in both codecs."""

import enum
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_ormist import codecs
from django_ormist.codecs import (
    as_msgpack,
    deadline_of,
    mark,
    objects,
    pack,
    pack_many,
    pack_value,
    unpack,
    unpack_many,
    with_deadline,
)
from django_ormist.codecs.extension_types import encode_extension
from django_ormist.exceptions import CorruptDataError

CODECS = ["msgpack", "json"]

text = st.text(st.characters(exclude_categories=["Cs"]))
zones = st.sampled_from(
    [
        None,
        UTC,
        ZoneInfo("Europe/Oslo"),
        ZoneInfo("UTC"),
        timezone(timedelta(hours=5, minutes=30)),
        timezone(timedelta(hours=-3, seconds=7)),
    ]
)
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False)
    | text
    | st.binary()
    | st.datetimes(timezones=zones)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
storable = st.recursive(
    hashable | st.just(float("nan")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.tuples(inner)
        | st.sets(hashable, max_size=3)
    ),
    max_leaves=8,
)


def is_same(one, two):
    """Return whether values and types are equal at every level; nan is nan."""
    if type(one) is not type(two):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(is_same, one, two))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(two.items()))
    if isinstance(one, set | frozenset):
        kinds = [
            sorted((type(each).__name__, hash(each)) for each in s) for s in (one, two)
        ]
        return one == two and kinds[0] == kinds[1]
    if isinstance(one, datetime) and one.tzinfo is not None:
        return one == two and one.utcoffset() == two.utcoffset()
    return one == two or (one != one and two != two)


@pytest.mark.parametrize("codec", CODECS)
@given(
    attrs=st.dictionaries(text, storable, max_size=4),
    tags=st.lists(text, max_size=3),
    expire_at_ms=st.none() | st.integers(0, 253_402_300_799_999),
)
def test_packed_values_are_unpacked_unchanged(codec, attrs, tags, expire_at_ms):
    found = unpack(pack(attrs, tags, expire_at_ms, codec), b"key")
    assert is_same(found, (attrs, tags, expire_at_ms))


@given(
    st.uuids()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals()
    | st.integers(0, 10**300).map(Decimal)
)
@example(UUID(int=0))
@example(Decimal("1" * 31))
@example(Decimal("1" * 32))
@example(Decimal("-1" + "0" * 255))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
def test_the_most_common_extensions_are_built_as_the_others(value):
    name, body = encode_extension(value)
    if name == "utc":
        expected = ormsgpack.Ext(0, body.to_bytes(8, "big", signed=True))
    else:
        code = 1 + as_msgpack._NAMES.index(name)
        expected = ormsgpack.Ext(code, ormsgpack.packb(body))
    assert as_msgpack.encode([value]) == ormsgpack.packb([expected])


@given(st.sets(hashable, max_size=6))
def test_equal_sets_have_equal_bytes(members):
    again = set()
    for member in sorted(members, key=repr, reverse=True):
        again.add(member)
    assert pack_value("x", members) == pack_value("x", again)


@pytest.mark.parametrize("codec", CODECS)
def test_a_member_of_nested_sets_is_packed_once(codec):
    class Counted(UUID):
        seen = 0

        @property
        def hex(self):
            Counted.seen += 1
            return f"{self.int:032x}"

    value = Counted(int=1)
    for _ in range(10):
        value = frozenset([value])
    assert unpack(pack({"x": value}, codec=codec))[0] == {"x": value}
    assert Counted.seen == 1


@pytest.mark.parametrize(
    ("codec", "packed"),
    [
        ("msgpack", b"\xc7\x12\x0b\x97\x01\xa1a\xa1b\xc0\xc4\0\xc7\3\n\x92\1\2\xcd\1,"),
        (
            "json",
            b'{"$": ["set", ["a", "b", 1, 300, null, {"$": ["bytes", ""]}, '
            b'{"$": ["frozenset", [1, 2]]}]]}',
        ),
    ],
)
def test_members_of_a_set_are_ordered_by_their_bytes(codec, packed):
    members = {b"", 300, "b", 1, "a", frozenset({2, 1}), None}
    assert packed in pack({"x": members}, codec=codec)


@pytest.mark.parametrize("codec", CODECS)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x01", b"{", b"\x01\x91\x81"]))
def test_any_bytes_are_an_object_or_raise_corrupt_data(codec, data, head):
    try:
        attrs, tags, expire_at_ms = unpack(head + data, b"the key")
    except CorruptDataError as damage:
        error = damage
    else:
        assert pack(attrs, tags, expire_at_ms, codec)
        return
    assert "the key" in str(error)


@pytest.mark.parametrize("codec", CODECS)
def test_a_subclass_comes_back_as_its_plain_base(codec):
    class Colour(enum.StrEnum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    point = namedtuple("point", "x y")(1, 2)
    attrs = {
        "a": Colour.RED,
        "b": Level.HIGH,
        "c": point,
        "d": OrderedDict(x=1),
        "e": True,
    }
    found = unpack(pack(attrs, codec=codec))[0]
    assert is_same(found, {"a": "red", "b": 3, "c": (1, 2), "d": {"x": 1}, "e": True})


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "value",
    [
        object(),
        [object()],
        {"a": {1: object()}},
        1j,
        bytearray(b"x"),
        enum.Enum("E", "a"),
    ],
)
def test_an_unsupported_type_is_refused_with_its_attribute(codec, value):
    with pytest.raises(TypeError, match="'thing'"):
        pack({"fine": 1, "thing": value}, codec=codec)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "value", ["\ud800", ["\udfff"], {"\ud800": 1}, {1: {"\ud800"}}]
)
def test_a_lone_surrogate_is_refused_with_its_attribute(codec, value):
    with pytest.raises(ValueError, match="'thing'"):
        pack({"thing": value}, codec=codec)


@pytest.mark.parametrize("codec", CODECS)
def test_a_value_that_contains_itself_is_refused(codec):
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match=r"'loop'.*in itself"):
        pack({"loop": loop}, codec=codec)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\xc0",
        b"\x01\x90",
        b"\x03\x91\x80",
        b"{",
        b"{}",
        b'{"v":1,"attrs":[],"tags":[],"expire":null}',
        b'{"v":1,"attrs":{},"tags":[1],"expire":null}',
        b'{"v":1,"attrs":{},"tags":[],"expire":true}',
        b'{"v":2,"attrs":{},"tags":[],"expire":null}',
        b'{"v":1,"attrs":{"a":{"$":["eval","1"]}},"tags":[],"expire":null}',
        b"\x01" + b"\x91" * 5000,
        b"{" * 5000,
        b"\x80\x04\x95\x10\x00\x00\x00",
        b"\x01\x91\x81\xa1a\xd4\x63\x00",
        b"\x01\x91\x81\xa1a\xd4\xff\x00",
        b"\x01\x91\x81\xa1a\xd4\xf3\xc0",
    ],
)
def test_damaged_bytes_are_named_by_their_key(data):
    with pytest.raises(CorruptDataError, match="the key"):
        unpack(data, b"the key")


def test_the_json_codec_is_readable():
    assert pack({"name": "Åse"}, ["a"], 5, "json").decode() == (
        '{"v": 1, "attrs": {"name": "Åse"}, "tags": ["a"], "expire": 5}'
    )


@pytest.mark.parametrize("codec", ["msgpack", "json"])
@given(
    expire_at_ms=st.none() | st.integers(2**40, 253_402_214_400_000),
    tags=st.lists(st.text(max_size=5), max_size=3),
    attrs=st.dictionaries(st.text(max_size=5), st.text() | st.binary(), max_size=3),
)
def test_the_expiration_time_is_at_the_end(codec, expire_at_ms, tags, attrs):
    packed = pack(attrs, tags, expire_at_ms, codec)
    assert deadline_of(packed) == deadline_of(mark(packed)) == expire_at_ms
    if expire_at_ms is not None:
        other = with_deadline(packed, 2_000_000_000_000)
        assert other == pack(attrs, tags, 2_000_000_000_000, codec)
        assert with_deadline(mark(packed), 2_000_000_000_000) == mark(other)


@given(st.binary(max_size=60))
def test_reading_the_expiration_time_of_any_bytes_does_not_raise(data):
    for start in (b"", b"\x01\x93", b"{", b'{"expire": 1'):
        deadline_of(start + data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("key", ["a", 1])
def test_more_bytes_than_the_server_accepts_are_refused(codec, key, monkeypatch):
    """More than 512 MB, simulated."""
    size = len(pack({"a": {key: "x" * 100}}, codec=codec))
    monkeypatch.setattr(objects, "LARGEST", size)
    assert pack({"a": {key: "x" * 100}}, codec=codec)
    with pytest.raises(ValueError, match=r"512 MB.*parts"):
        pack({"a": {key: "x" * 101}}, codec=codec)


class TimeLimit(Exception):
    """As Celery's soft time limit, which a signal handler raises."""


def raise_once(error, function):
    """Return *function*, which raises *error* on its first call."""
    errors = [error]

    def raising(*args, **kwargs):
        if errors:
            raise errors.pop()
        return function(*args, **kwargs)

    return raising


@pytest.mark.parametrize("error", [TimeLimit(), MemoryError()], ids=repr)
@pytest.mark.parametrize("codec", CODECS)
def test_valid_bytes_are_not_called_corrupt_if_reading_is_interrupted(
    codec, error, monkeypatch
):
    packed = pack({"name": "Ann"}, codec=codec)
    module = getattr(objects, f"as_{codec}")
    name = "decode" if codec == "msgpack" else "unpack"
    monkeypatch.setattr(module, name, raise_once(error, getattr(module, name)))
    with pytest.raises(type(error)):
        unpack(packed)
    assert unpack(packed)[0] == {"name": "Ann"}


@pytest.mark.parametrize("error", [TimeLimit(), KeyboardInterrupt()], ids=repr)
def test_an_interruption_within_an_extension_is_an_interrupted_error(
    error, monkeypatch
):
    packed = pack({"number": 10**30})
    build = raise_once(error, objects.as_msgpack._build)
    decode = partial(ormsgpack.unpackb, ext_hook=build)
    monkeypatch.setattr(objects.as_msgpack, "decode", decode)
    with pytest.raises(InterruptedError):
        unpack(packed)
    assert unpack(packed)[0] == {"number": 10**30}


SAME_TWICE = [{"number": 10**30}] * 2, [["a"], []], [None, None]


@pytest.mark.parametrize("error", [TimeLimit(), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize(
    ("module", "hook", "write"),
    [
        ("as_msgpack", "_default", lambda: pack({"number": 10**30})),
        ("as_msgpack", "_default", lambda: pack_value("number", 10**30)),
        ("as_msgpack", "_default", lambda: pack_many(*SAME_TWICE, "msgpack")),
        ("depth", "_as_list", lambda: pack({"many": [{i} for i in range(200)]})),
    ],
)
def test_an_interruption_while_a_value_is_packed_is_an_interrupted_error(
    module, hook, write, error, monkeypatch
):
    whole = write()
    module = getattr(codecs, module)
    monkeypatch.setattr(module, hook, raise_once(error, getattr(module, hook)))
    with pytest.raises(InterruptedError):
        write()
    assert write() == whole


@pytest.mark.parametrize("other", [b"", b"?"], ids=["valid", "followed by a byte"])
def test_an_interruption_while_many_are_read_is_an_interrupted_error(
    other, monkeypatch
):
    many = [pack({"number": 10**30}), pack({}) + other]
    build = raise_once(TimeLimit(), as_msgpack._build)
    monkeypatch.setattr(
        as_msgpack, "decode", partial(ormsgpack.unpackb, ext_hook=build)
    )
    with pytest.raises(InterruptedError):
        unpack_many(many, lambda i: b"")
    assert [*unpack_many(many, lambda i: b"")[0]] == [{"number": 10**30}, {}]


class Interrupting(tzinfo):
    """A time zone that is interrupted when it is asked a given time, as by a signal."""

    def __init__(self, asked):
        self.left = asked

    def utcoffset(self, moment):
        self.left -= 1
        if not self.left:
            raise TimeLimit
        return timedelta(hours=1)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize(
    "other", [1, {1: 2}, as_msgpack._PACKED_BETWEEN, ({1: 2},)], ids=repr
)
@pytest.mark.parametrize("is_one", [True, False])
def test_an_interruption_is_not_lost_where_the_fast_way_fails(number, other, is_one):
    """One that ends the fast way, the repeat that looks for the reason, or the slow."""
    zone = Interrupting(number)
    at = datetime(2026, 1, 1, tzinfo=zone)
    try:
        if is_one:
            pack({"at": at, "other": other})
        else:
            pack_many([{"at": at}, {"other": other}], [[], []], [None, None], "msgpack")
    except (InterruptedError, TimeLimit):
        assert zone.left <= 0
    else:
        assert zone.left > 0


class Broken(tzinfo):
    def utcoffset(self, moment):
        raise LookupError("no such zone")


@pytest.mark.parametrize("codec", CODECS)
def test_the_error_of_a_time_zone_is_raised(codec):
    with pytest.raises(LookupError, match="no such zone"):
        pack({"at": datetime(2026, 1, 1, tzinfo=Broken())}, codec=codec)
