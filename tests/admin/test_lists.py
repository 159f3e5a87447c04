"""The list of a model's objects."""

import re

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError

from django_ormist import IntegrityError
from tests.models import City, Plain, Todo, User

from .conftest import url

pytestmark = pytest.mark.servers("valkey91")

CITIES = "tests_city_changelist"


@pytest.fixture
def cities(root):
    rows = [("Rome", "IT", 2_800_000), ("Pisa", "IT", 90_000), ("Lyon", "FR", 520_000)]
    return City.objects.bulk_create(
        City("old", name=name, country=country, population=people, code=name[:2])
        for name, country, people in rows
    )


def names(response):
    return [each.attrs["name"] for each in response.context["cl"].result_list]


def listed(root, **parameters):
    """The names on the page with these parameters."""
    return names(root.get(url(CITIES), parameters))


def told(response):
    """What the next page says."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_a_list_shows_the_newest_first(root, cities):
    response = root.get(url(CITIES))
    assert names(response) == ["Lyon", "Pisa", "Rome"]
    assert "2800000" in response.content.decode()


def test_a_column_without_a_value_is_empty(root, server):
    City.objects.create(name="Atlantis")
    assert 'field-population">-<' in root.get(url(CITIES)).content.decode()


def test_a_method_of_the_admin_is_a_column(root, cities):
    content = root.get(url(CITIES)).content.decode()
    assert content.count("icon-yes") == 1
    assert content.count("icon-no") == 2


def test_pages_are_counted_not_loaded(root, server):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(25))
    response = root.get(url(CITIES), {"p": 3})
    assert names(response) == ["C4", "C3", "C2", "C1", "C0"]
    assert response.context["cl"].result_count == 25


def test_a_page_past_the_end_goes_back_to_the_first(root, cities):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(25))
    assert root.get(url(CITIES), {"p": 9}).status_code == 302


def test_all_are_shown_on_request(root, server):
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(25))
    assert len(listed(root, all="")) == 25


def test_a_filter_offers_the_values_there_are(root, cities):
    content = root.get(url(CITIES)).content.decode()
    assert re.search(r'href="\?country=FR"[^>]*>\s*FR\s*<', content)
    assert 'href="?tags=old"' in content


def test_a_filter_narrows_the_list(root, cities):
    assert listed(root, country="IT") == ["Pisa", "Rome"]
    assert listed(root, country="IT", tags="old") == ["Pisa", "Rome"]
    assert listed(root, country="IT", tags="new") == []


def test_a_filter_of_the_project_works_with_its_facets(root, cities):
    assert listed(root, begins="R") == ["Rome"]
    content = root.get(url(CITIES), {"_facets": "True"}).content.decode()
    assert "with R (1)" in content


def test_several_values_are_a_choice(root, cities):
    address = f"{url(CITIES)}?country__in=FR,IT&name__in=Rome,Lyon"
    assert names(root.get(address)) == ["Lyon", "Rome"]


def test_a_range_is_offered_in_quarters(root, server):
    City.objects.bulk_create(City(name=f"C{n}", population=n) for n in range(8))
    content = root.get(url(CITIES), {"_facets": "True"}).content.decode()
    for text in ("below 2 (2)", "2 to 4 (2)", "4 to 6 (2)", "from 6 (2)"):
        assert text in content
    part = {"population__gte": "2", "population__lt": "4"}
    assert listed(root, **part) == ["C3", "C2"]
    content = root.get(url(CITIES), part).content.decode()
    assert re.search(r'<li class="selected">\s*<a[^>]*>\s*2 to 4', content)


def test_a_range_may_be_any(root, cities):
    assert listed(root, population__gte="500000.5") == ["Lyon", "Rome"]
    assert listed(root, name__gte="M") == ["Pisa", "Rome"]
    assert listed(root, population__lt="many") == []


def test_columns_with_an_index_sort_the_list(root, cities):
    content = root.get(url(CITIES)).content.decode()
    assert 'href="?o=1"' in content
    assert 'href="?o=3"' in content
    assert 'href="?o=2"' not in content  # country has no sorted index
    assert listed(root, o="3") == ["Pisa", "Lyon", "Rome"]
    assert listed(root, o="-3") == ["Rome", "Lyon", "Pisa"]
    assert listed(root, o="-1.3") == ["Rome", "Pisa", "Lyon"]
    assert listed(root, o="2") == ["Lyon", "Pisa", "Rome"]


def test_the_id_sorts_by_creation_and_the_deadline_by_itself(root, server):
    from django_ormist.admin.stubs import stub_of

    one, two = Plain.objects.create(expire=90), Plain.objects.create(expire=60)
    stubs = stub_of(Plain).objects.all()
    assert [each.ormist for each in stubs.order_by("-id")] == [two, one]
    assert [each.ormist for each in stubs.order_by("expire")] == [two, one]


def test_facets_count_each_value_within_the_other_filters(root, cities):
    cities[0].tags = ["ancient"]
    cities[0].save()
    content = root.get(
        url(CITIES), {"tags": "ancient", "_facets": "True"}
    ).content.decode()
    assert "IT (1)" in content
    assert "FR (0)" in content
    assert "old (2)" in content


def test_a_value_that_no_sample_saw_is_still_shown_as_chosen(root, cities):
    content = root.get(url(CITIES), {"country": "QQ"}).content.decode()
    assert re.search(r'<li class="selected">\s*<a href="\?country=QQ"', content)


def test_a_search_finds_by_id_tag_and_attribute(root, cities):
    assert listed(root, q=cities[0].pk) == ["Rome"]
    assert listed(root, q=cities[0].pk[:5]) == ["Rome"]
    assert listed(root, q="old") == ["Lyon", "Pisa", "Rome"]
    assert listed(root, q="country:FR") == ["Lyon"]
    assert listed(root, q="Pisa") == ["Pisa"]
    assert listed(root, q="old IT") == ["Pisa", "Rome"]
    assert listed(root, q="nowhere") == []


def test_a_word_may_be_a_tag_here_and_a_value_there(root, cities):
    City.objects.create("Rome", name="Latium")
    assert listed(root, q="Rome") == ["Latium", "Rome"]


def test_every_word_must_be_found(root, cities):
    assert listed(root, q="old Lyon") == ["Lyon"]
    assert listed(root, q="old Nowhere") == []


def test_a_text_with_a_sorted_index_is_searched_by_its_beginning(root, server):
    from django_ormist.admin.search import found_by
    from django_ormist.admin.stubs import stub_of

    City.objects.create(name="New York")
    City.objects.create(name="Newcastle")
    found, _ = found_by(stub_of(City).objects.all(), ["^name"], "New")
    assert len(found) == 2


def test_quotes_make_one_word(root, server):
    City.objects.create(name="New York")
    City.objects.create(name="York")
    assert listed(root, q='"New York"') == ["New York"]


def test_a_glob_in_a_search_is_only_text(root, cities):
    assert listed(root, q="***") == []
    assert listed(root, q="[a-z]?*") == []


def test_a_search_among_very_many_says_what_it_did_not_see(root, server, monkeypatch):
    monkeypatch.setattr("django_ormist.operations.beginnings.STEP", 10)
    monkeypatch.setattr(
        "django_ormist.operations.beginnings.ids_beginning.__defaults__", (10, 100)
    )
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(2000))
    response = root.get(url(CITIES), {"q": "nothing"})
    assert "Enter the whole id" in response.content.decode()


def test_a_lookup_without_an_index_says_which_line_is_missing(root, cities):
    response = root.get(url(CITIES), {"code": "Ro"})
    assert response.status_code == 302
    assert "City.Meta.index_attrs" in told(response)[0]


@pytest.mark.parametrize(
    "query",
    [
        "o=1",
        "o=99.x.-",
        "o=4",
        "p=0",
        "p=-1",
        "p=x",
        "country__contains=I",
        "country__in=IT,FR",
        "nothing__like__it=1",
        "expire=1",
        "id__exact=x",
        "tags=",
        "country=&country=IT",
        "country=%00%0a%7B%7D",
        "q=%00",
        "q='",
        'q="\\',
        "_to_field=name",
        "all=1",
        "e=1",
    ],
)
def test_no_query_string_is_an_error_of_ours(root, cities, query):
    response = root.get(f"{url(CITIES)}?{query}")
    assert response.status_code in (200, 302, 400)


def test_a_list_of_a_model_without_an_index(root, server):
    Plain.objects.create(a=1)
    response = root.get(url("tests_plain_changelist"))
    assert "Plain object" in response.content.decode()


def test_hostile_texts_are_only_text(root, server):
    name = "<script>alert(1)</script>"
    City.objects.create(name, id=f"id/_{name}?#%", name=name, country=name)
    content = root.get(url(CITIES), {"_facets": "True"}).content.decode()
    assert name not in content
    assert "&lt;script&gt;" in content


# ------------------------------------------------------------ actions


def act(root, action, chosen, page=CITIES, **more):
    return root.post(
        url(page),
        {"action": action, "_selected_action": chosen, "index": 0, **more},
    )


def test_an_action_gets_the_selected(root, cities):
    response = act(root, "double", [cities[1].pk])
    assert response.status_code == 302
    assert City.objects.get(cities[1].pk).population == 180_000
    assert City.objects.get(cities[0].pk).population == 2_800_000
    assert "1 doubled." in told(response)


def test_select_across_reaches_the_other_pages(root, server):
    City.objects.bulk_create(City(name=f"C{n}", population=1) for n in range(25))
    act(root, "double", [City.objects.first().pk], select_across=1)
    assert {city.population for city in City.objects.all()} == {2}


def test_select_across_keeps_to_the_filter(root, cities):
    root.post(
        url(CITIES) + "?country=IT",
        {"action": "double", "_selected_action": "x", "index": 0, "select_across": 1},
    )
    assert City.objects.get(cities[2].pk).population == 520_000


def test_an_id_that_a_browser_would_alter_cannot_be_selected(root, server):
    City.objects.create(id="a\nb")
    City.objects.create(id="c")
    content = root.get(url(CITIES)).content.decode()
    assert content.count('name="_selected_action"') == 1
    assert 'id="action-toggle"' in content


def test_delete_selected_asks_first(root, cities):
    chosen = [cities[0].pk, cities[1].pk]
    response = act(root, "delete_selected", chosen)
    content = response.content.decode()
    assert "Rome" in content or cities[0].pk in content
    assert City.objects.count() == 3


def test_delete_selected_deletes_and_logs(root, cities):
    from django.contrib.admin.models import DELETION, LogEntry

    chosen = [cities[0].pk, cities[1].pk]
    response = act(root, "delete_selected", chosen, post="yes")
    assert "Successfully deleted 2 citys." in told(response)
    assert City.objects.all().list() == [cities[2]]
    logged = LogEntry.objects.filter(action_flag=DELETION)
    assert {entry.object_id for entry in logged} == set(chosen)


def test_delete_selected_of_all_pages_names_some_and_counts_the_rest(root, server):
    City.objects.bulk_create(City(name=f"C{n}") for n in range(250))
    response = act(root, "delete_selected", ["x"], select_across=1)
    assert "and 150 more" in response.content.decode()
    act(root, "delete_selected", ["x"], select_across=1, post="yes")
    assert City.objects.count() == 0


def test_a_queryset_does_what_its_collection_does(root, cities):
    from django_ormist.admin.stubs import stub_of

    stubs = stub_of(City).objects.filter(country="IT")
    assert stubs.set_expire(60) == 2
    assert stubs.ids() == [cities[0].pk, cities[1].pk]


def test_an_action_on_what_is_gone_does_nothing(root, cities):
    pk = cities[0].pk
    cities[0].delete()
    assert act(root, "double", [pk]).status_code == 302
    assert City.objects.get_or_none(pk) is None


# ------------------------------------------------------------ list_editable

USERS = "tests_user_changelist"


@pytest.fixture
def users(root):
    return [
        User.objects.create(name="Ann", age=30, bio="a"),
        User.objects.create(name="Bob", age=40, bio="b"),
    ]


def edited(root, **cells):
    """The page as a browser sends it, with some cells changed: ``{"0-name": "x"}``."""
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
    assert told(response) == ["1 user was changed successfully."]
    assert User.objects.get(users[1].pk).attrs == {"name": "Bob", "age": 41, "bio": "b"}
    assert User.objects.get(users[0].pk).age == 30


def test_a_wrong_cell_is_an_error_of_its_row(root, users):
    response = root.post(url(USERS), edited(root, **{"0-age": "many"}))
    assert "Enter a whole number." in response.content.decode()
    assert User.objects.get(users[1].pk).age == 40


def test_a_cell_changed_meanwhile_is_refused(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].age = 50
    users[1].save()
    response = root.post(url(USERS), data)
    assert "Somebody else changed it to 50" in response.content.decode()
    assert User.objects.get(users[1].pk).age == 50


def test_another_attribute_changed_meanwhile_survives(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].bio = "new"
    users[1].save()
    root.post(url(USERS), data)
    assert User.objects.get(users[1].pk).attrs == {
        "name": "Bob",
        "age": 41,
        "bio": "new",
    }


def test_a_row_deleted_meanwhile_is_refused(root, users):
    data = edited(root, **{"0-age": "41"})
    users[1].delete()
    response = root.post(url(USERS), data)
    assert "deleted after this page was opened" in response.content.decode()
    assert User.objects.count() == 1


def test_a_row_deleted_meanwhile_and_not_changed_is_no_error(root, users):
    data = edited(root, **{"1-age": "31"})
    users[1].delete()
    assert root.post(url(USERS), data).status_code == 302
    assert User.objects.get(users[0].pk).age == 31


def test_what_the_store_refuses_is_told_and_what_it_took_is_logged(
    root, users, monkeypatch
):
    from django.contrib.admin.models import LogEntry

    save = User.save

    def refusing(user, **options):
        if user.name == "Zoe":
            raise IntegrityError("name='Zoe' is taken.")
        save(user, **options)

    monkeypatch.setattr(User, "save", refusing)
    data = edited(root, **{"0-age": "41", "1-name": "Zoe"})
    response = root.post(url(USERS), data)
    assert told(response) == ["name='Zoe' is taken."]
    assert User.objects.get(users[1].pk).age == 41
    assert User.objects.get(users[0].pk).name == "Ann"
    assert [entry.object_id for entry in LogEntry.objects.all()] == [users[1].pk]


def test_what_validate_refuses_is_an_error_of_the_row(root, users, monkeypatch):
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
    from tests.models import Page

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


def test_a_popup_list_opens_no_form(root, users):
    content = root.get(url(USERS), {"_popup": "1"}).content.decode()
    assert "data-popup-opener" in content
    assert "form-0-name" not in content


def test_a_todo_is_listed_by_its_text(root, server):
    Todo.objects.create("home", text="milk")
    assert "Todo object" in root.get(url("tests_todo_changelist")).content.decode()
