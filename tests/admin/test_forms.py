"""The pages of one object: adding, changing, deleting it, and its history."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError

from django_ormist.admin.attributes import row_key
from django_ormist.admin.editors import written
from django_ormist.admin.forms import version_of
from tests.models import City, Page, Plain, Token, User

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")

VALUES = {
    "text": "one\ntwo",
    "integer": 10**30,
    "number": 1.5,
    "decimal": Decimal("9.90"),
    "boolean": False,
    "none": None,
    "date": datetime(2030, 12, 31, tzinfo=UTC).date(),
    "datetime": datetime(2030, 12, 31, 23, 59, 59, 7, tzinfo=UTC),
    "naive": datetime(2030, 12, 31, 23, 59, 59),
    "uuid": UUID(int=7),
    "json": {"a": [1, 2.5, None, "é"]},
    "list": [],
}
KEPT = {
    "bytes": b"\0\xff" * 400,
    "set": {1, 2},
    "tuple": (1, 2),
    "date in a list": [datetime(2030, 12, 31, tzinfo=UTC)],
    "control": "a\0b",
    "carriage": "a\rb",
    "long": "x" * 60_000,
    "span": timedelta(days=2),
    "deep": {"a": {1: 2}},
    "digits": 10**5000,
}
NAMES = [
    "",
    " ",
    "a:b",
    "a__b",
    "\0",
    "line\nbreak",
    "save",
    "id",
    "tags",
    "<b>",
    "é" * 900,
]


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def rendered(client, page, *args):
    """What a browser sends of a page that nobody changed, by the page's own form."""
    form = client.get(url(page, *args)).context["adminform"].form
    data = {}
    for bound in form:
        if bound.name == "attrs":
            for row in bound.field.widget.get_context("attrs", None, {})["widget"][
                "rows"
            ]:
                part = row["part"]
                if row["key"]:
                    data[f"{part}-key"] = row["key"]
                else:
                    data[f"{part}-name"] = row["name"]
                if not row.get("is_kept"):
                    data[f"{part}-kind"] = row["kind"]
                    data[f"{part}-value"] = row["text"].replace("\n", "\r\n")
        elif bound.name == "expire":
            value = bound.value()
            data["expire_0"] = value.strftime("%Y-%m-%d") if value else ""
            data["expire_1"] = value.strftime("%H:%M:%S") if value else ""
        elif hasattr(bound.field, "now"):
            shown = bound.field.now
            data[f"{bound.name}-kind"], data[f"{bound.name}-value"] = (
                shown.kind,
                shown.text,
            )
        else:
            data[bound.html_name] = bound.value()
            if bound.field.show_hidden_initial:
                data[bound.html_initial_name] = bound.value()
    return {name: "" if value is None else value for name, value in data.items()}


def with_row(data, name, kind, text):
    """The data with the value of one attribute changed, or a new attribute."""
    rows = {k.removesuffix("-key"): v for k, v in data.items() if k.endswith("-key")}
    for part, key in rows.items():
        if key == row_key(name):
            return data | {f"{part}-kind": kind, f"{part}-value": text}
    return data | {
        "attrs-900-name": name,
        "attrs-900-kind": kind,
        "attrs-900-value": text,
    }


def errors(response):
    form = response.context["adminform"].form
    return " ".join(text for texts in form.errors.values() for text in texts)


# ------------------------------------------------------------ add


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


def test_an_id_that_is_taken_is_an_error_and_what_was_typed_stays(root, server):
    Plain.objects.create(id="taken", a=1)
    data = with_row(
        rendered(root, "tests_plain_add") | {"id": "taken"}, "b", "text", "x"
    )
    response = root.post(url("tests_plain_add"), data)
    assert "the id is taken" in errors(response)
    assert 'value="b"' in response.content.decode()
    assert Plain.objects.get("taken").attrs == {"a": 1}


def test_a_new_object_has_the_lifetime_of_its_model(root, server):
    root.post(url("tests_token_add"), rendered(root, "tests_token_add"))
    assert 3500 < Token.objects.get().ttl() <= 3600


def test_every_type_can_be_added(root, server):
    data = rendered(root, "tests_plain_add")
    for number, (name, value) in enumerate(VALUES.items()):
        shown = written(value)
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


def test_an_attribute_twice_is_an_error(root, server):
    data = with_row(rendered(root, "tests_plain_add"), "a", "text", "x")
    data |= {"attrs-901-name": "a", "attrs-901-value": "y"}
    assert "already" in errors(root.post(url("tests_plain_add"), data))


# ------------------------------------------------------------ change


