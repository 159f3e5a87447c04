"""docs/howto/forms.rst: its forms, views and serializers work."""

from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.views.generic import DetailView, ListView

from django_ormist.testing import assert_round_trips
from tests.docs.pages import run, use_site
from tests.models import Todo

TEMPLATES = {
    "city_form.html": "{{ form.errors.as_text }}",
    "cities.html": "{% for city in city_list %}{{ city.name }} {% endfor %}",
    "city.html": "{{ city.name }}",
    "city_delete.html": "Sure?",
}
REST = "from rest_framework"
NEEDS_REST = (REST, "class JourneySerializer")


@pytest.fixture
def site(server, settings):
    """Settings for the views of the page; returns the module of its URLs."""
    urls = ModuleType("page")
    use_site(settings, urls, TEMPLATES)
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
    return urls


def test_the_form_and_the_views_of_the_page_work(site):
    City = run("howto/forms", vars(site), skip=NEEDS_REST)["City"]
    City.objects.create(code="taken", name="Basel")
    client, data = Client(), {"code": "x", "name": "Berne", "population": 1}
    assert client.post("/cities/be/edit/", data)["Location"] == "/cities/be/"
    assert client.get("/cities/be/").content == b"Berne"
    for wrong, message in (
        ({"code": "taken"}, b"This code is taken."),
        ({"population": -1}, b"It is below zero."),
    ):
        response = client.post("/cities/be/edit/", data | wrong)
        assert message in response.content
    assert City.objects.get("be").attrs == data | {"country": "CH"}
    with assert_round_trips(2):
        assert client.get("/cities/").content == b"Basel Berne "
    assert client.post("/cities/be/delete/")["Location"] == "/cities/"
    assert client.get("/cities/be/").status_code == 404


def test_the_serializers_of_the_page_work(site, settings):
    pytest.importorskip("rest_framework")
    City = run("howto/forms", vars(site))["City"]
    client = Client()

    def send(method, path, **data):
        send = getattr(client, method)
        return send(path, data, content_type="application/json")

    made = send("post", "/api/cities/", code="bsl", name="Basel")
    assert made.status_code == 201
    pk = made.json()["id"]
    assert City.objects.get(pk).name == "Basel"
    assert send("post", "/api/cities/", code="bsl", name="x").status_code == 400
    assert send("patch", f"/api/cities/{pk}/", code="BRN").json() == {
        "code": ["It is taken."]
    }
    assert send("patch", f"/api/cities/{pk}/", name="Bâle").json()["name"] == "Bâle"
    page = client.get("/api/cities/").json()
    assert [each["name"] for each in page["results"]] == ["Bern", "Bâle"]
    assert send("delete", f"/api/cities/{pk}/").status_code == 204
    assert client.get(f"/api/cities/{pk}/").status_code == 404


def test_what_needs_a_schema_says_what_to_write_instead(site):
    pytest.importorskip("rest_framework")
    from rest_framework.filters import SearchFilter
    from rest_framework.serializers import ModelSerializer
    from rest_framework.test import APIRequestFactory

    names = run("howto/forms", vars(site))

    class CitySerializer(ModelSerializer):
        class Meta:
            model = names["City"]
            fields = "__all__"

    with pytest.raises(AttributeError, match="write a Serializer"):
        _ = CitySerializer(names["bern"]).data

    class Searched(names["CityViewSet"]):
        filter_backends = (SearchFilter,)
        search_fields = ("code",)

    view = Searched.as_view({"get": "list"})
    with pytest.raises(AttributeError, match="write the filter"):
        view(APIRequestFactory().get("/", {"search": "x"}))


def test_the_paginators_and_the_order_filter_that_the_page_names_work(site):
    pytest.importorskip("rest_framework")
    from rest_framework import filters, pagination
    from rest_framework.test import APIRequestFactory

    run("howto/forms", vars(site))
    site.City.objects.bulk_create(site.City(code=name, name=name) for name in "ca")

    class Offsets(site.CityViewSet):
        pagination_class = pagination.LimitOffsetPagination
        filter_backends = (filters.OrderingFilter,)
        ordering_fields = ("name",)

    class ByName(pagination.CursorPagination):
        ordering = "name"
        page_size = 2

    class Cursors(site.CityViewSet):
        pagination_class = ByName

    def get_page(view, address, **query):
        request = APIRequestFactory().get(address, query)
        data = view.as_view({"get": "list"})(request).data
        return [each["name"] for each in data["results"]], data["next"]

    assert get_page(Offsets, "/", limit=2, ordering="-name")[0] == ["c", "a"]
    assert get_page(Offsets, "/", limit=2, offset=2)[0] == ["c"]
    names, following = get_page(Cursors, "/")
    assert names == ["Bern", "a"]
    assert get_page(Cursors, following) == (["c"], None)


def test_the_unique_validator_works(site):
    pytest.importorskip("rest_framework")
    from rest_framework.serializers import CharField, Serializer
    from rest_framework.validators import UniqueValidator

    run("howto/forms", vars(site))

    class Code(Serializer):
        code = CharField(validators=[UniqueValidator(queryset=site.City.objects.all())])

    assert Code(data={"code": "free"}).is_valid()
    assert not Code(data={"code": "BRN"}).is_valid()
    assert Code(site.bern, data={"code": "BRN"}).is_valid()


def test_the_names_that_generic_views_derive_are_those_of_the_page(server):
    class Everything(ListView):
        model = Todo

    class One(DetailView):
        model = Todo

    todo, request = Todo.objects.create("home"), RequestFactory().get("/")
    response = Everything.as_view()(request)
    assert response.template_name == ["tests/todo_list.html"]
    assert list(response.context_data["todo_list"]) == [todo]
    with pytest.raises(ImproperlyConfigured, match="template_name"):
        One.as_view()(request, pk=todo.pk)
    response = One.as_view(template_name="todo.html")(request, pk=todo.pk)
    assert response.context_data["object"] == todo
    assert "todo" not in response.context_data
