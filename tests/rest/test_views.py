"""Views over collections: filters, orders, references, the browsable API, OpenAPI."""

import json
import subprocess
import sys
from datetime import time
from decimal import Decimal
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils.http import urlencode
from rest_framework import pagination, routers, serializers, viewsets
from rest_framework.exceptions import ValidationError as RestError
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

import django_ormist as ormist
from django_ormist.rest_framework import LookupFilter, ModelSerializer, OrderingFilter
from django_ormist.testing import assert_round_trips
from tests.rest.models import SITE, Address, Gadget, Parcel
from tests.servers import ROOT

pytestmark = pytest.mark.servers("valkey91")


class Maker(ormist.Model):
    name: str

    def __str__(self):
        return self.name


class Part(ormist.TaggedModel):
    maker: ormist.Ref[Maker] = ormist.ref(related_name="parts", help_text="Who made it")
    spare_for: "ormist.Ref[Part] | None" = None
    buyer = ormist.ref("auth.User", null=True)
    number: int = 0

    class Meta:
        index_attrs = ["maker"]
        unique = [("maker", "number")]


class GadgetSerializer(ModelSerializer):
    class Meta:
        model = Gadget
        fields = ("id", "code", "owner", "slot", "total", "size", "ends", "note")


class ParcelSerializer(ModelSerializer):
    class Meta:
        model = Parcel
        fields = "__all__"


class PartSerializer(ModelSerializer):
    class Meta:
        model = Part
        fields = "__all__"


class DeepPartSerializer(ModelSerializer):
    class Meta:
        model = Part
        fields = ("id", "maker", "spare_for", "buyer", "maker_id", "buyer_id")
        depth = 1


class MakerSerializer(ModelSerializer):
    class Meta:
        model = Maker
        fields = ("id", "name", "parts")


class Pages(pagination.PageNumberPagination):
    page_size = 2


class Gadgets(viewsets.ModelViewSet):
    """Gadgets, which may be filtered."""

    queryset = Gadget.objects.all()
    serializer_class = GadgetSerializer
    pagination_class = Pages
    filter_backends = (LookupFilter, OrderingFilter)
    filterset_fields = {
        "id": ["exact", "in"],
        "owner": ["exact", "in"],
        "state": ["exact"],
        "code": "exact",
        "is_gift": ["exact"],
        "total": ["exact", "gte", "lt", "range"],
        "ends": ["gte", "isnull"],
        "moment": ["lt"],
        "tags": ["exact", "in"],
    }


class Parcels(viewsets.ModelViewSet):
    queryset = Parcel.objects.all()
    serializer_class = ParcelSerializer


class Parts(viewsets.ModelViewSet):
    queryset = Part.objects.all()
    serializer_class = PartSerializer
    filter_backends = (LookupFilter,)
    filterset_fields = ("maker",)


class NestedParts(viewsets.ReadOnlyModelViewSet):
    serializer_class = DeepPartSerializer

    def get_queryset(self):
        return Part.objects.all()


class Makers(viewsets.ModelViewSet):
    queryset = Maker.objects
    serializer_class = MakerSerializer


router = routers.DefaultRouter()
router.register("gadgets", Gadgets)
router.register("parcels", Parcels)
router.register("parts", Parts)
router.register("nested", NestedParts, basename="nested")
router.register("makers", Makers)


@pytest.fixture
def client(alias, settings):
    urls = ModuleType("urls")
    urls.urlpatterns = router.urls
    settings.ROOT_URLCONF = urls
    settings.MIDDLEWARE = []
    settings.REST_FRAMEWORK = {
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "UNAUTHENTICATED_USER": None,
    }
    for view in (Gadgets, Parcels, Parts, NestedParts, Makers):
        view.authentication_classes = ()
        view.renderer_classes = (JSONRenderer, BrowsableAPIRenderer)
    return APIClient()


def get(client, path, **query):
    """Return the status and the JSON."""
    response = client.get(f"{path}?{urlencode(query, doseq=True)}")
    return response.status_code, json.loads(response.content)


# Filters


@pytest.fixture
def gadgets(client):
    return Gadget.objects.bulk_create(
        Gadget(
            *(["red"] if number % 2 else ["blue", "flat"]),
            id=f"g{number}",
            code=f"c{number}",
            owner=number,
            total=f"{number}.50",
            is_gift=number == 1,
            state="paid" if number == 2 else "open",
            ends=f"2026-01-0{number + 1}" if number < 3 else None,
            moment=f"2026-01-0{number + 1}T00:00:00Z" if number < 2 else None,
        )
        for number in range(4)
    )


