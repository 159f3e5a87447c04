"""docs/howto/forms.rst and reference/forms.rst: their forms and views work."""

import asyncio
from types import ModuleType

import pytest
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client, RequestFactory
from django.views.generic import DetailView, ListView

from django_ormist.testing import assert_round_trips
from tests.docs.pages import run, use_site
from tests.models import Todo

TEMPLATES = {
    "tests/city_form.html": "{{ form }}",
    "tests/city_list.html": "{% for city in city_list %}{{ city.name }} {% endfor %}"
    "{{ page_obj.number }}",
    "tests/city_detail.html": "{{ city.name }}",
    "tests/city_confirm_delete.html": "Delete {{ city.name }}?",
}


@pytest.fixture
def site(server, settings):
    """Settings for the views of the page; returns the module of its URLs."""
    urls = ModuleType("tests.page")  # in an app, which the names of templates have
    use_site(settings, urls, TEMPLATES)
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    settings.MIDDLEWARE = ["django.contrib.messages.middleware.MessageMiddleware"]
    return urls


def test_the_forms_and_the_views_of_the_page_work(site):
    names = run("howto/forms", vars(site))
    City, bern = names["City"], names["bern"]
    client, data = Client(), {"code": "bsl", "name": "Basel", "population": 1}
    response = client.post("/cities/add/", data)
    basel = City.objects.get(code="bsl")
    assert response["Location"] == f"/cities/{basel.pk}/"
    shown = messages.get_messages(response.wsgi_request)
    assert [str(each) for each in shown] == ["Basel was added."]
    assert b"already exists" in client.post("/cities/add/", data).content
    page = f"/cities/{basel.pk}/"
    assert client.get(page).content == b"Basel"
    response = client.post(f"{page}edit/", {"name": "Basle", "population": 2})
    assert response["Location"] == f"{page}?changed"
    small = {"name": "V", "country": "VA", "population": 1001}
    assert b"That is too many." in client.post(f"{page}edit/", small).content
    with assert_round_trips(2):
        assert client.get("/cities/").content == b"Basle Bern 1"
    assert client.get(f"{page}delete/").content == b"Delete Basle?"
    assert client.post(f"{page}delete/")["Location"] == "/cities/"
    assert client.get(page).status_code == 404
    assert City.objects.ids() == [bern.pk]


def test_the_async_view_of_the_page_works(site):
    City = run("howto/forms", vars(site))["City"]

    async def send(**data):
        return await AsyncClient().post("/cities/async/add", data)

    made = asyncio.run(send(code="bsl", name="Basel", population=1))
    assert City.objects.get(made.json()["id"]).name == "Basel"
    refused = asyncio.run(send(code="bsl", name="Basel", population=1))
    assert (refused.status_code, list(refused.json())) == (400, ["code"])


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


def test_the_code_of_the_reference_runs(server):
    run("reference/forms")
