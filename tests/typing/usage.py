"""Expected types, read by mypy and by pyright (`make types`) and never run."""

from typing import Any, Self, TypeVar, assert_type

from django.db.models import Q, Sum

import django_ormist as ormist
from django_ormist import Collection
from django_ormist.models.values import ValuesCollection

M = TypeVar("M", bound=ormist.Model)
Row = dict[str, Any]


class Cities(ormist.Collection["City"]):
    """A collection class of one model."""

    def large(self) -> Self:
        return self.find(population__gt=10**6)


class Counted(ormist.Collection[M]):
    """A collection class of any model."""

    def double(self) -> int:
        return 2 * self.count()


class City(ormist.TaggedAttrsModel):
    """A model with a manager of its own."""

    class Meta:
        ordered = ["population"]

    cities = ormist.Manager.from_collection(Cities)()
    places = Cities.as_manager()


class Street(ormist.Model):
    """Another model."""

    streets = ormist.Manager.from_collection(Counted["Street"])()


def one_object_is_of_its_model() -> None:
    assert_type(City.objects.get("x"), City)
    assert_type(City.objects.get_or_none(name="Bern"), City | None)
    assert_type(City.objects.create("capital", name="Bern"), City)
    assert_type(City.objects.first(), City | None)
    assert_type(City.objects.find(name="Bern")[0], City)
    assert_type(City.objects.all()[:2], Collection[City])
    assert_type(City.objects.latest("population"), City)
    assert_type(City.objects.in_bulk(["x"]), dict[Any, City])


def chains_are_collections_of_it() -> None:
    cities = City.objects.find("capital", Q(population__gt=1), name="Bern")
    assert_type(cities, Collection[City])
    assert_type(cities.exclude(name="x").order_by("-population"), Collection[City])
    assert_type(
        City.objects.all() | cities & cities - cities ^ cities, Collection[City]
    )
    assert_type(cities.list(), list[City])
    assert_type(list(cities), list[City])
    assert_type(cities.ids(), list[str])
    assert_type(cities.count(), int)


def slices_are_what_they_are_of() -> None:
    assert_type(City.objects.find(name="x")[0:20].list(), list[City])
    assert_type(City.objects.find(name="x")[5:].first(), City | None)
    assert_type(City.cities.all().large()[:5], Cities)


def chains_keep_a_subclass() -> None:
    cities = Cities(City)
    assert_type(cities.all(), Cities)
    assert_type(cities.find("x").exclude("y").large(), Cities)
    assert_type(cities.filter("x").none().distinct().reverse(), Cities)
    assert_type(cities.complex_filter({"name": "x"}).order_by("?"), Cities)
    assert_type(cities.using("other") | cities & cities, Cities)
    assert_type(cities.get("x"), City)
    assert_type(Counted(Street).find(name="x"), Counted[Street])


def managers_begin_chains_of_their_collection() -> None:
    assert_type(City.cities.get("x"), City)
    assert_type(City.cities.all(), Cities)
    assert_type(City.cities.find("x").large().list(), list[City])
    assert_type(City.cities.filter("x"), Cities)
    assert_type(City.places.exclude("x").using("other").order_by("?"), Cities)
    assert_type(City.places.create(name="Bern"), City)
    assert_type(Street.streets.all(), Counted[Street])
    assert_type(Street.streets.first(), Street | None)
    assert_type(Street.streets.none().double(), int)
    City.cities.large()


class View:
    """A class whose attributes have the same types in instances."""

    queryset = City.objects.all()
    names = City.objects.values_list("name")
    manager = City.objects


def attributes_of_classes_are_collections() -> None:
    assert_type(View.queryset, Collection[City])
    assert_type(View().queryset.list(), list[City])
    assert_type(View().names, ValuesCollection[tuple[Any, ...]])
    assert_type(View().manager.get("x"), City)


def answers_have_types_of_their_own() -> None:
    names = City.objects.values_list("name", flat=True)
    assert_type(names, ValuesCollection[Any])
    assert_type(City.objects.values("name"), ValuesCollection[dict[str, Any]])
    assert_type(City.objects.values_list("a", "b"), ValuesCollection[tuple[Any, ...]])
    assert_type(City.objects.values("name").list(), list[dict[str, Any]])
    assert_type(City.objects.facets("population"), dict[Any, int])
    assert_type(City.objects.aggregate(Sum("population")), dict[str, Any])
    assert_type(City.objects.all().explain(), str)


def projections_are_asked_as_collections() -> None:
    names = City.objects.values("name")
    assert_type(names.get(pk="x"), Row)
    assert_type(names.last(), Row | None)
    assert_type(names.latest("population"), Row)
    assert_type(names.none().all().distinct(), ValuesCollection[Row])
    assert_type(names[0], Row)
    assert_type(names[:2], ValuesCollection[Row])
    assert_type(names[0:20].list(), list[Row])
    assert_type(list(names.iterator()), list[Row])
    assert_type(names.values_list("id", flat=True), ValuesCollection[Any])
    assert_type(names.values_list("id"), ValuesCollection[tuple[Any, ...]])
    assert_type(names.values(), ValuesCollection[Row])
    assert_type(names.aggregate(Sum("population")), Row)
    assert_type(names.explain(), str)
    assert_type(names.db, str)
    City.objects.find(pk__in=City.objects.values("pk"))


async def async_variants_have_the_same() -> None:
    assert_type(await City.objects.aget("x"), City)
    assert_type(await City.objects.find("x").alist(), list[City])
    assert_type([city async for city in City.objects.all()], list[City])
    assert_type(await City.objects.acount(), int)
    assert_type(await City.objects.alatest(), City)
    names = City.objects.values("name")
    assert_type(await names.afirst(), dict[str, Any] | None)
    assert_type(await names.aget("x"), dict[str, Any])
    assert_type([name async for name in names.aiterator(5)], list[dict[str, Any]])
