"""Formsets over a collection, beside those of Django's models."""

import pytest
from django import forms as django_forms

import django_ormist as ormist
from django_ormist import forms
from django_ormist.testing import assert_round_trips
from tests.forms.models import Drawing, SqlWagon, Wagon

pytestmark = pytest.mark.servers("valkey91")

FIELDS = ["number", "size", "priority"]
WagonFormSet = forms.modelformset_factory(Wagon, fields=FIELDS, can_delete=True)


@pytest.fixture
def wagons(alias):
    return [
        Wagon.objects.create(id=f"w{i}", number=f"n{i}", size=i, priority=1)
        for i in range(3)
    ]


def sent(*rows, existing=0, **more):
    """Return the data of a formset with these rows, of which some exist."""
    data = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": existing, **more}
    for i, row in enumerate(rows):
        data |= {f"form-{i}-{name}": value for name, value in row.items()}
    return data


def row(i, **changes):
    return {"id": f"w{i}", "number": f"n{i}", "size": i, "priority": 1, **changes}


def test_the_forms_are_those_of_django(wagons, sql_wagons):
    for i in range(3):
        SqlWagon.objects.create(id=i + 1, number=f"n{i}", size=i, priority=1)
    options = {"fields": FIELDS, "can_delete": True, "can_order": True, "extra": 2}
    ours = forms.modelformset_factory(Wagon, **options)(queryset=Wagon.objects)
    theirs = django_forms.modelformset_factory(SqlWagon, **options)(
        queryset=SqlWagon.objects.order_by("id")
    )
    shown = ours.as_p()
    for i in range(3):
        shown = shown.replace(f'value="w{i}"', f'value="{i + 1}"')
    assert shown == theirs.as_p()
    assert (ours.total_form_count(), ours.initial_form_count()) == (5, 3)


def test_rows_are_changed_added_and_deleted(wagons):
    data = sent(
        row(0, size=10),
        row(1, DELETE="on"),
        row(2),
        {"number": "new", "size": 7, "priority": 2},
        {},
        existing=3,
    )
    with assert_round_trips(2):  # the objects, and the number of the new one
        formset = WagonFormSet(data)
        assert formset.is_valid(), formset.errors
    with assert_round_trips(3):
        saved = formset.save()
    assert [each.number for each in saved] == ["n0", "new"]
    assert formset.changed_objects == [(wagons[0], ["size"])]
    assert formset.deleted_objects == [wagons[1]]
    assert formset.new_objects == saved[1:]
    found = {each.number: each.size for each in Wagon.objects.all()}
    assert found == {"n0": 10, "n2": 2, "new": 7}


def test_only_objects_of_the_collection_are_changed(wagons):
    data = sent(row(2, size=9), existing=1)
    formset = WagonFormSet(data, queryset=Wagon.objects.find(number="n0"))
    message = "Select a valid choice. That choice is not one of the available choices."
    assert formset.errors[0]["id"] == [message]
    for part in (Wagon.objects.all()[2:], Wagon.objects.order_by("?")):
        formset = WagonFormSet(data, queryset=part)
        assert formset.is_valid()
    assert WagonFormSet(data, queryset=Wagon.objects.all()[:1]).errors
    formset.save()
    assert Wagon.objects.get("w2").size == 9


@pytest.mark.parametrize("pk", ["gone", "", None, "\0", "\ud800", "x" * 2000])
def test_an_object_that_is_gone_is_an_error_of_its_form(wagons, pk):
    changed = {**row(0, number="x", size=9), "id": pk}
    changed = {name: value for name, value in changed.items() if value is not None}
    formset = WagonFormSet(sent(changed, existing=1))
    assert list(formset.errors[0]) == ["id"]
    formset = WagonFormSet(sent(changed | {"DELETE": "on"}, existing=1))
    assert formset.is_valid()
    assert formset.save() == []
    assert Wagon.objects.count() == 3


def test_two_forms_with_one_unique_value_are_refused(wagons, sql_wagons):
    new = {"number": "same", "size": 1, "priority": 1, "lines": ""}
    ours = WagonFormSet(sent(new, new))
    theirs = django_forms.modelformset_factory(SqlWagon, fields=FIELDS)(sent(new, new))
    assert ours.errors == theirs.errors
    assert ours.non_form_errors() == theirs.non_form_errors()
    assert ours.non_form_errors() == ["Please correct the duplicate data for number."]
    taken = WagonFormSet(sent(row(0, number="n2"), existing=1))
    assert taken.errors == [{"number": ["Wagon with this Number already exists."]}]


def test_limits_are_those_of_django(wagons):
    few = forms.modelformset_factory(
        Wagon, fields=FIELDS, max_num=1, validate_max=True, edit_only=True
    )
    new = {"number": "a", "size": 1, "priority": 1}
    assert few(sent(new, {**new, "number": "b"})).non_form_errors() == [
        "Please submit at most 1 form."
    ]
    one = few(sent(new))
    assert one.is_valid()
    assert one.save() == []
    assert WagonFormSet({}).non_form_errors()


def test_an_initial_value_is_for_new_forms(wagons):
    formset = WagonFormSet(queryset=Wagon.objects.none(), initial=[{"number": "i"}])
    assert formset[0]["number"].value() == "i"
    assert WagonFormSet(initial=[{"number": "i"}])[3]["number"].value() == "i"
    formset = forms.modelformset_factory(Wagon, fields=FIELDS, extra=2)(
        queryset=Wagon.objects.none(), initial=[{"number": "i"}]
    )
    assert formset[1]["number"].value() is None


def test_a_formset_without_commit_saves_nothing(wagons):
    new = {"number": "new", "size": 7, "priority": 2}
    formset = WagonFormSet(sent(row(0, size=10), row(1, DELETE="on"), new, existing=2))
    assert [each.size for each in formset.save(commit=False)] == [10, 7]
    formset.save_m2m()
    assert sorted(each.size for each in Wagon.objects.all()) == [0, 1, 2]
    with ormist.atomic():
        for each in [
            *(obj for obj, _ in formset.changed_objects),
            *formset.new_objects,
        ]:
            each.save()
    assert sorted(each.size for each in Wagon.objects.all()) == [1, 2, 7, 10]


def test_a_form_with_an_id_of_its_own_names_new_objects(alias):
    class Named(forms.ModelForm):
        id = django_forms.CharField()

        class Meta:
            model = Drawing
            fields = ("id", "colour")

    named = forms.modelformset_factory(Drawing, Named)
    formset = named(sent({"id": "d1", "colour": "b"}))
    assert formset.is_valid(), formset.errors
    assert [each.pk for each in formset.save()] == ["d1"]
    formset = named(sent({"id": "d1", "colour": "r"}, existing=1))
    formset.save()
    assert Drawing.objects.get("d1").colour.value == "r"
