"""Deadlines: what users pass as ``expire``, and milliseconds since 1970."""

import math
import time
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from ..storable import unwrapped

Expire = int | float | timedelta | datetime | None
"""Seconds or a timedelta from now, a moment, or None for no expiry."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def now_ms() -> int:
    """This machine's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


def to_deadline_ms(expire: Expire) -> int | None:
    """*expire* as ms since 1970, rounded up. None stays None.

    A naive datetime is in the current time zone with USE_TZ, else local time.
    Raises TypeError for another type, ValueError outside the years 1 to 9999.
    """
    expire = unwrapped(expire)
    if expire is None:
        return None
    try:
        if isinstance(expire, datetime):
            return _moment_ms(expire)
        if isinstance(expire, timedelta):
            return _checked(now_ms() - (-expire // _MILLISECOND))
        if isinstance(expire, int | float) and not isinstance(expire, bool):
            return _checked(now_ms() + math.ceil(expire * 1000))
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"expire={expire!r} is not a moment that can be stored. "
            "Pass seconds, a timedelta or a datetime before the year 9999."
        ) from error
    raise TypeError(
        f"expire must be seconds, a timedelta, a datetime or None, "
        f"not {type(expire).__name__}."
    )


def to_datetime(deadline_ms: int | None) -> datetime | None:
    """A deadline as an aware datetime in UTC. None stays None."""
    if deadline_ms is None:
        return None
    return _EPOCH + timedelta(milliseconds=deadline_ms)


def _moment_ms(moment: datetime) -> int:
    if timezone.is_naive(moment):
        moment = moment.astimezone() if not _uses_tz() else timezone.make_aware(moment)
    return _checked(-((_EPOCH - moment) // _MILLISECOND))


def _uses_tz() -> bool:
    from django.conf import settings

    return settings.configured and settings.USE_TZ


def _checked(deadline_ms: int) -> int:
    if abs(deadline_ms) > _LAST_MS:
        raise OverflowError
    return deadline_ms
