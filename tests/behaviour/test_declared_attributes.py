"""Declared attributes: defaults, conversion and validation on every way to write."""

import copy
import datetime as dt
import pickle
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, F, Max, Min, Q, Sum, Value

import django_ormist as ormist
from django_ormist import ValidationError


class Delivery(models.TextChoices):
    POST = "post", "By post"
    SHOP = "shop", "In the shop"


class Priority(Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Place:
    street: str
    number: int = 1


class Basis(ormist.TaggedModel):
    owner: int
    note: str = ""

    class Meta:
        abstract = True


class Purchase(Basis):
    total: Decimal = 0  # type: ignore[assignment]  # converted
    state: Literal["open", "paid"] = "open"
    size: Annotated[int, MinValueValidator(1)] = 1
    lines: list[dict[str, Any]] = ormist.field(
        default_factory=list, verbose_name="order lines", help_text="One each."
    )
    delivery: Delivery = Delivery.POST
    priority: Priority | None = None
    place: Place | None = None
    at: dt.datetime | None = None
    views: Annotated[int, MinValueValidator(-1), MaxValueValidator(3)] = 0

    class Meta:
        app_label = "tests"
        index_attrs = ("owner", "state", "delivery", "priority", "colour")
        ordered = ("total", "at")
        counters = ("views",)
        unique = ("note",)

    def validate(self):
        if self.note == "bad":
            raise ValidationError({"note": "A bad note."})


@cache
def undeclared():
    """Return the model of the same objects in an earlier version of the code."""

    class Undeclared(ormist.TaggedModel):
        class Meta:
            app_label = "tests"
            model_name = "Purchase"
            index_attrs = ("owner", "state", "delivery", "priority", "colour")
            ordered = ("total", "at")
            counters = ("views",)
            unique = ("note",)

    return Undeclared


class Levelled(ormist.Model):
    level: Priority
    email: Priority | None

    class Meta:
        app_label = "tests"
        index_attrs = ("email",)
        ordered = ("level",)
        unique = ("email",)


class Strict(ormist.Model):
    code: str
    views: int

    class Meta:
        app_label = "tests"
        declared_only = True
        counters = ("views",)


def errors(raised):
    return raised.value.message_dict


# ---------------------------------------------------------------- a new object


def test_a_new_object_has_the_defaults(ask, server):
    purchase = ask(Purchase.objects.create, owner=1)
    for each in (purchase, ask(Purchase.objects.get, purchase.id)):
        assert (each.owner, each.note, each.size, each.views) == (1, "", 1, 0)
        assert each.total == 0
        assert type(each.total) is Decimal
        assert each.lines == []
        assert each.delivery is Delivery.POST
        assert each.priority is each.place is None


def test_each_object_has_a_default_of_its_own(server):
    one, other = Purchase(owner=1), Purchase(owner=1)
    one.lines.append({})
    assert other.lines == []


def test_other_attributes_are_allowed(ask, server):
    purchase = ask(Purchase.objects.create, "tag", owner=1, colour="red")
    assert ask(Purchase.objects.find("tag", colour="red").get) == purchase


def test_a_required_attribute_is_missed_at_save(ask, server):
    purchase = Purchase()
    with pytest.raises(AttributeError, match="no 'owner', which is declared without"):
        _ = purchase.owner
    with pytest.raises(ValidationError) as raised:
        ask(purchase.save)
    assert errors(raised) == {"owner": ["This field is required."]}
    assert not ask(Purchase.objects.exists)


def test_values_are_converted_by_save(ask, server):
    purchase = ask(
        Purchase.objects.create,
        owner="21",
        total="12.50",
        at="2026-05-01T12:00:00+02:00",
        place={"street": "Main", "number": "5"},
        delivery="shop",
    )
    assert purchase.owner == 21
    found = ask(Purchase.objects.get, purchase.id)
    assert found.attrs == purchase.attrs
    assert (found.owner, found.total) == (21, Decimal("12.50"))
    assert found.at == dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)
    assert found.place == Place("Main", 5)
    assert found.delivery is Delivery.SHOP


