"""The years, months and days that occur in an ordered attribute, for date_hierarchy."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ..batching import batched
from .samples import count_each

COUNTED_AT_ONCE = 1000
"""Years that are counted in one round trip."""


def find_ends(queryset: Any, name: str, is_date: bool) -> tuple[Any, Any] | None:
    """Return the first and the last moment of the objects, or None. Two round trips.

    Values of other types, which do not fit the declaration, are left out.
    """
    lowest: Any = date.min if is_date else datetime.min
    if not is_date and timezone.is_aware(timezone.now()):
        lowest = datetime(1, 1, 2, tzinfo=UTC)
    collection = queryset.filter(**{f"{name}__gte": lowest}).collection
    first = collection.order_by(name).first()
    last = None if first is None else collection.order_by(f"-{name}").first()
    if last is None:
        return None
    return first.attrs[name], last.attrs[name]


def find_moments(
    queryset: Any, name: str, ends: tuple[Any, Any] | None, kind: str
) -> list[Any]:
    """Return the beginning of each year, month or day that has an object.

    ends: see find_ends(). kind: "year", "month" or "day". Each is counted in the index:
    one round trip, or one per 1000 years.
    """
    if ends is None:
        return []
    found: list[Any] = []
    first, last = map(_localize, ends)
    for some in batched(_spans(first, last, kind), COUNTED_AT_ONCE):
        conditions = [
            Q((f"{name}__gte", start))
            & (Q() if end is None else Q((f"{name}__lt", end)))
            for start, end in some
        ]
        counts = count_each([queryset.filter(each).collection for each in conditions])
        pairs = zip(some, counts, strict=True)
        found += [start for (start, _), number in pairs if number]
    return found


def _localize(moment: Any) -> Any:
    """Return a moment in the current time zone, if it is aware."""
    is_aware = isinstance(moment, datetime) and timezone.is_aware(moment)
    return timezone.localtime(moment) if is_aware else moment


def _spans(first: Any, last: Any, kind: str) -> Iterator[tuple[Any, Any]]:
    """Yield the beginning and the end of each span. The last possible has no end."""
    start = _begin(first, kind)
    while start is not None and start <= last:
        end = _find_next(start, kind)
        yield start, end
        start = end


def _begin(moment: Any, kind: str) -> Any:
    month = 1 if kind == "year" else moment.month
    moment = moment.replace(month=month, day=moment.day if kind == "day" else 1)
    if isinstance(moment, datetime):
        return _at_midnight(moment, moment.tzinfo is not None)
    return moment


def _find_next(start: Any, kind: str) -> Any:
    """Return the beginning of the next span, or None after the year 9999."""
    try:
        if kind == "year":
            moment = start.replace(year=start.year + 1)
        elif kind == "month":
            moment = (start + timedelta(days=32)).replace(day=1)
        else:
            moment = start + timedelta(days=1)
    except (OverflowError, ValueError):
        return None
    if isinstance(moment, datetime):
        return _at_midnight(moment, moment.tzinfo is not None)
    return moment


def _at_midnight(moment: datetime, is_aware: bool) -> datetime:
    """Return the beginning of this day, in the current time zone if it is aware."""
    naive = datetime(moment.year, moment.month, moment.day)
    return timezone.make_aware(naive) if is_aware else naive
