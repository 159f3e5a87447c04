"""Every page, for users with different permissions."""

import re

import pytest

from django_ormist.keys import object_key
from tests.models import Page, User

from .conftest import url
from .site import PageAdmin, UserAdmin

pytestmark = pytest.mark.servers("valkey91")

VERBS = ("add", "change", "delete", "view")


@pytest.fixture
def ann(admin_settings):
    return User.objects.create("staff", name="Ann", age=30, photo=b"\0")


def allowed(client, user):
    """Return the allowed actions of this client, by the responses of the pages."""
    pages = {
        "list": client.get(url("tests_user_changelist")),
        "add": client.get(url("tests_user_add")),
        "open": client.get(url("tests_user_change", user.pk)),
        "delete": client.get(url("tests_user_delete", user.pk)),
        "history": client.get(url("tests_user_history", user.pk)),
        "overview": client.get(url("django_ormist_overview_changelist")),
    }
    codes = {name: response.status_code for name, response in pages.items()}
    assert set(codes.values()) <= {200, 403}
    return {name for name, code in codes.items() if code == 200}


EVERYTHING = {"list", "add", "open", "delete", "history", "overview"}


def has_word(content, word):
    """Return whether a page has this word by itself, and not within a random token."""
    return re.search(rf"(?<!\w){word}(?!\w)", content) is not None


def test_a_superuser_may_do_everything(root, ann):
    assert allowed(root, ann) == EVERYTHING


@pytest.mark.parametrize(
    ("granted", "may"),
    [
        ((), set()),
        (("add",), {"add"}),
        (("change",), {"list", "open", "history"}),
        (("delete",), {"delete"}),
        (("view",), {"list", "open", "history"}),
        (VERBS, EVERYTHING - {"overview"}),
    ],
)
def test_staff_may_do_what_their_permissions_allow(staff, ann, granted, may):
    client = staff(*(f"{permission}_user" for permission in granted))
    assert allowed(client, ann) == may


def test_the_overview_has_a_permission_of_its_own(staff, ann):
    client = staff("view_overview", "view_city")
    content = client.get(url("django_ormist_overview_changelist")).content.decode()
    assert "tests.City" in content
    assert "tests.User" not in content


def test_users_who_are_not_staff_are_sent_to_the_login(client, ann):
    response = client.get(url("tests_user_change", ann.pk))
    assert response.status_code == 302
    assert "/login/" in response.url


@pytest.mark.parametrize("permission", VERBS)
def test_each_post_needs_its_permission(staff, ann, permission):
    client = staff(*(f"{each}_user" for each in VERBS if each != permission))
    data = {"attrs-0-name": "age", "attrs-0-kind": "integer", "attrs-0-value": "9"}
    posts = {
        "add": (url("tests_user_add"), data),
        "change": (url("tests_user_change", ann.pk), data),
        "delete": (url("tests_user_delete", ann.pk), {"post": "yes"}),
    }
    if permission == "view":  # who may change may see
        assert client.get(url("tests_user_change", ann.pk)).status_code == 200
        return
    page, sent = posts[permission]
    assert client.post(page, sent).status_code == 403
    assert User.objects.all().list() == [ann]
    assert User.objects.get(ann.pk).age == 30


def test_users_who_may_only_view_get_no_input_fields(staff, ann):
    client = staff("view_user")
    content = client.get(url("tests_user_change", ann.pk)).content.decode()
    assert "<dt>age</dt><dd>30</dd>" in content
    assert "attrs-0-value" not in content
    assert 'name="_save"' not in content
    listed = client.get(url("tests_user_changelist")).content.decode()
    assert "form-0-name" not in listed
    assert "delete_selected" not in listed


def test_excluded_fields_are_hidden_from_users_who_may_only_view(
    staff, ann, monkeypatch
):
    def get_exclude(self, request, obj=None):
        return () if request.user.is_superuser else ("age",)

    monkeypatch.setattr(UserAdmin, "get_exclude", get_exclude)
    page = url("tests_user_change", ann.pk)
    content = staff("view_user").get(page).content.decode()
    assert "<dt>name</dt><dd>Ann</dd>" in content
    assert "<dt>age</dt>" not in content


def test_users_who_may_only_change_cannot_delete_selected(staff, ann):
    client = staff("change_user")
    client.post(
        url("tests_user_changelist"),
        {"action": "delete_selected", "_selected_action": ann.pk, "post": "yes"},
    )
    assert User.objects.exists()


def test_one_object_without_delete_permission_stops_the_deletion(
    staff, ann, monkeypatch
):
    def has_delete_permission(self, request, obj=None):
        return obj is None or obj.pk != ann.pk

    bob = User.objects.create(name="Bob")
    monkeypatch.setattr(UserAdmin, "has_delete_permission", has_delete_permission)
    client, page = staff("view_user"), url("tests_user_changelist")
    selected = {"action": "delete_selected", "post": "yes"}
    response = client.post(page, {**selected, "_selected_action": [ann.pk, bob.pk]})
    assert response.status_code == 403
    assert User.objects.count() == 2
    client.post(page, {**selected, "_selected_action": [bob.pk]})
    assert list(User.objects.all()) == [ann]


