"""Nesting of values: at most 100 levels; stored bytes never fill the stack."""

import base64
import subprocess
import sys

import ormsgpack
import pytest

from django_ormist.codecs import (
    as_plain,
    depth,
    find_too_deep,
    pack,
    pack_value,
    unpack,
)
from django_ormist.codecs.depth import count_levels, is_deeper
from django_ormist.exceptions import CorruptDataError

CODECS = ["msgpack", "json"]
NESTS = {
    "lists": lambda inner: [inner],
    "tuples": lambda inner: (inner,),
    "dicts": lambda inner: {"down": inner},
    "dicts with other keys": lambda inner: {1: inner, (): "x"},
    "frozensets": lambda inner: frozenset([inner, "x"]),
    "keys": lambda inner: (inner, "x" * 300),
    "wide lists": lambda inner: ["å" * 400, [1], inner, {"a": 2}],
    "wide tuples": lambda inner: ("å" * 400, (1,), inner, 300),
}


def nested(kind, levels):
    value = ("bottom",)
    for _ in range(levels - 1):
        value = NESTS[kind](value)
    return value


def at_depth(frames, function, *args, **kwargs):
    if frames:
        return at_depth(frames - 1, function, *args, **kwargs)
    return function(*args, **kwargs)


def frames_left(left):
    """Return the number of frames to add so that this many are left."""
    frame, used = sys._getframe(), 0
    while frame:
        frame, used = frame.f_back, used + 1
    return sys.getrecursionlimit() - used - left


@pytest.mark.parametrize("left", [900, 400, 60])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", NESTS)
def test_a_hundred_levels_are_stored_with_a_full_stack(kind, codec, left):
    value = nested(kind, 100)
    frames = frames_left(left)
    data = at_depth(frames, pack, {"deep": value}, codec=codec)
    assert data == pack({"deep": value}, codec=codec)
    found = at_depth(frames, unpack, data)[0]["deep"]
    assert at_depth(frames, pack_value, "deep", found) == pack_value("deep", value)
    assert not is_deeper(found)


@pytest.mark.parametrize("left", [900, 60])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", NESTS)
def test_one_more_level_is_refused_with_a_full_stack(kind, codec, left):
    attrs = {"fine": 1, "deep": nested(kind, 101)}
    with pytest.raises(ValueError, match=r"'deep'.*more than 100 deep"):
        at_depth(frames_left(left), pack, attrs, codec=codec)


@pytest.mark.parametrize("codec", CODECS)
def test_a_value_that_holds_itself_twice_is_refused(codec):
    loop, keyed = [], {}
    loop += [loop, loop, (loop, {1: loop})]
    keyed[1] = [keyed, keyed]
    for value in (loop, keyed):
        with pytest.raises(ValueError, match=r"'loop'.*in itself"):
            pack({"loop": value}, codec=codec)
        with pytest.raises(ValueError, match=r"'loop'.*in itself"):
            pack_value("loop", value)


def stored_by_0_1_0(levels):
    """Return nested lists as 0.1.0 packed them: every hundred levels apart."""
    value, inside = "bottom", levels % 100
    for level in range(levels):
        value = [value]
        if (level + 1) % 100 == inside and level + 1 != levels:
            value = ormsgpack.Ext(13, ormsgpack.packb(ormsgpack.packb(value)))
    return b"\x01" + ormsgpack.packb([{"deep": value}])


@pytest.mark.parametrize("levels", [101, 199, 250, 300])
def test_deeper_nesting_of_an_earlier_release_is_read_and_named(levels):
    data = stored_by_0_1_0(levels)
    attrs, _, _ = unpack(data)
    assert count_down(attrs["deep"]) == levels
    assert find_too_deep(data) == ["deep"]
    assert pack_value("deep", attrs["deep"]) == pack_value("deep", attrs["deep"])
    assert as_plain(attrs)["attrs"] == attrs
    with pytest.raises(ValueError, match="100 deep"):
        pack(attrs)


def count_down(value):
    levels = 0
    while isinstance(value, list | tuple):
        value, levels = value[0], levels + 1
    return levels


@pytest.mark.parametrize("width", [0, 400])
def test_tuples_of_an_earlier_release_are_read(width):
    body = ormsgpack.packb("bottom")
    for _ in range(300):
        heads = b"\x92" + body + ormsgpack.packb("å" * width)
        body = ormsgpack.packb(ormsgpack.Ext(9, heads))
    attrs, _, _ = unpack(b"\x01\x91\x81\xa1a" + body)
    assert count_down(attrs["a"]) == 300


@pytest.mark.parametrize("kind", NESTS)
def test_the_fast_and_the_exact_count_of_levels_agree(kind, monkeypatch):
    values = [nested(kind, levels) for levels in (1, 50, 99, 100, 101, 200)]
    quick = [is_deeper(value) for value in values]
    monkeypatch.setattr(depth, "_is_packed_within", lambda _: False)
    assert quick == [is_deeper(value) for value in values]
    assert quick == [False] * 4 + [True] * 2


@pytest.mark.parametrize("value", [[], [1, [2]], {"a": [{}, {"b": [1]}]}, "x" * 70000])
def test_counting_levels_does_not_recurse(value):
    def levels(each):
        if not isinstance(each, list | dict) or not each:
            return 0
        return 1 + max(map(levels, each.values() if isinstance(each, dict) else each))

    assert count_levels(ormsgpack.packb(value)) == levels(value)


def packed_bombs():
    """Return bytes that nest deeper than any stack, in every container extension."""
    arrays = b"\x91" * 1000
    for code in (8, 9, 10, 11, 13):
        for inner in (arrays, b"\x91", b"", b"\x81\xa1a" * 900):
            body = b"\xc0"
            for _ in range(2000):
                packed = inner + body
                if code == 13:
                    packed = ormsgpack.packb(packed)
                body = ormsgpack.packb(ormsgpack.Ext(code, packed))
                if len(body) > 2_000_000:
                    break
            yield b"\x01\x91\x81\xa1a" + body
    yield b"\x01" + b"\x91" * 3_000_000
    yield b'{"v": 1, "attrs": {"a": ' + b"[" * 3_000_000
    yield b'{"v": 1, "attrs": {"a": ' + b'{"$": ["tuple", [' * 100_000


READER = """
import base64, sys, threading
from django_ormist.codecs import unpack
from django_ormist.exceptions import CorruptDataError

def read(data):
    try:
        unpack(data, b"the key")
    except CorruptDataError as error:
        assert "the key" in str(error)
    else:
        raise AssertionError(data[:50])

threading.stack_size(2 * 1024 * 1024)
for line in sys.stdin:
    data = base64.b64decode(line)
    read(data)
    thread = threading.Thread(target=read, args=(data,))
    thread.start()
    thread.join()
print("alive")
"""


def test_endlessly_nested_bytes_are_corrupt_data():
    """In another process, because a failure is a segmentation fault."""
    lines = b"\n".join(map(base64.b64encode, packed_bombs()))
    done = subprocess.run(
        [sys.executable, "-c", READER], input=lines, capture_output=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, b"alive\n"), done.stderr[-2000:]


@pytest.mark.parametrize("code", [-1, -5, -13, -128, 14, 99, 127])
def test_an_unknown_extension_type_is_corrupt_data(code):
    for body in (b"\x90", b"\xc0", b"\x00" * 8, b"\xa1a"):
        size = bytes((0xC7, len(body), code % 256))
        with pytest.raises(CorruptDataError):
            unpack(b"\x01\x91\x81\xa1a" + size + body)
