"""A list whose cells are edited in place."""

import pytest
from django.core.exceptions import ValidationError

from django_ormist import IntegrityError
from tests.models import Page, Todo, User

from .conftest import url
from .pages import shown_messages

pytestmark = pytest.mark.servers("valkey91")

USERS = "tests_user_changelist"


@pytest.fixture
def users(root):
    return [
        User.objects.create(name="Ann", age=30, bio="a"),
        User.objects.create(name="Bob", age=40, bio="b"),
    ]


def edited(root, **cells):
    """Return the data of the page with some cells changed: ``{"0-name": "x"}``."""
    formset = root.get(url(USERS)).context["cl"].formset
    data = {"_save": "Save"}
    for form in [formset.management_form, *formset.forms]:
        for bound in form:
            data[bound.html_name] = bound.value()
            if bound.field.show_hidden_initial:
                data[bound.html_initial_name] = bound.value()
    data.update({f"form-{name}": value for name, value in cells.items()})
    return data


def test_a_cell_keeps_its_type(root, users):
    response = root.post(url(USERS), edited(root, **{"0-age": "41"}))
    assert shown_messages(response) == ["1 user was changed successfully."]
    assert User.objects.get(users[1].pk).attrs == {"name": "Bob", "age": 41, "bio": "b"}
    assert User.objects.get(users[0].pk).age == 30


def test_an_invalid_cell_is_an_error_of_its_row(root, users):
    response = root.post(url(USERS), edited(root, **{"0-age": "many"}))
    assert "Enter a whole number." in response.content.decode()
    assert User.objects.get(users[1].pk).age == 40


def test_a_cell_that_was_changed_concurrently_is_refused(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].age = 50
    users[1].save()
    response = root.post(url(USERS), data)
    assert "Another user changed it to 50" in response.content.decode()
    assert User.objects.get(users[1].pk).age == 50


def test_a_concurrent_change_of_another_attribute_survives(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].bio = "new"
    users[1].save()
    root.post(url(USERS), data)
    assert User.objects.get(users[1].pk).attrs == {
        "name": "Bob",
        "age": 41,
        "bio": "new",
    }


def test_a_row_that_was_deleted_concurrently_is_refused(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].delete()
    response = root.post(url(USERS), data)
    assert "deleted after this page was opened" in response.content.decode()
    assert User.objects.count() == 1


def test_an_unchanged_row_may_be_deleted_concurrently(root, users):
    data = edited(root, **{"1-age": "31"})
    users[1].delete()
    assert root.post(url(USERS), data).status_code == 302
    assert User.objects.get(users[0].pk).age == 31


def test_refused_rows_are_reported_and_saved_rows_are_logged(root, users, monkeypatch):
    from django.contrib.admin.models import LogEntry

    save = User.save

    def refusing(user, **options):
        if user.name == "Zoe":
            raise IntegrityError("name='Zoe' is taken.")
        save(user, **options)

    monkeypatch.setattr(User, "save", refusing)
    data = edited(root, **{"0-age": "41", "1-name": "Zoe"})
    response = root.post(url(USERS), data)
    assert shown_messages(response) == ["name='Zoe' is taken."]
    assert User.objects.get(users[1].pk).age == 41
    assert User.objects.get(users[0].pk).name == "Ann"
    assert [entry.object_id for entry in LogEntry.objects.all()] == [users[1].pk]


def test_an_error_of_validate_is_an_error_of_the_row(root, users, monkeypatch):
    def validate(user):
        if user.age > 100:
            raise ValidationError({"age": "Too old.", "bio": "Odd."})

    monkeypatch.setattr(User, "validate", validate)
    response = root.post(url(USERS), edited(root, **{"0-age": "101"}))
    content = response.content.decode()
    assert "Too old." in content
    assert "bio: Odd." in content
    assert User.objects.get(users[1].pk).age == 40


def test_a_counter_is_edited_in_a_list(root, server):

    page = Page.objects.create(title="t", views=3)
    response = root.get(url("tests_page_changelist"))
    formset = response.context["cl"].formset
    data = {bound.html_name: bound.value() for bound in formset.management_form}
    data |= {
        "_save": "Save",
        "form-0-id": page.pk,
        "form-0-views": "9",
        "initial-form-0-views": "3",
    }
    assert root.post(url("tests_page_changelist"), data).status_code == 302
    assert Page.objects.get(page.pk).views == 9


def test_a_list_in_a_popup_has_no_form(root, users):
    content = root.get(url(USERS), {"_popup": "1"}).content.decode()
    assert "data-popup-opener" in content
    assert "form-0-name" not in content


def test_a_todo_is_listed_by_its_text(root, server):
    Todo.objects.create("home", text="milk")
    assert "Todo object" in root.get(url("tests_todo_changelist")).content.decode()