def test_all_faults_are_told_by_attribute(ask, server):
    purchase = Purchase(owner=None, state="lost", size=0, total="x", note="bad")
    with pytest.raises(ValidationError) as raised:
        ask(purchase.save)
    wanted = {
        "owner": ["This field cannot be null."],
        "state": ["Value 'lost' is not a valid choice."],
        "size": ["Ensure this value is greater than or equal to 1."],
        "total": ["“x” value must be a decimal number."],
    }
    assert errors(raised) == wanted
    with pytest.raises(ValidationError) as raised:
        purchase.full_clean()
    assert errors(raised) == wanted | {"note": ["A bad note."]}
    with pytest.raises(ValidationError) as raised:
        purchase.clean_fields(exclude=["owner", "size", "total"])
    assert errors(raised) == {"state": wanted["state"]}
    assert purchase.attrs["total"] == "x"


def test_full_clean_tells_what_is_missing_to_the_methods_of_the_model(monkeypatch):
    def compare(self, exclude=None):
        assert self.owner > 0

    for name in ("clean", "validate", "validate_constraints"):
        with monkeypatch.context() as patched:
            patched.setattr(Purchase, name, compare, raising=False)
            with pytest.raises(ValidationError) as raised:
                Purchase(size="x").full_clean()
            assert errors(raised).keys() == {"owner", "size"}
            patched.setattr(Purchase, name, lambda self, *args: self.missing)
            with pytest.raises(AttributeError, match="missing"):
                Purchase(size="x").full_clean()


def test_full_clean_converts():
    purchase = Purchase(owner="1")
    purchase.full_clean()
    assert purchase.owner == 1


# ---------------------------------------------------------------- a stored object


def store_old(ask, **attrs):
    old = ask(undeclared().objects.create, id="old", **attrs)
    assert old.attrs == attrs
    return ask(Purchase.objects.get, "old")


def test_data_from_before_the_declaration_is_read(ask, server):
    found = store_old(ask, owner="x", delivery="gone", priority=7, place=[1])
    assert (found.owner, found.delivery, found.priority) == ("x", "gone", 7)
    assert found.place == [1]
    assert (found.total, found.lines, found.size) == (0, [], 1)
    assert found.attrs == {"owner": "x", "delivery": "gone", "priority": 7, "place": [1]}  # fmt: skip  # noqa: E501


def test_a_required_attribute_that_is_not_stored_is_an_attribute_error(ask, server):
    found = store_old(ask, size=1)
    with pytest.raises(AttributeError, match="no 'owner'"):
        _ = found.owner
    assert not hasattr(found, "owner")


def test_only_what_changed_is_validated(ask, server):
    found = store_old(ask, owner="x", size=0)
    found.note = "new"
    ask(found.save)
    found.size = -1
    with pytest.raises(ValidationError) as raised:
        ask(found.save)
    assert errors(raised).keys() == {"size"}
    del found.owner
    with pytest.raises(ValidationError) as raised:
        ask(found.save)
    assert errors(raised).keys() == {"size", "owner"}
    found.owner, found.size = 1, 2
    ask(found.save)
    assert ask(Purchase.objects.get, "old").attrs == {"note": "new", "owner": 1, "size": 2}  # fmt: skip  # noqa: E501


def test_an_object_that_was_never_loaded_is_validated_whole(ask, server):
    store_old(ask, owner="x")
    with pytest.raises(ValidationError) as raised:
        ask(Purchase(id="old", size=2).save)
    assert errors(raised) == {"owner": ["This field is required."]}


def test_taking_the_declaration_away_loses_nothing(ask, server):
    stored = ask(
        Purchase.objects.create,
        owner=1,
        place=Place("Main"),
        priority=Priority.HIGH,
        lines=[{"a": 1}],
    )
    found = ask(undeclared().objects.get, stored.id)
    assert found.attrs == stored.attrs
    assert found.place == {"street": "Main", "number": 1}
    assert (found.priority, found.delivery) == (2, "post")
    assert ask(undeclared().objects.find(priority=2).count) == 1


# ---------------------------------------------------------------- changes in place