FOUND = [
    ({}, "0123"),
    ({"owner": "2"}, "2"),
    ({"owner": ["1", "3"]}, "3"),  # the last one, as of any QueryDict
    ({"owner__in": "1,3,9"}, "13"),
    ({"id": "g2"}, "2"),
    ({"id__in": "g0,g3"}, "03"),
    ({"code": "c1"}, "1"),
    ({"state": "paid"}, "2"),
    ({"is_gift": "true"}, "1"),
    ({"total": "2.5"}, "2"),
    ({"total__gte": "2"}, "23"),
    ({"total__lt": "1.5", "owner": "0"}, "0"),
    ({"total__range": "1,3"}, "12"),
    ({"ends__gte": "2026-01-02"}, "12"),
    ({"ends__isnull": "true"}, "3"),
    ({"ends__isnull": "0"}, "012"),
    ({"moment__lt": "2026-01-01T12:00:00+01:00"}, "0"),
    ({"moment__lt": "2026-01-01T12:00"}, "0"),  # naive: of the current time zone
    ({"tags": "red"}, "13"),
    ({"tags": ["blue", "flat"]}, "02"),
    ({"tags": ["blue", "red"]}, ""),
    ({"tags__in": "red,flat"}, "0123"),
    ({"owner": "", "nope": "x", "total__gt": "x", "size": "x"}, "0123"),
]


@pytest.mark.parametrize(("query", "numbers"), FOUND)
def test_parameters_filter_by_lookups(client, gadgets, query, numbers):
    Gadgets.pagination_class = None
    try:
        status, shown = get(client, "/gadgets/", **query)
    finally:
        Gadgets.pagination_class = Pages
    assert status == 200
    assert "".join(each["code"][1:] for each in shown) == numbers


REFUSED = [
    ({"owner": "x"}, {"owner": ["“x” value must be an integer."]}),
    (
        {"owner__in": "1,x", "total__gte": "y"},
        {
            "owner__in": ["“x” value must be an integer."],
            "total__gte": ["“y” value must be a decimal number."],
        },
    ),
    ({"state": "lost"}, {"state": ["Value 'lost' is not a valid choice."]}),
    ({"is_gift": "x"}, {"is_gift": ["“x” value must be either True or False."]}),
    ({"ends__isnull": "x"}, {"ends__isnull": ["Must be a valid boolean."]}),
    (
        {"total__range": "1"},
        {"total__range": ["Enter two values with a comma between."]},
    ),
    ({"total": "nan"}, {"total": ["“nan” value must be a decimal number."]}),
]


@pytest.mark.parametrize(("query", "errors"), REFUSED)
def test_a_value_that_does_not_fit_is_an_error_by_parameter(client, query, errors):
    assert get(client, "/gadgets/", **query) == (400, errors)


def test_a_moment_that_does_not_fit_is_an_error_by_parameter(client):
    status, errors = get(client, "/gadgets/", moment__lt="x")
    assert (status, list(errors)) == (400, ["moment__lt"])


def test_tags_do_not_look_up_attributes(client, gadgets):
    """A view that allows tags does not allow every indexed attribute by that."""
    assert get(client, "/gadgets/", tags="owner:1")[1]["count"] == 0
    Gadget.objects.create("owner:1", code="x", owner=9)
    found = get(client, "/gadgets/", tags="owner:1")[1]["results"]
    assert [each["code"] for each in found] == ["x"]


@pytest.mark.parametrize(
    "value", ["\0", "*", "a:b", "1e999999999", "-0", "²", "[1]", "x" * 3000, ","]
)
@pytest.mark.parametrize("name", ["owner", "total__gte", "tags", "ends__gte", "id"])
def test_hostile_values_are_found_or_refused(client, name, value):
    assert get(client, "/gadgets/", **{name: value})[0] in (200, 400)


class Sample(ormist.Model):
    rating: float = 0.0
    price: Decimal = Decimal(0)
    opens: time | None = None
    mixed: int | float = 0
    rest: Any = None
    code: float = 0.0
    blob: bytes = b""
    share: float = 0.0
    closes: time | None = None

    class Meta:
        model_name = "RestSample"
        index_attrs = ["blob", "share", "closes"]
        ordered = ["rating", "price", "opens", "mixed", "rest"]
        unique = ["code"]


