"""Declared types: conversion, what is stored, and what is read."""

import datetime as dt
import enum
import pathlib
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
)
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import (
    EmailValidator,
    MinLengthValidator,
    MinValueValidator,
)
from django.db import models
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

import django_ormist as ormist
from django_ormist.fields.annotations import parse


class State(models.TextChoices):
    OPEN = "open", "Open"
    PAID = "paid", "Paid in full"


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Line:
    start: Point
    ends: list[Point] = field(default_factory=list)
    colour: Colour = Colour.RED


@dataclass
class Checked:
    size: int

    def __post_init__(self):
        if self.size < 0:
            raise ValueError("negative")


class Item(TypedDict):
    name: str
    price: NotRequired[Decimal]


class Painted(TypedDict):
    colour: Colour


UserId = NewType("UserId", int)
UTC_NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
ID = UUID("12345678123456781234567812345678")

KEPT = [
    (str, "a"),
    (str, ""),
    (int, -3),
    (int, 10**40),
    (float, 0.5),
    (float, float("inf")),
    (bool, False),
    (bytes, b"\0"),
    (Decimal, Decimal("1.50")),
    (dt.datetime, UTC_NOON),
    (dt.date, dt.date(2026, 5, 1)),
    (dt.time, dt.time(9, 30)),
    (dt.timedelta, dt.timedelta(days=1)),
    (UUID, ID),
    (Any, {1, "x"}),
    (object, None),
    (int | None, None),
    (int | None, 3),
    (int | bool, True),
    (int | str, "21"),
    (Optional[int], 21),  # noqa: UP045
    (list, [1, "a"]),
    (list[int], [1, 2]),
    (tuple[int, ...], (1, 2)),
    (tuple[int, str], (1, "a")),
    (tuple[()], ()),
    (set[str], {"a"}),
    (frozenset[str], frozenset("ab")),
    (dict, {"a": [1]}),
    (dict[str, list[int]], {"a": [1]}),
    (Literal["a", 1, None], None),
    (Literal["a", 1], 1),
    (Item, {"name": "x", "price": Decimal(1)}),
    (Item, {"name": "x"}),
    (UserId, 7),
    (Annotated[int, "a note", MinValueValidator(1)], 1),
    (Annotated[str, EmailValidator()], ""),
    (Annotated[list[int], MinLengthValidator(1)], []),
]


@pytest.mark.parametrize(("annotation", "value"), KEPT)
def test_a_value_of_the_type_is_stored_and_read_as_it_is(annotation, value):
    kind = parse(annotation)
    stored = kind.clean(value)
    assert stored is value or (stored == value and type(stored) is type(value))
    assert kind.to_python(stored) is stored


CONVERTED = [
    (str, 5, "5"),
    (str, Decimal("1.50"), "1.50"),
    (str, ID, str(ID)),
    (str, gettext_lazy("Yes"), "Yes"),
    (int, "21", 21),
    (int, " -3 ", -3),
    (int, 21.0, 21),
    (int, Decimal(21), 21),
    (int, True, 1),
    (int, SimpleLazyObject(lambda: 3), 3),
    (float, "0.5", 0.5),
    (float, 2, 2.0),
    (float, Decimal("0.1"), 0.1),
    (Decimal, "12.50", Decimal("12.50")),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, 0, Decimal(0)),
    (bool, "True", True),
    (bool, "0", False),
    (bool, 1, True),
    (bytes, bytearray(b"x"), b"x"),
    (dt.datetime, "2026-05-01T12:00:00Z", UTC_NOON),
    (dt.date, "2026-05-01", dt.date(2026, 5, 1)),
    (dt.time, "09:30", dt.time(9, 30)),
    (dt.timedelta, "1 00:00:00", dt.timedelta(days=1)),
    (UUID, str(ID), ID),
    (UUID, ID.int, ID),
    (int | None, "21", 21),
    (int | Decimal, "2.5", Decimal("2.5")),
    (list[int], ("1", 2), [1, 2]),
    (tuple[int, ...], ["1"], (1,)),
    (tuple[int, str], ["1", "a"], (1, "a")),
    (set[int], ["1", 2], {1, 2}),
    (frozenset[int], {1}, frozenset({1})),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (Literal[1, 2], "2", 2),
    (Item, {"name": "x", "price": "1.5"}, {"name": "x", "price": Decimal("1.5")}),
    (State, State.PAID, "paid"),
    (State, "paid", "paid"),
    (Colour, "2", 2),
    (Right, Right.READ | Right.WRITE, 3),
    (Literal[Colour.RED], Colour.RED, 1),
    (Point, Point(1), {"x": 1, "y": 0}),
    (Point, {"x": "1"}, {"x": 1}),
    (
        Line,
        Line(Point(1), [Point(2)]),
        {"start": {"x": 1, "y": 0}, "ends": [{"x": 2, "y": 0}], "colour": 1},
    ),
    (list[Colour], [Colour.RED, "2"], [1, 2]),
    (dict[str, Point], {"a": Point(1)}, {"a": {"x": 1, "y": 0}}),
]


