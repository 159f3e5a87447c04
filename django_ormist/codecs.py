"""Values <-> bytes. Nobody else packs a value; nothing is ever unpickled.

An object is stored as one string. Its first byte tells the format and its version:

    0x01  msgpack: an array [attributes], [.., tags] or [.., tags, deadline in ms]
    "{"   JSON: {"v": 1, "attrs": {..}, "tags": [..], "expire": ms or null}

Types that the format lacks are "exotic": a name and a body of plain values, stored as
a msgpack extension or as {"$": [name, body]}.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack

from .exceptions import CorruptDataError

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERSION = b"\x01"
_PASS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_BUFFERS = (bytearray, memoryview)  # which ormsgpack would store as bytes
_DEEPEST = 100
"""Containers within each other in one msgpack value; deeper ones are packed apart."""


class _Pairs(list[Any]):
    """A dict with keys that are not plain texts: key, value, key, value."""


class _Apart(bytes):
    """A packed container, so deep that it stands apart."""


# ------------------------------------------------------------------ exotic types


def _exotic(value: Any, pack_member: Callable[[Any], bytes]) -> tuple[str, Any] | None:
    """The name and body of a value that the formats lack, None if it is none."""
    if isinstance(value, datetime):
        if value.tzinfo is UTC:
            return "utc", (value - _EPOCH_UTC) // _MICROSECOND
        wall = (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
        return "datetime", [wall, value.fold, _zone(value)]
    if isinstance(value, date):
        return "date", value.toordinal()
    if isinstance(value, time):
        plain = value.replace(tzinfo=None, fold=0).isoformat()
        return "time", [plain, value.fold, _zone(value)]
    if isinstance(value, timedelta):
        return "timedelta", [value.days, value.seconds, value.microseconds]
    if isinstance(value, Decimal):
        return "decimal", Decimal.__str__(value)
    if isinstance(value, UUID):
        return "uuid", value.hex
    if isinstance(value, _Pairs):
        return "dict", list(value)
    if isinstance(value, tuple):
        return "tuple", list(value)
    if isinstance(value, frozenset | set):
        name = "frozenset" if isinstance(value, frozenset) else "set"
        return name, sorted(value, key=pack_member)
    if isinstance(value, int) and not isinstance(value, bool):
        return "int", f"{value:x}"
    return None


def _zone(value: datetime | time) -> Any:
    """None (naive), the key of a ZoneInfo, or an offset in microseconds."""
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        return value.tzinfo.key
    offset = value.utcoffset()
    return None if offset is None else offset // _MICROSECOND


@lru_cache(maxsize=512)
def _tzinfo(zone: str | int | None) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    return timezone(timedelta(microseconds=zone)) if zone else UTC


def _datetime(body: Any) -> datetime:
    wall, fold, zone = body
    moment = _EPOCH + timedelta(microseconds=wall)
    return moment.replace(fold=fold, tzinfo=_tzinfo(zone))


def _time(body: Any) -> time:
    plain, fold, zone = body
    return time.fromisoformat(plain).replace(fold=fold, tzinfo=_tzinfo(zone))


def _dict(body: list[Any]) -> dict[Any, Any]:
    return dict(zip(body[::2], body[1::2], strict=True))


_BUILDERS: dict[str, Callable[[Any], Any]] = {
    "utc": lambda body: _EPOCH_UTC + timedelta(microseconds=body),
    "datetime": _datetime,
    "date": date.fromordinal,
    "time": _time,
    "timedelta": lambda body: timedelta(body[0], body[1], body[2]),
    "decimal": Decimal,
    "uuid": lambda body: UUID(hex=body),
    "dict": _dict,
    "tuple": tuple,
    "frozenset": frozenset,
    "set": set,
    "int": lambda body: int(body, 16),
    "apart": lambda body: ormsgpack.unpackb(body, ext_hook=_built),
    "bytes": base64.b64decode,  # JSON alone
    "float": float,  # JSON alone: nan, inf
}
# The place in this list is the extension's code (0 is "utc" in eight bytes): names are
# only ever added at its end.
_CODES = {name: code for code, name in enumerate(_BUILDERS, start=1)}


def _utc(body: bytes) -> datetime:
    """The commonest exotic value: its body is a bare integer, eight bytes."""
    return _EPOCH_UTC + timedelta(0, 0, int.from_bytes(body, "big", signed=True))


def _unpacking(build: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda body: build(ormsgpack.unpackb(body, ext_hook=_built))


_BY_CODE: list[Callable[[bytes], Any]] = [_utc, *map(_unpacking, _BUILDERS.values())]


_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__pos__),
    (float, float.__pos__),
    (dict, dict),
    (list, list),
    (bytes, lambda each: bytes(memoryview(each))),
)


def _base(value: Any) -> Any:
    """A subclass of a plain type as that type; TypeError for what is not storable."""
    for kind, plain in _BASES:
        if isinstance(value, kind) and type(value) is not kind:
            return plain(value)
    raise TypeError(type(value).__name__)


# ------------------------------------------------------------------ msgpack


def _default(value: Any) -> Any:
    """What ormsgpack asks for each value that it does not know."""
    if isinstance(value, _Apart):
        return ormsgpack.Ext(_CODES["apart"], ormsgpack.packb(bytes(value)))
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = int.__pos__(value)
    elif isinstance(value, int | str | float | dict | bytes | list) and not isinstance(
        value, _Pairs
    ):
        return _base(value)
    exotic = _exotic(value, _packed)
    if exotic is None:
        raise TypeError(type(value).__name__)
    name, body = exotic
    if name == "utc":
        return ormsgpack.Ext(0, body.to_bytes(8, "big", signed=True))
    return ormsgpack.Ext(_CODES[name], _packed(body))


def _packed(value: Any) -> bytes:
    return ormsgpack.packb(value, _default, _PASS)


def _built(code: int, body: bytes) -> Any:
    return _BY_CODE[code](body)


def _careful(value: Any, depth: int = 0) -> Any:
    """The same value in terms that ormsgpack takes; TypeError names the type.

    The slow path: dicts whose keys are not texts, containers deep within others.
    """
    kind = type(value)
    if kind in _BUFFERS:
        raise TypeError(kind.__name__)
    if isinstance(value, dict):
        if all(type(key) is str for key in value):
            plain: Any = {key: _careful(item, depth + 1) for key, item in value.items()}
        else:
            plain = _Pairs()
            for key, item in value.items():
                plain += (_careful(key, depth + 1), _careful(item, depth + 1))
    elif isinstance(value, list | tuple | set | frozenset):
        members = [_careful(item, depth + 1) for item in value]
        if isinstance(value, list):
            plain = members
        elif isinstance(value, tuple):
            plain = tuple(members)
        else:
            return value if depth % _DEEPEST else _Apart(_packed(value))
    else:
        return value
    if depth and depth % _DEEPEST == 0:
        return _Apart(_packed(plain))
    return plain


def _pack_msgpack(content: list[Any]) -> bytes:
    return _VERSION + _packed(content)


def _unpack_msgpack(data: bytes) -> Any:
    content = ormsgpack.unpackb(data[1:], ext_hook=_built)
    if type(content) is not list or not 1 <= len(content) <= 3:
        raise ValueError("not an object")
    return content


# ------------------------------------------------------------------ JSON


def _to_json(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int and -(2**63) <= value < 2**64:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$": ["float", repr(value)]}
    if kind is bytes:
        return {"$": ["bytes", base64.b64encode(value).decode()]}
    if kind is list:
        return [_to_json(item) for item in value]
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: _to_json(item) for key, item in value.items()}
        value = _Pairs(item for pair in value.items() for item in pair)
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = int.__pos__(value)
    elif isinstance(value, int | str | float | dict | bytes | list):
        return _to_json(_base(value))
    exotic = _exotic(value, _member)
    if exotic is None:
        raise TypeError(kind.__name__)
    name, body = exotic
    return {"$": [name, _to_json(body)]}


def _member(value: Any) -> bytes:
    return json.dumps(_to_json(value), sort_keys=True).encode()


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if isinstance(value, dict):
        if "$" not in value:
            return {key: _from_json(item) for key, item in value.items()}
        ((_, (name, body)),) = value.items()
        if name == "apart":
            raise ValueError(name)
        return _BUILDERS[name](_from_json(body))
    return value


def _pack_json(content: list[Any]) -> bytes:
    attrs, tags, expire_at_ms = content
    plain = {
        "v": 1,
        "attrs": {name: _to_json(value) for name, value in attrs.items()},
        "tags": tags,
        "expire": expire_at_ms,
    }
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, check_circular=False)
    return text.encode()


def _unpack_json(data: bytes) -> Any:
    plain = json.loads(data)
    if plain.keys() != {"v", "attrs", "tags", "expire"} or plain["v"] != 1:
        raise ValueError("not an object")
    # Names of attributes may begin with "$": only their values are read as such.
    attrs = {name: _from_json(value) for name, value in plain["attrs"].items()}
    return [attrs, plain["tags"], plain["expire"]]


# ------------------------------------------------------------------ the public three


def pack(
    attrs: Mapping[str, Any],
    tags: Sequence[str] = (),
    expire_at_ms: int | None = None,
    codec: str = "msgpack",
) -> bytes:
    """One object as bytes. codec: "msgpack" or "json".

    Raises TypeError that names the attribute and the type that cannot be stored,
    ValueError that names an attribute with a lone surrogate or nested in itself.
    """
    if codec == "json":
        content: list[Any] = [attrs, list(tags), expire_at_ms]
        attempt = _pack_json
    else:
        content = [attrs]
        if tags or expire_at_ms is not None:
            content.append(list(tags))
        if expire_at_ms is not None:
            content.append(expire_at_ms)
        attempt = _pack_msgpack
    try:
        if not any(type(value) in _BUFFERS for value in attrs.values()):
            return attempt(content)
    except (TypeError, ValueError, RecursionError):
        pass  # once more, with care and with the name of what cannot be stored
    content[0] = {_name(name): _checked(name, attrs[name], codec) for name in attrs}
    for tag in tags:
        _valid(f"The tag {tag!r}", tag)
    return attempt(content)


def unpack(
    data: bytes, key: bytes = b""
) -> tuple[dict[str, Any], list[str], int | None]:
    """Attributes, tags and deadline in ms of one object.

    Raises CorruptDataError that names *key* for anything that pack() did not make.
    """
    try:
        if data[:1] == _VERSION:
            content = _unpack_msgpack(data)
        elif data[:1] == b"{":
            content = _unpack_json(data)
        else:
            raise ValueError("unknown format")
        attrs = content[0]
        tags = content[1] if len(content) > 1 else []
        expire_at_ms = content[2] if len(content) > 2 else None
        if (
            type(attrs) is not dict
            or type(tags) is not list
            or not (expire_at_ms is None or type(expire_at_ms) is int)
        ):
            raise ValueError("not an object")
        "".join(tags)  # a TypeError unless all are texts, and faster than asking each
    except Exception as error:
        raise CorruptDataError(
            f"The key {key!r} holds bytes that are no object of django_ormist "
            f"({type(error).__name__}: {error}). They begin with {data[:16]!r}. "
            "Delete the key, or restore it from a copy."
        ) from error
    return attrs, tags, expire_at_ms


def pack_value(name: str, value: Any) -> bytes:
    """Canonical bytes of one value: equal for equal values of equal types."""
    try:
        return _packed(value)
    except (TypeError, ValueError, RecursionError):
        return _packed(_checked(name, value, "msgpack"))


def _checked(name: str, value: Any, codec: str) -> Any:
    """A value that the codec takes, or the error that names its attribute."""
    try:
        if codec == "json":
            json.dumps(_to_json(value), ensure_ascii=False).encode()
            return value
        careful = _careful(value)
        _packed(careful)
        return careful
    except UnicodeEncodeError as error:
        raise _surrogate(name) from error
    except TypeError as error:
        culprit = _culprit(value)
        if isinstance(culprit, str):
            raise _surrogate(name) from error
        raise TypeError(
            f"Cannot store attribute {name!r}: {type(culprit).__name__} is not a "
            "storable type. Store a str, int, float, bool, None, bytes, list, tuple, "
            "dict, set, frozenset, datetime, date, time, timedelta, Decimal or UUID."
        ) from error
    except RecursionError as error:
        raise ValueError(
            f"Cannot store attribute {name!r}: it is nested too deep, or in itself."
        ) from error


def _culprit(value: Any) -> Any:
    """The innermost member of *value* that cannot be stored."""
    members: list[Any] = []
    if isinstance(value, dict):
        members = [item for pair in value.items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset):
        members = list(value)
    for member in members:
        try:
            _packed(_careful(member))
        except (TypeError, RecursionError):
            return _culprit(member)
    return value


def _surrogate(name: str) -> ValueError:
    return ValueError(
        f"Cannot store attribute {name!r}: it holds a lone surrogate, which no text "
        "can carry. Store valid Unicode, or bytes."
    )


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(
            f"The name of an attribute is a str, not {type(name).__name__}: {name!r}."
        )
    _valid(f"The attribute's name {name!r}", name)
    return str.__str__(name)


def _valid(what: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} holds a lone surrogate, which no text can carry."
        ) from error
