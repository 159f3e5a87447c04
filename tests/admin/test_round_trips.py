"""The round trips of each page, for any number of objects."""

import pytest

from tests.models import City, Page, User

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")


def cost(round_trips, client, address, **parameters):
    """Return the round trips of a page, without login and loading of scripts."""
    client.get(address, parameters)
    with round_trips() as seen:
        assert client.get(address, parameters).status_code == 200
    return seen.count


def fill(number):
    City.objects.bulk_create(
        City("tag", name=f"C{n}", country=f"X{n % 30}", code=f"c{number}-{n}")
        for n in range(number)
    )


@pytest.mark.parametrize("parameters", [{}, {"country": "X1"}, {"p": 2}, {"q": "X2"}])
def test_a_list_costs_the_same_for_any_number_of_objects(root, round_trips, parameters):
    fill(40)
    few = cost(round_trips, root, url("tests_city_changelist"), **parameters)
    fill(2000)
    many = cost(round_trips, root, url("tests_city_changelist"), **parameters)
    assert few == many


def test_a_list_is_counted_loaded_and_sampled(root, round_trips):
    """One round trip to count, one for the page, two for the choices of the filters."""
    fill(40)
    assert cost(round_trips, root, url("tests_city_changelist")) == 4


def test_a_list_without_filters_takes_two_round_trips(root, round_trips):
    User.objects.create(name="Ann")
    assert cost(round_trips, root, url("tests_user_changelist")) == 2


def test_facets_take_one_round_trip_per_filter(root, round_trips):
    """Also for Django's SimpleListFilter."""
    fill(40)
    page = url("tests_city_changelist")
    assert cost(round_trips, root, page, _facets="True") == 4 + 3


def test_an_object_is_loaded_in_one_round_trip(root, round_trips):
    page = Page.objects.create(title="t")
    assert cost(round_trips, root, url("tests_page_change", page.pk)) == 1


def test_an_object_is_changed_in_two_round_trips(root, round_trips):
    from .pages import rendered

    page = Page.objects.create(title="t")
    data = rendered(root, "tests_page_change", page.pk) | {"title-value": "new"}
    with round_trips() as seen:
        response = root.post(url("tests_page_change", page.pk), data)
    assert response.status_code == 302
    assert seen.count == 2


def test_a_page_of_edited_rows_is_loaded_at_once(root, round_trips):
    from .test_list_editable import edited

    for n in range(20):
        User.objects.create(name=f"U{n}", age=n)
    data = edited(root, **{"0-age": "1", "3-age": "2"})
    with round_trips() as seen:
        response = root.post(url("tests_user_changelist"), data)
    assert response.status_code == 302
    assert seen.count == 2 + 1 + 2  # the original list, the rows, two saves


def test_the_overview_costs_the_same_for_any_number_of_objects(root, round_trips):
    fill(600)
    few = cost(round_trips, root, url("django_ormist_overview_changelist"))
    fill(3000)
    assert cost(round_trips, root, url("django_ormist_overview_changelist")) == few
