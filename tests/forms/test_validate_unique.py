"""validate_unique() finds the values that another object has."""

import pytest

import django_ormist as ormist
from django_ormist.testing import assert_round_trips
from tests.models import City

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture
def bern(alias):
    return City.objects.create(id="be", code="BRN", country="ch", slug="bern")


def errors(ask, city, exclude=None):
    try:
        ask(city.validate_unique, exclude)
    except ormist.ValidationError as error:
        return error.message_dict
    return {}


def test_values_of_others_are_errors(ask, bern):
    assert errors(ask, City(code="BRN")) == {
        "code": ["City with this Code already exists."]
    }
    found = errors(ask, City(id="be", code="BRN", country="ch", slug="bern"))
    assert found == {
        "id": ["City with this ID already exists."],
        "code": ["City with this Code already exists."],
        "__all__": ["City with this Country and Slug already exists."],
    }
    assert errors(ask, City(code="x", country="ch")) == {}


def test_excluded_names_are_not_checked(ask, bern):
    city = City(id="be", code="BRN", country="ch", slug="bern")
    assert list(errors(ask, city, ["id", "slug"])) == ["code"]
    assert errors(ask, city, ["id", "slug", "code"]) == {}


def test_the_stored_values_of_the_object_are_not_checked(ask, bern):
    assert errors(ask, bern) == {}
    bern.code = "ZRH"
    assert errors(ask, bern) == {}
    ask(City.objects.create, code="ZRH")
    assert list(errors(ask, bern)) == ["code"]


def test_all_values_take_one_round_trip(bern):
    with assert_round_trips(1), pytest.raises(ormist.ValidationError):
        City(id="be", code="BRN", country="ch", slug="bern").validate_unique()
    with assert_round_trips(0):
        bern.validate_unique()
        City(id="be", code="BRN").validate_unique(["id", "code"])


def test_a_value_of_an_expired_object_is_free(ask, bern):
    bern.expire = 0.001
    ask(bern.save)
    while ask(City.objects.find(code="BRN").count):
        pass
    assert errors(ask, City(code="BRN")) == {}


def test_there_are_no_other_constraints(bern):
    assert bern.validate_constraints() is None
