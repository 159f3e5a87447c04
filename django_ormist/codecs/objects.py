"""One object <-> its bytes, in either format; what cannot be stored is named."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import CorruptDataError
from ..storable import replacement, unwrapped
from . import as_json, as_msgpack
from .depth import DEEPEST, is_deeper, may_be_deep, with_room
from .lifetimes import Deadline, Lifetime

LARGEST = 512 * 1024 * 1024
"""Bytes of an object that a server takes: the largest string it can hold."""

LAST_MS = 253_402_300_799_999
"""The last deadline: the end of the year 9999, in ms since 1970."""


def pack(
    attrs: Mapping[str, Any],
    tags: Sequence[str] = (),
    expire_at_ms: Deadline | None = None,
    codec: str = "msgpack",
) -> bytes:
    """One object as bytes. codec: "msgpack" or "json".

    For a Lifetime its placeholder stands where the server puts the deadline.

    Raises TypeError that names the attribute and the type that cannot be stored,
    ValueError that names an attribute with a lone surrogate, or nested more than
    DEEPEST levels.
    """
    packed = as_json.pack if codec == "json" else as_msgpack.pack
    if isinstance(expire_at_ms, Lifetime):
        expire_at_ms = expire_at_ms.placeholder_ms
    try:
        if as_msgpack.BUFFERS.isdisjoint(map(type, attrs.values())):
            data = packed(attrs, list(tags), expire_at_ms)
            if not (may_be_deep(data) and any(map(is_deeper, attrs.values()))):
                return _small_enough(data)
    except (TypeError, ValueError, RecursionError):
        pass  # once more, with care and with the name of what cannot be stored
    return with_room(_pack_with_care, attrs, tags, expire_at_ms, codec)  # type: ignore[no-any-return]


def _pack_with_care(
    attrs: Mapping[str, Any], tags: Sequence[str], expire_at_ms: int | None, codec: str
) -> bytes:
    packed = as_json.pack if codec == "json" else as_msgpack.pack
    careful = {_name(name): _checked(name, attrs[name], codec) for name in attrs}
    for tag in tags:
        _valid(f"The tag {tag!r}", tag)
    return _small_enough(packed(careful, list(tags), expire_at_ms))


def _small_enough(data: bytes) -> bytes:
    """Return the bytes. Raises ValueError for more than a server takes."""
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
    """Return one object in the plain values of the JSON format, however deep it is."""
    return with_room(as_json.plain, attrs, list(tags), expire_at_ms)  # type: ignore[no-any-return]


def unpack(
    data: bytes, key: bytes = b""
) -> tuple[dict[str, Any], list[str], int | None]:
    """Attributes, tags and deadline in ms of one object.

    Raises CorruptDataError that names *key* for anything that pack() did not make.
    """
    try:
        return with_room(_unpack, data)  # type: ignore[no-any-return]
    except Exception as error:
        if is_later(data):
            raise CorruptDataError(
                f"The key {key!r} holds an object in the format of a later release of "
                f"django_ormist: it begins with {data[:16]!r}. Upgrade to that release."
            ) from error
        why = f"{type(error).__name__}: {_escaped(str(error))}"
        raise CorruptDataError(
            f"The key {key!r} holds bytes that are no object of django_ormist "
            f"({why}). They begin with {data[:16]!r}. "
            "Delete the key, or restore it from a copy."
        ) from error


def _unpack(data: bytes) -> tuple[dict[str, Any], list[str], int | None]:
    if data[:1] in (as_msgpack.VERSION, as_msgpack.MARKED):
        content = as_msgpack.unpack(data)
    elif data[:1] == b"{":
        content = as_json.unpack(data)
    else:
        raise ValueError("unknown format")
    attrs = content[0]
    tags = content[1] if len(content) > 1 else []
    expire_at_ms = content[2] if len(content) > 2 else None
    if type(attrs) is not dict or type(tags) is not list:
        raise ValueError("not an object")
    if expire_at_ms is not None and not (
        type(expire_at_ms) is int and 0 <= expire_at_ms <= LAST_MS
    ):
        raise ValueError("a deadline that is no moment")
    # A TypeError unless all are texts, and faster than asking each.
    "".join(tags), "".join(attrs)
    return attrs, tags, expire_at_ms


def _escaped(text: str) -> str:
    """Return a text that stored bytes had a part in, without what a terminal obeys."""
    return text if text.isprintable() else repr(text)


def too_deep(data: bytes) -> list[str]:
    """Return the names of attributes that are stored and nested too deep to be written.

    Raises CorruptDataError.
    """
    if not may_be_deep(data):
        return []
    attrs, _, _ = unpack(data)
    return [name for name, value in attrs.items() if is_deeper(value)]


def is_later(data: bytes) -> bool:
    """Whether bytes say that they are of a format that a later release brought."""
    return b"\x03" <= data[:1] <= b"\x08" or (
        re.match(rb'\{"v": ([3-9]|1\d)', data) is not None
    )


def marked(packed: bytes) -> bytes:
    """Return the bytes of an object whose index entries stand by marked terms.

    The content is the same. Other objects stay as 0.1.0 wrote them.
    """
    if packed[:1] == b"{":
        if not packed.startswith(as_json.BEGINNING):  # somebody wrote it by hand
            packed = as_json.pack(*unpack(packed))
        return as_json.MARKED + packed[len(as_json.BEGINNING) :]
    return as_msgpack.MARKED + packed[1:]


def says_marked(packed: bytes) -> bool:
    """Whether the index entries of this object stand by marked terms."""
    return packed.startswith((as_msgpack.MARKED, as_json.MARKED))


def deadline_tail(packed: bytes, expire_at_ms: int) -> tuple[bytes, int]:
    """What *packed*, which has a deadline, ends with for another one; how many of the
    first of these bytes are the same for every deadline.

    It is as long as the end whose place it takes, for deadlines from 2001 to 2286.
    """
    if packed[:1] == b"{":
        return as_json.deadline_tail(expire_at_ms)
    return as_msgpack.deadline_tail(expire_at_ms)


def deadline_of(packed: bytes) -> int | None:
    """Return the deadline at the end of these bytes in ms, None without one.

    Nothing else of them is read, and nothing is raised.
    """
    if packed[:1] in (as_msgpack.VERSION, as_msgpack.MARKED):
        is_there = packed[1:2] == b"\x93" and packed[-9:-8] == b"\xcf"
        return int.from_bytes(packed[-8:], "big") if is_there else None
    found = packed[:1] == b"{" and re.search(rb'"expire": (\d{1,16})}$', packed[-32:])
    return int(found[1]) if found else None


def with_deadline(packed: bytes, expire_at_ms: int) -> bytes:
    """Return *packed*, which has a deadline, with another one."""
    tail, marked = deadline_tail(packed, expire_at_ms)
    if packed[:1] != b"{":
        return packed[: -len(tail)] + tail
    return packed[: packed.rindex(tail[:marked])] + tail


def pack_value(name: str, value: Any) -> bytes:
    """Bytes that equal values of equal types share: sets in any order, dicts in one."""
    try:
        return as_msgpack.packed(value)
    except (TypeError, ValueError, RecursionError):
        return with_room(_pack_value_with_care, name, value)  # type: ignore[no-any-return]


def _pack_value_with_care(name: str, value: Any) -> bytes:
    if not is_deeper(value):
        return as_msgpack.packed(_checked(name, value, "msgpack"))
    try:  # as release 0.1.0 stored it, or nested in itself
        return json.dumps(as_json.to_json(value)).encode()
    except RecursionError as error:
        raise _too_deep(name) from error


def _checked(name: str, value: Any, codec: str) -> Any:
    """A value that the codec takes, or the error that names its attribute."""
    if is_deeper(value):
        raise _too_deep(name)
    try:
        if codec == "json":
            json.dumps(as_json.to_json(value), ensure_ascii=False).encode()
            return value
        careful = as_msgpack.careful(value)
        as_msgpack.packed(careful)
        return careful
    except UnicodeEncodeError as error:
        raise _surrogate(name) from error
    except TypeError as error:
        culprit = _culprit(value)
        if isinstance(culprit, str):
            raise _surrogate(name) from error
        raise TypeError(
            f"Cannot store attribute {name!r}: {type(culprit).__name__} is not a "
            f"storable type. Store {replacement(culprit)}."
        ) from error


def _too_deep(name: str) -> ValueError:
    return ValueError(
        f"Cannot store attribute {name!r}: it is nested more than {DEEPEST} deep, or "
        "in itself. Flatten it, or store its parts as objects of their own."
    )


def _culprit(value: Any) -> Any:
    """The innermost member of *value* that cannot be stored."""
    value = unwrapped(value)
    members: list[Any] = []
    if isinstance(value, dict):
        members = [item for pair in value.items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset):
        members = list(value)
    for member in members:
        try:
            as_msgpack.packed(as_msgpack.careful(member))
        except (TypeError, ValueError):
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
