"""Conversion of a session's keys and values to attributes of the stored object.

Each key is one attribute, so that the changes of two requests to different keys both
survive. Its name begins with ``k:``, unlike the names of the model's own attributes.

A value is stored as the bytes that SESSION_SERIALIZER returns. With Django's JSON
serializer, values that JSON preserves (texts, numbers, booleans, None, lists and dicts
of these) are stored directly: they are read three times as fast.
"""

import base64
from collections.abc import Mapping
from typing import Any

from django.core.signing import JSONSerializer

USER = "_auth_user_id"
LIFETIME = "_session_expiry"
"""Django's own keys that are also attributes of the model."""

PREFIX = "k:"
ODD = "x:"
"""Prefix of the name of a key that the serializer does not return as text."""

_SCALARS = frozenset((int, bool, float, type(None)))
_TEXT = frozenset((str,))


def encode_session(
    data: Mapping[Any, Any], serializer: Any, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of a stored session.

    serializer: the class that SESSION_SERIALIZER names. own: attributes other than the
    session's keys. The lifetime comes first, where the renewal of a deadline reads
    it. Errors of the serializer pass through: TypeError for an unsupported value.
    """
    codec, keys = serializer(), {}
    may_be_plain = serializer is JSONSerializer  # it is unknown what others preserve
    # Most keys and values are ASCII: these are known here, without a call for each.
    are_ascii = _TEXT.issuperset(map(type, data)) and "".join(data).isascii()
    for key, value in data.items():
        name = PREFIX + key if are_ascii or _is_text(key) else _odd_name(key, codec)
        kind = type(value)
        if may_be_plain and (
            kind in _SCALARS or (kind is str and value.isascii()) or _is_plain(value)
        ):
            keys[name] = value
        else:
            keys[name] = codec.dumps(value)
    found = {"lifetime": None, **own}
    found["lifetime"] = keys.get(PREFIX + LIFETIME)
    if data.get(USER) is None:
        found.pop("user_id", None)
    else:
        found["user_id"] = str(data[USER])
    found.update(keys)
    return found


def decode_session(attrs: Mapping[str, Any], serializer: Any) -> dict[Any, Any]:
    """Return the session's keys and values. Errors of the serializer pass through."""
    loads, found = serializer().loads, {}
    for name, value in attrs.items():
        head = name[:2]
        if head == PREFIX:
            found[name[2:]] = loads(value) if type(value) is bytes else value
        elif head == ODD:
            (key,) = loads(base64.b64decode(name[2:]))
            found[key] = loads(value) if type(value) is bytes else value
    return found


def own_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes other than the session's keys."""
    return {n: v for n, v in attrs.items() if n[:2] not in (PREFIX, ODD)}


def keep_equivalent(
    new: dict[str, Any], old: Mapping[str, Any], serializer: Any
) -> None:
    """Replace bytes in *new* by the old bytes if both hold the same value.

    A serializer may write one value in several ways, as pickle does for shared
    references. An unchanged key must not appear changed.
    """
    if serializer is JSONSerializer:
        return
    codec = serializer()
    for name, value in new.items():
        before = old.get(name)
        if (
            type(before) is bytes
            and before != value
            and codec.dumps(codec.loads(before)) == value
        ):
            new[name] = before


def _is_plain(value: Any, depth: int = 50) -> bool:
    """Return whether both JSON and our format preserve the value.

    depth: the number of nested containers. Deeper values go through JSON, which
    reports circular references itself.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is str:
        return _is_text(value)
    if kind is dict:
        if not all(map(_is_text, value)):
            return False
        members = value.values()
    elif kind is list:
        members = value
    else:
        return False
    return depth > 0 and all(
        type(each) in _SCALARS or _is_plain(each, depth - 1) for each in members
    )


def _is_text(value: Any) -> bool:
    """Return whether the value is a str without lone surrogates."""
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _odd_name(key: Any, codec: Any) -> str:
    """Return the name of a key that the serializer may return as another type."""
    packed = codec.dumps({key: None})
    (plain,) = codec.loads(packed)
    if _is_text(plain):
        return f"{PREFIX}{plain}"
    return ODD + base64.b64encode(packed).decode()
