"""The pages of the site, with five cities."""

import asyncio
from pathlib import Path

import pytest
from django.test import AsyncClient

from django_ormist.testing import assert_round_trips

pytestmark = [
    pytest.mark.servers("valkey91", "redis62", "fakeredis"),
    pytest.mark.usefixtures("stored"),
]


def shown(response):
    """Return the names of the cities on a page of the list."""
    assert response.status_code == 200
    return [city.name for city, country in response.context["rows"]]


def test_the_first_page_counts_stored_objects(site):
    response = site.get("/")
    assert response.status_code == 200
    counts = {name: response.context[name] for name in ("cities", "millions", "items")}
    assert counts == {"cities": 5, "millions": 2, "items": 0}
    assert ">Cities</a> <small>5</small>" in response.text


def test_the_first_page_shows_ten_lines_and_runs_them(site):
    from site_config import visits

    for number in (1, 2):
        response = site.get("/")
        assert response.context["visits"] == number
    assert "opened <strong>2 times</strong>" in response.text
    lines = [line for line in response.context["ten_lines"].split("\n") if line]
    assert len(lines) == 10
    source = Path(visits.__file__).read_text()
    assert all(f"{line}\n" in source for line in lines)
    assert "return Visit.objects.find(page=page).count()" in response.text
    visit = visits.Visit.objects.first()
    assert (visit.page, visit.is_signed_in) == ("first", False)
    assert 50 < visit.ttl() <= 60


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/", 11),
        ("/cities/?country=US", 3),
        ("/cities/2/", 4),
        ("/cities/countries/", 1),
        ("/cities/search/?country=US", 5),
        ("/todo/", 2),
    ],
)
def test_a_page_takes_few_round_trips(site, path, number):
    site.get(path)  # sends the scripts
    with assert_round_trips(number):
        response = site.get(path)
    assert response.context["recorder"].round_trips == number


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("country=US", ["New York City", "Denver", "Aurora"]),
        ("timezone=Europe/Berlin", ["Berlin"]),
        ("area=US.CO", ["Denver", "Aurora"]),
        ("country=US&timezone=America/Denver", ["Denver", "Aurora"]),
        ("country=DE&timezone=America/Denver", []),
        ("country=US&tag=million", ["New York City"]),
        ("area=US.CO&order=smallest", ["Aurora", "Denver"]),
        ("country=", ["New York City", "Berlin", "Denver", "Aurora", "Vatican City"]),
        ("country=%00*<b>", []),
    ],
)
def test_the_list_applies_its_filters(site, query, names):
    assert shown(site.get(f"/cities/?{query}")) == names


def test_the_list_is_paginated(site, monkeypatch):
    monkeypatch.setattr("cities.views.PAGE", 2)
    assert shown(site.get("/cities/?page=2")) == ["Denver", "Aurora"]
    assert shown(site.get("/cities/?page=99")) == ["Vatican City"]
    response = site.get("/cities/?country=US&page=1")
    assert "Page 1 of 2" in response.text
    assert 'href="?country=US&amp;page=2"' in response.text


def test_the_list_shows_its_queries_and_their_plan(site):
    response = site.get("/cities/?country=US&tag=million&explain=1")
    queries = response.context["recorder"].queries
    assert [query.code for query in queries] == [
        'Paginator(found, PAGE).get_page(request.GET.get("page"))',
        "page.object_list.list()",
        "Country.objects.in_bulk(codes)",
        "explain(request, found)",
    ]
    assert all(query.place.startswith("cities/views.py:") for query in queries)
    assert "t:million (2)" in response.context["plan"]


def test_text_from_the_url_is_escaped(site):
    response = site.get("/cities/?country=<script>")
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text


def test_a_city_page_counts_its_views(site):
    from cities.models import City

    for views in (1, 2):
        response = site.get("/cities/2/")
        assert response.context["city"].views == views
    assert City.objects.get("2").views == 2


def test_a_city_page_shows_its_area_and_other_cities_there(site):
    response = site.get("/cities/2/")
    assert "Also in Colorado" in response.text
    assert [city.name for city in response.context["near"]] == ["Aurora"]


def test_a_city_without_an_area_has_a_page(site):
    assert "Vatican" in site.get("/cities/5/").text


def test_an_unknown_city_is_not_found(site):
    assert site.get("/cities/nowhere/").status_code == 404


def test_countries_are_grouped_by_continent(site):
    continents = site.get("/cities/countries/").context["continents"]
    assert [(name, [each.id for each in some]) for name, some in continents] == [
        ("Europe", ["DE", "VA"]),
        ("North America", ["US"]),
    ]


@pytest.fixture(params=["sync", "async"])
def get(request, site):
    """Requests a page through WSGI and through ASGI."""
    if request.param == "sync":
        return site.get
    client = AsyncClient()
    return lambda path: asyncio.run(client.get(path))


def test_the_json_view_gives_a_page_of_a_country(get, monkeypatch):
    monkeypatch.setattr("cities.views.PAGE", 2)
    response = get("/cities/countries/US.json?page=2")
    assert response.json() == {
        "country": "US",
        "count": 3,
        "page": 2,
        "pages": 2,
        "cities": [
            {
                "id": "3",
                "name": "Aurora",
                "country": "US",
                "area": "US.CO",
                "timezone": "America/Denver",
                "latitude": 1.5,
                "longitude": -2.5,
                "population": 386261,
            }
        ],
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [("US.json?page=2", 404), ("XX.json", 404), ("US.json?page=a", 400)],
)
def test_the_json_view_refuses_a_missing_page(get, path, status):
    assert get(f"/cities/countries/{path}").status_code == status
