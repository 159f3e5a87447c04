"""The stored models, and objects of eight attributes in 109 packed bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import django_ormist as ormist

CITIES = 50
AGES = 80
_JOINED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
_SEEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Visitor(ormist.TaggedModel):
    """Objects to read: tags, and two indexed attributes."""

    class Meta:
        index_attrs = ("city", "age")


class Arrival(ormist.TaggedModel):
    """Objects to write: like Visitor, in another key space."""

    class Meta:
        index_attrs = ("city", "age")


class Nothing(ormist.Model):
    """A model without indexed attributes."""


class Couple(ormist.Model):
    """A model with two of eight attributes indexed."""

    class Meta:
        index_attrs = ("city", "age")


class Everything(ormist.TaggedAttrsModel):
    """A model with all eight attributes indexed."""


def attributes(number: int) -> dict[str, Any]:
    """Return the eight attributes of object *number*."""
    return {
        "name": f"visitor-{number % 1_000_000:06}",
        "city": f"City{number % CITIES:02}",
        "age": 18 + number % AGES,
        "visits": 1000 + number % 60_000,
        "score": number % 997 / 997,
        "active": number % 3 == 0,
        "joined": _JOINED + timedelta(seconds=number),
        "seen": _SEEN + timedelta(seconds=number),
    }


def tags(number: int, total: int) -> list[str]:
    """Return the tags of object *number* of *total*.

    "everyone" is on all; "hundred", "thousand" and "myriad" are on as many, evenly
    spread; "seventh" is on each seventh, for intersections.
    """
    given = ["everyone"]
    for name, size in (("hundred", 100), ("thousand", 1000), ("myriad", 10_000)):
        if size <= total and number % (total // size) == 0:
            given.append(name)
    if number % 7 == 0:
        given.append("seventh")
    return given


def visitors(total: int, using: str = "default") -> Iterator[list[Visitor]]:
    """Store *total* visitors, 10 000 at a time, and yield each batch."""
    numbers = iter(range(total))
    while some := list(islice(numbers, 10_000)):
        batch = [Visitor(*tags(n, total), **attributes(n)) for n in some]
        yield Visitor.objects.using(using).bulk_create(batch)