def test_list_editable_needs_the_change_permission(staff, ann):
    client = staff("view_user")
    data = {
        "_save": "1",
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": ann.pk,
        "form-0-name": "Eve",
    }
    assert client.post(url("tests_user_changelist"), data).status_code == 403
    assert User.objects.get(ann.pk).name == "Ann"


def test_the_index_lists_what_the_user_may_view(staff, ann):
    content = staff("view_user").get("/admin/").content.decode()
    assert url("tests_user_changelist") in content
    assert url("tests_city_changelist") not in content
    assert url("django_ormist_overview_changelist") not in content


# ---------------------------------------------------------------- what is excluded


@pytest.fixture(params=["the class", "the request"])
def age_is_excluded(request, monkeypatch):
    """The admin of users excludes the age, in its class or for other users."""

    def get_exclude(self, request, obj=None):
        return () if request.user.is_superuser else ("age",)

    if request.param == "the class":
        monkeypatch.setattr(UserAdmin, "exclude", ["age"])
    else:
        monkeypatch.setattr(UserAdmin, "get_exclude", get_exclude)
    shown = ["id", "name", "tags", "attrs"]
    monkeypatch.setattr(UserAdmin, "list_display", shown)
    monkeypatch.setattr(UserAdmin, "list_editable", [])
    monkeypatch.setattr(UserAdmin, "list_filter", ["age", "tags", "name"])
    monkeypatch.setattr(UserAdmin, "search_fields", ["id", "tags", "age", "name"])


@pytest.mark.usefixtures("age_is_excluded")
@pytest.mark.parametrize("permission", ["view", "change"])
def test_an_excluded_attribute_is_not_shown_on_any_page(staff, ann, permission):
    client = staff(f"{permission}_user")
    for page in (url("tests_user_changelist"), url("tests_user_change", ann.pk)):
        content = client.get(page).text
        assert "Ann" in content
        assert "staff" in content
        assert not has_word(content, 30)
        assert "age" not in re.findall(r"<dt>(.*?)</dt>|By (\w+)", content)


@pytest.mark.usefixtures("age_is_excluded")
@pytest.mark.parametrize(
    "parameters",
    [
        {"age": "30"},
        {"age": "99"},
        {"age__in": "30,31"},
        {"tags": "age:30"},
        {"tags__in": "staff,age:30"},
        {"tags__exact": "age:99"},
    ],
)
def test_a_lookup_does_not_reveal_an_excluded_attribute(staff, ann, parameters):
    response = staff("view_user").get(url("tests_user_changelist"), parameters)
    assert response.status_code == 400


@pytest.mark.usefixtures("age_is_excluded")
@pytest.mark.parametrize("word", ["30", "age:30", "'age:30'"])
def test_a_search_does_not_reveal_an_excluded_attribute(staff, ann, word):
    client = staff("view_user")
    response = client.get(url("tests_user_changelist"), {"q": word})
    assert response.context["cl"].result_count == 0


@pytest.mark.usefixtures("age_is_excluded")
@pytest.mark.parametrize(
    "parameters",
    [{"name": "Ann"}, {"tags": "staff"}, {"q": "staff"}, {"q": "name:Ann"}],
)
def test_other_lookups_still_work(staff, ann, parameters):
    response = staff("view_user").get(url("tests_user_changelist"), parameters)
    assert response.context["cl"].result_count == 1


@pytest.mark.parametrize("permission", ["view", "change"])
@pytest.mark.parametrize("name", ["votes", "tags", "expire", "attrs"])
def test_forms_do_not_have_excluded_fields(
    staff, admin_settings, monkeypatch, permission, name
):
    page = Page.objects.create("news", title="Home", votes=4711, expire=3600)
    monkeypatch.setattr(PageAdmin, "fields", None)
    monkeypatch.setattr(PageAdmin, "exclude", [name])
    content = staff(f"{permission}_page").get(url("tests_page_change", page.pk)).text
    fields = set(re.findall(r"field-(\w+)", content))
    assert fields - {"_version"} == {
        "id",
        "attrs",
        "views",
        "votes",
        "tags",
        "expire",
    } - {name}
    assert has_word(content, 4711) is (name != "votes")


def test_only_explicit_tags_are_shown(root, ann, monkeypatch):
    monkeypatch.setattr(UserAdmin, "list_display", ["tags"])
    monkeypatch.setattr(UserAdmin, "list_editable", [])
    content = root.get(url("tests_user_changelist")).text
    assert "staff" in content
    assert "name:Ann" not in content


# ---------------------------------------------------------------- what is damaged


@pytest.mark.parametrize(
    ("granted", "codes"),
    [
        ((), {403}),
        (("add",), {403}),
        (("view",), {503, 403}),
        (VERBS, {503}),
    ],
)
def test_damage_is_shown_only_to_users_who_may_view(staff, ann, server, granted, codes):
    client = staff(*(f"{permission}_user" for permission in granted))
    server.client.set(object_key(User._meta.space("default"), ann.pk), b"\xc1")
    answers = [
        client.get(url("tests_user_changelist")),
        client.get(url("tests_user_change", ann.pk)),
        client.get(url("tests_user_history", ann.pk)),
        client.get(url("tests_user_delete", ann.pk)),
    ]
    assert {response.status_code for response in answers} == codes
    for response in answers:
        assert (ann.pk in response.text) == (response.status_code == 503)