def test_a_default_that_is_changed_in_place_is_stored(ask, server):
    found = store_old(ask, owner=1)
    found.lines.append({"a": 1})
    ask(found.save)
    assert ask(Purchase.objects.get, "old").lines == [{"a": 1}]
    found.lines.append({"b": 1})
    ask(found.save)
    assert ask(Purchase.objects.get, "old").lines == [{"a": 1}, {"b": 1}]


def test_a_default_that_was_changed_in_place_is_read_anew(ask, server):
    found = store_old(ask, owner=1)
    for forget in (
        lambda: ask(found.refresh_from_db),
        lambda: ask(found.refresh_from_db, fields=["lines"]),
        lambda: found.unset("lines"),
    ):
        found.lines.append({"a": 1})
        forget()
        assert found.lines == []
        ask(found.save)
        assert ask(Purchase.objects.get, "old").attrs == {"owner": 1}


def test_a_dataclass_that_was_changed_in_place_is_read_anew(ask, server):
    found = store_old(ask, owner=1, place={"street": "Main"})
    found.place.number = 5
    ask(found.refresh_from_db)
    assert found.place == Place("Main", 1)
    ask(found.save)
    assert ask(Purchase.objects.get, "old").attrs["place"] == {"street": "Main"}


def test_an_expression_reads_the_default_of_an_absent_attribute(ask, server):
    store_old(ask, owner=1)
    assert ask(Purchase.objects.update, size=F("size") + 4, total=F("size") * 2) == 1
    found = ask(Purchase.objects.get, "old")
    assert (found.size, found.total) == (5, 2)


def test_an_expression_computes_with_the_declared_type(ask, server):
    store_old(ask, owner="7", size="3", total="2.5", note=4)
    sums = {"owner": F("owner") * 2, "size": F("size") + F("owner")}
    assert ask(Purchase.objects.update, total=F("total") * 2, **sums) == 1
    found = ask(Purchase.objects.get, "old").attrs
    assert (found["owner"], found["size"], found["total"]) == (14, 10, 5)
    ask(undeclared().objects.update, owner="gone")
    with pytest.raises(TypeError, match="concatenate str") as raised:
        ask(Purchase.objects.update, owner=F("owner") + 1)
    assert raised.value.__notes__ == ["In the update of Purchase 'old'."]
    assert ask(undeclared().objects.get, "old").owner == "gone"


def test_an_expression_cannot_be_saved(ask, server):
    found = store_old(ask, owner=1)
    for value in (F("owner") + 1, Value(3)):
        for refuse in (
            lambda: ask(found.save),
            lambda: ask(found.save, update_fields=["owner"]),
            lambda: ask(Purchase.objects.bulk_update, [found], ["owner"]),
            lambda value=value: ask(Purchase.objects.create, owner=value),
            lambda value=value: ask(
                Purchase.objects.update_or_create, {"owner": value}, id="old"
            ),
        ):
            found.owner = value
            with pytest.raises(ValidationError, match="expression .* update.name=F"):
                refuse()
    assert ask(Purchase.objects.get, "old").owner == 1


def test_increment_computes_with_the_declared_type(ask, server):
    found = store_old(ask, owner="7", size=1.0, note=4)
    assert ask(found.increment, "owner", 2) == 9
    assert ask(found.increment, "size") == 2
    with pytest.raises(TypeError, match="it holds a str"):
        ask(found.increment, "note")
    stored = ask(undeclared().objects.get, "old").attrs
    assert (stored["owner"], stored["size"], stored["note"]) == (9, 2, 4)


def test_reading_a_default_stores_nothing(ask, server):
    found = store_old(ask, owner=1)
    assert found.lines == []
    ask(found.save)
    assert ask(Purchase.objects.get, "old").attrs == {"owner": 1}


def test_reading_a_dataclass_without_some_keys_stores_nothing(ask, server):
    found = store_old(ask, owner=1, place={"street": "Main"})
    assert found.place == Place("Main", 1)
    ask(found.save)
    assert ask(Purchase.objects.get, "old").attrs["place"] == {"street": "Main"}


