"""What the pages cost: round trips, whatever the model holds."""

import pytest

from tests.models import City, Page, User

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")


def cost(trips, client, address, **parameters):
    """Round trips of a page, its scripts and its login known beforehand."""
    client.get(address, parameters)
    with trips() as seen:
        assert client.get(address, parameters).status_code == 200
    return seen.count


def fill(number):
    City.objects.bulk_create(
        City("tag", name=f"C{n}", country=f"X{n % 30}", code=f"c{number}-{n}")
        for n in range(number)
    )


@pytest.mark.parametrize("parameters", [{}, {"country": "X1"}, {"p": 2}, {"q": "X2"}])
def test_a_list_costs_the_same_for_any_number_of_objects(root, trips, parameters):
    fill(40)
    few = cost(trips, root, url("tests_city_changelist"), **parameters)
    fill(2000)
    many = cost(trips, root, url("tests_city_changelist"), **parameters)
    assert few == many


def test_a_list_is_counted_loaded_and_sampled(root, trips):
    """One trip to count, one for the page, two for what the filters offer."""
    fill(40)
    assert cost(trips, root, url("tests_city_changelist")) == 4


def test_a_list_without_filters_takes_two_round_trips(root, trips):
    User.objects.create(name="Ann")
    assert cost(trips, root, url("tests_user_changelist")) == 2


def test_facets_take_one_round_trip_per_filter(root, trips):
    """Of Django's SimpleListFilter too, whatever it offers."""
    fill(40)
    page = url("tests_city_changelist")
    assert cost(trips, root, page, _facets="True") == 4 + 3


def test_an_object_is_loaded_in_one_round_trip(root, trips):
    page = Page.objects.create(title="t")
    assert cost(trips, root, url("tests_page_change", page.pk)) == 1


def test_an_object_is_changed_in_two_round_trips(root, trips):
    from .pages import rendered

    page = Page.objects.create(title="t")
    data = rendered(root, "tests_page_change", page.pk) | {"title-value": "new"}
    with trips() as seen:
        response = root.post(url("tests_page_change", page.pk), data)
    assert response.status_code == 302
    assert seen.count == 2


def test_a_page_of_edited_rows_is_loaded_at_once(root, trips):
    from .test_list_editable import edited

    for n in range(20):
        User.objects.create(name=f"U{n}", age=n)
    data = edited(root, **{"0-age": "1", "3-age": "2"})
    with trips() as seen:
        response = root.post(url("tests_user_changelist"), data)
    assert response.status_code == 302
    assert seen.count == 2 + 1 + 2  # the list as of before, the rows, two saves


def test_the_overview_costs_the_same_for_any_number_of_objects(root, trips):
    fill(600)
    few = cost(trips, root, url("django_ormist_overview_changelist"))
    fill(3000)
    assert cost(trips, root, url("django_ormist_overview_changelist")) == few
