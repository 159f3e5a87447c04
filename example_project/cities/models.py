"""Cities and countries."""

import django_ormist as ormist


class City(ormist.Verbose, ormist.TaggedAttrsModel):
    """A city of 15 000 people or more, or a capital. Its id is GeoNames' own.

    Attributes: name, country (ISO code), area ("US.CA"), timezone, latitude, longitude,
    population. Tag: "million", of a population that large. Of all attributes only those
    of ``index_attrs`` can be searched by; the others cost no index entry. Those of
    ``ordered`` have ranges, an order, and the number of cities of each value.
    """

    class Meta:
        index_attrs = ["country", "area", "timezone"]
        ordered = ["population", "name", "country", "timezone"]
        counters = ["views"]
        verbose_name_plural = "cities"

    def __str__(self):
        return self.name


class Country(ormist.Verbose, ormist.Model):
    """A country by its ISO code, with sums over its cities.

    Attributes: name, continent, capital, cities (their number), timezones
    ({name: cities}), areas ({code: {"name", "cities"}}).
    """

    class Meta:
        verbose_name_plural = "countries"

    def __str__(self):
        return self.name
