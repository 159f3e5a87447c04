"""The generic views, beside Django's with a model of SQL."""

import asyncio
from types import ModuleType

import pytest
from django.contrib import messages
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path, reverse_lazy
from django.views import generic

import django_ormist as ormist
from django_ormist import forms, views
from django_ormist.testing import assert_round_trips
from tests.docs.pages import use_site
from tests.forms.models import SqlWagon, Wagon, Wheel
from tests.models import Plain

pytestmark = pytest.mark.servers("valkey91")

FIELDS = ["number", "size", "priority"]
VALID = {"number": "n1", "size": "3", "priority": "1"}
TEMPLATES = {
    "wagon_form.html": "{{ form }} {{ object.number }} {{ wagon.number }}",
    "wagon_detail.html": "{{ object.number }} {{ wagon.number }}",
    "wagon_confirm_delete.html": "{{ wagon.number }}? {{ form }}",
    "wagon_list.html": "{% for wagon in wagon_list %}{{ wagon.number }},{% endfor %}"
    "{{ object_list|length }} {{ page_obj.number }} {{ is_paginated }}",
}


def build_templates():
    """Return the templates of both models. The name in the context differs."""
    found = {f"tests/{name}": text for name, text in TEMPLATES.items()}
    for name, text in TEMPLATES.items():
        sql = text.replace("wagon.", "sqlwagon.").replace("wagon_l", "sqlwagon_l")
        found[f"tests/sql{name}"] = sql.replace("for wagon", "for sqlwagon")
    return found


def build_views(kind, base, model):
    """Yield the addresses of the views of a model."""

    class Create(SuccessMessageMixin, base.CreateView):
        success_message = "%(number)s was saved"

    class Update(Create, base.UpdateView):
        pass

    detail, fields = base.DetailView, {"model": model, "fields": FIELDS}
    rows = [
        ("add/", Create.as_view(**fields)),
        ("change/<str:pk>/", Update.as_view(**fields, success_url="/{id}/{size}/")),
        ("show/<str:pk>/", detail.as_view(model=model)),
        ("number/<slug:slug>/", detail.as_view(model=model, slug_field="number")),
        ("list/", base.ListView.as_view(model=model, paginate_by=2, ordering="number")),
    ]
    for address, view in rows:
        yield path(f"{kind}/{address}", view)
    delete = base.DeleteView.as_view(model=model, success_url=reverse_lazy("home"))
    yield path(f"{kind}/delete/<str:pk>/", delete)


@pytest.fixture
def site(server, settings):
    """Serve the views of both models. Returns a client."""
    urls = ModuleType("urls_of_wagons")
    home = generic.View.as_view()
    urls.urlpatterns = [
        path("home/", home, name="home"),
        *build_views("ours", views, Wagon),
        *build_views("sql", generic, SqlWagon),
    ]
    use_site(settings, urls, build_templates())
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    settings.MIDDLEWARE = ["django.contrib.messages.middleware.MessageMiddleware"]
    return Client()


def answer(response):
    """Return the parts of a response that do not depend on the model."""
    shown = [str(each) for each in messages.get_messages(response.wsgi_request)]
    return (
        response.status_code,
        response.get("Location"),
        response.content.decode().replace("Sqlwagon", "Wagon"),
        shown,
    )


@pytest.mark.parametrize(
    ("method", "address", "data"),
    [
        ("get", "add/", {}),
        ("post", "add/", {"size": "x"}),
        ("post", "add/", VALID | {"number": "n0"}),
        ("get", "change/7/", {}),
        ("get", "change/8/", {}),
        ("post", "change/7/", VALID),
        ("post", "change/7/", VALID | {"size": "-1"}),
        ("put", "change/7/", {}),
        ("get", "show/7/", {}),
        ("get", "show/8/", {}),
        ("get", "number/n0/", {}),
        ("get", "number/n9/", {}),
        ("get", "delete/7/", {}),
        ("post", "delete/7/", {}),
        ("post", "delete/8/", {}),
        ("get", "list/", {}),
        ("get", "list/?page=last", {}),
        ("get", "list/?page=9", {}),
    ],
)
def test_the_views_answer_as_django_s(site, sql_wagons, method, address, data):
    for i in range(7, 4, -1):
        values = {"number": f"n{7 - i}", "size": 1, "priority": 1}
        sql_wagons.objects.create(id=i, **values)
        Wagon.objects.create(id=i, **values)
    answers = [
        answer(getattr(site, method)(f"/{kind}/{address}", data))
        for kind in ("ours", "sql")
    ]
    assert answers[0] == answers[1]
    ours, theirs = (sorted(model.objects.values_list(*FIELDS)) for model in MODELS)
    assert ours == theirs


MODELS = (Wagon, SqlWagon)


def test_a_created_object_is_shown_at_its_address(site):
    with assert_round_trips(2):
        response = site.post("/ours/add/", VALID)
    wagon = Wagon.objects.get(number="n1")
    assert response["Location"] == f"/wagons/{wagon.pk}/"
    with assert_round_trips(2):
        site.post(f"/ours/change/{wagon.pk}/", VALID | {"size": "9"})
    assert Wagon.objects.get(wagon.pk).size == 9


