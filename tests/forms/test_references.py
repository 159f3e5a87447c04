"""Form fields of references, to objects of both kinds of model."""

import pytest
from django import forms as django_forms
from django.contrib.auth.models import User

from django_ormist import forms
from django_ormist.testing import assert_round_trips
from tests.forms.models import Wagon, Wheel

pytestmark = [pytest.mark.servers("valkey91"), pytest.mark.django_db]


class WheelForm(forms.ModelForm):
    class Meta:
        model = Wheel
        fields = "__all__"


@pytest.fixture
def wagon(alias):
    return Wagon.objects.create(id="w1", number="1", size=1, priority=1)


@pytest.fixture
def ann():
    return User.objects.create(username="ann")


def test_a_reference_is_a_choice_of_an_object(wagon, ann):
    form = WheelForm({"wagon": "w1", "maker": ann.pk, "position": "3"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["wagon"] == wagon
    wheel = Wheel.objects.get(form.save().pk)
    assert (wheel.wagon_id, wheel.maker_id, wheel.position) == ("w1", ann.pk, 3)
    assert wheel.maker == ann


def test_a_reference_that_the_data_leave_out_is_emptied_as_in_django(alias, db):
    user = User.objects.create(username="u")
    wheel = Wheel.objects.create(wagon="w1", maker=user, position=4)
    form_class = forms.modelform_factory(Wheel, fields=["maker", "position"])
    form = form_class({"position": "4"}, instance=wheel)
    assert form.is_valid(), form.errors
    assert (form.changed_data, form.cleaned_data["maker"]) == (["maker"], None)
    assert form.save().maker_id is None
    assert Wheel.objects.get(wheel.pk).maker_id is None


def test_the_fields_are_those_of_a_foreign_key(wagon, ann):
    form = WheelForm()
    for name, is_required in (("wagon", True), ("maker", False)):
        field = form.fields[name]
        assert isinstance(field, django_forms.ModelChoiceField)
        assert (field.required, field.label) == (is_required, name.capitalize())
    with assert_round_trips(0):
        form = WheelForm(instance=Wheel(wagon="w1", maker=ann.pk))
    assert '<option value="w1" selected>' in str(form["wagon"])
    assert f'<option value="{ann.pk}" selected>ann</option>' in str(form["maker"])


def test_an_object_that_does_not_exist_is_refused(wagon):
    form = WheelForm({"wagon": "w2", "maker": "99", "position": "1"})
    message = "Select a valid choice. That choice is not one of the available choices."
    assert form.errors == {"wagon": [message], "maker": [message]}
    assert WheelForm({"position": "1"}).errors == {"wagon": ["This field is required."]}


def test_unique_references_are_checked(wagon):
    Wheel.objects.create(wagon=wagon, position=1)
    form = WheelForm({"wagon": "w1", "position": "1"})
    message = "Wheel with this Wagon and Position already exists."
    assert form.errors == {"__all__": [message]}
    formset = forms.modelformset_factory(Wheel, fields=["wagon", "position"], extra=2)
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}
    for i in range(2):
        data |= {f"form-{i}-wagon": "w1", f"form-{i}-position": "5"}
    names = "wagon and position"
    assert formset(data).non_form_errors() == [
        f"Please correct the duplicate data for {names}, which must be unique."
    ]