LOOKUPS_OF_SAMPLE = {
    name: ["exact", "in", "gt", "gte", "lt", "lte", "range", "startswith", "isnull"]
    for name in Sample._meta.ordered
} | {name: ["exact", "in"] for name in ("blob", "share", "closes", "code")}

SAMPLES = type("Samples", (), {"filterset_fields": LOOKUPS_OF_SAMPLE})


def find_samples(parameter, value):
    """Return the ids that a parameter finds. Raises REST framework's errors."""
    request = _Request({parameter: value})
    found = LookupFilter().filter_queryset(request, Sample.objects.all(), SAMPLES())
    return found.ids()


def refused_parameters(parameter, value):
    try:
        find_samples(parameter, value)
    except RestError as error:
        return list(error.detail)
    return []


@pytest.mark.parametrize(
    "value",
    [
        *("nan", "-NaN", "sNaN", "inf", "-Infinity", "1e400", "9" * 5000, "1,nan"),
        *("nan,nan", "01:00+00:00", "01:00,02:00+00:00", "b'x'", "\xff", "\0", "AA=="),
    ],
)
def test_any_value_of_any_lookup_finds_or_is_an_error_by_parameter(alias, value):
    for name, lookups in LOOKUPS_OF_SAMPLE.items():
        for lookup in lookups:
            parameter = name if lookup == "exact" else f"{name}__{lookup}"
            assert refused_parameters(parameter, value) in ([], [parameter])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("rating", "nan"),
        ("rating__gte", "nan"),
        ("rating__in", "1,nan"),
        ("rating__range", "1,nan"),
        ("mixed__lt", "nan"),
        ("opens", "01:00+00:00"),
        ("opens__gt", "01:00+00:00"),
    ],
)
def test_a_value_without_an_order_is_an_error_by_parameter(alias, parameter, value):
    with pytest.raises(RestError) as caught:
        find_samples(parameter, value)
    assert caught.value.detail == {parameter: ["This value cannot be looked up."]}


def test_a_lookup_by_infinity_finds(alias):
    Sample.objects.create(id="a", rating=1.5)
    Sample.objects.create(id="b", rating=float("inf"), code=1.0)
    assert find_samples("rating__lt", "inf") == ["a"]
    assert find_samples("rating", "inf") == ["b"]


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        ({"note": ["exact"]}, "'exact' of 'note', but no index answers it"),
        ({"owner": ["gte"]}, "'gte' of 'owner', but no index"),
        ({"total": ["contains"]}, "'contains' of 'total'"),
        (["votes"], "'votes', but no index"),
        ("owner", "a list or a dict, not the text 'owner'"),
    ],
)
def test_a_lookup_without_an_index_is_refused_whatever_is_asked(client, allowed, why):
    class Wrong(Gadgets):
        filterset_fields = allowed

    with pytest.raises(ImproperlyConfigured, match=why):
        LookupFilter().filter_queryset(_Request({}), Gadget.objects.all(), Wrong())


def test_lookups_of_values_without_a_type_are_refused(client):
    class Plain(ormist.Model):
        class Meta:
            model_name = "RestPlain"
            index_attrs = ["kind"]
            ordered = ["rank", "word"]

    def view(*names, **lookups):
        fields = {**dict.fromkeys(names, "exact"), **lookups}
        return type("View", (), {"filterset_fields": fields})()

    Plain.objects.create(id="a", kind=3, rank=5, word="abc")
    request = _Request({"kind": ["3"], "word__startswith": ["a"]})
    found = LookupFilter().filter_queryset(
        request, Plain.objects.all(), view("kind", word=["startswith"])
    )
    assert found.ids() == ["a"]
    for wrong in (view("rank"), view(rank=["gte"])):
        with pytest.raises(ImproperlyConfigured, match="Declare it"):
            LookupFilter().filter_queryset(request, Plain.objects.all(), wrong)
    with pytest.raises(ImproperlyConfigured, match="'tags', but no index"):
        LookupFilter().filter_queryset(request, Plain.objects.all(), view("tags"))


