"""A model with declared attributes, one of Django beside it, and their admins."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.validators import (
    MaxLengthValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models

import django_ormist as ormist
from django_ormist import admin as ormist_admin


class State(models.TextChoices):
    NEW = "new", "Just in"
    SENT = "sent", "On its way"
    LOST = "lost", "Lost"


@dataclass
class ShipmentLine:
    sku: str
    number: int = 1
    notes: list[str] = field(default_factory=list)


class Shipment(ormist.TaggedModel):
    customer: Annotated[str, MaxLengthValidator(40)]
    weight: Annotated[int, MinValueValidator(1)] = 1
    price: Decimal = Decimal(0)
    state: State = State.NEW
    speed: Literal[1, 2] | None = None
    express: bool = False
    note: str = ormist.field(
        default="", verbose_name="internal note", help_text="For us only."
    )
    sent: datetime | None = None
    day: date | None = None
    lines: list[ShipmentLine] = ormist.field(default_factory=list)
    labels: frozenset[str] = frozenset()
    code: Annotated[str, RegexValidator("^[A-Z]*$", "Only capitals.")] = ""
    origin: str = ormist.field(default="web", editable=False)
    anything: Any = None
    size: int | str = 1
    ready: time | None = None
    channels: list[Literal["mail", "web"]] = ormist.field(default_factory=list)
    marker: Literal[1, "1", "x"] = "x"
    grade: int = ormist.field(
        default=1, choices=[(1, "one"), ("more", [(2, "two"), (3, "three")])]
    )
    views: Annotated[int, MinValueValidator(0)] = ormist.field(
        default=0, verbose_name="seen", help_text="How often."
    )

    class Meta:
        app_label = "tests"
        index_attrs = ("customer", "state", "speed", "express", "weight", "grade")
        ordered = ("sent", "day", "price")
        counters = ("views",)

    def __str__(self):
        return str(self.attrs.get("customer"))


class SqlShipment(models.Model):
    customer = models.CharField(max_length=40)
    weight = models.IntegerField(default=1, validators=[MinValueValidator(1)])
    price = models.DecimalField(default=0, max_digits=20, decimal_places=2)
    state = models.CharField(choices=State, default=State.NEW, max_length=9)
    express = models.BooleanField(default=False)
    note = models.CharField(
        "internal note", default="", blank=True, help_text="For us only.", max_length=99
    )
    sent = models.DateTimeField(null=True, blank=True)
    day = models.DateField(null=True, blank=True)
    code = models.CharField(
        default="",
        blank=True,
        validators=[RegexValidator("^[A-Z]*$", "Only capitals.")],
        max_length=9,
    )

    class Meta:
        app_label = "tests"
        managed = False
        auto_created = True  # so that makemigrations does not see it

    def __str__(self):
        return self.customer


CREATE_TABLE = (
    "CREATE TABLE tests_sqlshipment (id INTEGER PRIMARY KEY, customer TEXT, "
    "weight INTEGER, price DECIMAL, state TEXT, express BOOL, note TEXT, "
    "sent DATETIME, day DATE, code TEXT)"
)


class ClosedShipment(ormist.TaggedAttrsModel):
    name: str = ""
    place: str = ""
    slug: str = ""

    class Meta:
        app_label = "tests"
        declared_only = True


class Sender(ormist.Model):
    name: str = ""

    class Meta:
        app_label = "tests"
        index_attrs = ("name",)

    def __str__(self):
        return f"Sender {self.name}"


class Letter(ormist.Model):
    sender: ormist.Ref[Sender] = ormist.ref(on_delete=ormist.CASCADE)
    clerk = ormist.ref("auth.User", null=True)
    depot: ormist.Ref[ClosedShipment] | None = ormist.ref(on_delete=ormist.PROTECT)
    before: ormist.Ref["Letter"] | None

    class Meta:
        app_label = "tests"
        index_attrs = ("sender", "clerk", "depot")


class Options:
    """The options of both admins."""

    list_display = ("customer", "state", "express", "price", "note", "sent")
    list_filter = ("state", "express")
    date_hierarchy = "sent"
    search_fields = ("customer", "=weight")
    list_editable = ("note",)


class ShipmentAdmin(Options, ormist_admin.OrmistAdmin):
    search_fields = ("customer", "weight")


class SqlShipmentAdmin(Options, admin.ModelAdmin):
    pass


class SenderAdmin(ormist_admin.OrmistAdmin):
    search_fields = ("id", "name")


class LetterAdmin(ormist_admin.OrmistAdmin):
    list_display = ("id", "sender", "clerk")
    list_filter = ("sender", "clerk")
    autocomplete_fields = ("sender", "clerk")
    raw_id_fields = ("before",)


def register(site):
    site.register(User, UserAdmin)
    ormist_admin.register(Sender, site=site)(SenderAdmin)
    ormist_admin.register(Letter, site=site)(LetterAdmin)
    ormist_admin.register(Shipment, site=site)(ShipmentAdmin)
    ormist_admin.register(ClosedShipment, site=site)(
        type(
            "ClosedAdmin",
            (ormist_admin.OrmistAdmin,),
            {"prepopulated_fields": {"slug": ["name"]}},
        )
    )
    site.register(SqlShipment, SqlShipmentAdmin)
