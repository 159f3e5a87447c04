"""ModelChoiceField and ModelMultipleChoiceField with limits and round trips."""

import pytest
from django import forms as django_forms
from django.db.models import Q

from django_ormist import forms
from django_ormist.testing import assert_round_trips
from tests.models import City

pytestmark = pytest.mark.servers("valkey91")

limits = []


class JourneyForm(django_forms.Form):
    to = forms.ModelChoiceField(
        City.objects.order_by("name"),
        empty_label="nowhere",
        limit_choices_to={"population__lt": 1000},
    )
    by_code = forms.ModelChoiceField(
        City.objects,
        to_field_name="code",
        required=False,
        limit_choices_to=lambda: limits[-1],
    )
    over = forms.ModelMultipleChoiceField(
        City.objects, required=False, limit_choices_to=Q(country="ch")
    )


@pytest.fixture
def cities(alias):
    limits.append({})
    names = [("be", "Bern", 130), ("zh", "Zug", 420), ("pa", "Paris", 2100)]
    return [
        City.objects.create(
            id=code,
            code=code.upper(),
            name=name,
            population=number,
            country="fr" if code == "pa" else "ch",
        )
        for code, name, number in names
    ]


def test_the_limit_is_applied_to_the_choices(cities):
    form = JourneyForm()
    assert [label for _, label in form.fields["to"].choices] == [
        "nowhere",
        str(cities[0]),
        str(cities[1]),
    ]
    assert len(form.fields["over"].choices) == 2
    assert len(form.fields["by_code"].choices) == 4
    limits.append(Q(name="Zug"))
    assert len(JourneyForm().fields["by_code"].choices) == 2
    with assert_round_trips(1):
        form = JourneyForm({"to": "pa"})
        assert list(form.errors) == ["to"]


def test_the_limit_is_applied_in_a_model_form(cities):
    class CityForm(forms.ModelForm):
        near = forms.ModelChoiceField(City.objects, limit_choices_to={"country": "ch"})

        class Meta:
            model = City
            fields = []

    assert CityForm({"near": "be"}).is_valid()
    assert not CityForm({"near": "pa"}).is_valid()


def test_each_field_takes_one_round_trip(cities):
    for data in ({"to": "be"}, {"to": "zh"}):
        with assert_round_trips(1):
            assert JourneyForm(data).is_valid()
    with assert_round_trips(2):
        form = JourneyForm({"to": "be", "over": ["be", "zh"]})
        assert form.is_valid()
        assert list(form.cleaned_data["over"]) == cities[:2]
    with assert_round_trips(2):
        assert not JourneyForm({"to": "be", "over": ["be", "pa"]}).is_valid()