def test_what_nobody_changes_stays_as_it_is(root, server):
    """Every type and every name, whether the form can express it or not."""
    attrs = {**VALUES, **KEPT, **dict.fromkeys(NAMES, "x")}
    plain = Plain(expire=datetime(2030, 12, 31, 12, 0, 0, 7000, tzinfo=UTC))
    plain.attrs.update(attrs)
    plain.save()
    packed = server.client.get(plain._key())
    data = rendered(root, "tests_plain_change", plain.pk)
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert response.status_code == 302, errors(response)
    assert server.client.get(plain._key()) == packed


def test_a_change_touches_what_was_changed_alone(root, server):
    plain = Plain.objects.create(**{**VALUES, **KEPT})
    data = rendered(root, "tests_plain_change", plain.pk)
    data = with_row(data, "integer", "integer", "8")
    data = with_row(data, "text", "json", '["now", "a list"]')
    root.post(url("tests_plain_change", plain.pk), data)
    assert Plain.objects.get(plain.pk).attrs == {
        **VALUES,
        **KEPT,
        "integer": 8,
        "text": ["now", "a list"],
    }


def test_an_attribute_is_removed(root, server):
    plain = Plain.objects.create(a=1, b=2)
    data = rendered(root, "tests_plain_change", plain.pk)
    [part] = [k for k, v in data.items() if v == row_key("a")]
    root.post(
        url("tests_plain_change", plain.pk),
        data | {part.replace("-key", "-remove"): "on"},
    )
    assert Plain.objects.get(plain.pk).attrs == {"b": 2}


def test_an_attribute_of_any_name_is_changed(root, server):
    plain = Plain()
    plain.attrs.update(dict.fromkeys(NAMES, "x"))
    plain.save()
    data = rendered(root, "tests_plain_change", plain.pk)
    for name in NAMES:
        data = with_row(data, name, "text", "y")
    root.post(url("tests_plain_change", plain.pk), data)
    assert Plain.objects.get(plain.pk).attrs == dict.fromkeys(NAMES, "y")


def test_tags_are_changed_and_those_that_a_line_cannot_show_stay(root, server):
    city = City.objects.create("a", "b", "two\nlines", " spaced", name="Rome")
    data = rendered(root, "tests_city_change", city.pk)
    assert data["tags"] == "a\nb"
    root.post(url("tests_city_change", city.pk), data | {"tags": "b\r\nc:d\r\n\r\n"})
    assert City.objects.get(city.pk)._tags == ["b", "c:d", "two\nlines", " spaced"]


def test_expiry_is_changed_and_taken_away(root, server):
    plain = Plain.objects.create(expire=600)
    page = url("tests_plain_change", plain.pk)
    data = rendered(root, "tests_plain_change", plain.pk)
    root.post(page, data | {"expire_0": "2031-01-01", "expire_1": "00:00:00"})
    assert Plain.objects.get(plain.pk).expire == datetime(2031, 1, 1, tzinfo=UTC)
    data = rendered(root, "tests_plain_change", plain.pk)
    root.post(page, data | {"expire_0": "", "expire_1": ""})
    assert Plain.objects.get(plain.pk).expire is None


def test_a_deadline_in_the_past_is_refused(root, server):
    plain = Plain.objects.create()
    data = rendered(root, "tests_plain_change", plain.pk)
    data |= {"expire_0": "2001-01-01", "expire_1": "00:00:00"}
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert "gone at once" in errors(response)
    assert Plain.objects.exists()


def test_expiry_without_time_zones_is_local(root, server, settings):
    settings.USE_TZ = False
    plain = Plain.objects.create(expire=datetime(2031, 1, 1, 10, 30))
    data = rendered(root, "tests_plain_change", plain.pk)
    assert (data["expire_0"], data["expire_1"]) == ("2031-01-01", "10:30:00")
    root.post(url("tests_plain_change", plain.pk), data | {"expire_1": "11:30:00"})
    changed = Plain.objects.get(plain.pk).expire - plain.expire
    assert changed == timedelta(hours=1)


def test_counters_are_changed(root, server):
    page = Page.objects.create(title="t", views=3)
    data = rendered(root, "tests_page_change", page.pk)
    root.post(url("tests_page_change", page.pk), data | {"views": "10"})
    stored = Page.objects.get(page.pk)
    assert (stored.views, stored.votes, stored.attrs) == (10, 0, {"title": "t"})