def test_a_dataclass_that_is_changed_in_place_is_stored(ask, server):
    purchase = ask(Purchase.objects.create, owner=1, place=Place("Main"))
    place = purchase.place
    for number in (2, 3):
        place.number = number
        assert purchase.place is place
        ask(purchase.save)
        assert ask(Purchase.objects.get, purchase.id).place == Place("Main", number)
    purchase.attrs["place"] = {"street": "Side", "number": 1}
    assert purchase.place == Place("Side")
    place.number = "many"
    ask(purchase.save)  # it belongs to the object no more
    purchase.place.number = "many"
    with pytest.raises(ValidationError, match="Item 'number'"):
        ask(purchase.save)


def test_a_copy_and_a_pickle_have_what_was_changed_in_place(ask, server):
    purchase = ask(Purchase.objects.create, owner=1, place=Place("Main"))
    purchase.place.number = 9
    for other in (copy.copy(purchase), pickle.loads(pickle.dumps(purchase))):
        assert other.place == Place("Main", 9)
        assert other.place is not purchase.place
    purchase.place.number = 10
    ask(purchase.save, update_fields=["place"])
    assert ask(Purchase.objects.get, purchase.id).place == Place("Main", 10)


def test_changes_of_others_are_kept_beside_changes_in_place(ask, server):
    mine = ask(Purchase.objects.create, owner=1, place=Place("Main"))
    other = ask(Purchase.objects.get, mine.id)
    other.priority, other.delivery = Priority.HIGH, Delivery.SHOP
    ask(other.save)
    mine.place.number = 5
    ask(mine.save)
    assert (mine.priority, mine.delivery) == (Priority.HIGH, Delivery.SHOP)
    found = ask(Purchase.objects.get, mine.id)
    assert (found.place, found.priority) == (Place("Main", 5), Priority.HIGH)
    ask(mine.save)
    assert ask(Purchase.objects.get, mine.id).priority is Priority.HIGH


# ---------------------------------------------------------------- many objects


def test_bulk_methods_keep_to_the_declaration(ask, server):
    new = [Purchase(owner=str(n), note=f"{n}") for n in range(3)]
    ask(Purchase.objects.bulk_create, new)
    assert [each.owner for each in ask(list, Purchase.objects.all())] == [0, 1, 2]
    with pytest.raises(ValidationError) as raised:
        ask(Purchase.objects.bulk_create, [Purchase(owner=1), Purchase(id="a")])
    assert raised.value.__notes__ == ["In 'a', number 2 of 2 objects."]
    new[1].size = new[2].size = 0
    for name, options in (("bulk_save", {}), ("bulk_update", {"fields": ["size"]})):
        with pytest.raises(ValidationError) as raised:
            ask(getattr(Purchase.objects, name), new, **options)
        assert raised.value.__notes__ == [f"In {new[1].id!r}, number 2 of 3 objects."]
    for each in new:
        each.size = "7"
    ask(Purchase.objects.bulk_update, new, ["size"])
    assert [each.size for each in ask(list, Purchase.objects.all())] == [7, 7, 7]
    with pytest.raises(ValidationError):
        ask(
            Purchase.objects.bulk_create,
            [Purchase(note="1", size=0)],
            update_conflicts=True,
            update_fields=["size"],
            unique_fields=["note"],
        )
    assert ask(Purchase.objects.count) == 3


def test_update_fields_validates_these(ask, server):
    found = store_old(ask, owner="x")
    found.size, found.state = 0, "lost"
    with pytest.raises(ValidationError) as raised:
        ask(found.save, update_fields=["size"])
    assert errors(raised).keys() == {"size"}
    found.size = "2"
    ask(found.save, update_fields=["size"])
    assert ask(Purchase.objects.get, "old").attrs == {"owner": "x", "size": 2}


