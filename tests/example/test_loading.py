"""load_cities stores every city once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def load(few_cities):
    """Returns the output of load_cities: ``load("--replace")``."""

    def loaded(*words, out=None):
        out = StringIO() if out is None else out
        call_command("load_cities", *words, stdout=out)
        return out.getvalue()

    return loaded


def names(collection):
    return [city.name for city in collection]


def test_every_city_is_stored_the_largest_first(load):
    from cities.models import City

    assert load().startswith("Stored 5 cities in ")
    assert names(City.objects.all()) == [
        "New York City",
        "Berlin",
        "Denver",
        "Aurora",
        "Vatican City",
    ]
    assert City.objects.find("million", country="US").get().attrs == {
        "name": "New York City",
        "country": "US",
        "area": "US.NY",
        "timezone": "America/New_York",
        "latitude": 1.5,
        "longitude": -2.5,
        "population": 8_804_190,
    }


def test_a_country_has_its_areas_and_time_zones(load):
    from cities.models import Country

    load()
    assert Country.objects.all().ids() == ["DE", "US", "VA"]
    assert Country.objects.get("US").attrs == {
        "name": "United States",
        "continent": "North America",
        "capital": "Washington",
        "cities": 3,
        "timezones": {"America/Denver": 2, "America/New_York": 1},
        "areas": {
            "US.CO": {"name": "Colorado", "cities": 2},
            "US.NY": {"name": "New York", "cities": 1},
        },
    }
    assert Country.objects.get("DE").areas["DE.16"]["name"] == "16 (Berlin)"
    assert Country.objects.get("VA").areas == {}


def test_a_second_load_stores_nothing(load):
    load()
    assert load() == "5 cities are there. Nothing to do.\n"


def test_an_interrupted_load_resumes(load):
    from cities.models import City

    load()
    City.objects.find(id__in=["3", "5"]).delete()
    assert load().startswith("Stored 2 cities in ")
    assert City.objects.all().ids() == ["1", "4", "2", "3", "5"]


def test_replace_writes_every_city_again(load):
    from cities.models import City

    load()
    berlin = City.objects.get("4")
    berlin.increment("views", 7)
    berlin.name = "Cölln"
    berlin.save()
    assert load("--replace").startswith("Stored 5 cities in ")
    berlin = City.objects.get("4")
    assert (berlin.name, berlin.views) == ("Berlin", 0)
    assert City.objects.all().ids() == ["1", "4", "2", "3", "5"]


def test_a_city_that_is_no_longer_in_the_data_is_removed(load):
    from cities.models import City

    load()
    City.objects.create(id="99", name="Atlantis", country="XX")
    load()
    assert not City.objects.find(country="XX").exists()


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(load):
    from cities.models import City

    assert "\r" not in load()
    City.objects.all().delete()
    shown = load(out=Terminal())
    assert "5 of 5" in shown
    assert "/s, 0 s left" in shown


def test_the_bar_of_the_demo_stays_on_one_line(few_cities, monkeypatch, db):
    from site_config.management.commands import demo

    monkeypatch.setattr(demo, "WRITES", [])
    monkeypatch.setattr(demo, "QUERIES", ["City.objects.count()"])
    out = Terminal()
    call_command("demo", "--no-serve", stdout=out)
    bar, *_ = out.getvalue().split("\n")
    assert "5 of 5" in bar
    assert "Stored 5 cities" in bar


def test_two_loads_at_once_end_with_a_clear_message(load, monkeypatch):
    from cities.models import City

    City.objects.create(id="4", name="Berlin", country="DE")
    monkeypatch.setattr("django_ormist.Manager.ids", no_ids)
    with pytest.raises(CommandError, match="Run the command again"):
        load()


def no_ids(manager):
    """An empty result of ids(), from before the other load began."""
    return []
