"""Conversion of objects to bytes and back, in either format."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from ..exceptions import CorruptDataError
from ..storable import replacement, unwrap
from . import as_json, as_msgpack
from .depth import DEEPEST, is_deeper, may_be_deep, with_room
from .extension_types import encode_extension
from .interruptions import INTERRUPTED, raise_if_interrupted
from .lifetimes import Deadline, Lifetime

LARGEST = 512 * 1024 * 1024
"""The maximum size of an object in bytes: the largest string that a server stores."""

FLAT = frozenset((str, int, float, bool, type(None), bytes))
"""Types whose values nest nothing."""

MSGPACK = (as_msgpack.VERSION, as_msgpack.MARKED)
LEFT_OUT = {1: b"\x90\xc0", 2: b"\xc0", 3: b""}
"""What an object of one, two or three items leaves out: the tags, the deadline."""

LAST_MS = 253_402_300_799_999
"""The last deadline: the end of the year 9999, in ms since 1970."""


def pack(
    attrs: Mapping[str, Any],
    tags: Sequence[str] = (),
    expire_at_ms: Deadline | None = None,
    codec: str = "msgpack",
) -> bytes:
    """Return the bytes of one object. codec: "msgpack" or "json".

    A Lifetime is packed as its placeholder, which the server replaces.

    Raises TypeError if the type of a value is not storable, ValueError if an attribute
    has a lone surrogate or more than DEEPEST levels, or the object is too large. The
    message names the attribute.
    """
    pack_as = as_json.pack if codec == "json" else as_msgpack.pack
    if isinstance(expire_at_ms, Lifetime):
        expire_at_ms = expire_at_ms.placeholder_ms
    try:
        is_flat = FLAT.issuperset(map(type, attrs.values()))
        if is_flat or as_msgpack.BUFFERS.isdisjoint(map(type, attrs.values())):
            data = pack_as(attrs, list(tags), expire_at_ms)
            if (
                is_flat
                or not may_be_deep(data)
                or not any(map(is_deeper, attrs.values()))
            ):
                return data if len(data) <= LARGEST else _check_size(data)
    except (TypeError, ValueError, RecursionError) as error:
        # Else the slow path packs it, or names the attribute.
        raise_if_interrupted(
            error, lambda: _check_size(pack_as(attrs, list(tags), expire_at_ms))
        )
    return with_room(_pack_slowly, attrs, tags, expire_at_ms, codec)  # type: ignore[no-any-return]


def _pack_slowly(
    attrs: Mapping[str, Any], tags: Sequence[str], expire_at_ms: int | None, codec: str
) -> bytes:
    pack_as = as_json.pack if codec == "json" else as_msgpack.pack
    checked = {
        _check_name(name): _check_value(name, attrs[name], codec) for name in attrs
    }
    for tag in tags:
        _check_text(f"The tag {tag!r}", tag)
    try:
        return _check_size(pack_as(checked, list(tags), expire_at_ms))
    except TypeError as error:
        raise_if_interrupted(error, lambda: pack_as(checked, list(tags), expire_at_ms))
        raise


def _check_size(data: bytes) -> bytes:
    """Return the bytes. Raises ValueError if they are more than LARGEST."""
    if len(data) > LARGEST:
        raise ValueError(
            f"Cannot store an object of {len(data)} bytes: a server takes {LARGEST} "
            "(512 MB, proto-max-bulk-len) and closes the connection for more. Store "
            "its parts as objects of their own, or a file's name in place of its bytes."
        )
    return data


def as_plain(
    attrs: Mapping[str, Any], tags: Sequence[str] = (), expire_at_ms: int | None = None
) -> dict[str, Any]:
    """Return one object as values that JSON has, at any depth."""
    return with_room(as_json.object_to_json, attrs, list(tags), expire_at_ms)  # type: ignore[no-any-return]


def unpack(
    data: bytes, key: bytes = b""
) -> tuple[dict[str, Any], list[str], int | None]:
    """Return the attributes, tags and deadline in ms of one object.

    Raises CorruptDataError, which names *key*, if pack() did not make these bytes, and
    InterruptedError if a signal handler raised meanwhile and its exception is lost.
    """
    try:
        return with_room(_unpack_alone, data)  # type: ignore[no-any-return]
    except Exception as error:
        if (interruption := _find_interruption(data, error)) is not None:
            raise interruption from error.__cause__
        raise _corrupt_error(data, key, error) from error


def unpack_plain(
    data: bytes, key: bytes = b""
) -> tuple[dict[str, Any], list[str], int | None]:
    """As unpack(), but values that msgpack stores as extensions equal no value.

    To decode these would take most of the time of a look at the others.
    """
    if data[:1] not in MSGPACK:
        return unpack(data, key)
    try:
        attrs, *rest = as_msgpack.decode_plain(data[1:])
    except (TypeError, ValueError):
        return unpack(data, key)
    tags, expire_at_ms = (*rest, None)[:2] if rest else ([], None)
    return attrs, tags, expire_at_ms


def _unpack_alone(data: bytes) -> tuple[dict[str, Any], list[str], int | None]:
    if data[:1] in MSGPACK:
        contents = as_msgpack.decode(data[1:])
    elif data[:1] == b"{":
        contents = as_json.unpack(data)
    else:
        raise ValueError("unknown format")
    if type(contents) is not list or len(contents) not in LEFT_OUT:
        raise ValueError("not an object")
    attrs = contents[0]
    tags = contents[1] if len(contents) > 1 else []
    expire_at_ms = contents[2] if len(contents) > 2 else None
    if type(attrs) is not dict or type(tags) is not list:
        raise ValueError("not an object")
    "".join(attrs), "".join(tags)  # TypeError unless all are str
    check_deadline(expire_at_ms)
    return attrs, tags, expire_at_ms


def check_deadline(expire_at_ms: Any) -> None:
    """Raise ValueError unless it is None or a deadline in ms, up to LAST_MS."""
    if expire_at_ms is not None and not (
        type(expire_at_ms) is int and 0 <= expire_at_ms <= LAST_MS
    ):
        raise ValueError("the deadline is not a valid time")


def _corrupt_error(data: bytes, key: bytes, error: Exception) -> CorruptDataError:
    if is_later(data):
        return CorruptDataError(
            f"The key {key!r} holds an object in the format of a later release of "
            f"django_ormist: it begins with {data[:16]!r}. Upgrade to that release."
        )
    why = f"{type(error).__name__}: {_escape(str(error))}"
    return CorruptDataError(
        f"The key {key!r} holds bytes that are no object of django_ormist "
        f"({why}). They begin with {data[:16]!r}. "
        "Delete the key, or restore it from a copy."
    )


def _find_interruption(data: bytes, error: Exception) -> Exception | None:
    """Return the exception that came from outside while valid bytes were decoded.

    Celery's soft time limit raises one, for example. ormsgpack replaces an exception
    that is raised while it decodes an extension by a ValueError.
    """
    if isinstance(error, MemoryError):
        return error
    try:
        with_room(_unpack_alone, data)
    except Exception:
        return None  # the bytes are not valid
    if type(error) is ValueError:
        return InterruptedError(INTERRUPTED)
    return error


def _escape(text: str) -> str:
    """Return a text that may contain stored bytes, with control characters escaped."""
    return text if text.isprintable() else repr(text)


def find_too_deep(data: bytes) -> list[str]:
    """Return the names of stored attributes that are nested too deep to be written.

    Raises CorruptDataError.
    """
    if not may_be_deep(data):
        return []
    attrs, _, _ = unpack(data)
    return [name for name, value in attrs.items() if is_deeper(value)]


def is_later(data: bytes) -> bool:
    """Return whether the first bytes are those of a later release's format."""
    return b"\x03" <= data[:1] <= b"\x08" or (
        re.match(rb'\{"v": ([3-9]|1\d)', data) is not None
    )