@pytest.mark.parametrize(("annotation", "value", "stored"), CONVERTED)
def test_a_value_is_converted_if_nothing_is_lost(annotation, value, stored):
    found = parse(annotation).clean(value)
    assert found == stored
    assert type(found) is type(stored)


def test_a_subclass_is_stored_as_its_plain_base():
    assert type(parse(str).clean(mark_safe("a"))) is str


REFUSED = [
    (str, None, "cannot be null"),
    (str, True, "must be a string"),
    (str, b"a", "must be a string"),
    (int, "abc", "must be an integer"),
    (int, 1.5, "must be an integer"),
    (int, "1.5", "must be an integer"),
    (int, float("nan"), "must be an integer"),
    (int, float("inf"), "must be an integer"),
    (int, [1], "must be an integer"),
    (float, "x", "must be a float"),
    (float, 2**60 + 1, "must be a float"),
    (float, 10**400, "must be a float"),
    (float, Decimal("0.10000000000000000001"), "must be a float"),
    (Decimal, "abc", "must be a decimal"),
    (int, Decimal("1E+9000000"), "must be an integer"),
    (float, "1e400", "must be a float"),
    (Decimal, "nan", "must be a decimal"),
    (Decimal, float("nan"), "must be a decimal"),
    (Decimal, Decimal("sNaN"), "must be a decimal"),
    (Decimal | int, Decimal("sNaN"), "is none of these types"),
    (Decimal, "Infinity", "must be a decimal"),
    (bool, "yes", "either True or False"),
    (bool, 2, "either True or False"),
    (bool, [], "either True or False"),
    (bytes, "a", "must be bytes"),
    (dt.datetime, "yesterday", "invalid format"),
    (dt.datetime, 5, "invalid format"),
    (dt.date, UTC_NOON, "invalid date format"),
    (dt.date, "2026-13-01", "invalid date format"),
    (dt.time, "25:00", "invalid format"),
    (dt.timedelta, 5, "invalid format"),
    (UUID, "x", "not a valid UUID"),
    (UUID, -1, "not a valid UUID"),
    (int | None, "x", "must be an integer"),
    (int | Decimal, "x", r"none of these types: int \| Decimal"),
    (int | Decimal, None, "cannot be null"),
    (Literal["a", "b"], "c", "not a valid choice"),
    (Literal["a"], None, "cannot be null"),
    (State, "gone", "not a valid choice"),
    (Colour, [], "not a valid choice"),
    (list[int], "12", "must be a list"),
    (list[int], {1}, "must be a list"),
    (list[int], None, "cannot be null"),
    (list[int], [1, "x"], "Item 1: .*must be an integer"),
    (set[int], [1, 1], "an item twice"),
    (set[Any], [[]], "must be a set"),
    (tuple[int, str], (1,), "must have 2 items"),
    (dict[str, int], {"a": "x"}, "Item 'a': .*must be an integer"),
    (dict[str, int], [1], "must be a dict"),
    (Item, {"price": 1}, "key “name” of Item is required"),
    (Item, {"name": "x", "size": 1}, "Item has no key “size”"),
    (Item, {"name": "x", "price": "y"}, "Item 'price': .*decimal"),
    (Point, 5, "must be a Point"),
    (Point, {"y": 1}, "key “x” of Point is required"),
    (Line, {"start": {"x": "z"}}, "Item 'start': Item 'x': .*integer"),
    (Annotated[int, MinValueValidator(1)], 0, "greater than or equal to 1"),
    (Annotated[str, EmailValidator()], "x", "valid email address"),
    (list[Annotated[int, MinValueValidator(1)]], [1, 0], "Item 1: .*equal to 1"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED)
def test_another_value_is_refused(annotation, value, message):
    with pytest.raises(ValidationError, match=message):
        parse(annotation).clean(value)


READ = [
    (State, "paid", State.PAID),
    (Colour, 2, Colour.DARK_BLUE),
    (Right, 3, Right.READ | Right.WRITE),
    (Colour | None, 2, Colour.DARK_BLUE),
    (Colour | str, "x", "x"),
    (Literal[Colour.RED], 1, Colour.RED),
    (list[Colour], [1, 2], [Colour.RED, Colour.DARK_BLUE]),
    (tuple[int, Colour], (1, 2), (1, Colour.DARK_BLUE)),
    (dict[str, Colour], {"a": 1}, {"a": Colour.RED}),
    (Point, {"x": 1}, Point(1)),
    (Point | None, None, None),
    (Line, {"start": {"x": 1}, "ends": [{"x": 2}]}, Line(Point(1), [Point(2)])),
    (Painted, {"colour": 1}, {"colour": Colour.RED}),
]


@pytest.mark.parametrize(("annotation", "stored", "value"), READ)
def test_the_python_form_is_read(annotation, stored, value):
    kind = parse(annotation)
    assert kind.is_converted
    assert kind.to_python(stored) == value
    assert kind.to_python(kind.to_stored(value)) == value


@dataclass
class Segment:
    start: Point
    ends: list[Point] = field(default_factory=list)
    colour: Colour = Colour.RED


@dataclass
class Seeded:
    size: int
    seed: InitVar[int]


@dataclass
class Unstorable:
    size: "int | complex"


class Branch(TypedDict):
    branches: list["Branch"]


class Qualified(TypedDict, total=False):
    a: "Required[int]"
    b: "NotRequired[Colour]"
    c: int


@dataclass
class Tree:
    size: int
    trees: list["Tree"] = field(default_factory=list)


ODD = [
    (State, "gone"),
    (State, 5),
    (Colour, []),
    (Colour, None),
    (Point, {"z": 1}),
    (Point, {}),
    (Point, "x"),
    (Checked, {"size": -1}),
    (list[Colour], "x"),
    (list[Colour], [7]),
    (tuple[int, Colour], (1,)),
    (dict[str, Colour], 5),
    (Painted, {"colour": 9, "more": 1}),
]


@pytest.mark.parametrize(("annotation", "stored"), ODD)
def test_reading_an_odd_stored_value_returns_it(annotation, stored):
    assert parse(annotation).to_python(stored) == stored


UNSTORABLE = [
    (pathlib.Path, "Path is not a storable type"),
    (complex, r"complex cannot be stored. Declare tuple\[float, float\]"),
    (bytearray, "bytearray cannot be stored. Declare bytes"),
    (Sequence[int], "Sequence cannot be stored. Declare list or tuple"),
    (Mapping[str, int], "Mapping cannot be stored. Declare dict"),
    (list[pathlib.Path], "Path is not a storable type"),
    (type("Words", (str,), {}), "Words would be read back as str. Declare str"),
    (models.Model, "Model is a model, whose objects"),
    (enum.Enum("Paths", {"A": pathlib.Path()}), "value PosixPath.* cannot be stored"),
    (type[int], "type is not a storable type"),
    (tuple[int, *tuple[str, ...]], "has parts of any length"),
    (set[Point], "Point is stored as one that has no hash"),
    (frozenset[str | list[int]], r"list\[int\] is stored as one that has no hash"),
    (dict[Annotated[Painted, len], int], "Painted is stored as one that has no hash"),
    (Line | Segment, "a stored Segment would be read as Line"),
    (Seeded, r"Seeded .* its __init__\(\) requires 'seed'"),
    (Unstorable, "complex cannot be stored"),
    (typing.List["Json"], "the alias 'Json' contains itself"),  # noqa: F821, UP006
    (list[ormist.Ref[int]], "a reference is not part of another type"),
    (5, "5 is not a storable type"),
]


@pytest.mark.parametrize(("annotation", "reason"), UNSTORABLE)
def test_a_type_that_cannot_be_stored_is_refused_with_the_reason(annotation, reason):
    if annotation is models.Model:
        annotation = type("Author", (), {"_meta": None})
        reason = reason.replace("Model ", "Author ")
    with pytest.raises(TypeError, match=reason):
        parse(annotation)


@pytest.mark.parametrize(
    ("bare", "same"),
    [
        (typing.List, list),  # noqa: UP006
        (typing.Tuple, tuple),  # noqa: UP006
        (typing.Dict, dict),  # noqa: UP006
        (typing.FrozenSet, frozenset),  # noqa: UP006
        (typing.Set[Any], set),  # noqa: UP006
    ],
)
def test_a_container_without_the_types_of_its_items(bare, same):
    assert parse(bare).text == parse(same).text


def test_records_may_contain_themselves():
    branches = {"branches": [{"branches": []}]}
    assert parse(Branch).clean(branches) is branches
    assert parse(Branch).to_python(branches) is branches
    assert parse(Tree).to_python({"size": 1, "trees": [{"size": 2}]}) == Tree(
        1, [Tree(2)]
    )
    assert parse(Tree).clean(Tree(1, [Tree("2")])) == {
        "size": 1,
        "trees": [{"size": 2, "trees": []}],
    }


def test_the_qualifiers_of_a_typed_dict_are_seen_in_texts():
    assert parse(Qualified).required == {"a"}
    assert parse(Qualified).to_python({"a": 1, "b": 2})["b"] is Colour.DARK_BLUE


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (set[int], {1, "1"}),
        (frozenset[int], [1, "1"]),
        (dict[int, str], {1: "", "1": ""}),
    ],
)
def test_no_item_is_lost_by_conversion(annotation, value):
    with pytest.raises(ValidationError, match="has an item twice"):
        parse(annotation).clean(value)


