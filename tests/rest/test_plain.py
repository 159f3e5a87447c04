"""What REST framework offers without our module: plain serializers and views."""

import pytest
from rest_framework import filters, pagination, serializers, viewsets
from rest_framework.test import APIRequestFactory
from rest_framework.validators import UniqueValidator

import django_ormist as ormist
from tests.models import City

pytestmark = pytest.mark.servers("valkey91")
FACTORY = APIRequestFactory()


class CitySerializer(serializers.Serializer):
    id = serializers.CharField(read_only=True)
    code = serializers.CharField()
    name = serializers.CharField()
    country = serializers.CharField(required=False)

    def create(self, data):
        try:
            return City.objects.create(**data)
        except ormist.IntegrityError as error:
            raise serializers.ValidationError({"code": ["It is taken."]}) from error

    def update(self, city, data):
        city.set(**data)
        city.save(force_update=True)
        return city


class Pages(pagination.PageNumberPagination):
    page_size = 20


class Cities(viewsets.ModelViewSet):
    queryset = City.objects.order_by("name")
    serializer_class = CitySerializer
    pagination_class = Pages
    authentication_classes = ()


@pytest.fixture
def bern(alias):
    return City.objects.create(id="be", code="BRN", name="Bern", country="CH")


def call(view, action, method="get", path="/", pk=None, **data):
    request = getattr(FACTORY, method)(path, data)
    return view.as_view({method: action})(request, **({"pk": pk} if pk else {}))


def test_a_view_set_over_a_plain_serializer_works(bern):
    made = call(Cities, "create", "post", code="bsl", name="Basel")
    assert made.status_code == 201
    assert City.objects.get(made.data["id"]).name == "Basel"
    again = call(Cities, "create", "post", code="bsl", name="x")
    assert (again.status_code, again.data) == (400, {"code": ["It is taken."]})
    changed = call(Cities, "partial_update", "patch", pk=made.data["id"], name="Bâle")
    assert changed.data["name"] == "Bâle"
    listed = call(Cities, "list").data["results"]
    assert [each["name"] for each in listed] == ["Bern", "Bâle"]
    assert call(Cities, "destroy", "delete", pk="be").status_code == 204
    assert call(Cities, "retrieve", pk="be").status_code == 404
    assert call(Cities, "retrieve", pk="\0*").status_code == 404


def test_a_queryset_in_the_class_is_read_anew(bern):
    class Plain(Cities):
        pagination_class = None
        queryset = City.objects.all()

    assert len(call(Plain, "list").data) == 1
    City.objects.create(code="x", name="x")
    assert len(call(Plain, "list").data) == 2


def test_its_paginators_and_order_filter_work(bern):
    City.objects.bulk_create(City(code=name, name=name) for name in "ca")

    class Offsets(Cities):
        pagination_class = pagination.LimitOffsetPagination
        filter_backends = (filters.OrderingFilter,)
        ordering_fields = ("name",)

    class ByName(pagination.CursorPagination):
        ordering = "name"
        page_size = 2

    class Cursors(Cities):
        pagination_class = ByName

    def get_page(view, address, **query):
        data = call(view, "list", path=address, **query).data
        return [each["name"] for each in data["results"]], data["next"]

    assert get_page(Offsets, "/", limit=2, ordering="-name")[0] == ["c", "a"]
    assert get_page(Offsets, "/", limit=2, offset=2)[0] == ["c"]
    names, following = get_page(Cursors, "/")
    assert names == ["Bern", "a"]
    assert get_page(Cursors, following) == (["c"], None)


def test_its_unique_validator_works(bern):
    class Code(serializers.Serializer):
        code = serializers.CharField(validators=[UniqueValidator(City.objects.all())])

    assert Code(data={"code": "free"}).is_valid()
    assert not Code(data={"code": "BRN"}).is_valid()
    assert Code(bern, data={"code": "BRN"}).is_valid()


def test_its_relational_fields_work(bern):
    class Journey(serializers.Serializer):
        to = serializers.PrimaryKeyRelatedField(queryset=City.objects.all())
        by_code = serializers.SlugRelatedField(
            slug_field="code", queryset=City.objects.all(), required=False
        )

    journey = Journey(data={"to": "be", "by_code": "BRN"})
    assert journey.is_valid()
    assert journey.validated_data == {"to": bern, "by_code": bern}
    assert not Journey(data={"to": "absent"}).is_valid()
