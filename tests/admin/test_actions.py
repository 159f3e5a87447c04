"""Actions over the objects of a list."""

import pytest

from tests.models import City

from .conftest import url
from .pages import shown_messages

pytestmark = pytest.mark.servers("valkey91")

CITIES = "tests_city_changelist"


def act(root, action, chosen, page=CITIES, **more):
    return root.post(
        url(page),
        {"action": action, "_selected_action": chosen, "index": 0, **more},
    )


def test_an_action_gets_the_selected_objects(root, cities):
    response = act(root, "double", [cities[1].pk])
    assert response.status_code == 302
    assert City.objects.get(cities[1].pk).population == 180_000
    assert City.objects.get(cities[0].pk).population == 2_800_000
    assert "1 doubled." in shown_messages(response)


def test_select_across_selects_the_other_pages(root, server):
    City.objects.bulk_create(City(name=f"C{n}", population=1) for n in range(25))
    act(root, "double", [City.objects.first().pk], select_across=1)
    assert {city.population for city in City.objects.all()} == {2}


def test_select_across_respects_the_filter(root, cities):
    root.post(
        url(CITIES) + "?country=IT",
        {"action": "double", "_selected_action": "x", "index": 0, "select_across": 1},
    )
    assert City.objects.get(cities[2].pk).population == 520_000


def test_an_id_that_a_browser_would_alter_cannot_be_selected(root, server):
    City.objects.create(id="a\nb")
    City.objects.create(id="c")
    content = root.get(url(CITIES)).content.decode()
    assert content.count('name="_selected_action"') == 1
    assert 'id="action-toggle"' in content


def test_delete_selected_asks_for_confirmation(root, cities):
    chosen = [cities[0].pk, cities[1].pk]
    response = act(root, "delete_selected", chosen)
    content = response.content.decode()
    assert "Rome" in content or cities[0].pk in content
    assert City.objects.count() == 3


def test_delete_selected_deletes_and_logs(root, cities):
    from django.contrib.admin.models import DELETION, LogEntry

    chosen = [cities[0].pk, cities[1].pk]
    response = act(root, "delete_selected", chosen, post="yes")
    assert "Successfully deleted 2 citys." in shown_messages(response)
    assert City.objects.all().list() == [cities[2]]
    logged = LogEntry.objects.filter(action_flag=DELETION)
    assert {entry.object_id for entry in logged} == set(chosen)


def test_deleting_all_pages_names_some_objects_and_counts_the_rest(root, server):
    City.objects.bulk_create(City(name=f"C{n}") for n in range(250))
    response = act(root, "delete_selected", ["x"], select_across=1)
    assert "and 150 more" in response.content.decode()
    act(root, "delete_selected", ["x"], select_across=1, post="yes")
    assert City.objects.count() == 0


def test_a_queryset_behaves_like_its_collection(root, cities):
    from django_ormist.admin.proxies import admin_model_for

    proxies = admin_model_for(City).objects.filter(country="IT")
    assert proxies.set_expire(60) == 2
    assert proxies.ids() == [cities[0].pk, cities[1].pk]


def test_an_action_on_deleted_objects_does_nothing(root, cities):
    pk = cities[0].pk
    cities[0].delete()
    assert act(root, "double", [pk]).status_code == 302
    assert City.objects.get_or_none(pk) is None