def test_a_lookup_of_an_undeclared_name_is_refused_with_its_reason(client):
    class Member(ormist.TaggedAttrsModel):
        username: str

        class Meta:
            model_name = "RestMember"
            declared_only = True

    Member.objects.create(id="a", username="ann")
    members = Member.objects.all()
    view = type("View", (), {"filterset_fields": {"usernme": "exact"}})
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'username'"):
        LookupFilter().filter_queryset(_Request({}), members, view())
    view.filterset_fields = ["username", "created", "tags"]
    request = _Request({"username": ["ann"], "created": ["2020-01-01"]})
    assert LookupFilter().filter_queryset(request, members, view()).ids() == []
    request = _Request({"username": ["ann"]})
    assert LookupFilter().filter_queryset(request, members, view()).ids() == ["a"]


def test_counters_and_pending_indexes_are_refused(client):
    class Everything(ormist.TaggedAttrsModel):
        code: str = ""

        class Meta:
            model_name = "RestEverything"
            counters = ["views"]
            ordered = ["code", "rank"]
            pending_indexes = ["rank"]

    for name in ("views", "rank"):
        view = type("View", (), {"filterset_fields": [name]})()
        with pytest.raises(ImproperlyConfigured, match="no index answers it"):
            LookupFilter().filter_queryset(_Request({}), Everything.objects.all(), view)
    view = type("View", (), {"ordering_fields": "__all__"})()
    fields = OrderingFilter().get_valid_fields(Everything.objects.all(), view)
    assert [name for name, _ in fields] == ["code", "created", "expire"]


def test_a_text_that_no_index_can_hold_is_refused_by_parameter(client):
    request = _Request({})
    request.query_params._mutable = True
    request.query_params["code"] = "\ud800"
    with pytest.raises(RestError) as caught:
        LookupFilter().filter_queryset(request, Gadget.objects.all(), Gadgets())
    assert caught.value.detail == {"code": ["This value cannot be looked up."]}


def test_parameters_of_lists_and_unions_are_texts(client):
    class Mixed(ormist.Model):
        size: int | str = 0
        sizes: list[int] = ormist.field(default_factory=list)

        class Meta:
            model_name = "RestMixed"
            index_attrs = ["sizes"]
            ordered = ["size"]

    class MixedView(viewsets.ModelViewSet):
        queryset = Mixed.objects.all()
        filterset_fields = {"size": ["range"], "sizes": ["exact"]}

    first, second = LookupFilter().get_schema_operation_parameters(MixedView())
    assert first["schema"] == {"type": "array", "items": {"type": "string"}}
    assert second["schema"] == {"type": "string"}
    assert LookupFilter().to_html(_Request({}), Mixed.objects.all(), object()) == ""


def test_references_keep_their_options(alias, db):
    def check_key(value):
        if value == "bad":
            raise ormist.ValidationError("Not this one.")

    class Badge(ormist.Model):
        holder = ormist.ref(
            Maker, verbose_name="who holds it", validators=[check_key], null=True
        )
        seen_by = ormist.ref("auth.User", null=True, editable=False)

        class Meta:
            model_name = "RestBadge"
            unique = ["holder"]

    class BadgeSerializer(ModelSerializer):
        class Meta:
            model = Badge
            fields = "__all__"

    class SlugSerializer(ModelSerializer):
        serializer_related_field = type(
            "ByName",
            (serializers.SlugRelatedField,),
            {
                "__init__": lambda self, **options: (
                    serializers.SlugRelatedField.__init__(
                        self, slug_field="name", **options
                    )
                )
            },
        )

        class Meta:
            model = Badge
            fields = ("holder",)

    fields = BadgeSerializer().fields
    assert fields["holder"].label == "Who holds it"
    assert fields["seen_by"].read_only
    Maker.objects.create(id="good", name="Good")
    found = BadgeSerializer(data={"holder": "good"})
    assert found.is_valid(), found.errors
    badge = found.save()
    assert SlugSerializer(badge).data == {"holder": "Good"}
    assert BadgeSerializer(data={"holder": "good"}).is_valid() is False
    Maker.objects.create(id="bad", name="Bad")
    wrong = BadgeSerializer(data={"holder": "bad"})
    assert not wrong.is_valid()
    assert wrong.errors == {"holder": ["Not this one."]}


class _Request:
    def __init__(self, query):
        from django.http import QueryDict

        self.query_params = QueryDict(urlencode(query, doseq=True))


