"""The JSON form of any stored value, for values that no serializer field fits."""

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.utils.duration import duration_string


def to_json(value: Any) -> Any:
    """Return a value that the JSON encoder of REST framework accepts.

    Decimals, timedeltas and floats that JSON does not have become texts, bytes become
    base64, and sets become lists.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return duration_string(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(asdict(value))
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return [to_json(each) for each in sort_items(value)]
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    return value


def sort_items(items: Iterable[Any]) -> list[Any]:
    """Return the items of a set in the same order each time."""
    try:
        return sorted(items)
    except TypeError:  # of several types
        return sorted(items, key=lambda each: (type(each).__name__, repr(each)))
