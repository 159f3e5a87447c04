"""One declaration as a model of django_ormist and as a model of SQL."""

import datetime
import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import (
    DecimalValidator,
    EmailValidator,
    MaxLengthValidator,
    MinValueValidator,
)
from django.db import models

import django_ormist as ormist


class Delivery(models.TextChoices):
    """The choices of both."""

    POST = "post", "by post"
    SHOP = "shop", "in the shop"


def check_wagon(wagon):
    if wagon.size > 100 and wagon.delivery == Delivery.POST:
        raise ValidationError({"size": "Too much to post."})
    if wagon.number == "0":
        raise ValidationError("No wagon has the number 0.", code="zero")


class Wagon(ormist.Model):
    number: Annotated[str, MaxLengthValidator(8)]
    email: Annotated[str | None, EmailValidator(), MaxLengthValidator(254)] = None
    size: Annotated[int, MinValueValidator(0)] = ormist.field(help_text="In pieces.")
    total: Annotated[Decimal, DecimalValidator(6, 2)] = Decimal("0")
    weight: float | None = None
    is_gift: bool = False
    is_paid: bool | None = None
    delivery: Delivery = Delivery.POST
    priority: int = ormist.field(
        choices=[(1, "low"), (2, "high")], verbose_name="how urgent"
    )
    shop: Annotated[str | None, MaxLengthValidator(20)] = None
    day: datetime.date | None = None
    at: datetime.datetime | None = None
    hour: datetime.time | None = None
    duration: datetime.timedelta | None = None
    key: uuid.UUID | None = None
    lines: list[dict[str, Any]] = ormist.field(default_factory=list)
    secret: str = ormist.field(default="", editable=False)

    class Meta:
        app_label = "tests"
        ordered = ["number"]
        unique = ["number", ("shop", "priority")]

    def validate(self):
        check_wagon(self)

    def get_absolute_url(self):
        return f"/wagons/{self.pk}/"


class SqlWagon(models.Model):
    number = models.CharField(max_length=8, unique=True)
    email = models.EmailField(null=True, blank=True)
    size = models.PositiveIntegerField(help_text="In pieces.")
    total = models.DecimalField(max_digits=6, decimal_places=2, default=Decimal("0"))
    weight = models.FloatField(null=True, blank=True)
    is_gift = models.BooleanField(default=False)
    is_paid = models.BooleanField(null=True, blank=True)
    delivery = models.CharField(
        max_length=20, choices=Delivery.choices, default=Delivery.POST
    )
    priority = models.IntegerField("how urgent", choices=[(1, "low"), (2, "high")])
    shop = models.CharField(max_length=20, null=True, blank=True)
    day = models.DateField(null=True, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    hour = models.TimeField(null=True, blank=True)
    duration = models.DurationField(null=True, blank=True)
    key = models.UUIDField(null=True, blank=True)
    lines = models.JSONField(default=list, blank=True)
    secret = models.CharField(max_length=20, default="", editable=False)

    class Meta:
        app_label = "tests"
        managed = False
        auto_created = True  # checks and makemigrations do not see it
        verbose_name = "wagon"
        unique_together = [("shop", "priority")]

    def clean(self):
        # Django calls it with attributes that are not valid; ours does not.
        if isinstance(self.size, int):
            check_wagon(self)

    def get_absolute_url(self):
        return f"/wagons/{self.pk}/"


class Colour(Enum):
    """An Enum without labels."""

    RED = "r"
    DARK_BLUE = "b"


@dataclass
class Place:
    street: str
    number: int = 1


class Drawing(ormist.TaggedModel):
    """Types that SQL does not have, and a counter."""

    colour: Colour = Colour.RED
    colours: set[Colour] = ormist.field(default_factory=set)
    where: Place | None = None
    either: int | str | None = None
    moment: datetime.datetime | str = ""
    anything: Any = None
    sizes: tuple[Decimal, ...] = ()
    raw: bytes = b""
    views: int = 0

    class Meta:
        app_label = "tests"
        index_attrs = ["colour"]
        counters = ["views"]


class Wheel(ormist.Model):
    """A reference to each kind of model."""

    wagon: ormist.Ref[Wagon]
    maker = ormist.ref("auth.User", null=True)
    position: int = 0

    class Meta:
        app_label = "tests"
        index_attrs = ["wagon"]
        unique = [("wagon", "position")]