def test_a_page_takes_two_round_trips(client, gadgets):
    with assert_round_trips(2):  # the count and the page
        assert get(client, "/gadgets/", total__gte="1", ordering="-total")[0] == 200
    with assert_round_trips(1):
        assert client.get("/gadgets/g1/").status_code == 200
    with assert_round_trips(2):
        assert client.patch("/gadgets/g1/", {"size": 3}).status_code == 200


# Orders


@pytest.mark.parametrize(
    ("ordering", "numbers"),
    [
        ("-total", "32"),
        ("ends", "01"),
        ("-ends,total", "21"),
        ("nope", "01"),
        ("note", "01"),
        ("total,-created", "01"),
    ],
)
def test_the_order_filter_takes_the_orders_of_the_model(
    client, gadgets, ordering, numbers
):
    status, shown = get(client, "/gadgets/", ordering=ordering)
    assert status == 200
    assert "".join(each["code"][1:] for each in shown["results"]) == numbers


def test_the_orders_are_those_that_the_serializer_shows_or_all():
    fields = OrderingFilter().get_valid_fields(Gadget.objects.all(), Gadgets(), {})
    assert fields == [("total", "Total"), ("size", "Size"), ("ends", "Ends")]

    class All(Gadgets):
        ordering_fields = "__all__"

    names = [
        name
        for name, _ in OrderingFilter().get_valid_fields(
            Gadget.objects.all(), All(), {}
        )
    ]
    assert names == [*Gadget._meta.ordered, "created", "expire"]

    class Some(Gadgets):
        ordering_fields = ("size",)

    fields = OrderingFilter().get_valid_fields(Gadget.objects.all(), Some(), {})
    assert fields == [("size", "size")]


# References


@pytest.fixture
def parts(client, db):
    maker = Maker.objects.create(id="m1", name="Ann")
    user = User.objects.create(username="bob", password="x")
    first = Part.objects.create(id="p1", maker=maker, buyer=user)
    Part.objects.create(id="p2", maker=maker, spare_for=first, number=1)
    Part.objects.create(id="p3", maker="gone", number=2)
    return maker, user


def test_references_are_shown_by_key_without_loading(client, parts):
    _, user = parts
    with assert_round_trips(1):  # as a list of objects without references
        shown = get(client, "/parts/")[1]
    assert shown[0] == {
        "id": "p1",
        "number": 0,
        "maker": "m1",
        "spare_for": None,
        "buyer": user.pk,
    }
    assert [each["maker"] for each in shown] == ["m1", "m1", "gone"]
    assert shown[1]["spare_for"] == "p1"


def test_references_are_validated_and_stored(client, parts):
    _, user = parts
    data = {"maker": "m1", "buyer": user.pk, "spare_for": "p2", "number": 7}
    with assert_round_trips(4):  # two references, one unique constraint, the save
        made = client.post("/parts/", data, format="json")
    assert made.status_code == 201
    found = Part.objects.get(made.json()["id"])
    assert (found.maker_id, found.buyer_id, found.spare_for_id) == ("m1", user.pk, "p2")
    again = client.post("/parts/", data, format="json")
    assert again.json() == {
        "non_field_errors": ["The fields maker, number must make a unique set."]
    }
    wrong = {"maker": "x", "buyer": 99, "spare_for": []}
    assert client.post("/parts/", wrong, format="json").json() == {
        "maker": ['Invalid pk "x" - object does not exist.'],
        "buyer": ['Invalid pk "99" - object does not exist.'],
        "spare_for": ["Incorrect type. Expected pk value, received list."],
    }
    assert client.post("/parts/", {}).json() == {"maker": ["This field is required."]}
    changed = client.patch("/parts/p2/", {"spare_for": None}, format="json")
    assert changed.json()["spare_for"] is None


def test_depth_shows_the_objects_and_loads_them_at_once(client, parts):
    _, user = parts
    with assert_round_trips(3):  # the parts, then the makers, and what they are for
        shown = get(client, "/nested/")[1]
    assert shown[0]["maker"] == {"id": "m1", "name": "Ann"}
    assert shown[0]["buyer"]["username"] == "bob"
    assert (shown[0]["maker_id"], shown[0]["buyer_id"]) == ("m1", user.pk)
    assert shown[1]["spare_for"]["id"] == "p1"
    assert shown[1]["spare_for"]["maker"] == "m1"
    assert shown[2]["maker"] is None