def test_update_converts_and_refuses(ask, server):
    ask(Purchase.objects.create, owner=1, size=5)
    purchases = Purchase.objects.all()
    assert ask(purchases.update, total="2.50", place=Place("A"), priority="2") == 1
    found = ask(purchases.get)
    assert (found.total, found.place) == (Decimal("2.50"), Place("A"))
    assert found.priority is Priority.HIGH
    for wrong in ({"size": 0}, {"owner": None}, {"size": F("size") - 5}, {"views": 9}):
        with pytest.raises(ValidationError) as raised:
            ask(purchases.update, **wrong)
        assert errors(raised).keys() == wrong.keys()
    assert ask(purchases.update, size=F("size") + 1, views=F("views") + 3) == 1
    assert (ask(purchases.get).size, ask(purchases.get).views) == (6, 3)


def test_upserts_keep_to_the_declaration(ask, server):
    made, is_new = ask(Purchase.objects.get_or_create, {"total": "5"}, owner="3")
    assert (made.owner, made.total, is_new) == (3, 5, True)
    assert not ask(Purchase.objects.get_or_create, owner="3")[1]
    changed, _ = ask(Purchase.objects.update_or_create, {"size": "4"}, owner="3")
    assert ask(Purchase.objects.get, changed.id).size == 4
    with pytest.raises(ValidationError):
        ask(Purchase.objects.update_or_create, {"size": 0}, owner=3)


def test_saves_in_a_block_are_validated_at_once(server):
    with ormist.atomic(), pytest.raises(ValidationError):
        Purchase(owner=None).save()
    with ormist.atomic():
        Purchase.objects.create(owner="8")
    assert Purchase.objects.get().owner == 8


def test_a_handler_of_pre_save_cannot_bypass_the_declaration(ask, server):
    def spoil(instance, **kwargs):
        instance.size = spoilt

    ormist.signals.pre_save.connect(spoil, sender=Purchase)
    try:
        spoilt = "3"
        assert ask(Purchase.objects.create, owner=1).size == 3
        spoilt = 0
        with pytest.raises(ValidationError):
            ask(Purchase.objects.create, owner=1)
    finally:
        ormist.signals.pre_save.disconnect(spoil, sender=Purchase)


# ---------------------------------------------------------------- increments


def test_an_increment_keeps_to_the_declaration(ask, server):
    purchase = store_old(ask, owner=1, size=5)
    assert ask(purchase.increment, "size", 2) == 7
    with pytest.raises(ValidationError):
        ask(purchase.increment, "size", -7)
    assert ask(purchase.increment, "total", Decimal("1.50")) == Decimal("1.50")
    with pytest.raises(ValidationError):
        ask(purchase.increment, "size", 0.5)
    found = ask(Purchase.objects.get, "old")
    assert (found.size, found.total) == (7, Decimal("1.50"))


def test_an_increment_is_validated_by_what_is_stored(ask, server):
    purchase = ask(Purchase.objects.create, owner=1, size=1)
    other = ask(Purchase.objects.get, purchase.id)
    ask(other.increment, "size", 5)
    assert ask(purchase.increment, "size", -2) == 4
    with pytest.raises(ValidationError):
        ask(other.increment, "size", -6)
    ask(purchase.delete)
    with pytest.raises(Purchase.DoesNotExist):
        ask(other.increment, "size", -6)


def test_the_server_keeps_the_bounds_of_a_counter(ask, server):
    purchase = ask(Purchase.objects.create, owner=1)
    assert ask(purchase.increment, "views", 3) == 3
    with pytest.raises(ValidationError) as raised:
        ask(purchase.increment, "views")
    assert errors(raised) == {
        "views": ["Ensure this value is less than or equal to 3."]
    }
    assert ask(purchase.increment, "views", -4) == -1
    with pytest.raises(ValidationError, match="greater than or equal to -1"):
        ask(purchase.increment, "views", -1)
    assert ask(Purchase.objects.get, purchase.id).views == -1
    purchase.views = 4
    with pytest.raises(ValidationError):
        ask(purchase.save)


