"""A session's own keys and values <-> attributes of the stored object.

Each key is one attribute, so that two requests that change different keys both
survive. Its name begins with ``k:``, which no attribute of the model does.

A value goes through SESSION_SERIALIZER and is stored as the bytes that it made. Of
Django's JSON serializer, what it would give back as it was (texts, numbers, booleans,
None, lists and dicts of such) is stored itself: that reads three times as fast.
"""

import base64
from collections.abc import Mapping
from typing import Any

from django.core.signing import JSONSerializer

USER = "_auth_user_id"
LIFETIME = "_session_expiry"
"""Django's own keys that the model shows beside the rest."""

PREFIX = "k:"
ODD = "x:"
"""Begins the name of a key that is no text: what the serializer makes of it."""

_SCALARS = frozenset((int, bool, float, type(None)))


def attributes(
    data: Mapping[Any, Any], serializer: Any, own: Mapping[str, Any]
) -> dict[str, Any]:
    """The attributes of a stored session: what it is, its *own* ones, its keys.

    serializer: a class as SESSION_SERIALIZER names. Raises what it raises, TypeError
    for a value that it does not take. The lifetime comes first, where a renewal of
    the deadline looks for it.
    """
    codec, keys = serializer(), {}
    is_plain = _is_plain if serializer is JSONSerializer else _is_nothing
    for key, value in data.items():
        name = PREFIX + key if _is_text(key) else _odd_name(key, codec)
        keys[name] = value if is_plain(value) else codec.dumps(value)
    found = {"lifetime": None, **own}
    found["lifetime"] = keys.get(PREFIX + LIFETIME)
    if data.get(USER) is None:
        found.pop("user_id", None)
    else:
        found["user_id"] = str(data[USER])
    found.update(keys)
    return found


def data(attrs: Mapping[str, Any], serializer: Any) -> dict[Any, Any]:
    """The session that these attributes hold. Raises what the serializer raises."""
    loads, found = serializer().loads, {}
    for name, value in attrs.items():
        head = name[:2]
        if head == PREFIX:
            found[name[2:]] = loads(value) if type(value) is bytes else value
        elif head == ODD:
            (key,) = loads(base64.b64decode(name[2:]))
            found[key] = loads(value) if type(value) is bytes else value
    return found


def own(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are not of the session's keys."""
    return {n: v for n, v in attrs.items() if n[:2] not in (PREFIX, ODD)}


def keep(new: dict[str, Any], old: Mapping[str, Any], serializer: Any) -> None:
    """Put the old bytes in *new* where they differ and hold the same value.

    A serializer may write one value in several ways, as pickle does by who else refers
    to its parts; a key that nobody changed must not look changed.
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


def _is_nothing(value: Any) -> bool:
    """Of other serializers nobody knows what they give back."""
    return False


def _is_plain(value: Any, depth: int = 50) -> bool:
    """Whether JSON gives it back as it was, and so does our own format.

    depth: of containers within each other; what is deeper goes through JSON, which
    says so itself where it is nested in itself.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is str:
        return _is_text(value)
    if kind is list:
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    if kind is dict:
        return (
            depth > 0
            and all(_is_text(key) for key in value)
            and all(_is_plain(item, depth - 1) for item in value.values())
        )
    return False


def _is_text(value: Any) -> bool:
    """Whether it is a plain text that has a UTF-8 form: no lone surrogates."""
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
    """The name of a key as the serializer would give it back: JSON makes texts."""
    packed = codec.dumps({key: None})
    (plain,) = codec.loads(packed)
    if _is_text(plain):
        return f"{PREFIX}{plain}"
    return ODD + base64.b64encode(packed).decode()
