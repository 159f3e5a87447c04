"""A damaged store or a missing server is reported, and does not crash."""

import pytest

from tests.models import Plain

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")

PAGES = ("change", "delete", "history")


@pytest.fixture
def damaged(root, server):
    plain = Plain.objects.create(a=1)
    server.client.set(plain._key(), b"\xff damaged")
    return plain


def addresses(plain):
    pages = [url(f"tests_plain_{page}", plain.pk) for page in PAGES]
    return [url("tests_plain_changelist"), *pages]


def test_damaged_bytes_are_shown_with_the_command_that_repairs_them(root, damaged):
    for address in addresses(damaged):
        response = root.get(address)
        assert response.status_code == 503
        assert damaged.pk in response.content.decode()
        assert "ormist_inspect --verify" in response.content.decode()


def test_a_server_that_does_not_answer_is_named(root, server):
    plain = Plain(id="x")
    server.connect("redis://127.0.0.1:1/0")
    for address in addresses(plain):
        response = root.get(address)
        assert response.status_code == 503
        assert "default" in response.content.decode()
    assert root.get("/admin/").status_code == 200
