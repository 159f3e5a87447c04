"""Conversion of ``expire`` into deadlines in milliseconds since 1970, and back.

Also of creation times in microseconds.
"""

import math
import time
import warnings
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from .codecs import deadline_of
from .codecs.lifetimes import LAST_MS, Deadline, Lifetime
from .keys import Space
from .operations.expiry import clock
from .operations.operation import Flow
from .storable import unwrap

Expire = int | float | timedelta | datetime | None
"""Seconds or a timedelta from the write on, a datetime, or None for no expiration."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> int:
    """Return the time by this machine's clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


def to_deadline(expire: Expire) -> Deadline | None:
    """Return a datetime in ms since 1970, and any other *expire* as a Lifetime.

    Both are rounded up. A naive datetime is read by to_aware(). Raises TypeError for
    another type, ValueError outside the years 1 to 9999.
    """
    expire = unwrap(expire)
    if expire is None:
        return None
    try:
        if isinstance(expire, datetime):
            return moment_ms(expire)
        if isinstance(expire, timedelta):
            return _to_lifetime(-(-expire // _MILLISECOND))
        if isinstance(expire, int | float) and not isinstance(expire, bool):
            return _to_lifetime(math.ceil(expire * 1000))
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"expire={expire!r} is not a moment that can be stored. "
            "Pass seconds, a timedelta or a datetime before the year 9999."
        ) from error
    raise TypeError(
        f"expire must be seconds, a timedelta, a datetime or None, "
        f"not {type(expire).__name__}."
    )


def to_datetime(deadline: Deadline | None) -> datetime | None:
    """Return a deadline, if any, as an aware datetime in UTC.

    For a Lifetime, the deadline of a write now, by this machine's clock.
    """
    if deadline is None:
        return None
    if isinstance(deadline, Lifetime):
        deadline = deadline.deadline_ms(now_ms())
    return _EPOCH + timedelta(milliseconds=deadline)


def to_creation(created_us: float | None) -> datetime | None:
    """Return a creation time in microseconds since 1970 as an aware datetime in UTC.

    None if there is none, or one that the server did not make.
    """
    if created_us is None or not 0 <= created_us < 2**53:
        return None
    return _EPOCH + timedelta(microseconds=int(created_us))


def remaining_ms(deadline: Deadline) -> int:
    """Return the ms to a deadline, by this machine's clock, or those of a Lifetime."""
    return deadline.ms if isinstance(deadline, Lifetime) else deadline - now_ms()


def is_past(packed: bytes, space: Space) -> Flow[bool]:
    """Flow that returns whether the deadline of a stored object is past on the server.

    The server removes expired objects, except those whose TTL was set by hand. So its
    clock is read only if the deadline is past by this machine's clock.
    """
    deadline_ms = deadline_of(packed)
    if deadline_ms is None or deadline_ms > now_ms():
        return False
    server_ms: float = yield clock(space)
    return deadline_ms <= server_ms


def moment_ms(moment: datetime) -> int:
    """Return a datetime in ms since 1970, rounded up. See to_deadline()."""
    return _check_range(-((_EPOCH - to_aware(moment)) // _MILLISECOND))


def to_aware(moment: datetime) -> datetime:
    """Return a datetime with a time zone. A naive one is in local time.

    With USE_TZ it is in the default time zone, and a RuntimeWarning reports it, as
    Django's DateTimeField does.
    """
    if timezone.is_aware(moment):
        return moment
    if not settings.configured or not settings.USE_TZ:
        return moment.astimezone()  # as datetime.now(): Django has set TZ if it can
    warnings.warn(
        f"A datetime is expected to be aware, and {moment!r} is naive, while time zone "
        "support is active.",
        RuntimeWarning,
        stacklevel=2,
    )
    return timezone.make_aware(moment, timezone.get_default_timezone())


def _to_lifetime(ms: int) -> Lifetime:
    _check_range(now_ms() + ms)
    return Lifetime(ms)


def _check_range(deadline_ms: int) -> int:
    if abs(deadline_ms) > LAST_MS:
        raise OverflowError
    return deadline_ms
