"""The stored objects of each release: raw keys and values, as a file.

``python -m tests.formats.store 0.1.0 > tests/formats/0.1.0.json`` writes the file of
the current release. It is written once per release, and never again.
"""

import json
import sys
from base64 import b64decode, b64encode
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import django_ormist as ormist

PREFIX = "old"
FAR = datetime(2100, 1, 1, tzinfo=UTC)


class Everything(ormist.TaggedModel):
    """A model with every kind of key."""

    class Meta:
        app_label = "formats"
        index_attrs = ("city", "n")
        counters = ("views",)
        ordered = ("n", "city", "moment")
        unique = ("code", ("city", "n"))


VALUES = {
    "none": None,
    "yes": True,
    "int": -(2**63),
    "large": 2**64 - 1,
    "big": -(2**200),
    "float": 0.1,
    "inf": float("-inf"),
    "text": "ä\x00\n\U0001f600",
    "bytes": b"\x00\xff",
    "list": [1, [2, [None]], []],
    "tuple": (1, (2, ())),
    "dict": {"a": 1, "$": {"b": 2}},
    "keys": {1: "a", (2, "b"): None, None: b"x", False: 1.5},
    "set": {1, "a", (2,)},
    "frozenset": frozenset({b"x", 3}),
    "utc": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "zone": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "offset": datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "naive": datetime(1, 1, 1),
    "date": date(2024, 2, 29),
    "time": time(23, 59, 59, 999999),
    "aware_time": time(1, 2, tzinfo=UTC),
    "span": timedelta(days=-1, seconds=3, microseconds=5),
    "decimal": Decimal("-1.500"),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "deep": [[[[{"x": ({"y": {frozenset({(1, 2)})}},)}]]]],
    "na:me *[]{}": "x",
}
DEEPEST = {"0.1.0": 150}  # containers within each other; 100 since


def deep(levels=100):
    value = "end"
    for _ in range(levels):
        value = [value]
    return value


OBJECTS = {
    "plain": ([], {**VALUES, "nested": deep()}, None, {}),
    "tagged": (
        ["home", "x" * 100, "a:b"],
        {"city": "Bern", "n": 3, "code": "B"},
        None,
        {},
    ),
    "soon": (
        ["home"],
        {"city": "y" * 100, "n": Decimal("2.5"), "moment": FAR, "code": 7},
        FAR,
        {"views": 5},
    ),
    "id *[]{}:\n": ([], {"n": -1.5, "city": "ä"}, FAR, {"views": -1}),
}


def make():
    """Store all objects, in order."""
    for pk, (tags, attrs, expire, counters) in OBJECTS.items():
        each = Everything(*tags, id=pk, expire=expire, **counters)
        each.attrs.update(attrs)
        each.save()


def taken(client):
    """Return [key, type, value, expiration in ms or -1] per key; bytes in base64."""
    rows = []
    for key in sorted(client.scan_iter(match=f"{PREFIX}:*", count=1000)):
        kind = client.type(key).decode()
        if kind == "string":
            value = text(client.get(key))
        elif kind == "zset":
            pairs = client.zrange(key, 0, -1, withscores=True)
            value = [[text(member), score] for member, score in pairs]
        else:
            value = [[text(f), text(v)] for f, v in sorted(client.hgetall(key).items())]
        rows.append([text(key), kind, value, client.pexpiretime(key)])
    return rows


def put(client, rows, prefix):
    """Store these rows under another prefix."""
    for name, kind, value, expire_at_ms in rows:
        key = prefix.encode() + b64decode(name).removeprefix(PREFIX.encode())
        if kind == "string":
            client.set(key, b64decode(value))
        elif kind == "zset":
            client.zadd(key, {b64decode(member): score for member, score in value})
        else:
            client.hset(key, mapping={b64decode(f): b64decode(v) for f, v in value})
        if expire_at_ms > 0:
            client.pexpireat(key, expire_at_ms)


def text(data):
    return b64encode(data).decode()


def main(release, make=make):
    """Print the store of this release, in both codecs."""
    import django
    from django.conf import settings

    from tests.servers import Server

    server = Server("valkey91").start()
    found = {"release": release}
    try:
        for codec in ("msgpack", "json"):
            client = server.client()
            client.flushall()
            alias = {"LOCATION": server.unix_url, "KEY_PREFIX": PREFIX, "CODEC": codec}
            if not settings.configured:
                settings.configure(ORMIST={"default": alias}, USE_TZ=True)
                django.setup()
            settings.ORMIST = {"default": alias}
            ormist.connections.reset()
            make()
            found[codec] = taken(client)
    finally:
        server.stop()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    from tests.formats import store

    store.main(sys.argv[1])
