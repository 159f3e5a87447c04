"""The JSON format: {"v": 1, "attrs": {..}, "tags": [..], "expire": ms or null}.

"v" is 2 if the index entries use marked terms: see terms.py. Values that JSON lacks
are stored as {"$": [name, body]}: see extension_types.py.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any

from ..storable import unwrap
from .extension_types import BUILDERS, SETS, PairList, encode_extension, plain_value

BEGINNING, MARKED = b'{"v": 1,', b'{"v": 2,'

_BUILDERS: dict[str, Callable[[Any], Any]] = {
    **BUILDERS,
    "bytes": lambda body: base64.b64decode(body, validate=True),
    "float": float,  # nan, inf
}


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def deadline_tail(expire_at_ms: int) -> tuple[bytes, int]:
    """Return the trailing bytes for a deadline, and the size of their constant prefix.

    Their length is constant from 2001 to 2286: the deadline has thirteen digits.
    """
    mark = b'"expire": '
    return b"%b%d}" % (mark, expire_at_ms), len(mark)


def pack(attrs: Any, tags: list[str], expire_at_ms: int | None) -> bytes:
    """Return the bytes of one object."""
    content = object_to_json(attrs, tags, expire_at_ms)
    text = json.dumps(
        content, ensure_ascii=False, allow_nan=False, check_circular=False
    )
    return text.encode()


def object_to_json(
    attrs: Any, tags: list[str], expire_at_ms: int | None
) -> dict[str, Any]:
    """Return one object as values that JSON has."""
    return {
        "v": 1,
        "attrs": {name: to_json(value) for name, value in attrs.items()},
        "tags": tags,
        "expire": expire_at_ms,
    }


def unpack(data: bytes) -> list[Any]:
    """Return [attributes, tags, deadline]. Raises ValueError, TypeError or KeyError."""
    plain = json.loads(data)
    if _SURROGATE.search(data):  # an escape; a valid pair of them passes
        json.dumps(plain, ensure_ascii=False).encode()
    version = 2 if data.startswith(MARKED) else 1
    if plain.keys() != {"v", "attrs", "tags", "expire"} or plain["v"] != version:
        raise ValueError("not an object")
    # Attribute names may begin with "$": only their values may be extension types.
    attrs = {name: _from_json(value) for name, value in plain["attrs"].items()}
    return [attrs, plain["tags"], plain["expire"]]


def to_json(value: Any) -> Any:
    """Return a value as JSON has it. Raises TypeError if it is not storable."""
    value = unwrap(value)
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
        return [to_json(item) for item in value]
    if kind is dict:
        pairs = [(unwrap(key), item) for key, item in value.items()]
        if all(type(key) is str and not key.startswith("$") for key, _ in pairs):
            return {key: to_json(item) for key, item in pairs}
        value = PairList(item for pair in pairs for item in pair)
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = int.__pos__(value)
    elif isinstance(value, int | str | float | dict | bytes | list):
        return to_json(plain_value(value))
    name, body = encode_extension(value)
    if name in SETS:
        return {"$": [name, sorted(map(to_json, body), key=_canonical)]}
    return {"$": [name, to_json(body)]}


def _canonical(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True).encode()


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if isinstance(value, dict):
        if "$" not in value:
            return {key: _from_json(item) for key, item in value.items()}
        ((_, (name, body)),) = value.items()
        return _BUILDERS[name](_from_json(body))
    return value