def test_validators_see_no_none():
    kind = parse(Annotated[int | None, MinValueValidator(1)])
    assert kind.clean(None) is None
    with pytest.raises(ValidationError):
        kind.clean(0)


def test_a_class_in_annotated_is_no_validator():
    assert parse(Annotated[int, Point]).clean("5") == 5


def test_an_error_of_missing_refuses_the_value():
    class Strange(enum.Enum):
        ONE = 1

        @classmethod
        def _missing_(cls, value):
            raise KeyError(value)

    with pytest.raises(ValidationError, match="not a valid choice"):
        parse(Strange).clean(2)
    assert parse(Strange).to_python(2) == 2


def test_the_choices_of_a_type():
    assert parse(Literal["a", 1]).choices == [("a", "a"), (1, "1")]
    assert parse(State | None).choices == [("open", "Open"), ("paid", "Paid in full")]
    assert parse(Colour).choices == [(1, "Red"), (2, "Dark blue")]
    assert parse(int | State).choices is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has type aliases")
def test_a_type_alias_is_what_it_stands_for():
    names = {}
    exec("type Amount = int | None", names)
    assert parse(names["Amount"]).clean("5") == 5


@pytest.mark.parametrize(
    ("value", "zone"), [("2026-05-01T12:00", "UTC"), (dt.date(2026, 5, 1), "UTC")]
)
def test_a_naive_moment_becomes_aware_as_in_django(settings, value, zone):
    settings.USE_TZ, settings.TIME_ZONE = True, zone
    django = models.DateTimeField()
    with pytest.warns(RuntimeWarning, match="naive"):
        wanted = django.get_prep_value(django.to_python(value))
    with pytest.warns(RuntimeWarning, match="naive"):
        assert parse(dt.datetime).clean(value) == wanted


def test_a_naive_moment_stays_naive_without_time_zones(settings):
    settings.USE_TZ = False
    noon = dt.datetime(2026, 5, 1, 12)
    assert parse(dt.datetime).clean("2026-05-01T12:00") == noon
