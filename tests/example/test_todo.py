"""The to-do list."""

import pytest
from django.test import Client

pytestmark = [
    pytest.mark.servers("valkey91", "redis62", "fakeredis"),
    pytest.mark.usefixtures("site"),
]


@pytest.fixture
def todos(site):
    """The manager of the items."""
    from todo.models import TodoItem

    return TodoItem.objects


def texts(response):
    assert response.status_code == 200
    return [item.text for item in response.context["page"]]


def test_a_new_item_is_stored_with_its_tags_and_lifetime(site, todos):
    new = {"text": "milk", "tags": "home, urgent home", "lifetime": "600"}
    response = site.post("/todo/", new)
    assert response["Location"] == "/todo/"
    item = todos.find("home").get()
    assert (item.text, item.tags) == ("milk", ["home", "urgent"])
    assert 590 < item.ttl() <= 600
    assert "9 min 5" in site.get("/todo/").text


def test_an_item_without_a_lifetime_stays(site, todos):
    site.post("/todo/", {"text": "milk", "tags": "", "lifetime": ""})
    assert todos.find().get().expire is None
    assert "stays" in site.get("/todo/").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "", "lifetime": "60"},
        {"text": "milk", "lifetime": "61"},
        {"text": "mi\0lk", "lifetime": "60"},
    ],
)
def test_a_wrong_form_stores_nothing(site, todos, wrong):
    response = site.post("/todo/", wrong)
    assert "errorlist" in response.text
    assert not todos.all().exists()


def test_items_are_found_by_all_the_tags_of_the_url_newest_first(site, todos):
    todos.create("project1", "project2", text="one")
    todos.create("project2", "project3", text="two")
    assert texts(site.get("/todo/")) == ["two", "one"]
    assert texts(site.get("/todo/?tag=project2")) == ["two", "one"]
    assert texts(site.get("/todo/?tag=project2&tag=project3")) == ["two"]
    assert texts(site.get("/todo/?tag=project4")) == []


def test_further_tags_are_offered_with_counts(site, todos):
    todos.create("a", "b & c", text="one")
    todos.create("a", text="two")
    assert site.get("/todo/").context["more_tags"] == [
        ("a", 2, "?tag=a"),
        ("b & c", 1, "?tag=b+%26+c"),
    ]
    assert site.get("/todo/?tag=a").context["more_tags"] == [
        ("b & c", 1, "?tag=a&tag=b+%26+c")
    ]


def test_a_finished_item_is_deleted_and_the_tags_stay_selected(site, todos):
    item = todos.create("a", text="one")
    kept = todos.create("a", text="two")
    response = site.post(f"/todo/{item.id}/done/", {"tag": ["a", "b&c"]})
    assert response["Location"] == "/todo/?tag=a&tag=b%26c"
    assert todos.all().list() == [kept]


def test_a_deleted_item_can_be_finished(site):
    assert site.post("/todo/gone/done/").status_code == 302


def test_done_is_not_a_link(site, todos):
    item = todos.create(text="one")
    assert site.get(f"/todo/{item.id}/done/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/todo/{item.id}/done/").status_code == 403
    assert todos.count() == 1


def test_the_text_of_an_item_is_escaped(site, todos):
    todos.create("<i>", text="<b>")
    response = site.get("/todo/?tag=<i>")
    assert "<b>" not in response.text
    assert "<i>" not in response.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (59.999, "59 s"),
        (60.0, "1 min 0 s"),
        (598.2, "9 min 58 s"),
        (3600.0, "1 h 0 min"),
        (86399.0, "23 h 59 min"),
        (604799.0, "6 d 23 h"),
    ],
)
def test_a_lifetime_is_shown_in_two_units(seconds, words):
    from site_config.templatetags.lifetimes import lifetime

    assert lifetime(seconds) == words
