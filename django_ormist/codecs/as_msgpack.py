"""The msgpack format: 0x01, then an array [attributes, tags, deadline in ms].

What ends the array and is empty is left out. Exotic values are extensions.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import ormsgpack

from .exotic import BUILDERS, EPOCH_UTC, SETS, Pairs, base, exotic

VERSION = b"\x01"
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
_DEEPEST = 100
"""Containers within each other in one value; deeper ones are packed apart."""

# The code of an extension is 1 + the place of its name here, 0 a moment in UTC as eight
# bytes. They are in stored objects: names are only ever added at the end.
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


class _Apart(bytes):
    """A packed container, so deep that it stands apart."""


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
    content = ormsgpack.unpackb(data[1:], ext_hook=_built)
    if type(content) is not list or not 1 <= len(content) <= 3:
        raise ValueError("not an object")
    return content


def _default(value: Any) -> Any:
    """What ormsgpack asks for each value that it does not know."""
    if isinstance(value, _Apart):
        return ormsgpack.Ext(_CODES["apart"], ormsgpack.packb(bytes(value)))
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


def careful(value: Any, depth: int = 0) -> Any:
    """The same value in terms that ormsgpack takes; TypeError names the type.

    The slow path: dicts whose keys are not texts, containers deep within others.
    """
    kind = type(value)
    if kind in BUFFERS:
        raise TypeError(kind.__name__)
    if isinstance(value, dict):
        if all(type(key) is str for key in value):
            plain: Any = {key: careful(item, depth + 1) for key, item in value.items()}
        else:
            plain = Pairs()
            for key, item in value.items():
                plain += (careful(key, depth + 1), careful(item, depth + 1))
    elif isinstance(value, list | tuple | set | frozenset):
        members = [careful(item, depth + 1) for item in value]
        if isinstance(value, list):
            plain = members
        elif isinstance(value, tuple):
            plain = tuple(members)
        else:
            return value if depth % _DEEPEST else _Apart(packed(value))
    else:
        return value
    if depth and depth % _DEEPEST == 0:
        return _Apart(packed(plain))
    return plain


def _built(code: int, body: bytes) -> Any:
    return _BY_CODE[code](body)


def _utc(body: bytes) -> datetime:
    """The commonest exotic value: its body is a bare integer, eight bytes."""
    return EPOCH_UTC + timedelta(0, 0, int.from_bytes(body, "big", signed=True))


def _unpacking(build: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda body: build(ormsgpack.unpackb(body, ext_hook=_built))


def _apart(body: bytes) -> Any:
    return ormsgpack.unpackb(body, ext_hook=_built)


_BY_CODE = [_utc, *(_unpacking(BUILDERS.get(name, _apart)) for name in _NAMES)]
