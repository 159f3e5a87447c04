"""Forms that are refused, and do not write."""

import pytest
from django.core.exceptions import ValidationError

from django_ormist.admin.forms import compute_version
from tests.models import City, Page, Plain, User

from .conftest import url
from .pages import errors, rendered, shown_messages, with_row

pytestmark = pytest.mark.servers("valkey91")


def test_a_concurrent_change_is_not_overwritten(root, server):
    plain = Plain.objects.create(a=1, b=2)
    data = with_row(rendered(root, "tests_plain_change", plain.pk), "a", "integer", "9")
    plain.b = 3
    plain.save()
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert "Another user changed this plain" in errors(response)
    assert Plain.objects.get(plain.pk).attrs == {"a": 1, "b": 3}


def test_a_change_between_reading_and_writing_is_not_overwritten(
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
    assert "was changed or deleted since it was loaded" in errors(response)
    assert Plain.objects.get(plain.pk).attrs == {"a": 1, "b": 3}


def test_an_object_that_was_deleted_concurrently_stays_deleted(root, server):
    plain = Plain.objects.create(a=1)
    data = rendered(root, "tests_plain_change", plain.pk)
    plain.delete()
    response = root.post(url("tests_plain_change", plain.pk), data)
    assert response.status_code == 302
    assert "doesn’t exist" in shown_messages(response)[0]
    assert not Plain.objects.exists()


def test_a_changed_counter_conflicts_only_if_the_form_changes_it(root, server):
    page = Page.objects.create(title="t", views=3)
    data = rendered(root, "tests_page_change", page.pk)
    page.increment("views")
    response = root.post(url("tests_page_change", page.pk), data | {"title-value": "u"})
    assert response.status_code == 302
    assert Page.objects.get(page.pk).views == 4
    data["_version"] = compute_version(Page.objects.get(page.pk))
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


def test_a_model_may_word_the_error_of_a_unique_value(root, server, monkeypatch):
    def word(city, model, names):
        return ValidationError(f"{model.__name__} has {names}: {city.code}")

    City.objects.create(id="rome", code="R")
    monkeypatch.setattr(City, "unique_error_message", word)
    data = with_row(rendered(root, "tests_city_add"), "code", "text", "R")
    response = root.post(url("tests_city_add"), data)
    assert "City has ('code',): R" in errors(response)


def test_a_name_that_cannot_be_indexed_is_an_error(root, server):
    data = with_row(rendered(root, "tests_user_add"), "a:b", "text", "x")
    assert "Cannot index the attribute 'a:b'" in errors(
        root.post(url("tests_user_add"), data)
    )


def test_an_error_of_validate_is_an_error_of_the_form(root, server, monkeypatch):
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


@pytest.mark.parametrize("name", ["clean", "validate_constraints"])
def test_errors_of_djangos_methods_are_errors_of_the_form(
    root, server, monkeypatch, name
):
    def refuse(instance, exclude=None):
        raise ValidationError("No.")

    monkeypatch.setattr(User, name, refuse, raising=False)
    response = root.post(url("tests_user_add"), rendered(root, "tests_user_add"))
    form = response.context["adminform"].form
    assert form.errors == {"__all__": ["No."]}
    assert not User.objects.exists()


def test_a_forged_version_is_refused(root, server):
    plain = Plain.objects.create(a=1)
    data = rendered(root, "tests_plain_change", plain.pk)
    del data["_version"]
    assert "Another user" in errors(
        root.post(url("tests_plain_change", plain.pk), data)
    )
