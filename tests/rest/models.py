"""A model with many declared attributes, and Django's with the same declaration."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

from django.core.validators import (
    DecimalValidator,
    EmailValidator,
    MaxLengthValidator,
    MaxValueValidator,
    MinValueValidator,
)
from django.db import models

import django_ormist as ormist

NOTE = "For the courier."


class Gadget(ormist.TaggedModel):
    code: Annotated[str, MaxLengthValidator(8)]
    owner: int
    slot: int = 0
    total: Annotated[Decimal, DecimalValidator(8, 2)] = Decimal("0.00")
    state: Literal["open", "paid"] = "open"
    size: Annotated[int, MinValueValidator(1), MaxValueValidator(9)] = 1
    note: str = ormist.field(
        default="", blank=True, verbose_name="short note", help_text=NOTE
    )
    ends: date | None = None
    moment: datetime | None = None
    opens: time | None = None
    is_gift: bool = False
    ratio: float = 1.0
    token: UUID | None = None
    waits: timedelta | None = None
    email: str | None = ormist.field(
        default=None, validators=[EmailValidator(), MaxLengthValidator(254)]
    )
    secret: str = ormist.field(default="x", editable=False)

    class Meta:
        index_attrs = ["owner", "state", "size", "is_gift"]
        ordered = ["total", "ends", "moment", "size"]
        unique = ["code", ("owner", "slot")]


class SqlGadget(models.Model):
    code = models.CharField(max_length=8, unique=True)
    owner = models.IntegerField()
    slot = models.IntegerField(default=0)
    total = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal("0.00"))
    state = models.CharField(
        max_length=9, choices=[("open", "open"), ("paid", "paid")], default="open"
    )
    size = models.IntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    note = models.TextField(
        default="", blank=True, verbose_name="short note", help_text=NOTE
    )
    ends = models.DateField(null=True, blank=True)
    moment = models.DateTimeField(null=True, blank=True)
    opens = models.TimeField(null=True, blank=True)
    is_gift = models.BooleanField(default=False)
    ratio = models.FloatField(default=1.0)
    token = models.UUIDField(null=True, blank=True)
    waits = models.DurationField(null=True, blank=True)
    email = models.EmailField(null=True, blank=True)  # noqa: DJ001
    secret = models.CharField(max_length=9, default="x", editable=False)

    class Meta:
        app_label = "tests"
        managed = False
        auto_created = True  # checks and makemigrations do not see it
        verbose_name = "gadget"
        unique_together = [("owner", "slot")]

    def __str__(self):
        return self.code


class Colour(Enum):
    RED = 1
    BLUE = 2


class Level(models.TextChoices):
    LOW = "l", "Low"
    HIGH = "h", "High"


@dataclass
class Address:
    street: str
    city: str = "Bern"
    floor: int | None = None


class Line(TypedDict):
    title: str
    number: Annotated[int, MinValueValidator(1)]
    note: NotRequired[str]


@dataclass
class Branch:
    name: str
    branches: "list[Branch]"


class Parcel(ormist.TaggedModel):
    """Containers, records, choices and counters."""

    address: Address
    lines: list[Line] = ormist.field(default_factory=list)
    words: set[str] = ormist.field(default_factory=set)
    pair: tuple[int, str] | None = None
    days: tuple[date, ...] = ()
    ratios: dict[str, float] = ormist.field(default_factory=dict)
    by_number: dict[int, str] = ormist.field(default_factory=dict)
    rest: Any = None
    colour: Colour = Colour.RED
    level: Level | None = None
    data: bytes = b""
    mixed: int | str = 0
    tree: Branch | None = None
    views: Annotated[int, MinValueValidator(0)] = 0

    class Meta:
        counters = ["views", "votes"]
        expire = 3600

    @property
    def street(self):
        return self.address.street


SITE = {
    "TEMPLATES": [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
    ],
    "INSTALLED_APPS": [
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.staticfiles",
        "rest_framework",
        "django_ormist",
        "tests",
    ],
}
"""The settings of a page of the browsable API."""
