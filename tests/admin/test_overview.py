"""The overview page."""

import pytest

from django_ormist.keys import expires_key
from tests.models import City, Plain, Token

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")


def overview(client):
    return client.get(url("django_ormist_overview_changelist"))


def lines(response):
    return {line.label: line for line in response.context["lines"]}


def test_it_counts_the_objects_of_each_model(root, server):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(30))
    Token.objects.create()
    shown = lines(overview(root))
    assert shown["tests.City"].counts.count == 30
    assert shown["tests.City"].size_bytes > 1000
    assert shown["tests.Token"].counts.expiring == 1
    assert url("tests_city_changelist") in overview(root).content.decode()


def test_it_counts_expired_objects_that_are_not_swept(root, server):
    plain = Plain.objects.create(expire=60)
    server.client.zadd(expires_key(Plain._meta.space("default")), {plain.pk: 1})
    assert lines(overview(root))["tests.Plain"].counts.expired == 1


def test_it_describes_the_server(root, server):
    content = overview(root).content.decode()
    assert "valkey 9.1" in content
    assert "noeviction" in content


def test_it_names_unreadable_objects(root, server):
    plain = Plain.objects.create(a=1)
    server.client.set(plain._key(), b"\xff damaged")
    assert "1 object of the sample cannot be read" in overview(root).content.decode()


def test_it_opens_while_a_server_is_down(root, server):
    server.connect("redis://127.0.0.1:1/0")
    response = overview(root)
    assert response.status_code == 200
    assert "errornote" in response.content.decode()


def test_other_urls_below_it_are_not_found(root, server):
    assert root.get(url("django_ormist_overview_changelist") + "add/").status_code in (
        301,
        302,
        404,
    )


def test_one_server_has_no_table_of_nodes(root, server):
    assert "ormist-nodes" not in overview(root).content.decode()


@pytest.mark.servers("valkey91")
def test_it_says_that_the_server_refuses_info(root, server):
    server.client.execute_command(
        *("ACL SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", "-info")
    )
    try:
        server.connect(
            server.location, OPTIONS={"username": "app", "password": "secret"}
        )
        assert "does not allow INFO" in overview(root).content.decode()
    finally:
        server.connect()
        server.client.execute_command("ACL DELUSER", "app")
