"""Adding an object."""

from datetime import UTC, datetime

import pytest

from django_ormist.admin.value_text import to_text
from tests.models import City, Plain, Token

from .conftest import url
from .pages import VALUES, errors, rendered, with_row

pytestmark = pytest.mark.servers("valkey91")


def test_an_object_is_added(root, server):
    data = rendered(root, "tests_city_add")
    data |= {"tags": "old\r\nbig\r\n", "attrs-0-name": "name", "attrs-0-value": "Rome"}
    data |= {"attrs-1-name": "population", "attrs-1-kind": "integer"}
    data |= {
        "attrs-1-value": "2800000",
        "expire_0": "2030-12-31",
        "expire_1": "12:00:00",
    }
    response = root.post(url("tests_city_add"), data)
    assert response.status_code == 302, errors(response)
    city = City.objects.get()
    assert city.attrs == {"name": "Rome", "population": 2_800_000}
    assert city.tags[:2] == ["old", "big"]
    assert city.expire == datetime(2030, 12, 31, 12, tzinfo=UTC)


def test_an_id_can_be_chosen(root, server):
    data = rendered(root, "tests_plain_add") | {"id": "my/id_1"}
    root.post(url("tests_plain_add"), data)
    assert Plain.objects.get("my/id_1").attrs == {}


def test_a_taken_id_is_an_error_and_the_input_stays(root, server):
    Plain.objects.create(id="taken", a=1)
    data = with_row(
        rendered(root, "tests_plain_add") | {"id": "taken"}, "b", "text", "x"
    )
    response = root.post(url("tests_plain_add"), data)
    assert "the id is taken" in errors(response)
    assert 'value="b"' in response.content.decode()
    assert Plain.objects.get("taken").attrs == {"a": 1}


def test_a_new_object_gets_the_expiration_of_its_model(root, server):
    root.post(url("tests_token_add"), rendered(root, "tests_token_add"))
    assert 3500 < Token.objects.get().ttl() <= 3600


def test_every_type_can_be_added(root, server):
    data = rendered(root, "tests_plain_add")
    for number, (name, value) in enumerate(VALUES.items()):
        shown = to_text(value)
        data |= {
            f"attrs-{number}-name": name,
            f"attrs-{number}-kind": shown.kind,
            f"attrs-{number}-value": shown.text,
        }
    root.post(url("tests_plain_add"), data)
    stored = Plain.objects.get().attrs
    assert stored == VALUES
    assert {k: type(v) for k, v in stored.items()} == {
        k: type(v) for k, v in VALUES.items()
    }


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("integer", "1.5", "whole number"),
        ("integer", "9" * 5000, "whole number"),
        ("number", "much", "such as 1.5"),
        ("decimal", "x", "decimal"),
        ("boolean", "maybe", "yes or no"),
        ("none", "something", "no value"),
        ("date", "31.12.2030", "2030-12-31"),
        ("datetime", "tomorrow", "2030-12-31T23:59:59"),
        ("json", "[1, 2", "JSON"),
        ("json", "7", "JSON"),
        ("json", "[" * 40_000, "JSON"),
        ("text", "x" * 60_000, "too long"),
        ("pickle", "x", "Choose a type"),
    ],
)
def test_a_text_of_the_wrong_type_is_an_error_that_names_the_attribute(
    root, server, kind, text, message
):
    data = with_row(rendered(root, "tests_plain_add"), "thing", kind, text)
    response = root.post(url("tests_plain_add"), data)
    assert "thing: " in errors(response)
    assert message in errors(response)
    assert not Plain.objects.exists()


def test_a_value_without_a_name_is_an_error(root, server):
    data = with_row(rendered(root, "tests_plain_add"), "", "text", "x")
    assert "Enter the name" in errors(root.post(url("tests_plain_add"), data))


@pytest.mark.parametrize("name", ["save", "_x", "tags", "objects"])
def test_an_invalid_attribute_name_is_an_error(root, server, name):
    data = with_row(rendered(root, "tests_plain_add"), name, "text", "x")
    response = root.post(url("tests_plain_add"), data)
    assert f"An attribute cannot be named “{name}”" in errors(response)
    assert Plain.objects.count() == 0


def test_a_duplicate_attribute_is_an_error(root, server):
    data = with_row(rendered(root, "tests_plain_add"), "a", "text", "x")
    data |= {"attrs-901-name": "a", "attrs-901-value": "y"}
    assert "already" in errors(root.post(url("tests_plain_add"), data))
