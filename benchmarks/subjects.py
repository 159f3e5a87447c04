"""The stored models and their attributes: two payloads, each with models of its own.

plain: the types that the decoder builds by itself: str, int, float, bool.
mixed: as many attributes, with datetimes, a Decimal, a UUID and a list. A decoder needs
hooks for these. They cost the same on both sides and outweigh the rest. So a ratio of
mixed attributes flatters: judge the plain ones first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import django_ormist as ormist

CITIES = 50
AGES = 80
PLANS = ("free", "basic", "team", "business")
_JOINED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
_SEEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Visitor(ormist.TaggedModel):
    """Plain objects to read: tags, and two indexed attributes."""

    class Meta:
        index_attrs = ("city", "age")


class Arrival(ormist.TaggedModel):
    """Plain objects to write: like Visitor, in another key space."""

    class Meta:
        index_attrs = ("city", "age")


class MixedVisitor(ormist.TaggedModel):
    """Mixed objects to read: like Visitor."""

    class Meta:
        index_attrs = ("city", "age")


class MixedArrival(ormist.TaggedModel):
    """Mixed objects to write: like Arrival."""

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


def plain_attributes(number: int) -> dict[str, Any]:
    """Return eight attributes of object *number*, in 97 packed bytes or so."""
    return {
        "name": f"visitor-{number % 1_000_000:06}",
        "city": f"City{number % CITIES:02}",
        "age": 18 + number % AGES,
        "visits": 1000 + number % 60_000,
        "score": number % 997 / 997,
        "active": number % 3 == 0,
        "plan": PLANS[number % len(PLANS)],
        "credit": number % 1009 / 4,
    }


def mixed_attributes(number: int) -> dict[str, Any]:
    """Return eight attributes of object *number*, five of them no plain ones."""
    return {
        "city": f"City{number % CITIES:02}",
        "age": 18 + number % AGES,
        "visits": 1000 + number % 60_000,
        "joined": _JOINED + timedelta(seconds=number),
        "seen": _SEEN + timedelta(seconds=number),
        "balance": Decimal(number % 100_000) / 100,
        "device": UUID(int=number * 2**64 + 0xA5),
        "pages": ["home", "cart", number % 500],
    }


@dataclass(frozen=True)
class Payload:
    """One kind of attributes. read, written: the models that have them."""

    name: str
    attributes: Callable[[int], dict[str, Any]]
    read: type[ormist.TaggedModel]
    written: type[ormist.TaggedModel]


PLAIN = Payload("plain", plain_attributes, Visitor, Arrival)
MIXED = Payload("mixed", mixed_attributes, MixedVisitor, MixedArrival)
PAYLOADS = (PLAIN, MIXED)


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


def visitors(
    total: int, using: str = "default", payload: Payload = PLAIN
) -> Iterator[list[Any]]:
    """Store *total* visitors, 10 000 at a time, and yield each batch."""
    numbers = iter(range(total))
    while some := list(islice(numbers, 10_000)):
        batch = [payload.read(*tags(n, total), **payload.attributes(n)) for n in some]
        yield payload.read.objects.using(using).bulk_create(batch)
