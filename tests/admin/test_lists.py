"""The list of a model's objects."""

import re

import pytest

from tests.models import City, Plain

from .conftest import url
from .pages import shown_messages

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")

CITIES = "tests_city_changelist"


def names(response):
    return [each.attrs["name"] for each in response.context["cl"].result_list]


def listed(root, **parameters):
    """Return the names on the page with these parameters."""
    return names(root.get(url(CITIES), parameters))


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


def test_other_pages_are_counted_and_not_loaded(root, server):
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


def test_a_filter_offers_none_apart_from_the_text(root, cities):
    City.objects.create(name="Nowhere", country=None)
    City.objects.create(name="Text", country="None")
    content = root.get(url(CITIES), {"_facets": "True"}).content.decode()
    assert 'href="?_facets=True&amp;country__isnull=True"' in content
    assert content.count("None (1)") == 2
    assert listed(root, country__isnull="True") == ["Nowhere"]
    assert listed(root, country="None") == ["Text"]
    assert listed(root, country__isnull="True", tags="old") == []


def test_a_filter_offers_the_stored_values(root, cities):
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


def test_a_filter_accepts_several_values(root, cities):
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


def test_any_range_can_be_entered(root, cities):
    assert listed(root, population__gte="500000.5") == ["Lyon", "Rome"]
    assert listed(root, name__gte="M") == ["Pisa", "Rome"]
    assert listed(root, population__lt="many") == []


def test_indexed_columns_sort_the_list(root, cities):
    content = root.get(url(CITIES)).content.decode()
    assert 'href="?o=1"' in content
    assert 'href="?o=3"' in content
    assert 'href="?o=2"' not in content  # country has no sorted index
    assert listed(root, o="3") == ["Pisa", "Lyon", "Rome"]
    assert listed(root, o="-3") == ["Rome", "Lyon", "Pisa"]
    assert listed(root, o="-1.3") == ["Rome", "Pisa", "Lyon"]
    assert listed(root, o="2") == ["Lyon", "Pisa", "Rome"]


def test_the_id_sorts_by_creation_and_expire_by_expiration_time(root, server):
    from django_ormist.admin.proxies import admin_model_for

    one, two = Plain.objects.create(expire=90), Plain.objects.create(expire=60)
    proxies = admin_model_for(Plain).objects.all()
    assert [each.ormist for each in proxies.order_by("-id")] == [two, one]
    assert [each.ormist for each in proxies.order_by("expire")] == [two, one]


def test_facets_count_each_value_within_the_other_filters(root, cities):
    cities[0].tags = ["ancient"]
    cities[0].save()
    content = root.get(
        url(CITIES), {"tags": "ancient", "_facets": "True"}
    ).content.decode()
    assert "IT (1)" in content
    assert "FR (0)" in content
    assert "old (2)" in content


def test_a_chosen_value_is_shown_even_if_the_sample_lacks_it(root, cities):
    content = root.get(url(CITIES), {"country": "QQ"}).content.decode()
    assert re.search(r'<li class="selected">\s*<a href="\?country=QQ"', content)


def test_a_search_finds_by_id_tag_and_attribute(root, cities):
    assert listed(root, q=cities[0].pk) == ["Rome"]
    assert listed(root, q=cities[0].pk[:5]) == ["Rome"]
    assert listed(root, q="old") == ["Lyon", "Pisa", "Rome"]
    assert listed(root, q="country:FR") == ["Lyon"]
    assert "1 result (" in root.get(url(CITIES), {"q": "Lyon"}).content.decode()
    assert listed(root, q="Pisa") == ["Pisa"]
    assert listed(root, q="old IT") == ["Pisa", "Rome"]
    assert listed(root, q="nowhere") == []


def test_a_word_may_be_a_tag_here_and_a_value_there(root, cities):
    City.objects.create("Rome", name="Latium")
    assert listed(root, q="Rome") == ["Latium", "Rome"]


def test_a_search_must_match_every_word(root, cities):
    assert listed(root, q="old Lyon") == ["Lyon"]
    assert listed(root, q="old Nowhere") == []


def test_a_text_with_a_sorted_index_is_searched_by_prefix(root, server):
    from django_ormist.admin.lookups import search
    from django_ormist.admin.proxies import admin_model_for

    City.objects.create(name="New York")
    City.objects.create(name="Newcastle")
    found, _ = search(admin_model_for(City).objects.all(), ["^name"], "New")
    assert len(found) == 2


def test_quotes_make_one_word(root, server):
    City.objects.create(name="New York")
    City.objects.create(name="York")
    assert listed(root, q='"New York"') == ["New York"]


def test_a_glob_pattern_in_a_search_is_plain_text(root, cities):
    assert listed(root, q="***") == []
    assert listed(root, q="[a-z]?*") == []


def test_a_search_of_very_many_objects_says_that_it_is_incomplete(
    root, server, monkeypatch
):
    monkeypatch.setattr("django_ormist.operations.scan.STEP", 10)
    monkeypatch.setattr(
        "django_ormist.operations.scan.ids_with_prefix.__defaults__", (10, 100)
    )
    City.objects.bulk_create(City(name=f"C{n}", country="XX") for n in range(2000))
    response = root.get(url(CITIES), {"q": "nothing"})
    assert "Enter the complete id" in response.content.decode()


def test_a_lookup_without_an_index_names_the_missing_option(root, cities):
    response = root.get(url(CITIES), {"mayor": "Ro"})
    assert response.status_code == 302
    assert "City.Meta.index_attrs" in shown_messages(response)[0]


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
def test_a_malformed_query_string_does_not_fail(root, cities, query):
    response = root.get(f"{url(CITIES)}?{query}")
    assert response.status_code in (200, 302, 400)


def test_a_list_of_a_model_without_an_index(root, server):
    Plain.objects.create(a=1)
    response = root.get(url("tests_plain_changelist"))
    assert "Plain object" in response.content.decode()


def test_hostile_texts_are_escaped(root, server):
    name = "<script>alert(1)</script>"
    City.objects.create(name, id=f"id/_{name}?#%", name=name, country=name)
    content = root.get(url(CITIES), {"_facets": "True"}).content.decode()
    assert name not in content
    assert "&lt;script&gt;" in content
