"""Django's form fields over collections, and errors of its model tools."""

import pytest
from django import forms
from django.contrib import admin
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Q
from django.forms.models import model_to_dict, modelform_factory, modelformset_factory

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture
def cities(alias):
    names = [("be", "Bern", 130), ("zh", "Zürich", 420), ("pa", "Paris", 2100)]
    return [
        City.objects.create(id=f"c-{code}", code=code, name=name, population=number)
        for code, name, number in names
    ]


class CityChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj):
        return obj.name


class RoundTrip(forms.Form):
    to = CityChoice(City.objects.order_by("name"), empty_label="nowhere")
    by_code = CityChoice(City.objects, to_field_name="code", required=False)
    over = forms.ModelMultipleChoiceField(City.objects.all(), required=False)
    radio = forms.ModelChoiceField(
        City.objects.find(population__lt=1000),
        required=False,
        widget=forms.RadioSelect,
    )


def test_a_choice_field_renders_the_current_objects(cities):
    assert list(RoundTrip()["to"].field.choices) == [
        ("", "nowhere"),
        ("c-be", "Bern"),
        ("c-pa", "Paris"),
        ("c-zh", "Zürich"),
    ]
    text = str(RoundTrip(initial={"to": cities[1]})["to"])
    assert '<option value="c-zh" selected>Zürich</option>' in text
    cities[1].delete()
    assert "Zürich" not in str(RoundTrip()["to"])
    assert len(RoundTrip().fields["to"].choices) == 3
    assert 'value="c-be"' in str(RoundTrip()["radio"])
    assert 'value="c-pa"' not in str(RoundTrip()["radio"])


def test_a_choice_field_returns_the_chosen_object(cities):
    form = RoundTrip({"to": "c-be", "by_code": "zh", "over": ["c-pa", "c-be"]})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["to"] == cities[0]
    assert form.cleaned_data["by_code"] == cities[1]
    assert list(form.cleaned_data["over"]) == [cities[0], cities[2]]
    assert form.cleaned_data["radio"] is None
    assert 'value="zh" selected' in str(form["by_code"])
    assert str(form["over"]).count(" selected") == 2


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"to": "c-xx"}, "to"),
        ({"to": ""}, "to"),
        ({"to": "c-be", "by_code": "xx"}, "by_code"),
        ({"to": "c-be", "over": ["c-be", "c-xx"]}, "over"),
        ({"to": "c-be", "over": ["c\0be"]}, "over"),
        ({"to": "c-be", "radio": "c-pa"}, "radio"),
        ({"to": "\ud800"}, "to"),
    ],
)
def test_a_choice_field_refuses_an_unknown_choice(cities, data, field):
    form = RoundTrip(data)
    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_a_choice_field_detects_changes(cities):
    initial = {"to": cities[0], "by_code": cities[1], "over": City.objects.all()}
    chosen = {"to": "c-be", "by_code": "zh", "over": ["c-be", "c-zh", "c-pa"]}
    assert RoundTrip(chosen, initial=initial).changed_data == []
    chosen |= {"to": "c-pa", "over": ["c-be"]}
    assert RoundTrip(chosen, initial=initial).changed_data == ["to", "over"]


def test_an_empty_choice_gives_an_empty_collection(cities):
    form = RoundTrip({"to": "c-be"})
    assert form.is_valid()
    assert isinstance(form.cleaned_data["over"], ormist.Collection)
    assert list(form.cleaned_data["over"]) == []


def test_the_collection_of_a_choice_field_can_be_replaced(cities):
    form = RoundTrip({"to": "c-pa"})
    form.fields["to"].queryset = City.objects.find(population__lt=1000)
    assert list(form.errors) == ["to"]


def test_complex_filter_accepts_a_q_or_a_dict(cities):
    for collection in (City.objects, City.objects.all(), City.objects.values("id")):
        assert collection.complex_filter({"name": "Bern"}).count() == 1
        assert collection.complex_filter(Q(name="Bern") | Q(name="Paris")).count() == 2
        assert collection.complex_filter({}).count() == 3
        assert collection.complex_filter(Q()).count() == 3