def test_one_attribute_has_a_field_of_its_own_where_fields_names_it(root, server):
    page = Page.objects.create(title="t", other=1)
    data = rendered(root, "tests_page_change", page.pk)
    assert (data["title-kind"], data["title-value"]) == ("text", "t")
    root.post(url("tests_page_change", page.pk), data | {"title-value": "new"})
    assert Page.objects.get(page.pk).attrs == {"title": "new", "other": 1}
    data = rendered(root, "tests_page_change", page.pk)
    root.post(url("tests_page_change", page.pk), data | {"title-kind": ""})
    assert Page.objects.get(page.pk).attrs == {"other": 1}


def test_a_read_only_attribute_is_shown_and_not_taken(root, server):
    user = User.objects.create(rank=7, name="Ann")
    response = root.get(url("tests_user_change", user.pk))
    assert '<div class="readonly">7</div>' in response.content.decode()
    data = with_row(
        rendered(root, "tests_user_change", user.pk), "rank", "integer", "9"
    )
    assert "not changed here" in errors(
        root.post(url("tests_user_change", user.pk), data)
    )
    assert User.objects.get(user.pk).rank == 7


def test_an_excluded_attribute_is_neither_shown_nor_taken(root, server):
    user = User.objects.create(name="Ann", secret="hush")
    response = root.get(url("tests_user_change", user.pk))
    assert "hush" not in response.content.decode()
    data = rendered(root, "tests_user_change", user.pk)
    data = with_row(data, "secret", "text", "x")
    assert "not changed here" in errors(
        root.post(url("tests_user_change", user.pk), data)
    )
    assert User.objects.get(user.pk).secret == "hush"


def test_an_attribute_named_as_a_part_of_the_form_is_one_as_any(root, server):
    plain = Plain.objects.create(version="1", action="2", index="3", post="4")
    data = rendered(root, "tests_plain_change", plain.pk)
    data = with_row(data, "version", "text", "new")
    root.post(url("tests_plain_change", plain.pk), data)
    assert Plain.objects.get(plain.pk).attrs["version"] == "new"


# ------------------------------------------------------------ refusals


def test_an_object_changed_meanwhile_is_not_overwritten(root, server):
    plain = Plain.objects.create(a=1, b=2)
    data = with_row(rendered(root, "tests_plain_change", plain.pk), "a", "integer", "9")
    plain.b = 3
    plain.save()
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert "Somebody else changed this plain" in errors(response)
    assert Plain.objects.get(plain.pk).attrs == {"a": 1, "b": 3}


def test_an_object_changed_between_reading_and_writing_is_not_overwritten(
    root, server, monkeypatch
):
    plain = Plain.objects.create(a=1)
    data = with_row(rendered(root, "tests_plain_change", plain.pk), "a", "integer", "9")

    def validate(instance):
        if instance.attrs["a"] == 9:  # the one that the form is about to save
            other = Plain.objects.get(plain.pk)
            other.b = 3
            monkeypatch.undo()
            other.save()

    monkeypatch.setattr(Plain, "validate", validate)
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert "not the object that was loaded" in errors(response)
    assert Plain.objects.get(plain.pk).attrs == {"a": 1, "b": 3}


def test_an_object_deleted_meanwhile_does_not_come_back(root, server):
    plain = Plain.objects.create(a=1)
    data = rendered(root, "tests_plain_change", plain.pk)
    plain.delete()
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert response.status_code == 302
    assert "doesn’t exist" in told(response)[0]
    assert not Plain.objects.exists()


def test_a_counter_changed_meanwhile_is_no_conflict_unless_it_is_the_one(root, server):
    page = Page.objects.create(title="t", views=3)
    data = rendered(root, "tests_page_change", page.pk)
    page.increment("views")
    response = root.post(url("tests_page_change", page.pk), data | {"title-value": "u"})
    assert response.status_code == 302
    assert Page.objects.get(page.pk).views == 4
    data["_version"] = version_of(Page.objects.get(page.pk))
    response = root.post(url("tests_page_change", page.pk), data | {"views": "9"})
    assert "It is 4 now" in errors(response)
    assert Page.objects.get(page.pk).views == 4


def test_a_unique_value_that_is_taken_is_an_error(root, server):
    City.objects.create(id="rome", code="R")
    lyon = City.objects.create(code="L")
    data = with_row(rendered(root, "tests_city_change", lyon.pk), "code", "text", "R")
    response = root.post(url("tests_city_change", lyon.pk), data)
    assert "code='R' is taken by City 'rome'" in errors(response)
    assert City.objects.get(lyon.pk).code == "L"


def test_a_name_that_cannot_be_indexed_is_an_error(root, server):
    data = with_row(rendered(root, "tests_user_add"), "a:b", "text", "x")
    assert "Cannot index the attribute 'a:b'" in errors(
        root.post(url("tests_user_add"), data)
    )


