"""Changing an object: unchanged values are not written."""

from datetime import UTC, datetime, timedelta

import pytest

from django_ormist.admin.formfields import row_key
from tests.models import City, Page, Plain, User

from .conftest import url
from .pages import KEPT, NAMES, VALUES, errors, rendered, with_row

pytestmark = pytest.mark.servers("valkey91")


def test_unchanged_values_stay_as_they_are(root, server):
    """For every type and every name, whether the form can express it or not."""
    attrs = {**VALUES, **KEPT, **dict.fromkeys(NAMES, "x")}
    plain = Plain(expire=datetime(2030, 12, 31, 12, 0, 0, 7000, tzinfo=UTC))
    plain.attrs.update(attrs)
    plain.save()
    packed = server.client.get(plain._key())
    data = rendered(root, "tests_plain_change", plain.pk)
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert response.status_code == 302, errors(response)
    assert server.client.get(plain._key()) == packed


def test_a_change_writes_only_changed_values(root, server):
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


def test_tags_are_changed_and_those_a_line_cannot_show_stay(root, server):
    city = City.objects.create("a", "b", "two\nlines", " spaced", name="Rome")
    data = rendered(root, "tests_city_change", city.pk)
    assert data["tags"] == "a\nb"
    root.post(url("tests_city_change", city.pk), data | {"tags": "b\r\nc:d\r\n\r\n"})
    assert City.objects.get(city.pk)._state.tags == [
        "b",
        "c:d",
        "two\nlines",
        " spaced",
    ]


def test_the_expiration_time_is_changed_and_removed(root, server):
    plain = Plain.objects.create(expire=600)
    page = url("tests_plain_change", plain.pk)
    data = rendered(root, "tests_plain_change", plain.pk)
    root.post(page, data | {"expire_0": "2031-01-01", "expire_1": "00:00:00"})
    assert Plain.objects.get(plain.pk).expire == datetime(2031, 1, 1, tzinfo=UTC)
    data = rendered(root, "tests_plain_change", plain.pk)
    root.post(page, data | {"expire_0": "", "expire_1": ""})
    assert Plain.objects.get(plain.pk).expire is None


def test_an_expiration_time_in_the_past_is_refused(root, server):
    plain = Plain.objects.create()
    data = rendered(root, "tests_plain_change", plain.pk)
    data |= {"expire_0": "2001-01-01", "expire_1": "00:00:00"}
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert "expire at once" in errors(response)
    assert Plain.objects.exists()


def test_without_time_zones_the_expiration_time_is_local(root, server, settings):
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


def test_an_attribute_named_in_fields_has_its_own_form_field(root, server):
    page = Page.objects.create(title="t", other=1)
    data = rendered(root, "tests_page_change", page.pk)
    assert (data["title-kind"], data["title-value"]) == ("text", "t")
    root.post(url("tests_page_change", page.pk), data | {"title-value": "new"})
    assert Page.objects.get(page.pk).attrs == {"title": "new", "other": 1}
    data = rendered(root, "tests_page_change", page.pk)
    root.post(url("tests_page_change", page.pk), data | {"title-kind": ""})
    assert Page.objects.get(page.pk).attrs == {"other": 1}


def test_a_read_only_attribute_is_shown_and_cannot_be_changed(root, server):
    user = User.objects.create(rank=7, name="Ann")
    response = root.get(url("tests_user_change", user.pk))
    assert '<div class="readonly">7</div>' in response.content.decode()
    data = with_row(
        rendered(root, "tests_user_change", user.pk), "rank", "integer", "9"
    )
    assert "cannot be changed here" in errors(
        root.post(url("tests_user_change", user.pk), data)
    )
    assert User.objects.get(user.pk).rank == 7


def test_an_excluded_attribute_is_neither_shown_nor_changed(root, server):
    user = User.objects.create(name="Ann", secret="hush")
    response = root.get(url("tests_user_change", user.pk))
    assert "hush" not in response.content.decode()
    data = rendered(root, "tests_user_change", user.pk)
    data = with_row(data, "secret", "text", "x")
    assert "cannot be changed here" in errors(
        root.post(url("tests_user_change", user.pk), data)
    )
    assert User.objects.get(user.pk).secret == "hush"


def test_an_attribute_may_be_named_like_a_part_of_the_form(root, server):
    plain = Plain.objects.create(version="1", action="2", index="3", post="4")
    data = rendered(root, "tests_plain_change", plain.pk)
    data = with_row(data, "version", "text", "new")
    root.post(url("tests_plain_change", plain.pk), data)
    assert Plain.objects.get(plain.pk).attrs["version"] == "new"