def test_the_other_side_of_a_reference_is_read_only(client, parts):
    shown = get(client, "/makers/m1/")[1]
    assert shown == {"id": "m1", "name": "Ann", "parts": ["p1", "p2"]}

    class Deep(ModelSerializer):
        class Meta:
            model = Maker
            fields = ("parts",)
            depth = 1

    shown = json.loads(JSONRenderer().render(Deep(parts[0]).data))
    assert [each["number"] for each in shown["parts"]] == [0, 1]


def test_another_object_is_not_written_by_a_nested_serializer(alias):
    class Writing(ModelSerializer):
        maker = MakerSerializer()

        class Meta:
            model = Part
            fields = ("maker",)

    found = Writing(data={"maker": {"name": "x"}})
    assert found.is_valid()
    with pytest.raises(TypeError, match="Writing does not store another object"):
        found.save()


def test_hyperlinks_to_references(client, parts):
    class Linked(ModelSerializer):
        serializer_related_field = serializers.HyperlinkedRelatedField

        class Meta:
            model = Part
            fields = ("url", "maker")

    part = Part.objects.get("p1")
    context = {"request": APIRequestFactory().get("/")}
    assert Linked(part, context=context).data == {
        "url": "http://testserver/parts/p1/",
        "maker": "http://testserver/makers/m1/",
    }


def test_a_filter_by_a_reference(client, parts):
    assert len(get(client, "/parts/", maker="m1")[1]) == 2
    assert get(client, "/parts/", maker="none")[1] == []


# The browsable API and OpenAPI


@pytest.mark.parametrize(
    "path",
    ["/gadgets/", "/gadgets/g1/", "/parts/", "/parts/p1/", "/parcels/", "/makers/"],
)
def test_the_browsable_api_renders(client, gadgets, parts, path):
    with override_settings(**SITE):
        response = client.get(path, HTTP_ACCEPT="text/html")
        text = response.content.decode()
    assert response.status_code == 200
    assert "<form" in text
    if path == "/gadgets/":
        assert 'name="total__gte"' in text
        assert "Total - descending" in text
        assert '<input name="code" class="form-control" type="text"' in text
    if path == "/parts/":
        assert '<option value="m1"  >Ann</option>' in text


def schema_of(patterns=None):
    """Return the OpenAPI schema, and the warnings of making it."""
    from drf_spectacular import drainage
    from drf_spectacular.generators import SchemaGenerator

    drainage.reset_generator_stats()
    generator = SchemaGenerator(patterns=patterns or router.urls)
    schema = generator.get_schema(request=None, public=True)
    stats = drainage.GENERATOR_STATS
    return schema, [*stats._warn_cache, *stats._error_cache]


@pytest.mark.usefixtures("client")
def test_openapi_describes_the_views_without_warnings():
    from django_ormist.rest_framework import openapi  # noqa: F401  as apps.py does

    schema, warnings = schema_of()
    assert not warnings
    paths, components = schema["paths"], schema["components"]["schemas"]
    assert {"/gadgets/", "/gadgets/{id}/", "/parts/{id}/"} <= paths.keys()
    identity = paths["/nested/{id}/"]["get"]["parameters"]
    assert [(each["name"], each["schema"]) for each in identity] == [
        ("id", {"type": "string"})
    ]
    parameters = {
        each["name"]: each for each in paths["/gadgets/"]["get"]["parameters"]
    }
    assert parameters["owner"]["schema"] == {"type": "integer"}
    assert parameters["owner__in"]["schema"] == {
        "type": "array",
        "items": {"type": "integer"},
    }
    assert parameters["owner__in"]["explode"] is False
    assert parameters["state"]["schema"]["enum"] == ["open", "paid"]
    assert parameters["ends__isnull"]["schema"] == {"type": "boolean"}
    assert parameters["moment__lt"]["schema"]["format"] == "date-time"
    assert parameters["tags"]["schema"]["type"] == "array"
    assert {"ordering", "page"} <= parameters.keys()
    assert components["Gadget"]["properties"]["code"]["maxLength"] == 8
    assert components["Gadget"]["required"] == ["code", "id", "owner"]
    parcel = components["Parcel"]["properties"]
    assert parcel["lines"]["items"] == {"$ref": "#/components/schemas/Line"}
    assert components["Line"]["required"] == ["number", "title"]
    assert components["Part"]["properties"]["maker"]["type"] == "string"
    assert components["Part"]["properties"]["buyer"]["type"] == "integer"