def test_a_save_that_is_refused_shows_the_form_again(site, monkeypatch):
    wagon = Wagon.objects.create(id="w", number="n0", size=1, priority=1)

    def lose_race(self, exclude=None):
        """Return before the write of another client."""
        Wagon.objects.create(number="n1", size=1, priority=1)

    monkeypatch.setattr(Wagon, "validate_unique", lose_race)
    response = site.post("/ours/add/", VALID)
    assert b"Wagon with this Number already exists." in response.content
    assert answer(response)[3] == []
    assert Wagon.objects.count() == 2

    def expire(self, exclude=None):
        wagon.delete()

    monkeypatch.setattr(Wagon, "validate_unique", expire)
    response = site.post("/ours/change/w/", VALID | {"number": "n2"})
    assert b"This wagon was deleted or has expired." in response.content


def test_a_strict_form_shows_a_conflict(site):
    class StrictForm(forms.ModelForm):
        class Meta:
            model = Wagon
            fields = FIELDS
            strict = True

    class Strict(views.UpdateView):
        model = Wagon
        form_class = StrictForm

    wagon = Wagon.objects.create(number="n0", size=1, priority=1)
    version = StrictForm(instance=wagon)["_version"].value()
    view, factory = Strict.as_view(), RequestFactory()
    first = view(factory.post("/", VALID | {"_version": version}), pk=wagon.pk)
    assert first.status_code == 302
    second = view(factory.post("/", VALID | {"_version": version}), pk=wagon.pk)
    form = second.context_data["form"]
    assert "Another user changed this wagon" in form.non_field_errors()[0]


def test_other_errors_are_raised(site):
    class Broken(views.CreateView):
        model = Wagon
        fields = FIELDS

        def form_valid(self, form):
            super().form_valid(form)
            raise ormist.IntegrityError("Of another object.")

    class Early(Broken):
        def get_form(self, form_class=None):
            raise ormist.IntegrityError("Before the form.")

    for view in (Broken, Early):
        with pytest.raises(ormist.IntegrityError, match="Of another|Before"):
            view.as_view()(RequestFactory().post("/", VALID))


def render(view, **arguments):
    """Return the response to a GET, not rendered."""
    return view(RequestFactory().get("/"), **arguments)


def test_names_can_be_chosen_as_in_django(server):
    wagon = Wagon.objects.create(
        id="w", number="n", size=1, priority=1, page="own.html"
    )

    class Shown(views.DetailView):
        queryset = Wagon.objects
        context_object_name = "it"
        template_name_field = "page"

    response = render(Shown.as_view(), pk="w")
    assert response.template_name == ["own.html", "tests/wagon_detail.html"]
    assert response.context_data["it"] == wagon
    response = render(Shown.as_view(template_name="x.html"), pk="w")
    assert response.template_name == ["x.html"]


def test_the_model_may_be_that_of_the_queryset(server):
    class Create(views.CreateView):
        queryset = Wheel.objects
        fields = ["position"]

    response = render(Create.as_view())
    assert response.template_name == ["tests/wheel_form.html"]
    assert list(response.context_data["form"].fields) == ["position"]


def test_a_model_outside_of_any_app_needs_a_template(server):
    class Lonely(ormist.Model):
        __module__ = "elsewhere"

    class Create(views.CreateView):
        model = Lonely
        fields = []

    with pytest.raises(ImproperlyConfigured, match="template_name"):
        render(Create.as_view())
    assert render(Create.as_view(template_name="x")).template_name == ["x"]


def test_other_objects_are_shown_as_by_django(server):
    class Other(views.DetailView):
        model = Plain
        template_name = "x"

        def get_object(self, queryset=None):
            return {"not": "a model"}

    assert render(Other.as_view()).context_data["object"] == {"not": "a model"}


def test_what_django_refuses_is_refused(server):
    class Without(views.CreateView):
        model = Wagon

    class Both(views.CreateView):
        model = Wagon
        fields = FIELDS
        form_class = forms.modelform_factory(Wagon, fields=FIELDS)

    for view, message in ((Without, "the 'fields' attribute"), (Both, "both 'fields'")):
        with pytest.raises(ImproperlyConfigured, match=message):
            render(view.as_view())

    class Nowhere(views.CreateView):
        model = Wheel
        fields = ["position"]

    wheel = views.DeleteView(model=Wheel)
    wheel.object = Wheel(wagon="w")
    with pytest.raises(ImproperlyConfigured, match="success_url"):
        wheel.get_success_url()


def test_each_request_of_a_list_gets_a_fresh_collection(server):
    for queryset in (Wagon.objects, Wagon.objects.all()):
        view = views.ListView.as_view(queryset=queryset)
        number = Wagon.objects.count()
        assert len(render(view).context_data["wagon_list"]) == number
        Wagon.objects.create(number=f"n{number}", size=1, priority=1)
        assert len(render(view).context_data["wagon_list"]) == number + 1
    plain = views.ListView.as_view(queryset=[1], template_name="x")
    assert render(plain).context_data["object_list"] == [1]
    Wagon.objects.all().delete()
    with pytest.raises(Http404):
        render(views.ListView.as_view(model=Wagon, allow_empty=False))


def test_the_views_run_under_asgi(site):
    async def send():
        return await AsyncClient().post("/ours/add/", VALID)

    assert asyncio.run(send()).status_code == 302
    assert Wagon.objects.count() == 1
