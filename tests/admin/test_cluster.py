"""The admin on a Cluster: the overview, lists, forms and deletion."""

import pytest

from django_ormist.connections import inspection
from django_ormist.connections.inspection import NodeFacts, inspect_nodes, locate
from tests.models import City, Plain, Token

from .conftest import url

pytestmark = pytest.mark.servers("*-cluster")


def overview(client):
    return client.get(url("django_ormist_overview_changelist"))


@pytest.fixture
def stored(server):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(30))
    Token.objects.create()
    server.catch_up()


def test_the_overview_shows_nodes_and_sums(root, stored):
    response = overview(root)
    content = response.content.decode()
    nodes = inspect_nodes("default").nodes
    assert len(nodes) == 6
    for node in nodes:
        assert f'<th scope="row">{node.address}</th>' in content
    assert content.count("replica of ") == 3
    assert "master" not in content
    (shown,) = response.context["servers"]
    assert "role" not in dict(shown.facts)
    lines = {line.label: line for line in response.context["lines"]}
    assert lines["tests.City"].counts.count == 30
    for model in (City, Token):
        place = locate("default", model._meta.space("default").base)
        assert lines[model._meta.label].node == place[1]
    assert lines["tests.City"].node != lines["tests.Token"].node


def test_the_overview_does_not_wait_for_models_on_a_node_that_is_down(
    root, stored, monkeypatch
):
    lost = locate("default", City._meta.space("default").base)[1]
    ask = inspection._ask

    def refuse(router, address):
        node = ask(router, address)
        return NodeFacts(lost, error="Refused.") if node.address == lost else node

    monkeypatch.setattr(inspection, "_ask", refuse)
    response = overview(root)
    lines = {line.label: line for line in response.context["lines"]}
    assert lines["tests.City"].error == "Refused."
    assert lines["tests.Token"].counts.count == 1
    assert response.content.decode().count("Refused.") >= 2


def test_lists_forms_and_deletion_work(root, stored, server):
    Plain.objects.create(a=1)
    assert "30 " in root.get(url("tests_city_changelist")).content.decode()
    city = City.objects.all()[0]
    assert root.get(url("tests_city_change", city.pk)).status_code == 200
    ids = [each.pk for each in City.objects.all()]
    data = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    assert root.post(url("tests_city_changelist"), data).status_code == 302
    assert City.objects.count() == 0
    assert Token.objects.count() == 1
