"""The JSON form of any stored value, for values that no serializer field fits."""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.utils.duration import duration_string
from rest_framework.utils.encoders import JSONEncoder

from ..terms import text

_ENCODABLE = frozenset((str, bool, type(None)))
_LARGE = 2**64


def make_encodable(shown: Any) -> Any:
    """Return a value that JSON has: the same one, or its JSON form."""
    kind = type(shown)
    if kind in _ENCODABLE or (kind is int and -_LARGE < shown < _LARGE):
        return shown
    try:
        json.dumps(shown, cls=JSONEncoder, allow_nan=False)
    except (TypeError, ValueError):
        return to_json(shown)
    return shown


def to_json(value: Any) -> Any:
    """Return a stored value as texts, numbers, bools, None, lists and dicts.

    Decimals, timedeltas and numbers that JSON does not have become texts, times as
    ISO 8601 has them, bytes become base64, and sets become lists.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, int | float):
        return _show_number(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, date | time):
        return _show_moment(value)
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


def _show_number(value: float) -> Any:
    """Return a number, or its text if it is not finite or has too many digits."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        str(value)
    except ValueError:  # of more than 4300 digits, which no encoder writes
        return text(value)
    return value


def _show_moment(value: date | time) -> str:
    """Return a date or time as the encoder of REST framework writes it."""
    shown = value.isoformat()
    is_utc = isinstance(value, datetime) and shown.endswith("+00:00")
    return shown.removesuffix("+00:00") + "Z" if is_utc else shown


def sort_items(items: Iterable[Any]) -> list[Any]:
    """Return the items of a set in the same order each time."""
    try:
        return sorted(items)
    except (ArithmeticError, TypeError):  # of Decimal("NaN"), of several types
        return sorted(
            items, key=lambda each: (type(each).__name__, repr(to_json(each)))
        )