def mark(packed: bytes) -> bytes:
    """Return the bytes of the same object with the mark for marked terms.

    Objects without marked terms keep the format of 0.1.0.
    """
    if packed[:1] == b"{":
        if not packed.startswith(as_json.BEGINNING):  # written by hand
            packed = as_json.pack(*unpack(packed))
        return as_json.MARKED + packed[len(as_json.BEGINNING) :]
    return as_msgpack.MARKED + packed[1:]


def is_marked(packed: bytes) -> bool:
    """Return whether the index entries of this object use marked terms."""
    return packed.startswith((as_msgpack.MARKED, as_json.MARKED))


def deadline_tail(packed: bytes, expire_at_ms: int) -> tuple[bytes, int]:
    """Return the trailing bytes for a deadline, and the size of their constant prefix.

    packed: an object that has a deadline. The new bytes are as long as those that they
    replace, for deadlines from 2001 to 2286.
    """
    if packed[:1] == b"{":
        return as_json.deadline_tail(expire_at_ms)
    return as_msgpack.deadline_tail(expire_at_ms)


def deadline_of(packed: bytes) -> int | None:
    """Return the deadline at the end of these bytes in ms, or None.

    It reads only these, and never raises.
    """
    if packed[:1] in (as_msgpack.VERSION, as_msgpack.MARKED):
        is_there = packed[1:2] == b"\x93" and packed[-9:-8] == b"\xcf"
        return int.from_bytes(packed[-8:], "big") if is_there else None
    found = packed[:1] == b"{" and re.search(rb'"expire": (\d{1,16})}$', packed[-32:])
    return int(found[1]) if found else None