@pytest.mark.usefixtures("client")
def test_openapi_keeps_what_a_view_extends():
    from drf_spectacular.utils import extend_schema
    from rest_framework.decorators import action
    from rest_framework.response import Response

    from django_ormist.rest_framework import openapi  # noqa: F401

    class Extended(Gadgets):
        @extend_schema(summary="One gadget")
        def retrieve(self, request, *args, **kwargs):
            return super().retrieve(request, *args, **kwargs)

        @extend_schema(summary="Its parts")
        @action(detail=True, url_path=r"parts/(?P<number>\d+)")
        def parts(self, request, pk=None, number=None):
            return Response({})

    found = routers.SimpleRouter()
    found.register("extended", Extended)
    schema, warnings = schema_of(found.urls)
    assert not warnings
    assert schema["paths"]["/extended/{id}/"]["get"]["summary"] == "One gadget"
    operation = schema["paths"]["/extended/{id}/parts/{number}/"]["get"]
    assert operation["summary"] == "Its parts"
    kinds = {each["name"]: each["schema"]["type"] for each in operation["parameters"]}
    assert kinds == {"id": "string", "number": "string"}


# Setup, permissions, metadata


def outcome(installed):
    """Return what a fresh process has imported with these apps."""
    code = f"""
        import sys, django
        from django.conf import settings
        settings.configure(INSTALLED_APPS={installed!r})
        django.setup()
        names = ("rest_framework", "django_ormist.rest_framework.openapi")
        print([name in sys.modules for name in names])
    """
    words = [sys.executable, "-W", "error", "-c", dedent(code)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_app_loads_the_extension_only_beside_drf_spectacular():
    assert outcome(["django_ormist"]) == "[False, False]"
    assert outcome(["drf_spectacular", "django_ormist"]) == "[True, True]"


def test_model_permissions_are_checked(client, gadgets, django_user_model, db):
    class Guarded(Gadgets):
        permission_classes = (DjangoModelPermissions,)

    user = django_user_model.objects.create_user("ann", password="x")
    view = Guarded.as_view({"get": "list", "post": "create"})
    for method, status in (("get", 200), ("post", 403)):
        request = getattr(APIRequestFactory(), method)("/", {})
        force_authenticate(request, user)
        assert view(request).status_code == status
    permission = Permission.objects.create(
        name="Can add gadget",
        codename="add_gadget",
        content_type=ContentType.objects.create(app_label="tests", model="gadget"),
    )
    user.user_permissions.add(permission)
    request = APIRequestFactory().post("/", {})
    force_authenticate(request, django_user_model.objects.get(pk=user.pk))
    assert view(request).status_code == 400


def test_options_describe_the_fields(client):
    shown = client.options("/parcels/").json()["actions"]["POST"]
    assert shown["address"]["children"]["street"]["required"] is True
    assert shown["lines"]["child"]["type"] == "nested object"
    assert [each["value"] for each in shown["colour"]["choices"]] == [1, 2]
    assert shown["views"]["read_only"] is True


def test_created_and_expire_filter(client):
    Parcel.objects.create(id="old", address=Address("s"), expire=500)
    Parcel.objects.create(id="new", address=Address("s"), expire=5000)
    new = Parcel.objects.get("new")
    request = _Request({"created__gte": new.created.isoformat()})
    view = type("View", (), {"filterset_fields": {"created": ["gte", "lt"]}})()
    assert LookupFilter().filter_queryset(
        request, Parcel.objects.all(), view
    ).ids() == ["new"]
    request = _Request({"expire__lt": new.expire.isoformat()})
    view = type("View", (), {"filterset_fields": {"expire": ["lt", "isnull"]}})()
    found = LookupFilter().filter_queryset(request, Parcel.objects.all(), view)
    assert found.ids() == ["old"]
    request = _Request({"expire__lt": "x", "expire__isnull": "x"})
    with pytest.raises(RestError) as caught:
        LookupFilter().filter_queryset(request, Parcel.objects.all(), view)
    assert list(caught.value.detail) == ["expire__lt", "expire__isnull"]
    [parameter, _] = LookupFilter().get_schema_operation_parameters(
        type("View", (Parcels,), {"filterset_fields": {"expire": ["lt", "isnull"]}})()
    )
    assert parameter["schema"]["format"] == "date-time"
