"""What is stored: the models, and objects of eight attributes in 109 packed bytes."""

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
    """What is read: tags, and two indexed attributes."""

    class Meta:
        index_attrs = ("city", "age")


class Arrival(ormist.TaggedModel):
    """What is written: as Visitor, in a key space of its own."""

    class Meta:
        index_attrs = ("city", "age")


class Nothing(ormist.Model):
    """No attribute indexed."""


class Couple(ormist.Model):
    """Two of eight attributes indexed."""

    class Meta:
        index_attrs = ("city", "age")


class Everything(ormist.TaggedAttrsModel):
    """All eight attributes indexed."""


def attributes(number: int) -> dict[str, Any]:
    """The eight attributes of object *number*."""
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
    """The tags of object *number* of *total*.

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
    """Store *total* visitors, 10 000 at a time: yields each lot as it is stored."""
    numbers = iter(range(total))
    while some := list(islice(numbers, 10_000)):
        lot = [Visitor(*tags(n, total), **attributes(n)) for n in some]
        yield Visitor.objects.using(using).bulk_create(lot)