ABSENT = [
    ("annotate", "facets"),
    ("alias", "aggregate"),
    ("only", "values"),
    ("defer", "values"),
    ("prefetch_related", "select_related"),
    ("union", r"one \| other"),
    ("intersection", "one & other"),
    ("difference", "one - other"),
    ("dates", "facets"),
    ("datetimes", "values_list"),
    ("raw", "find"),
    ("extra", "find"),
    ("select_for_update", "strict=True"),
    ("fetch_mode", "at once"),
    ("from_queryset", "from_collection"),
    ("db_manager", "using"),
]


@pytest.mark.parametrize(("name", "instead"), ABSENT)
def test_queryset_methods_that_we_lack_suggest_alternatives(name, instead):
    for owner in (Todo.objects, Todo.objects.all(), Todo.objects.values()):
        kind = type(owner).__name__
        with pytest.raises(AttributeError, match=f"^{kind} has no '{name}'.*{instead}"):
            getattr(owner, name)
        assert not hasattr(owner, name)
        assert name not in dir(owner)


def test_an_unknown_name_is_an_ordinary_attribute_error():
    for owner in (Todo.objects, Todo.objects.all(), Todo.objects.values()):
        message = f"'{type(owner).__name__}' object has no attribute 'fliter'"
        with pytest.raises(AttributeError, match=message) as caught:
            owner.fliter()
        assert (caught.value.name, caught.value.obj) == ("fliter", owner)
    with pytest.raises(AttributeError, match="'Options' object has no attribute 'x'"):
        _ = Todo._meta.x


def test_a_property_that_raises_keeps_its_own_error():
    class Broken(ormist.Collection):
        @property
        def half(self):
            return self.number / 2

    with pytest.raises(AttributeError, match="no attribute 'number'"):
        _ = Broken(Todo).half


def test_methods_of_instances_that_we_lack_suggest_alternatives():
    with pytest.raises(AttributeError, match=r"Plain has no .*save\(\)"):
        _ = Plain().save_base
    plain = Plain()
    plain.save_base = "x"  # it is an attribute as any other
    assert plain.save_base == "x"


def register_decorated():
    @admin.register(Page)
    class PageAdmin(admin.ModelAdmin):
        pass


def declare_model_form():
    class PageForm(forms.ModelForm):
        class Meta:
            model = Page
            fields = ("site",)


DJANGO_S_OWN = [
    (lambda: admin.site.register(Page), TypeError, "@ormist_admin.register"),
    (lambda: admin.site.register([Page]), AttributeError, "@ormist_admin.register"),
    (register_decorated, AttributeError, "@ormist_admin.register"),
    (lambda: serializers.serialize("json", [Page()]), AttributeError, "ormist_dump"),
    (lambda: models.ForeignKey(Page, models.CASCADE), AttributeError, "store an id"),
    (lambda: list(Page), TypeError, r"Page\.objects\.all\(\)"),
]


def test_django_s_model_form_finds_no_field_that_is_not_declared():
    for use in (declare_model_form, lambda: modelform_factory(Page, fields=["x"])):
        with pytest.raises(FieldError, match=r"Unknown field.* specified for Page"):
            use()
    assert model_to_dict(Page(site="x")) == {}


@pytest.mark.parametrize(("use", "error", "instead"), DJANGO_S_OWN)
def test_classes_that_need_a_schema_are_refused_with_a_hint(use, error, instead):
    with pytest.raises(error, match=rf"Page.*{instead}"):
        use()


@pytest.mark.parametrize("name", ["pk", "swapped", "is_composite_pk"])
def test_meta_refuses_questions_about_a_schema(name):
    assert not hasattr(Page._meta, name)
    assert getattr(Page._meta, name, None) is None


def test_django_s_formset_suggests_ours(alias):
    formset = modelformset_factory(City, fields=[])
    with pytest.raises(AttributeError, match=r"has no 'pk'.*django_ormist\.forms"):
        formset().as_p()
