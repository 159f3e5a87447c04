"""Buttons, popups, deletion, history, and ids of every kind."""

import pytest

from tests.models import Plain, User

from .conftest import url
from .pages import errors, rendered, shown_messages, with_row

pytestmark = pytest.mark.servers("valkey91")


def test_the_other_save_buttons_work(root, server):
    data = rendered(root, "tests_plain_add") | {"id": "one"}
    response = root.post(url("tests_plain_add"), data | {"_addanother": "1"})
    assert response.url.endswith("/add/")
    data = rendered(root, "tests_plain_change", "one") | {"_continue": "1"}
    response = root.post(url("tests_plain_change", "one"), data)
    assert response.url == url("tests_plain_change", "one")


def test_a_popup_returns_the_new_object(root, server):
    data = rendered(root, "tests_plain_add") | {"id": "new", "_popup": "1"}
    response = root.post(url("tests_plain_add"), data)
    assert "popup_response" in response.content.decode()
    assert "&quot;new&quot;" in response.content.decode()


def test_a_popup_returns_a_changed_and_a_deleted_object(root, server):
    Plain.objects.create(id="one", a=1)
    data = rendered(root, "tests_plain_change", "one") | {"_popup": "1"}
    response = root.post(url("tests_plain_change", "one"), data)
    assert "&quot;action&quot;: &quot;change&quot;" in response.content.decode()
    sent = {"post": "yes", "_popup": "1"}
    response = root.post(url("tests_plain_delete", "one"), sent)
    assert "&quot;action&quot;: &quot;delete&quot;" in response.content.decode()


def test_an_object_with_get_absolute_url_has_a_link_to_the_site(
    root, server, monkeypatch
):
    plain = Plain.objects.create(id="one")
    content = root.get(url("tests_plain_change", plain.pk)).content.decode()
    assert "View on site" not in content
    monkeypatch.setattr(Plain, "get_absolute_url", lambda self: "/x/", raising=False)
    content = root.get(url("tests_plain_change", plain.pk)).content.decode()
    assert "View on site" in content


def test_an_object_is_deleted_after_confirmation(root, server):
    plain = Plain.objects.create(id="a/b")
    content = root.get(url("tests_plain_delete", "a/b")).content.decode()
    assert "Are you sure" in content
    root.post(url("tests_plain_delete", "a/b"), {"post": "yes"})
    assert not Plain.objects.contains(plain)


def test_the_history_names_the_changed_attributes(root, server):
    user = User.objects.create(name="Ann", age=30)
    data = with_row(
        rendered(root, "tests_user_change", user.pk), "age", "integer", "31"
    )
    root.post(url("tests_user_change", user.pk), data | {"tags": "new"})
    content = root.get(url("tests_user_history", user.pk)).content.decode()
    assert "Changed age and tags." in content


def test_a_log_entry_links_to_its_object(root, server):
    from django.contrib.admin.models import LogEntry

    root.post(url("tests_plain_add"), rendered(root, "tests_plain_add") | {"id": "x"})
    entry = LogEntry.objects.get()
    assert entry.get_edited_object().ormist == Plain.objects.get("x")
    assert entry.get_admin_url().endswith("/tests/plain/x/change/")


IDS = [
    "a b",
    "a/b",
    "_3A",
    "é",
    "<b>",
    "%2F",
    "?a=b#c",
    "\n",
    "a\0b",
    "x" * 2000,
    "add",
    "'\"",
]


@pytest.mark.parametrize("pk", IDS)
def test_an_object_with_any_id_is_opened_changed_and_deleted(root, server, pk):
    Plain.objects.create(id=pk, a=1)
    data = with_row(rendered(root, "tests_plain_change", pk), "a", "integer", "2")
    response = root.post(url("tests_plain_change", pk), data)
    assert response.status_code == 302, errors(response)
    assert Plain.objects.get(pk).a == 2
    assert root.get(url("tests_plain_history", pk)).status_code == 200
    root.post(url("tests_plain_delete", pk), {"post": "yes"})
    assert not Plain.objects.exists()


def test_a_deleted_object_gives_a_message(root, server):
    for page in ("change", "delete", "history"):
        response = root.get(url(f"tests_plain_{page}", "gone"))
        assert response.status_code == 302
        assert "doesn’t exist" in shown_messages(response)[-1]