def test_what_validate_refuses_is_an_error_of_the_form(root, server, monkeypatch):
    def validate(instance):
        if instance.attrs.get("age") == 7:
            raise ValidationError({"age": "Too young.", "tags": "Odd."})

    monkeypatch.setattr(User, "validate", validate)
    data = with_row(rendered(root, "tests_user_add"), "age", "integer", "7")
    response = root.post(url("tests_user_add"), data)
    form = response.context["adminform"].form
    assert form.errors["attrs"] == ["age: Too young."]
    assert form.errors["tags"] == ["Odd."]
    assert not User.objects.exists()


def test_a_version_of_somebody_is_refused(root, server):
    plain = Plain.objects.create(a=1)
    data = rendered(root, "tests_plain_change", plain.pk)
    del data["_version"]
    assert "Somebody else" in errors(
        root.post(url("tests_plain_change", plain.pk), data)
    )


# ------------------------------------------------------------ buttons, popups, history


def test_the_other_buttons_work(root, server):
    data = rendered(root, "tests_plain_add") | {"id": "one"}
    response = root.post(url("tests_plain_add"), data | {"_addanother": "1"})
    assert response.url.endswith("/add/")
    data = rendered(root, "tests_plain_change", "one") | {"_continue": "1"}
    response = root.post(url("tests_plain_change", "one"), data)
    assert response.url == url("tests_plain_change", "one")


def test_a_popup_hands_the_new_object_back(root, server):
    data = rendered(root, "tests_plain_add") | {"id": "new", "_popup": "1"}
    response = root.post(url("tests_plain_add"), data)
    assert "popup_response" in response.content.decode()
    assert "&quot;new&quot;" in response.content.decode()


def test_a_popup_hands_a_changed_and_a_deleted_object_back(root, server):
    Plain.objects.create(id="one", a=1)
    data = rendered(root, "tests_plain_change", "one") | {"_popup": "1"}
    response = root.post(url("tests_plain_change", "one"), data)
    assert "&quot;action&quot;: &quot;change&quot;" in response.content.decode()
    sent = {"post": "yes", "_popup": "1"}
    response = root.post(url("tests_plain_delete", "one"), sent)
    assert "&quot;action&quot;: &quot;delete&quot;" in response.content.decode()


def test_an_object_with_an_address_has_a_link_to_the_site(root, server, monkeypatch):
    plain = Plain.objects.create(id="one")
    content = root.get(url("tests_plain_change", plain.pk)).content.decode()
    assert "View on site" not in content
    monkeypatch.setattr(Plain, "get_absolute_url", lambda self: "/x/", raising=False)
    content = root.get(url("tests_plain_change", plain.pk)).content.decode()
    assert "View on site" in content


def test_an_object_is_deleted_after_a_question(root, server):
    plain = Plain.objects.create(id="a/b")
    content = root.get(url("tests_plain_delete", "a/b")).content.decode()
    assert "Are you sure" in content
    root.post(url("tests_plain_delete", "a/b"), {"post": "yes"})
    assert not Plain.objects.contains(plain)


def test_the_history_names_what_was_changed(root, server):
    user = User.objects.create(name="Ann", age=30)
    data = with_row(
        rendered(root, "tests_user_change", user.pk), "age", "integer", "31"
    )
    root.post(url("tests_user_change", user.pk), data | {"tags": "new"})
    content = root.get(url("tests_user_history", user.pk)).content.decode()
    assert "Changed age and tags." in content


def test_a_logged_object_can_be_found_from_its_entry(root, server):
    from django.contrib.admin.models import LogEntry

    root.post(url("tests_plain_add"), rendered(root, "tests_plain_add") | {"id": "x"})
    entry = LogEntry.objects.get()
    assert entry.get_edited_object().ormist == Plain.objects.get("x")
    assert entry.get_admin_url().endswith("tests_plain/x/change/")


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
def test_an_object_of_any_id_is_opened_changed_and_deleted(root, server, pk):
    Plain.objects.create(id=pk, a=1)
    data = with_row(rendered(root, "tests_plain_change", pk), "a", "integer", "2")
    response = root.post(url("tests_plain_change", pk), data)
    assert response.status_code == 302, errors(response)
    assert Plain.objects.get(pk).a == 2
    assert root.get(url("tests_plain_history", pk)).status_code == 200
    root.post(url("tests_plain_delete", pk), {"post": "yes"})
    assert not Plain.objects.exists()


def test_an_object_that_is_gone_is_a_message(root, server):
    for page in ("change", "delete", "history"):
        response = root.get(url(f"tests_plain_{page}", "gone"))
        assert response.status_code == 302
        assert "doesn’t exist" in told(response)[-1]
