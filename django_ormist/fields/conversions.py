"""Conversions of single values to a declared type, where nothing is lost.

Each returns the value, or raises ValueError, TypeError or ArithmeticError. The messages
are Django's, with their translations.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isinf
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_duration
from django.utils.translation import gettext_lazy as _

from ..deadlines import to_aware

_MOST_DIGITS = 4300
"""The digits of an int that Python reads from a text by default."""

_TRUE = (True, "t", "T", "true", "True", "1")
_FALSE = (False, "f", "F", "false", "False", "0")


def _to_str(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | UUID):
        raise TypeError
    return str(value)


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    if isinstance(value, Decimal) and value.adjusted() > _MOST_DIGITS:
        raise ValueError  # int() of Decimal("1E+1000000") takes minutes
    if isinstance(value, int | float | Decimal) and int(value) == value:
        return int(value)
    raise TypeError


def _to_float(value: Any) -> float:
    if isinstance(value, str):
        found = float(value)
        if isinf(found) and "inf" not in value.lower():  # "1e400"
            raise OverflowError
        return found
    if isinstance(value, int) and int(float(value)) == value:
        return float(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    raise TypeError


def _to_decimal(value: Any) -> Decimal:
    if isinstance(value, float):
        value = repr(float.__float__(value))
    if not isinstance(value, str | int | Decimal):
        raise TypeError
    found = Decimal(value)
    if not found.is_finite():  # as Django's DecimalField
        raise ValueError
    return found


def _to_bool(value: Any) -> bool:
    # 1 and 1.0 are equal to True. A list is not hashable, so this is no dict.
    if any(value == each for each in _TRUE):
        return True
    if any(value == each for each in _FALSE):
        return False
    raise ValueError


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError


def _to_datetime(value: Any) -> datetime:
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
    elif isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day)
    else:
        raise TypeError
    if timezone.is_aware(found) or not (settings.configured and settings.USE_TZ):
        return found
    return to_aware(found)


def _to_date(value: Any) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise TypeError


def _to_time(value: Any) -> time:
    if isinstance(value, str):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    raise TypeError


def _to_timedelta(value: Any) -> timedelta:
    found = parse_duration(value) if isinstance(value, str) else value
    if isinstance(found, timedelta):
        return found
    raise TypeError


def _to_uuid(value: Any) -> UUID:
    if isinstance(value, str):
        return UUID(value)
    if isinstance(value, UUID):
        return UUID(int=value.int)
    if isinstance(value, int) and not isinstance(value, bool):
        return UUID(int=value)
    raise TypeError


class Conversion(NamedTuple):
    """The conversion to a type, and the message about a value without one."""

    convert: Callable[[Any], Any]
    message: Any


CONVERSIONS: dict[type, Conversion] = {
    str: Conversion(_to_str, _("“%(value)s” value must be a string.")),
    int: Conversion(_to_int, _("“%(value)s” value must be an integer.")),
    float: Conversion(_to_float, _("“%(value)s” value must be a float.")),
    bool: Conversion(_to_bool, _("“%(value)s” value must be either True or False.")),
    bytes: Conversion(_to_bytes, _("“%(value)s” value must be bytes.")),
    Decimal: Conversion(_to_decimal, _("“%(value)s” value must be a decimal number.")),
    datetime: Conversion(
        _to_datetime,
        _(
            "“%(value)s” value has an invalid format. It must be in YYYY-MM-DD "
            "HH:MM[:ss[.uuuuuu]][TZ] format."
        ),
    ),
    date: Conversion(
        _to_date,
        _(
            "“%(value)s” value has an invalid date format. It must be in YYYY-MM-DD "
            "format."
        ),
    ),
    time: Conversion(
        _to_time,
        _(
            "“%(value)s” value has an invalid format. It must be in "
            "HH:MM[:ss[.uuuuuu]] format."
        ),
    ),
    timedelta: Conversion(
        _to_timedelta,
        _(
            "“%(value)s” value has an invalid format. It must be in [DD] "
            "[[HH:]MM:]ss[.uuuuuu] format."
        ),
    ),
    UUID: Conversion(_to_uuid, _("“%(value)s” is not a valid UUID.")),
}
"""By the types of single values that are stored."""