def test_a_counter_is_converted_if_nothing_is_lost(ask, server):
    purchase = Purchase(owner=1, views="3")
    assert purchase.views == 3
    ask(purchase.save)
    purchase.set(views=2.0)
    ask(purchase.save, update_fields=["views"])
    assert ask(Purchase.objects.get, purchase.id).views == 2
    assert ask(Purchase.objects.update, views="1", size="4") == 1
    found, _ = ask(Purchase.objects.update_or_create, {"views": "-1"}, id=purchase.id)
    assert (found.views, found.size) == (-1, 4)
    for refuse in (
        lambda value: setattr(found, "views", value),
        lambda value: found.set(note="lost", views=value),
        lambda value: Purchase(owner=1, views=value),
        lambda value: ask(Purchase.objects.update, views=value, note="lost"),
    ):
        for value in ("x", 1.5, None, "1.5", 2**63):
            with pytest.raises(ValidationError) as raised:
                refuse(value)
            assert errors(raised).keys() == {"views"}
    assert (found.views, found.note) == (-1, "")
    with pytest.raises(TypeError, match="Call increment"):
        found.views = F("views") + 1


@pytest.mark.parametrize("low", [-(2**63), -(10**17), -10, 0, 10, 10**17, 2**62])
def test_bounds_are_exact_at_any_size(server, low):
    class Bounded(ormist.Model):
        views: Annotated[int, MinValueValidator(low), MaxValueValidator(low + 2)]

        class Meta:
            app_label = "tests"
            counters = ("views",)

    made = Bounded.objects.create(views=low)
    assert [made.increment("views"), made.increment("views")] == [low + 1, low + 2]
    with pytest.raises(ValidationError):
        made.increment("views")
    assert made.increment("views", -2) == low
    with pytest.raises((ValidationError, OverflowError)):
        made.increment("views", -1)
    assert Bounded.objects.get().views == low


# ---------------------------------------------------------------- lookups


def test_lookups_convert_by_the_declared_type(ask, server):
    for number in range(4):
        ask(
            Purchase.objects.create,
            owner=number,
            note=f"{number}",
            total=Decimal(number),
            priority=Priority.HIGH if number else None,
        )

    def owners(*args, **lookups):
        found = ask(list, Purchase.objects.find(*args, **lookups))
        return [each.owner for each in found]

    assert owners(total__lt="2.00") == [0, 1]
    assert owners(total__range=("1", 2.0)) == [1, 2]
    assert owners(total__in=["3", 1]) == [1, 3]
    assert owners(total="2") == [2]
    assert owners(owner="2") == owners(owner=2.0) == [2]
    assert owners(Q(owner="0") | Q(total__gte="3")) == [0, 3]
    assert owners(priority=Priority.HIGH) == owners(priority="2") == [1, 2, 3]
    assert owners(priority=None) == [0]
    assert owners(delivery=Delivery.POST, owner="1") == [1]
    assert owners(delivery="gone") == []
    assert [e.owner for e in ask(list, Purchase.objects.exclude(total__gt="0"))] == [0]


@pytest.mark.parametrize(
    "lookups", [{"total__lt": "x"}, {"owner": "x"}, {"total__in": [1, "x"]}]
)
def test_a_value_that_cannot_be_converted_is_refused(server, lookups):
    (name,) = lookups
    for kind in (ValueError, ValidationError, ormist.InvalidLookupValue):
        with pytest.raises(kind, match=f"filter Purchase by {name}: “x” value must be"):
            Purchase.objects.find(**lookups)


def test_a_naive_moment_in_a_lookup_is_made_aware(ask, server, settings):
    settings.USE_TZ, settings.TIME_ZONE = True, "Europe/Berlin"
    noon = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
    ask(Purchase.objects.create, owner=1, at=noon)
    with pytest.warns(RuntimeWarning, match="naive"):
        found = Purchase.objects.find(at__lt=dt.datetime(2026, 5, 1, 14, 30))
    assert ask(found.count) == 1
    with pytest.warns(RuntimeWarning, match="naive"):
        found = Purchase.objects.find(at__lt="2026-05-01T14:00:00")
    assert ask(found.count) == 0


# ---------------------------------------------------------------- values


def test_values_are_those_that_instances_have(ask, server):
    store_old(ask, owner=1, priority=2)
    (row,) = ask(list, Purchase.objects.values("owner", "priority", "size", "place"))
    assert row == {"owner": 1, "priority": Priority.HIGH, "size": 1, "place": None}
    assert row["priority"] is Priority.HIGH
    (row,) = ask(list, Purchase.objects.values())
    assert (row["priority"], row["total"], row["lines"]) == (Priority.HIGH, 0, [])
    found = Purchase.objects.values_list("delivery", flat=True)
    assert ask(list, found) == [Delivery.POST]