def with_deadline(packed: bytes, expire_at_ms: int) -> bytes:
    """Return *packed*, which has a deadline, with a new one."""
    tail, constant = deadline_tail(packed, expire_at_ms)
    if packed[:1] != b"{":
        return packed[: -len(tail)] + tail
    return packed[: packed.rindex(tail[:constant])] + tail


def pack_value(name: str, value: Any) -> bytes:
    """Return bytes that are the same for equal values of the same type.

    Sets compare in any order, dicts in the order of their keys.
    """
    try:
        return as_msgpack.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise_if_interrupted(error, lambda: as_msgpack.encode(value))
        return with_room(_pack_value_slowly, name, value)  # type: ignore[no-any-return]


def _pack_value_slowly(name: str, value: Any) -> bytes:
    if not is_deeper(value):
        return as_msgpack.encode(_check_value(name, value, "msgpack"))
    try:  # release 0.1.0 stored it, or it contains itself
        return json.dumps(as_json.to_json(value)).encode()
    except RecursionError as error:
        raise _too_deep_error(name) from error


def _check_value(name: str, value: Any, codec: str) -> Any:
    """Return a value that the codec takes. Raises an error that names the attribute."""
    if is_deeper(value):
        raise _too_deep_error(name)
    try:
        if codec == "json":
            json.dumps(as_json.to_json(value), ensure_ascii=False).encode()
            return value
        return _normalize(value)
    except UnicodeEncodeError as error:
        raise _surrogate_error(name) from error
    except TypeError as error:
        if codec == "msgpack":
            raise_if_interrupted(error, lambda: _normalize(value))
        culprit = _find_culprit(value)
        if isinstance(culprit, str):
            raise _surrogate_error(name) from error
        if isinstance(culprit, datetime | time):
            encode_extension(culprit)  # it raises what a tzinfo raises
        raise TypeError(
            f"Cannot store attribute {name!r}: {type(culprit).__name__} is not a "
            f"storable type. Store {replacement(culprit)}."
        ) from error


def _normalize(value: Any) -> Any:
    """Return a value that msgpack takes. Raises TypeError."""
    normalized = as_msgpack.normalize(value)
    as_msgpack.encode(normalized)
    return normalized


def _too_deep_error(name: str) -> ValueError:
    return ValueError(
        f"Cannot store attribute {name!r}: it is nested more than {DEEPEST} deep, or "
        "in itself. Flatten it, or store its parts as objects of their own."
    )


def _find_culprit(value: Any) -> Any:
    """Return the innermost member of *value* that cannot be stored."""
    value = unwrap(value)
    members: list[Any] = []
    if isinstance(value, dict):
        members = [item for pair in value.items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset):
        members = list(value)
    for member in members:
        try:
            as_msgpack.encode(as_msgpack.normalize(member))
        except (TypeError, ValueError):
            return _find_culprit(member)
    return value


def _surrogate_error(name: str) -> ValueError:
    return ValueError(
        f"Cannot store attribute {name!r}: it holds a lone surrogate, which no text "
        "can carry. Store valid Unicode, or bytes."
    )


def _check_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(
            f"The name of an attribute is a str, not {type(name).__name__}: {name!r}."
        )
    _check_text(f"The attribute's name {name!r}", name)
    return str.__str__(name)


def _check_text(subject: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{subject} holds a lone surrogate, which no text can carry."
        ) from error
