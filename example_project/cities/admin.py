"""Cities and countries in the admin."""

from django.contrib import admin

from cities.models import City, Country
from django_ormist import admin as ormist_admin


@ormist_admin.register(City)
class CityAdmin(ormist_admin.OrmistAdmin):
    """The filters are those of ``City.Meta.index_attrs``, and the tags."""

    list_display = ["name", "country", "area", "people", "is_large", "views"]
    list_filter = ["tags", "country", "timezone"]
    search_fields = ["id", "tags", "country", "area"]
    readonly_fields = ["views"]
    list_per_page = 50

    @admin.display(description="people")
    def people(self, obj):
        return f"{obj.population:,}"

    @admin.display(description="a million or more", boolean=True)
    def is_large(self, obj):
        return "million" in obj.tags


@ormist_admin.register(Country)
class CountryAdmin(ormist_admin.OrmistAdmin):
    """A plain Model without indexes, which is only found by its id."""

    list_display = ["id", "name", "continent", "capital", "cities"]
    search_fields = ["id"]
