"""The msgpack format: 0x01 or 0x02, then an array [attributes, tags, deadline in ms].

Empty items at the end of the array are left out. Values that msgpack lacks are stored
as extensions: see extension_types.py.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, repeat
from typing import Any
from uuid import UUID

import ormsgpack

from ..storable import unwrap
from .depth import READABLE, count_heads, count_levels
from .extension_types import (
    BUILDERS,
    EPOCH_UTC,
    SETS,
    PairList,
    encode_extension,
    plain_value,
)

VERSION, MARKED = b"\x01", b"\x02"
"""The first byte. MARKED: the index entries use marked terms, see terms.py."""

BUFFERS = frozenset((bytearray, memoryview))
"""Types that ormsgpack would store as bytes: they are refused."""

_PASS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
# The code of an extension is 1 + the place of its name here, 0 a datetime in UTC as
# eight bytes. Stored objects contain them: only add names at the end. "apart" is a
# container that release 0.1.0 packed separately, because it was nested in 100 others.
_NAMES = (
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
    "apart",
)
_CODES = {name: code for code, name in enumerate(_NAMES, start=1)}
_DECIMAL, _UUID = _CODES["decimal"], _CODES["uuid"]

_TEXT_HEADS = [bytes((0xA0 + size,)) for size in range(32)]
"""The first byte of a short text in msgpack, by its size in bytes."""

_HEX_HEAD = b"\xd9\x20"
"""The first bytes of a text of 32 bytes."""

_VERSION = ormsgpack.unpackb(VERSION)
"""The number that is packed as the byte VERSION."""

_BETWEEN = b"\xc1" * 8
_PACKED_BETWEEN = ormsgpack.packb(_BETWEEN)
"""The separator of objects that are packed together. No text contains these bytes."""


def encode(value: Any) -> bytes:
    """Return the bytes of one value. Raises TypeError if it is not storable."""
    return ormsgpack.packb(value, _default, _PASS)


def deadline_tail(expire_at_ms: int) -> tuple[bytes, int]:
    """Return the trailing bytes for a deadline, and the size of their constant prefix.

    msgpack uses an integer of eight bytes from 2^32 ms on, which is February 1970. A
    live object never has an earlier deadline.
    """
    return b"\xcf" + expire_at_ms.to_bytes(8, "big"), 1


def pack(attrs: Any, tags: list[str], expire_at_ms: int | None) -> bytes:
    """Return the bytes of one object."""
    return VERSION + ormsgpack.packb(_items(attrs, tags, expire_at_ms), _default, _PASS)


def pack_many(
    attrs: Sequence[Any], tags: Sequence[list[str]], deadlines: Sequence[int | None]
) -> list[bytes]:
    """Return the bytes of each object. One call for all takes half of the time.

    Raises ValueError if a value contains the separator. Its first byte occurs in it
    once, so that two separators cannot overlap.
    """
    objects = map(_items, attrs, tags, deadlines)
    parts = zip(repeat(_BETWEEN), repeat(_VERSION), objects)
    together = [*chain.from_iterable(parts)]
    _, *packed = ormsgpack.packb(together, _default, _PASS).split(_PACKED_BETWEEN)
    if len(packed) != len(attrs):
        raise ValueError("a value contains the separator")
    return packed


def _items(attrs: Any, tags: list[str], expire_at_ms: int | None) -> list[Any]:
    """Return the array of one object."""
    if expire_at_ms is not None:
        return [attrs, tags, expire_at_ms]
    return [attrs, tags] if tags else [attrs]


def _default(value: Any) -> Any:
    """Return a value that ormsgpack can pack, for a value of a type unknown to it.

    The most common types come first, without calls, which would take a third longer.
    """
    kind = type(value)
    if kind is datetime and value.tzinfo is UTC:  # as encode_extension() has it
        since = value - EPOCH_UTC
        seconds = since.days * 86_400 + since.seconds
        body = (seconds * 1_000_000 + since.microseconds).to_bytes(8, signed=True)
        return ormsgpack.Ext(0, body)
    if kind is UUID:
        return ormsgpack.Ext(_UUID, _HEX_HEAD + b"%032x" % value.int)
    if kind is Decimal:
        text = str(value)
        size = len(text)  # in bytes, too
        packed = _TEXT_HEADS[size] + text.encode() if size < 32 else encode(text)
        return ormsgpack.Ext(_DECIMAL, packed)
    if kind is datetime:
        return _pack_extension(value)
    real = unwrap(value)
    if real is not value:
        return real
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = int.__pos__(value)
    elif isinstance(value, int | str | float | dict | bytes | list) and not isinstance(
        value, PairList
    ):
        return plain_value(value)
    return _pack_extension(value)


def _pack_extension(value: Any) -> Any:
    name, body = encode_extension(value)
    if name == "utc":  # of a subclass
        return ormsgpack.Ext(0, body.to_bytes(8, signed=True))
    if name in SETS:
        return ormsgpack.Ext(_CODES[name], _join_array(sorted(map(encode, body))))
    return ormsgpack.Ext(_CODES[name], encode(body))


def _join_array(members: list[bytes]) -> bytes:
    """Return the array of members that are already packed."""
    nils = ormsgpack.packb([None] * len(members))  # one byte each, after the header
    return nils[: len(nils) - len(members)] + b"".join(members)


def normalize(value: Any) -> Any:
    """Return the value built of types that ormsgpack takes.

    The slow path, for dicts with keys other than str, and to refuse buffers, which
    ormsgpack would store as bytes. Raises TypeError with the name of the type.
    """
    value = unwrap(value)
    kind = type(value)
    if kind in BUFFERS:
        raise TypeError(kind.__name__)
    if isinstance(value, dict):
        pairs = [(unwrap(key), normalize(item)) for key, item in value.items()]
        if all(type(key) is str for key, _ in pairs):
            return dict(pairs)
        return PairList(each for key, item in pairs for each in (normalize(key), item))
    if isinstance(value, list | tuple | set | frozenset):
        members = [normalize(item) for item in value]
        if isinstance(value, list):
            return members
        return tuple(members) if isinstance(value, tuple) else value
    return value


def _build(code: int, body: bytes, levels: int = READABLE) -> Any:
    """Return the value of an extension.

    levels: how many levels may nest in it. They are counted only if the body has enough
    bytes to exceed them. Without this limit, hostile data could exhaust the C stack.
    """
    if code == 0:
        return _utc(body)
    name = _BY_CODE[code]
    if name not in _NESTED:
        return BUILDERS[name](ormsgpack.unpackb(body))
    if name == "apart":
        body = ormsgpack.unpackb(body)
    if len(body) > levels and count_heads(body) > levels:
        levels -= max(count_levels(body), 1) + 1
        if levels < 0:
            raise ValueError("nested too deep")
    hook = _build if levels == READABLE else partial(_build, levels=levels)
    value = ormsgpack.unpackb(body, ext_hook=hook)
    return value if name == "apart" else BUILDERS[name](value)


def _utc(body: bytes) -> datetime:
    """Return a datetime in UTC, the most common extension: its body is an integer."""
    return EPOCH_UTC + timedelta(0, 0, int.from_bytes(body, "big", signed=True))


decode = partial(ormsgpack.unpackb, ext_hook=_build)
"""Return a value of its bytes: of an object without the first byte, say.

The object is [attributes], [.., tags] or [.., tags, deadline], unless it is corrupt.
Raises ValueError or TypeError. A partial, since a function takes a tenth longer.
"""

decode_plain = partial(ormsgpack.unpackb, ext_hook=ormsgpack.Ext)
"""As decode(), with extensions as they are."""

_BY_CODE = {code: name for name, code in _CODES.items()}
_NESTED = frozenset(("dict", "tuple", "frozenset", "set", "apart"))
"""The names of extensions whose bodies contain other values."""
