"""The search page of the site, with five cities."""

import pytest

pytestmark = [
    pytest.mark.servers("valkey91", "redis62", "fakeredis"),
    pytest.mark.usefixtures("stored"),
]


def shown(response):
    """Return the names of the cities on the page."""
    assert response.status_code == 200
    return [city.name for city, country in response.context["rows"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["New York City", "Berlin", "Denver", "Aurora", "Vatican City"]),
        ("name=B", ["Berlin"]),
        ("name=b", []),
        ("country=US&order=population", ["Aurora", "Denver", "New York City"]),
        ("timezone=America/Denver", ["Denver", "Aurora"]),
        ("at_least=400000&at_most=5000000", ["Berlin", "Denver"]),
        ("at_least=0&at_most=0", []),
        ("country=US&at_most=400000", ["Aurora"]),
        ("order=name", ["Aurora", "Berlin", "Denver", "New York City", "Vatican City"]),
        (
            "order=country,-population",
            ["Berlin", "New York City", "Denver", "Aurora", "Vatican City"],
        ),
    ],
)
def test_the_form_shows_results(site, query, names):
    assert shown(site.get(f"/cities/search/?{query}")) == names


def test_cities_are_counted_by_country_and_time_zone(site):
    response = site.get("/cities/search/?at_least=1000")
    (_, _, countries), (_, _, zones) = response.context["facets"]
    assert countries == [("US", "United States", 3), ("DE", "Germany", 1)]
    assert zones[0] == ("America/Denver", "America/Denver", 2)
    assert 'href="?at_least=1000&amp;country=US"' in response.text


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("at_least=9&at_most=3", "is less than 9"),
        ("at_least=x", "Enter a whole number"),
        ("country=XX", "is not one of the available choices"),
        ("order=id", "is not one of the available choices"),
    ],
)
def test_errors_are_shown_next_to_their_field(site, query, error):
    response = site.get(f"/cities/search/?{query}")
    assert shown(response) == []
    assert error in response.text


def test_pages_of_results_keep_the_query(site, monkeypatch):
    monkeypatch.setattr("cities.search.PAGE", 2)
    response = site.get("/cities/search/?order=name&page=2")
    assert shown(response) == ["Denver", "New York City"]
    assert 'href="?order=name&amp;page=3"' in response.text
    codes = [query.code for query in response.context["recorder"].queries]
    assert "page.object_list.list()" in codes
    assert "found.facets(name)" in codes
