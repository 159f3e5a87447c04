"""docs/howto/forms.rst: its forms and views work."""

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


@pytest.fixture
def site(server, settings):
    """Settings for the views of the page; returns the module of its URLs."""
    urls = ModuleType("page")
    use_site(settings, urls, TEMPLATES)
    return urls


def test_the_form_and_the_views_of_the_page_work(site):
    City = run("howto/forms", vars(site))["City"]
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