# ---------------------------------------------------------------- _meta


def test_keys_and_aggregates_are_those_that_instances_have(ask, server):
    low, high, other = (
        ask(Levelled.objects.create, level=level, email=email)
        for level, email in (
            (Priority.LOW, Priority.LOW),
            (Priority.HIGH, Priority.HIGH),
            (Priority.HIGH, None),
        )
    )
    levels = Levelled.objects.values_list("level", flat=True).distinct()
    assert ask(list, levels) == [Priority.LOW, Priority.HIGH]
    assert ask(Levelled.objects.facets, "level") == {Priority.LOW: 1, Priority.HIGH: 2}
    found = ask(Levelled.objects.aggregate, Min("level"), Max("level"), Sum("level"))
    assert found["level__min"] is Priority.LOW
    assert found["level__max"] is Priority.HIGH
    assert found["level__sum"] == 5
    nothing = Min("level", default=Priority.HIGH)
    found = ask(Levelled.objects.none().aggregate, least=nothing)
    assert found["least"] is Priority.HIGH
    found = ask(Levelled.objects.in_bulk, [1, Priority.HIGH, None], field_name="email")
    assert found == {Priority.LOW: low, Priority.HIGH: high}
    assert ask(Levelled.objects.in_bulk, field_name="email") == {**found, None: other}
    assert ask(Levelled.objects.in_bulk, [None], field_name="email") == {}


def test_meta_lists_the_declared_attributes():
    names = [field.name for field in Purchase._meta.get_fields()]
    assert names[:4] == ["owner", "note", "total", "state"]
    lines = Purchase._meta.get_field("lines")
    assert lines is Purchase.lines
    assert (lines.verbose_name, lines.help_text) == ("order lines", "One each.")
    assert Purchase._meta.get_field("owner").verbose_name == "owner"
    assert [f.name for f in Purchase._meta.fields if f.null] == ["priority", "place", "at"]  # fmt: skip  # noqa: E501
    assert [f.name for f in Purchase._meta.fields if f.blank] == ["note", "lines", "priority", "place", "at"]  # fmt: skip  # noqa: E501
    with pytest.raises(FieldDoesNotExist, match="no field named 'colour'"):
        Purchase._meta.get_field("colour")
    assert undeclared()._meta.get_fields() == ()


def test_the_label_of_a_choice():
    purchase = Purchase(delivery=Delivery.SHOP, state="gone", priority=Priority.LOW)
    assert purchase.get_delivery_display() == "In the shop"
    assert purchase.get_state_display() == "gone"
    assert purchase.get_priority_display() == "Low"
    assert not hasattr(purchase, "get_owner_display")


# ---------------------------------------------------------------- declared only


def test_a_refresh_of_an_undeclared_name_says_so_as_in_django(ask, server, db):
    strict = ask(Strict.objects.create, code="a")
    user = User.objects.create(username="a")
    for instance, fields in ((user, ["username", "typo"]), (strict, ["code", "typo"])):
        with pytest.raises(FieldDoesNotExist, match="'typo'"):
            instance.refresh_from_db(fields=fields)
    with pytest.raises(FieldDoesNotExist, match="Did you mean 'code'"):
        ask(strict.refresh_from_db, fields=["cod"])
    names = ["code", "views", "tags", "expire", "created", "id"]
    ask(strict.refresh_from_db, fields=names)


def test_undeclared_names_are_refused(ask, server):
    for write in (
        lambda: Strict(code="a", coed="b"),
        lambda: Strict(code="a").set(coed="b"),
        lambda: setattr(Strict(code="a"), "coed", "b"),
    ):
        with pytest.raises(AttributeError, match="Did you mean 'code'\\? Declare it"):
            write()
    with pytest.raises(ormist.FieldError, match="'coed' is not among them"):
        ask(Strict.objects.update, coed="b")
    strict = ask(Strict.objects.create, code="a", views=2)
    assert ask(strict.increment, "views") == 3
    with pytest.raises(AttributeError, match="Cannot increment 'coed'"):
        ask(strict.increment, "coed")
    strict._own = 1


