"""Stored values that do not fit their declaration: each answer is valid JSON."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import ModuleType
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import pytest
from django.core.validators import EmailValidator, MaxValueValidator
from django.test import override_settings
from rest_framework import routers, serializers, viewsets
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.test import APIClient

import django_ormist as ormist
from django_ormist.codecs import pack_value
from django_ormist.rest_framework import ModelSerializer
from tests.rest.models import SITE

pytestmark = pytest.mark.servers("valkey91")


class Suit(Enum):
    HEARTS = 1.5
    SPADES = "s"


@dataclass
class Visit:
    at: datetime
    note: str = ""


class Stop(TypedDict):
    at: time
    visits: list[Visit]


def empty(kind):
    return ormist.field(default_factory=kind)


class Case(ormist.Model):
    """One attribute of each declared type."""

    text: str = ""
    email: str | None = ormist.field(default=None, validators=[EmailValidator()])
    size: Annotated[int, MaxValueValidator(9)] = 1
    number: int = 0
    ratio: float = 0.0
    price: Decimal = Decimal(0)
    is_open: bool = False
    blob: bytes = b""
    day: date | None = None
    at: time | None = None
    moment: datetime | None = None
    waits: timedelta | None = None
    token: UUID | None = None
    color: str = ormist.field(default="r", choices=[("r", "red")])
    grade: float = ormist.field(default=1.0, choices=[(1.0, "one")])
    state: Literal["open", 2] = "open"
    suit: Suit | None = None
    mixed: int | date | None = None
    anything: Any = None
    pair: tuple[int, bytes] | None = None
    numbers: list[int] = empty(list)
    ratios: list[list[float]] = empty(list)
    prices: tuple[Decimal, ...] = ()
    days: set[date] = empty(set)
    times: dict[str, time] = empty(dict)
    data: dict[str, Any] = empty(dict)
    by_number: dict[int, list[bytes]] = empty(dict)
    visit: Visit | None = None
    visits: list[Visit] = empty(list)
    stop: Stop | None = None
    maker: "ormist.Ref[Case] | None" = None

    class Meta:
        model_name = "RestCase"


NAMES = [each.name for each in Case._meta.get_fields()]
STORED_NAMES = [each.attname for each in Case._meta.get_fields()]


class CaseSerializer(ModelSerializer):
    class Meta:
        model = Case
        fields = "__all__"


class Cases(viewsets.ModelViewSet):
    queryset = Case.objects.all()
    serializer_class = CaseSerializer
    authentication_classes = ()
    renderer_classes = (JSONRenderer, BrowsableAPIRenderer)


EAST = timezone(timedelta(hours=14))
AWARE = time(1, 2, tzinfo=UTC)
DEEP: list[Any] = []
for _ in range(99):
    DEEP = [DEEP]

VALUES = {
    "a text": "n/a",
    "an empty text": "",
    "a date as text": "2026-01-02",
    "a zero": 0,
    "an int": -7,
    "an int of 64 bits": 2**64,
    "a huge int": 10**5000,
    "a float": 2.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "a Decimal": Decimal("1.50"),
    "a huge Decimal": Decimal("1E+5000"),
    "Decimal NaN": Decimal("NaN"),
    "Decimal sNaN": Decimal("sNaN"),
    "Decimal Infinity": Decimal("Infinity"),
    "bytes": b"abc",
    "no bytes": b"",
    "bytes that are no text": b"\xff",
    "True": True,
    "False": False,
    "None": None,
    "a list": [1, "a", None],
    "an empty list": [],
    "a list of what JSON lacks": [
        float("nan"),
        b"\xff",
        AWARE,
        Decimal("NaN"),
        9**9999,
    ],
    "lists in lists": [[AWARE], [[b"\xff"]]],
    "a deep list": DEEP,
    "a tuple": (1, (2, b"\xff")),
    "a dict": {"at": AWARE, "note": b"\xff"},
    "a dict of texts": {"at": "x", "visits": "y"},
    "a dict with int keys": {1: "one", 10**5000: "huge"},
    "a dict with odd keys": {None: 1, True: 2, b"\xff": 3, 2.5: 4, AWARE: 5},
    "a set": {1, "a"},
    "a set without an order": {Decimal("NaN"), Decimal(1)},
    "a set of a huge int": {10**5000, "a"},
    "a frozenset": frozenset({b"\xff", AWARE}),
    "a date": date(2026, 1, 2),
    "a naive datetime": datetime(2026, 1, 2, 3),
    "an aware datetime": datetime(2026, 1, 2, 3, tzinfo=UTC),
    "the last datetime": datetime.max,
    "the last aware datetime": datetime.max.replace(tzinfo=UTC),
    "the first aware datetime": datetime.min.replace(
        tzinfo=timezone(timedelta(hours=9.5))
    ),
    "a naive time": time(1, 2),
    "an aware time": AWARE,
    "a timedelta": timedelta(days=-1, seconds=3),
    "a UUID": UUID(int=5),
}

every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


@pytest.fixture
def raw(alias):
    """Return the same model without declarations, which stores any value."""

    class RawCase(ormist.Model):
        class Meta:
            model_name = "RestCase"

    return RawCase


@pytest.fixture
def client(alias, settings):
    router = routers.SimpleRouter()
    router.register("cases", Cases)
    urls = ModuleType("urls")
    urls.urlpatterns = router.urls
    settings.ROOT_URLCONF = urls
    settings.MIDDLEWARE = []
    settings.TIME_ZONE = "Asia/Tokyo"  # where the last moments cannot be shown
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    return APIClient(raise_request_exception=False)


def read(response):
    """Return the JSON of a response. Raises ValueError for NaN, which is not JSON."""
    assert response.status_code == 200
    return json.loads(response.content, parse_constant=float.fromhex)


SHOWN = [
    ("number", "n/a", "n/a"),
    ("number", 2.5, 2.5),
    ("number", Decimal("2.50"), "2.50"),
    ("number", 3.0, 3),
    ("number", 10**5000, "1" + "0" * 5000),
    ("number", Decimal("1E+5000"), "1E+5000"),
    ("price", Decimal("NaN"), "NaN"),
    ("is_open", "n/a", "n/a"),
    ("is_open", 1, True),
    ("day", datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
    ("at", datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
    ("moment", datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ("moment", AWARE, "01:02:00+00:00"),
    ("color", float("nan"), "nan"),
    ("color", Decimal("NaN"), "NaN"),
    ("color", b"\xff", "/w=="),
    ("color", "b", "b"),
    ("grade", float("-inf"), "-inf"),
    ("state", [b"\xff"], ["/w=="]),
    ("suit", {"a": float("nan")}, {"a": "nan"}),
    ("numbers", "12", "12"),
    ("numbers", [1, "x"], [1, "x"]),
    ("days", {date(2026, 1, 2): 1}, {"2026-01-02": 1}),
    ("data", {"a": [{"b": AWARE}]}, {"a": [{"b": "01:02:00+00:00"}]}),
    ("data", {"a": UUID(int=5)}, {"a": str(UUID(int=5))}),
    ("visit", "n/a", "n/a"),
    ("visit", {"at": "x", "note": "y"}, {"at": "x", "note": "y"}),
    ("visit", {"note": "without at"}, {"note": "without at"}),
    ("visits", [{"note": "b"}, "n/a"], [{"note": "b"}, "n/a"]),
    ("stop", {"at": time(1), "other": b""}, {"at": "01:00:00", "other": ""}),
]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    SHOWN,
    ids=[f"{name} {number}" for number, (name, *_) in enumerate(SHOWN)],
)
def test_a_value_that_does_not_fit_is_shown_as_it_is(client, raw, name, value, shown):
    raw.objects.create(id="a", **{name: value})
    assert read(client.get("/cases/a/"))[name] == shown


def test_formats_that_leave_values_to_the_encoder_are_answered_too(
    client, raw, settings
):
    settings.REST_FRAMEWORK = {
        "COERCE_DECIMAL_TO_STRING": False,
        "DATE_FORMAT": None,
        "DATETIME_FORMAT": None,
        "UNAUTHENTICATED_USER": None,
    }
    odd = {"price": Decimal("NaN"), "day": b"\xff", "moment": "soon", "at": time(1)}
    raw.objects.create(id="a", **odd, days={date(2026, 1, 2)})
    shown = read(client.get("/cases/a/"))
    found = [shown[name] for name in (*odd, "days")]
    assert found == ["NaN", "/w==", "soon", "01:00:00", ["2026-01-02"]]
    raw.objects.create(id="b", price=Decimal("1.5"), day=date(2026, 1, 2))
    shown = read(client.get("/cases/b/"))
    assert (shown["price"], shown["day"]) == (1.5, "2026-01-02")


def test_a_reference_to_nothing_beside_a_misfit_is_null(client, raw):
    raw.objects.create(id="a", maker_id=None, number="n/a")
    found = read(client.get("/cases/a/"))
    assert (found["maker"], found["number"]) == (None, "n/a")


def test_an_error_of_a_view_is_not_hidden_as_a_misfit(alias):
    class Own(ModelSerializer):
        text = serializers.IntegerField()

        class Meta:
            model = Case
            fields = ("text", "number")

    with pytest.raises(ValueError, match="n/a"):
        _ = Own(Case(text="n/a")).data


def outcome(client, path):
    try:
        read(client.get(path))
    except (AssertionError, ValueError) as error:
        return repr(error)
    return None


@every_value
def test_any_value_of_any_attribute_is_shown_alone_and_in_a_list(client, raw, value):
    raw.objects.bulk_create(raw(id=name, **{name: value}) for name in STORED_NAMES)
    wrong = {name: outcome(client, f"/cases/{name}/") for name in STORED_NAMES}
    assert {name: error for name, error in wrong.items() if error} == {}
    assert len(read(client.get("/cases/"))) == len(STORED_NAMES)


@every_value
def test_any_value_is_kept_by_a_patch_of_another_attribute(client, raw, value):
    for name in STORED_NAMES:
        raw.objects.create(id=name, **{name: value})
        other = "text" if name != "text" else "number"
        response = client.patch(f"/cases/{name}/", {other: "5"}, format="json")
        assert response.status_code == 200, (name, response.content)
        kept = raw.objects.get(name).attrs[name]
        assert pack_value(name, kept) == pack_value(name, value)


@every_value
def test_the_browsable_api_renders_any_value(client, raw, value):
    raw.objects.create(id="a", **dict.fromkeys(STORED_NAMES, value))
    with override_settings(**SITE):
        for path in ("/cases/a/", "/cases/"):
            response = client.get(path, HTTP_ACCEPT="text/html")
            assert response.status_code == 200
            assert b"<form" in response.content


@pytest.mark.parametrize("written", ["iso-8601", "%d.%m.%Y", None])
def test_the_browsable_api_shows_a_misfit_of_a_moment_as_text(
    client, raw, settings, written
):
    settings.REST_FRAMEWORK = {"DATETIME_FORMAT": written, "UNAUTHENTICATED_USER": None}
    raw.objects.create(id="a", moment="soon", visit={"at": "later", "note": ""})
    with override_settings(**SITE):
        text = client.get("/cases/a/", HTTP_ACCEPT="text/html").content.decode()
    for name, value in (("moment", "soon"), ("visit.at", "later")):
        [tag] = re.findall(rf'<input name="{name}".*?>', text)
        assert 'type="text"' in tag
        assert f'value="{value}"' in tag


def test_the_browsable_api_keeps_the_input_of_a_moment(client, raw):
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    raw.objects.create(id="a", moment=moment, visit={"at": moment, "note": ""})
    with override_settings(**SITE):
        text = client.get("/cases/a/", HTTP_ACCEPT="text/html").content.decode()
    for name in ("moment", "visit.at"):
        [tag] = re.findall(rf'<input name="{name}".*?>', text)
        assert 'type="datetime-local"' in tag
        assert 'value="2026-01-02T12:00:00' in tag
