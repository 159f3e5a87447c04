"""A program that reads random bytes: ``python fuzzer.py json 1 3``."""

import json
import random
import resource
import sys
import time as clock_of
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack

from django_ormist.codecs import as_plain, find_too_deep, pack, pack_value, unpack
from django_ormist.exceptions import CorruptDataError
from django_ormist.sortkeys import sort_key, value_of
from django_ormist.terms import object_terms

VALUES = [
    None,
    True,
    -5,
    2**63,
    -(2**200),
    0.1,
    float("nan"),
    float("inf"),
    "text",
    "å" * 50,
    b"bytes",
    [],
    [1, [2, (3,)]],
    (),
    (1, (2,)),
    {},
    {"a": {"$": 1}},
    {1: 2, (3, 4): 5},
    {1, "a"},
    frozenset([frozenset(), (1,)]),
    datetime(2024, 1, 2, tzinfo=UTC),
    datetime(1, 1, 1),
    datetime(2024, 1, 2, tzinfo=ZoneInfo("Europe/Oslo")),
    datetime(9999, 12, 31, tzinfo=timezone(timedelta(hours=-5))),
    date(1, 1, 1),
    time(1, 2, 3, 4, tzinfo=UTC),
    timedelta.max,
    timedelta.min,
    Decimal("1e999999999"),
    Decimal("-1.50"),
    Decimal("NaN"),
    Decimal("sNaN"),
    UUID(int=5),
]
WORDS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xdc\xff\xff",
    b"\xde\xff\xff",
    b"\x91" * 300,
    b"\xd4\xff\x00",
    b"\xc0",
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7),
    b"\xcb\x7f\xf0" + bytes(6),
    b"\xcb\x7f\xf8" + bytes(6),
    b"1e999999999",
    b"-1e-999999999",
    b"Infinity",
    b"NaN",
    b"9" * 5000,
    b"1e400",
    b"null",
    b"\\ud800",
    b"[" * 500,
    b'{"$": ["tuple", [' * 100,
    b'"$"',
    b'"set"',
    b'"dict"',
    b'"decimal"',
    b'"uuid"',
    b'"timedelta"',
    b'"datetime"',
    b'"int"',
    b'"float"',
    b'"bytes"',
]
BODIES = [
    [1, 2],
    [[1], 2],
    ["a", 1, "a", 2],
    [float("nan"), 1, float("nan"), 2],
    [1],
    "x",
    5,
    -1,
    2**63,
    None,
    {},
    [[]],
    [{}, 1],
    [2**62, 0, None],
    [0, 2, None],
    [0, 0, 10**15],
    [0, 0, "No/Zone"],
    [0, 0, "../../etc/passwd"],
    [0, 0, ""],
    [0, 0, [1]],
    "24:00",
    "1e9",
    "1e999999999999999999999",
    "sNaN",
    "0" * 31,
    "f" * 33,
    "zz",
    "-",
    "f" * 100_000,
    [10**9, 0, 0],
    [0, 10**18, 10**18],
    [1.5, 2.5, "x"],
    b"\x91" * 200,
    b"",
]


def built(codec, chance):
    """Return an object with an extension type or unusual value of invalid content."""
    body = chance.choice(BODIES)
    if codec == "json":
        name = chance.choice(
            [
                "utc",
                "datetime",
                "date",
                "time",
                "timedelta",
                "decimal",
                "uuid",
                "dict",
                "tuple",
                "frozenset",
                "set",
                "int",
                "float",
                "bytes",
                "apart",
                "",
            ]
        )
        body = None if isinstance(body, bytes) else body
        text = json.dumps({"a": {"$": [name, body]}})
        return f'{{"v": 1, "attrs": {text}, "tags": [], "expire": null}}'.encode()
    for _ in range(chance.randrange(1, 4)):
        body = ormsgpack.Ext(chance.randrange(16), ormsgpack.packb(body))
        if chance.random() < 0.5:
            body = [body, body]
    attrs = body if chance.random() < 0.2 else {"a": body}
    return b"\x01" + ormsgpack.packb(
        [attrs, [], chance.choice([5, -1, 2**63, 1.5, None])]
    )


def mutated(codec, chance):
    """Return a valid object with some of its bytes changed, removed or moved."""
    attrs = {f"n{i}": chance.choice(VALUES) for i in range(chance.randrange(1, 6))}
    data = bytearray(pack(attrs, ["tag"], 2**41, codec))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                data[at:at] = chance.choice(WORDS)
            case 2:
                del data[at : at + chance.randrange(1, 20)]
            case 3:
                end = chance.randrange(at, len(data) + 1)
                data[at:at] = data[at:end]
            case 4:
                data[at : at + 9] = chance.choice(WORDS)
    return bytes(data)


def use(codec, attrs, tags, deadline):
    """Pack, index and sort the unpacked object."""
    assert deadline is None or 0 <= deadline < 2**48
    object_terms(attrs, tags, lambda name: True)
    for name, value in attrs.items():
        name.encode()
        pack_value(name, value)
        try:
            key = sort_key(value)
        except ValueError as error:
            raise AssertionError(value) from error
        if key is not None:
            value_of(key)
    as_plain(attrs, tags, deadline)
    again = pack(attrs, tags, deadline, codec)
    assert pack(*unpack(again), codec) == again


def main(codec, seed, seconds):
    chance = random.Random(seed)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_AS, (2 * used + 1_200_000_000,) * 2)
    read = damaged = 0
    end = clock_of.monotonic() + seconds
    while clock_of.monotonic() < end or min(read, damaged) <= 20:  # a busy machine
        make = built if chance.random() < 0.4 else mutated
        data = make(codec, chance)
        began = clock_of.monotonic()
        try:
            found = unpack(data, b"the key")
        except CorruptDataError:
            damaged += 1
        else:
            if not find_too_deep(data):
                use(codec, *found)
                read += 1
        assert clock_of.monotonic() - began < 20, data[:2000]
    sys.stdout.write("alive\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