class Member(ormist.TaggedAttrsModel):
    username: str
    visits: int = 0
    views: int

    class Meta:
        app_label = "tests"
        declared_only = True
        ordered = ("visits",)
        counters = ("views",)


QUERIES_OF_USERNME = [
    lambda objects: objects.get(usernme="ann"),
    lambda objects: objects.get_or_create(usernme="ann"),
    lambda objects: objects.filter(usernme="ann"),
    lambda objects: objects.filter(usernme__in=["ann"]),
    lambda objects: objects.filter(usernme__gte="a"),
    lambda objects: objects.filter(usernme__isnull=True),
    lambda objects: objects.filter(Q(username="bob") | ~Q(usernme="ann")),
    lambda objects: objects.exclude(usernme="ann").delete(),
    lambda objects: objects.order_by("usernme"),
    lambda objects: objects.latest("usernme"),
    lambda objects: objects.values("usernme"),
    lambda objects: objects.values_list("pk", "usernme"),
    lambda objects: objects.aggregate(Sum("usernme")),
    lambda objects: objects.aggregate(n=Count("pk", filter=Q(usernme="ann"))),
    lambda objects: objects.update(username=F("usernme")),
]


@pytest.mark.parametrize("query", QUERIES_OF_USERNME)
def test_a_query_of_an_undeclared_name_says_so_as_in_django(server, db, query):
    Member.objects.create(username="ann")
    with pytest.raises(ormist.FieldError, match="'usernme' is not .* mean 'username'"):
        query(Member.objects)
    with pytest.raises(FieldError, match="usernme"):
        query(User.objects)
    assert Member.objects.count() == 1


def test_facets_of_an_undeclared_name_say_so(server):
    for values in (None, ["ann"]):
        with pytest.raises(ormist.FieldError, match="mean 'username'"):
            Member.objects.facets("usernme", values)


def test_what_every_object_has_is_no_undeclared_name(ask, server):
    member = ask(Member.objects.create, "staff", id="ann", username="ann", expire=99)
    names = ("id", "pk", "tags", "expire", "created", "views", "visits")
    row = ask(Member.objects.values(*names).get)
    assert (row["pk"], row["tags"], row["views"]) == ("ann", member.tags, 0)
    assert ask(Member.objects.find("staff", created=row["created"]).ids) == ["ann"]
    assert ask(Member.objects.find(expire=row["expire"], visits=0).ids) == ["ann"]
    day = dt.timedelta(days=1)
    sums = {"visits": F("views") + 1, "expire": F("expire") + day}
    ask(Member.objects.update, username=F("pk"), **sums)
    found = ask(Member.objects.get, "ann")
    assert (found.visits, found.username) == (1, "ann")
    assert found.expire == row["expire"] + day


def test_index_entries_of_an_undeclared_name_are_found_as_tags(ask, server):
    class OldMember(ormist.TaggedAttrsModel):
        class Meta:
            app_label = "tests"
            model_name = "Member"
            ordered = ("visits",)
            counters = ("views",)

    ask(OldMember.objects.create, id="ann", username="ann", visits=1, team="red")
    assert ask(Member.objects.find("team:red").ids) == ["ann"]
    ask(Member.objects.update, visits=2)
    assert ask(Member.objects.find("team:red", visits=2).ids) == ["ann"]
    assert ask(OldMember.objects.find(team="red").ids) == ["ann"]


def test_what_is_stored_under_an_undeclared_name_is_kept(ask, server):
    class OldStrict(ormist.Model):
        class Meta:
            app_label = "tests"
            model_name = "Strict"

    ask(OldStrict.objects.create, id="old", code="a", colour="red")
    found = ask(Strict.objects.get, "old")
    assert found.colour == "red"
    found.code = "b"
    ask(found.save)
    assert ask(OldStrict.objects.get, "old").attrs == {"code": "b", "colour": "red"}
