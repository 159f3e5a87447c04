"""ModelSerializer: containers, records, choices, Meta, saving, odd stored values."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated

import pytest
from django.core.validators import (
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
)
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.exceptions import ValidationError as RestError
from rest_framework.renderers import JSONRenderer

import django_ormist as ormist
from django_ormist.rest_framework import LookupFilter, ModelSerializer
from django_ormist.testing import assert_round_trips
from tests.rest.models import Address, Branch, Colour, Gadget, Level, Parcel

pytestmark = pytest.mark.servers("valkey91")


@dataclass
class Knot:
    pair: "tuple[int, dict[str, Knot]]"


def serializer_of(given, **options):
    """Return a ModelSerializer class with this Meta."""
    options.setdefault("fields", "__all__")
    meta = type("Meta", (), {"model": given, **options})
    return type(f"{given.__name__}Serializer", (ModelSerializer,), {"Meta": meta})


def show(serializer, instance):
    """Return the JSON of an instance, as a client reads it."""
    return json.loads(JSONRenderer().render(serializer(instance).data))


def store(serializer, data, instance=None, **options):
    found = serializer(instance, data=data, **options)
    assert found.is_valid(), found.errors
    return found.save()


def errors_of(serializer, data, instance=None, **options):
    found = serializer(instance, data=data, **options)
    assert not found.is_valid()
    return json.loads(JSONRenderer().render(found.errors))


FULL = {
    "address": {"street": "Aarstrasse 1", "city": "Thun", "floor": None},
    "lines": [
        {"title": "a", "number": 1},
        {"title": "b", "number": 2, "note": ""},
    ],
    "words": ["a", "b"],
    "pair": [1, "one"],
    "days": ["2026-01-02"],
    "ratios": {"a": 0.5},
    "by_number": {"1": "one"},
    "rest": {"any": [1, None, "x", {"b": True}]},
    "colour": 2,
    "level": "h",
    "data": "AAH/",
    "mixed": "text",
    "tree": {"name": "root", "branches": [{"name": "leaf", "branches": []}]},
}


def test_containers_records_and_choices_are_stored_and_shown(alias):
    parcel = store(serializer_of(Parcel), FULL)
    found = Parcel.objects.get(parcel.pk)
    assert found.address == Address("Aarstrasse 1", "Thun")
    assert found.lines[1] == {"title": "b", "number": 2, "note": ""}
    assert (found.words, found.pair) == ({"a", "b"}, (1, "one"))
    assert (found.days, found.by_number) == ((date(2026, 1, 2),), {1: "one"})
    assert (found.colour, found.level) == (Colour.BLUE, Level.HIGH)
    assert (found.data, found.mixed) == (b"\x00\x01\xff", "text")
    assert found.tree == Branch("root", [Branch("leaf", [])])
    shown = show(serializer_of(Parcel), found)
    assert shown == {"id": found.pk, **FULL, "views": 0}
    assert show(serializer_of(Parcel), parcel) == shown


def test_defaults_are_those_of_the_declaration(alias):
    parcel = store(serializer_of(Parcel), {"address": {"street": "s"}})
    assert (parcel.lines, parcel.colour, parcel.days) == ([], Colour.RED, ())
    assert parcel.address == Address("s", "Bern")


WRONG = [
    ({}, {"address": ["This field is required."]}),
    (
        {"address": {"street": "s", "floor": "x"}},
        {"address": {"floor": ["A valid integer is required."]}},
    ),
    (
        {"address": {"city": "Bern"}},
        {"address": {"street": ["This field is required."]}},
    ),
    (
        {"address": "x"},
        {
            "address": {
                "non_field_errors": [
                    "Invalid data. Expected a dictionary, but got str."
                ]
            }
        },
    ),
    (
        {"lines": [{"title": "a", "number": 0}]},
        {
            "lines": {
                "0": {"number": ["Ensure this value is greater than or equal to 1."]}
            }
        },
    ),
    ({"words": ["a", "a"]}, {"words": ["Items may not be repeated."]}),
    ({"words": "a"}, {"words": ['Expected a list of items but got type "str".']}),
    ({"pair": [1]}, {"pair": ["“[1]” must have 2 items."]}),
    (
        {"by_number": {"x": "y"}},
        {"by_number": {"x": ["“x” value must be an integer."]}},
    ),
    ({"ratios": {"a": "x"}}, {"ratios": {"a": ["A valid number is required."]}}),
    ({"colour": 3}, {"colour": ['"3" is not a valid choice.']}),
    ({"level": ""}, {"level": ['"" is not a valid choice.']}),
    ({"data": "!"}, {"data": ["This is not valid base64."]}),
    (
        {"mixed": []},
        {"mixed": ["“[]” is none of these types: int | str."]},
    ),
    (
        {"tree": {"name": "root"}},
        {"tree": ["The key “branches” of Branch is required."]},
    ),
]


@pytest.mark.parametrize(("data", "errors"), WRONG)
def test_wrong_values_are_errors_by_field(data, errors):
    data = (
        data if "address" in data or not data else {"address": FULL["address"]} | data
    )
    assert errors_of(serializer_of(Parcel), data) == errors


def test_items_that_cannot_be_hashed_are_refused_by_the_declaration(alias):
    class Odd(ormist.Model):
        groups: set[tuple[str, ...]] = ormist.field(default_factory=set)
        any_of: frozenset = frozenset()

    odd = store(serializer_of(Odd), {"groups": [["a"], ["b"]], "any_of": [2, "b", 1]})
    assert odd.groups == {("a",), ("b",)}
    assert show(serializer_of(Odd), odd)["any_of"] == [1, 2, "b"]
    found = serializer_of(Odd)(data={"any_of": [[1]]})
    assert found.is_valid()
    with pytest.raises(RestError) as caught:
        found.save()
    assert list(caught.value.detail) == ["any_of"]


def test_a_record_is_replaced_as_a_whole(alias):
    parcel = store(serializer_of(Parcel), FULL)
    partly = {"address": {"floor": 3}}
    assert errors_of(serializer_of(Parcel), partly, parcel, partial=True) == {
        "address": {"street": ["This field is required."]}
    }
    partly = {"address": {"street": "x"}}
    assert store(serializer_of(Parcel), partly, parcel, partial=True).address.city == (
        "Bern"
    )


# Meta


def test_fields_exclude_and_all():
    names = list(serializer_of(Gadget)().fields)
    assert names[:3] == ["id", "code", "owner"]
    assert len(names) == 1 + len(Gadget._meta.get_fields())
    left = serializer_of(Gadget, fields=None, exclude=["code"])().fields
    assert list(left) == [name for name in names if name != "code"]
    assert list(serializer_of(Gadget, fields=["pk", "code"])().fields) == ["pk", "code"]


def test_read_only_fields_and_extra_kwargs():
    fields = serializer_of(
        Gadget,
        read_only_fields=["owner"],
        extra_kwargs={"code": {"max_length": 3, "label": "C"}, "note": {"source": "x"}},
        fields=["code", "owner", "state"],
    )().fields
    assert fields["owner"].read_only
    assert (fields["code"].max_length, fields["code"].label) == (3, "C")


def test_a_declared_field_replaces_that_of_the_declaration(alias):
    class Own(ModelSerializer):
        code = serializers.CharField(min_length=2)
        size_text = serializers.SerializerMethodField()
        nickname = serializers.CharField(required=False)  # no declared attribute

        class Meta:
            model = Gadget
            fields = ("code", "owner", "size_text", "nickname")

        def get_size_text(self, obj):
            return f"{obj.size} m"

    assert errors_of(Own, {"code": "x", "owner": 1}) == {
        "code": ["Ensure this field has at least 2 characters."]
    }
    gadget = store(Own, {"code": "xy", "owner": 1, "nickname": "n"})
    assert Gadget.objects.get(gadget.pk).nickname == "n"
    assert show(Own, gadget)["size_text"] == "1 m"


def test_another_source(alias):
    class Named(ModelSerializer):
        class Meta:
            model = Gadget
            fields = ("label", "owner")
            extra_kwargs = {"label": {"source": "code"}}

    gadget = store(Named, {"label": "x", "owner": 1})
    assert (gadget.code, show(Named, gadget)["label"]) == ("x", "x")
    assert list(errors_of(Named, {"label": "x", "owner": 2})) == ["label"]
    found = Named(data={"label": "z", "owner": 2})
    assert found.is_valid()
    Gadget.objects.create(code="z", owner=3)
    with pytest.raises(RestError) as caught:
        found.save()
    assert list(caught.value.detail) == ["label"]


def test_properties_and_urls_are_read_only(alias):
    parcel = store(serializer_of(Parcel), FULL)
    shown = show(serializer_of(Parcel, fields=["street"]), parcel)
    assert shown == {"street": "Aarstrasse 1"}


def test_names_that_do_not_exist_are_refused():
    with pytest.raises(Exception, match="`nope` is not valid for model `Gadget`"):
        _ = serializer_of(Gadget, fields=["nope"])().fields


def test_wrong_models_are_refused():
    class Bare(ModelSerializer):
        pass

    class Base(ormist.Model):
        class Meta:
            abstract = True

    with pytest.raises(TypeError, match="Bare has no Meta.model"):
        _ = Bare().fields
    with pytest.raises(TypeError, match="not a model of django_ormist"):
        _ = serializer_of(int)().fields
    with pytest.raises(ValueError, match="Base has no objects"):
        _ = serializer_of(Base)().fields


def test_a_model_that_declares_nothing_shows_its_id(alias):
    class Bare(ormist.Model):
        pass

    assert show(serializer_of(Bare), Bare.objects.create(id="a", n=1)) == {"id": "a"}


# Ids, tags, expiration, counters


def test_the_id_is_read_only_unless_asked(alias):
    gadget = store(serializer_of(Gadget), {"id": "mine", "code": "a", "owner": 1})
    assert gadget.pk != "mine"
    own = serializer_of(Gadget, extra_kwargs={"id": {"read_only": False}})
    gadget = store(own, {"id": "mine", "code": "b", "owner": 2})
    assert Gadget.objects.get("mine").code == "b"
    assert store(own, {"code": "c", "owner": 3}).pk != "mine"
    taken = {"id": ["gadget with this id already exists."]}
    assert errors_of(own, {"id": "mine", "code": "d", "owner": 4}) == taken
    assert store(own, {"id": "mine", "size": 2}, gadget, partial=True).size == 2
    found = own(gadget, data={"id": "other"}, partial=True)
    assert found.is_valid()
    with pytest.raises(RestError, match="An id cannot be changed"):
        found.save()


def test_tags_are_the_explicit_ones(alias):
    own = serializer_of(Gadget, fields=["code", "owner", "tags"])
    gadget = store(own, {"code": "a", "owner": 1, "tags": ["red", "owner:9"]})
    found = Gadget.objects.get(gadget.pk)
    assert found.own_tags == ["red", "owner:9"]
    assert "owner:1" in found.tags
    shown = show(own, found)
    assert shown["tags"] == ["red", "owner:9"]
    shown["owner"] = 9
    assert store(own, shown, found).own_tags == ["red", "owner:9"]
    assert store(own, {"tags": []}, found, partial=True).own_tags == []


def test_the_expiration_time_is_shown_and_set(alias):
    own = serializer_of(Parcel, fields=["address", "expire"])
    parcel = store(own, {"address": {"street": "s"}})
    assert parcel.ttl() > 3000
    assert show(own, parcel)["expire"].endswith("Z")
    later = {"expire": "2060-01-02T03:04:05Z"}
    store(own, later, parcel, partial=True)
    found = Parcel.objects.get(parcel.pk)
    assert found.expire == datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert show(own, found)["expire"] == later["expire"]
    store(own, {"expire": None}, found, partial=True)
    assert Parcel.objects.get(parcel.pk).expire is None


PAST = "It is past: the object would expire at once. Delete it instead."


class ParcelWithOwnExpire(ModelSerializer):
    ends = serializers.DateTimeField(source="expire", required=False)

    class Meta:
        model = Parcel
        fields = ("address", "ends")


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        ("2000-01-01T00:00:00Z", PAST),
        ("0001-01-01T00:00:00Z", PAST),
        ("9999-12-31T23:59:59Z", "Datetime value out of range."),
        ("9999-12-31T23:59:59-05:00", "Datetime value out of range."),
    ],
)
def test_an_expiration_time_that_is_past_or_too_late_is_refused(alias, moment, error):
    given = {"address": {"street": "s"}, "size": 1}
    parcel = Parcel.objects.create(**given)
    for own, name in (
        (serializer_of(Parcel, fields=["address", "expire"]), "expire"),
        (ParcelWithOwnExpire, "ends"),
    ):
        data = given | {name: moment}
        assert errors_of(own, data) == {name: [error]}
        assert errors_of(own, data, parcel) == {name: [error]}
        assert errors_of(own, {name: moment}, parcel, partial=True) == {name: [error]}
        found = own(data=[data, given], many=True)
        assert not found.is_valid()
        assert found.errors[0] == {name: [error]}
    assert Parcel.objects.get(parcel.pk).ttl() > 3000


def test_a_past_expiration_time_is_refused_beside_other_errors(alias):
    own = serializer_of(Parcel, fields=["address", "expire"])
    data = {"address": "x", "expire": "2000-01-01T00:00:00Z"}
    assert list(errors_of(own, data)) == ["address", "expire"]


def test_the_creation_time_is_shown(alias):
    own = serializer_of(Gadget, fields=["code", "owner", "created"])
    gadget = store(own, {"code": "a", "owner": 1, "created": "2000-01-01T00:00:00Z"})
    shown = show(own, gadget)["created"]
    assert datetime.fromisoformat(shown) == Gadget.objects.get().created


def test_the_creation_times_of_a_list_take_one_round_trip_more(alias):
    Gadget.objects.bulk_create(Gadget(code=f"c{n}", owner=n) for n in range(5))
    gadgets = Gadget.objects.all()[:5]
    with assert_round_trips(2):
        shown = serializer_of(Gadget, fields=["created"])(gadgets, many=True).data
    assert len(shown) == 5
    assert all(each["created"] for each in shown)


def test_counters_are_read_only_unless_asked(alias):
    own = serializer_of(Parcel, fields=["address", "views", "votes"])
    parcel = store(own, {"address": {"street": "s"}, "views": 5, "votes": 5})
    parcel.increment("votes")
    shown = show(own, Parcel.objects.get(parcel.pk))
    assert (shown["views"], shown["votes"]) == (0, 1)
    own = serializer_of(
        Parcel,
        fields=["address", "views", "votes"],
        extra_kwargs={each: {"read_only": False} for each in ("views", "votes")},
    )
    found = store(own, {"views": 5, "votes": 6}, parcel, partial=True)
    assert (found.views, Parcel.objects.get(parcel.pk).votes) == (5, 6)
    for wrong in ({"views": -1}, {"views": 2**63}, {"votes": 2**63}):
        assert errors_of(own, wrong, parcel, partial=True).keys() == wrong.keys()


def test_a_value_that_a_counter_cannot_have_is_an_error_of_its_field(alias):
    class Rated(serializer_of(Parcel, fields=["address", "views"])):
        views = serializers.FloatField()

    data = {"address": {"street": "s"}, "views": 5.5}
    parcel = Parcel.objects.create(address={"street": "s"})
    for instance in (None, parcel):
        serializer = Rated(instance, data=data)
        assert serializer.is_valid()
        with pytest.raises(serializers.ValidationError) as raised:
            serializer.save()
        assert raised.value.detail == {"views": ["“5.5” value must be an integer."]}
    assert Parcel.objects.get(parcel.pk).views == 0


# Saving


def test_a_partial_update_keeps_what_others_have_changed(alias):
    gadget = Gadget.objects.create(code="a", owner=1)
    other = Gadget.objects.get(gadget.pk)
    other.note, other.size = "theirs", 5
    other.save()
    store(serializer_of(Gadget), {"size": 7}, gadget, partial=True)
    found = Gadget.objects.get(gadget.pk)
    assert (found.note, found.size) == ("theirs", 7)


def test_an_object_that_is_gone_is_not_found_and_not_written(alias):
    gadget = Gadget.objects.create(code="a", owner=1)
    found = serializer_of(Gadget)(gadget, data={"size": 2}, partial=True)
    assert found.is_valid()
    Gadget.objects.all().delete()
    with pytest.raises(NotFound):
        found.save()
    assert Gadget.objects.count() == 0


@pytest.mark.parametrize(
    ("other", "errors"),
    [
        (
            {"code": "a", "owner": 2},
            {"code": ["gadget with this code already exists."]},
        ),
        (
            {"code": "b", "owner": 1},
            {"non_field_errors": ["The fields owner, slot must make a unique set."]},
        ),
    ],
)
@pytest.mark.parametrize("is_update", [False, True])
def test_the_loser_of_a_race_has_an_error_by_field(alias, other, errors, is_update):
    instance = Gadget.objects.create(code="z", owner=9) if is_update else None
    data = {"code": "a", "owner": 1}
    found = serializer_of(Gadget)(instance, data=data)
    assert found.is_valid()
    Gadget.objects.create(**other)
    with pytest.raises(RestError) as caught:
        found.save()
    assert json.loads(JSONRenderer().render(caught.value.detail)) == errors
    codes = [each.code for each in next(iter(caught.value.detail.values()))]
    assert codes == ["unique"]


def test_errors_of_validate_are_shown_by_field(alias):
    class Checked(ormist.Model):
        low: int = 0
        high: int = 0

        def validate(self):
            if self.low > self.high:
                raise ormist.ValidationError({"low": "It is above high."})
            if self.high > 9:
                raise ormist.ValidationError("%(it)s too high.", params={"it": "Is"})

    for data, errors in (
        ({"low": 1}, {"low": ["It is above high."]}),
        ({"high": 10}, {"non_field_errors": ["Is too high."]}),
    ):
        for instance in (None, Checked.objects.create()):
            found = serializer_of(Checked)(instance, data=data)
            assert found.is_valid()
            with pytest.raises(RestError) as caught:
                found.save()
            assert caught.value.detail == errors


def test_unique_values_that_are_being_indexed_are_left_to_the_save(alias):
    class Seat(ormist.Model):
        number: int
        row: str = ""
        side: str | None = None

        class Meta:
            model_name = "RestSeat"
            unique = ["number", ("row", "side")]
            pending_indexes = ["number"]

    own = serializer_of(Seat)
    store(own, {"number": 1, "row": "a"})
    store(own, {"number": 2, "row": "a"})  # a None is not kept unique
    assert own(data={"number": 1, "row": "a", "side": "l"}).is_valid()
    first = store(own, {"number": 3, "row": "a", "side": "l"})
    assert list(errors_of(own, {"number": 4, "row": "a", "side": "l"})) == [
        "non_field_errors"
    ]
    assert store(own, {"side": "l"}, first, partial=True).side == "l"


def test_own_validators_replace_those_of_meta_unique(alias):
    own = serializer_of(Gadget, validators=[])
    store(own, {"code": "a", "owner": 1})
    assert own(data={"code": "b", "owner": 1}).is_valid()


def test_validators_that_are_no_arguments_are_called(alias):
    def refuse_odd(value):
        if value % 2:
            raise ormist.ValidationError("It is odd.")

    class Even(ormist.Model):
        number: Annotated[int, refuse_odd, MaxValueValidator(lambda: 8)] = 0
        price: Annotated[Decimal, MinValueValidator(Decimal(1))] = Decimal(1)
        tree: "dict[str, tuple[Knot, ...]]" = ormist.field(default_factory=dict)

    own = serializer_of(Even)
    assert errors_of(own, {"number": 9, "price": "0"}) == {
        "number": [
            "It is odd.",
            "Ensure this value is less than or equal to 8.",
        ],
        "price": ["Ensure this value is greater than or equal to 1."],
    }
    even = store(own, {"number": 2, "tree": {"a": [{"pair": [1, {}]}]}})
    assert show(own, even)["tree"] == {"a": [{"pair": [1, {}]}]}


def test_round_trips(alias):
    own = serializer_of(Gadget)
    with assert_round_trips(2):  # one for each unique constraint
        found = own(data={"code": "a", "owner": 1})
        assert found.is_valid()
    with assert_round_trips(1):
        gadget = found.save()
    with assert_round_trips(0):
        _ = found.data
    found = own(gadget, data={"size": 2}, partial=True)
    with assert_round_trips(0):
        assert found.is_valid()
    with assert_round_trips(1):
        found.save()


# Bytes


@dataclass
class Page:
    body: bytes = b""


class Scan(ormist.Model):
    blob: bytes = b""
    thumb: bytes | None = None
    signature: bytes = ormist.field(default=b"x", blank=False)
    pages: list[bytes] = ormist.field(default_factory=list)
    parts: dict[str, list[bytes]] = ormist.field(default_factory=dict)
    page: Page | None = None

    class Meta:
        model_name = "RestScan"


@pytest.mark.parametrize("partial", [False, True])
def test_empty_bytes_are_stored_from_their_own_representation(alias, partial):
    own = serializer_of(Scan)
    empty = {
        "blob": b"",
        "thumb": b"",
        "pages": [b"", b"a"],
        "parts": {"a": [b""]},
        "page": Page(),
    }
    scan = Scan.objects.create(**empty)
    shown = show(own, scan)
    assert (shown["blob"], shown["pages"]) == ("", ["", "YQ=="])
    other = Scan.objects.create(blob=b"a", thumb=b"b")
    for data in (shown, {**shown, "blob": " "}):
        store(own, data, other, partial=partial)
        found = Scan.objects.get(other.pk)
        assert {name: getattr(found, name) for name in empty} == empty
    assert store(own, {"blob": ""}).blob == b""


def test_empty_bytes_are_refused_by_a_declaration_that_is_never_blank(alias):
    blank = {"signature": ["This field may not be blank."]}
    assert errors_of(serializer_of(Scan), {"signature": ""}) == blank
    scan = Scan.objects.create()
    found = errors_of(serializer_of(Scan), {"signature": ""}, scan, partial=True)
    assert found == blank


# Stored values that do not fit


def test_stored_values_that_do_not_fit_are_shown_as_they_are(alias):
    class Before(ormist.Model):
        class Meta:
            model_name = "RestGauge"

    class Gauge(ormist.Model):
        needed: int
        number: int = 0
        price: Decimal = Decimal(0)
        moment: datetime | None = None
        items: list[int] = ormist.field(default_factory=list)
        name: Annotated[str, MinLengthValidator(2)] = "ab"

        class Meta:
            model_name = "RestGauge"

    odd = {"number": "n/a", "price": "x", "moment": 5, "items": 7, "extra": 1}
    Before.objects.create(id="odd", **odd, name=b"\xff")
    shown = show(serializer_of(Gauge), Gauge.objects.get("odd"))
    assert shown == {
        "id": "odd",
        "needed": None,
        "number": "n/a",
        "price": "x",
        "moment": 5,
        "items": 7,
        "name": "b'\\xff'",
    }
    Before.objects.create(id="nan", needed=1, number=float("nan"), items={Decimal(2)})
    shown = show(serializer_of(Gauge), Gauge.objects.get("nan"))
    assert shown["number"] == "nan"


def test_an_error_of_the_user_is_not_hidden(alias):
    class Own(ModelSerializer):
        wrong = serializers.SerializerMethodField()

        class Meta:
            model = Gadget
            fields = ("code", "wrong")

        def get_wrong(self, obj):
            return obj.size / 0

    with pytest.raises(ZeroDivisionError):
        _ = Own(Gadget(code="a", owner=1)).data


def test_floats_that_json_does_not_have_are_texts(alias):
    gadget = Gadget.objects.create(code="a", owner=1, ratio=float("inf"))
    assert show(serializer_of(Gadget), gadget)["ratio"] == "inf"
    parcel = Parcel.objects.create(
        address=Address("s"),
        rest=[float("nan"), {Decimal("0.10")}, b"\xff", {1: timedelta(hours=1)}],
    )
    shown = show(serializer_of(Parcel), parcel)["rest"]
    assert shown == ["nan", ["0.10"], "/w==", {"1": "01:00:00"}]


def test_a_union_with_an_enum_is_shown_by_value(alias):
    class Painted(ormist.Model):
        colour: Colour | str = "none"

    painted = store(serializer_of(Painted), {"colour": 2})
    assert painted.colour is Colour.BLUE
    assert show(serializer_of(Painted), painted)["colour"] == 2
    painted = store(serializer_of(Painted), {"colour": "x"}, painted)
    assert show(serializer_of(Painted), painted)["colour"] == "x"


def test_choices_in_groups(alias):
    class Graded(ormist.Model):
        grade: int = ormist.field(
            default=1, choices=[(1, "one"), ("more", [(2, "two"), (3, "three")])]
        )

        class Meta:
            index_attrs = ("grade",)

    graded = store(serializer_of(Graded), {"grade": 3})
    assert graded.grade == 3
    assert show(serializer_of(Graded), graded)["grade"] == 3
    assert (
        "not a valid choice"
        in errors_of(serializer_of(Graded), {"grade": 4})["grade"][0]
    )
    view = SimpleNamespace(filterset_fields=["grade"], get_queryset=Graded.objects.all)
    (parameter,) = LookupFilter().get_schema_operation_parameters(view)
    assert parameter["schema"]["enum"] == [1, 2, 3]
