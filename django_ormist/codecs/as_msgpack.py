"""The msgpack format: 0x01 or 0x02, then an array [attributes, tags, deadline in ms].

What ends the array and is empty is left out. Exotic values are extensions.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import ormsgpack

from ..storable import unwrapped
from .depth import READABLE, count_heads, count_levels
from .extension_types import BUILDERS, EPOCH_UTC, SETS, Pairs, base, exotic

VERSION, MARKED = b"\x01", b"\x02"
"""The first byte. Of MARKED the index entries stand by marked terms: see terms.py."""

BUFFERS = frozenset((bytearray, memoryview))
"""Which ormsgpack would store as bytes: they are refused."""

_PASS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
# The code of an extension is 1 + the place of its name here, 0 a moment in UTC as eight
# bytes. They are in stored objects: names are only ever added at the end. "apart" is a
# container that release 0.1.0 packed by itself, because it was deeper than 100 others.
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


def packed(value: Any) -> bytes:
    """One value. TypeError for what msgpack and our extensions do not carry."""
    return ormsgpack.packb(value, _default, _PASS)


def deadline_tail(expire_at_ms: int) -> tuple[bytes, int]:
    """The end of an object with this deadline: an integer of eight bytes, marked.

    So it is from 2^32 ms on, February 1970; nothing that lives has an earlier one.
    """
    return b"\xcf" + expire_at_ms.to_bytes(8, "big"), 1


def pack(attrs: Any, tags: list[str], expire_at_ms: int | None) -> bytes:
    """One object."""
    content = [attrs]
    if tags or expire_at_ms is not None:
        content.append(tags)
    if expire_at_ms is not None:
        content.append(expire_at_ms)
    return VERSION + packed(content)


def unpack(data: bytes) -> list[Any]:
    """[attributes], [.., tags] or [.., tags, deadline]. ValueError, TypeError."""
    content = ormsgpack.unpackb(data[1:], ext_hook=_build)
    if type(content) is not list or not 1 <= len(content) <= 3:
        raise ValueError("not an object")
    return content


def _default(value: Any) -> Any:
    """What ormsgpack asks for each value that it does not know."""
    real = unwrapped(value)
    if real is not value:
        return real
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = int.__pos__(value)
    elif isinstance(value, int | str | float | dict | bytes | list) and not isinstance(
        value, Pairs
    ):
        return base(value)
    name, body = exotic(value)
    if name == "utc":
        return ormsgpack.Ext(0, body.to_bytes(8, "big", signed=True))
    if name in SETS:
        return ormsgpack.Ext(_CODES[name], _array(sorted(map(packed, body))))
    return ormsgpack.Ext(_CODES[name], packed(body))


def _array(members: list[bytes]) -> bytes:
    """The array of members that are packed already."""
    nils = ormsgpack.packb([None] * len(members))  # one byte each, behind the head
    return nils[: len(nils) - len(members)] + b"".join(members)


def careful(value: Any) -> Any:
    """The same value in terms that ormsgpack takes; TypeError names the type.

    The slow path: dicts whose keys are not texts, and what ormsgpack takes for bytes.
    """
    value = unwrapped(value)
    kind = type(value)
    if kind in BUFFERS:
        raise TypeError(kind.__name__)
    if isinstance(value, dict):
        pairs = [(unwrapped(key), careful(item)) for key, item in value.items()]
        if all(type(key) is str for key, _ in pairs):
            return dict(pairs)
        return Pairs(each for key, item in pairs for each in (careful(key), item))
    if isinstance(value, list | tuple | set | frozenset):
        members = [careful(item) for item in value]
        if isinstance(value, list):
            return members
        return tuple(members) if isinstance(value, tuple) else value
    return value


def _build(code: int, body: bytes, room: int = READABLE) -> Any:
    """Return the value of an extension.

    room: how many levels may nest in it. They are counted only where the body has bytes
    enough for more: what is nested without end would take the whole C stack.
    """
    if code == 0:
        return _utc(body)
    name = _BY_CODE[code]
    if name not in _NESTED:
        return BUILDERS[name](ormsgpack.unpackb(body))
    if name == "apart":
        body = ormsgpack.unpackb(body)
    if len(body) > room and count_heads(body) > room:
        room -= max(count_levels(body), 1) + 1
        if room < 0:
            raise ValueError("nested too deep")
    hook = _build if room == READABLE else partial(_build, room=room)
    value = ormsgpack.unpackb(body, ext_hook=hook)
    return value if name == "apart" else BUILDERS[name](value)


def _utc(body: bytes) -> datetime:
    """The commonest exotic value: its body is a bare integer, eight bytes."""
    return EPOCH_UTC + timedelta(0, 0, int.from_bytes(body, "big", signed=True))


_BY_CODE = {code: name for name, code in _CODES.items()}
_NESTED = frozenset(("dict", "tuple", "frozenset", "set", "apart"))
"""The names whose bodies hold other values."""
