"""What the types say, read by mypy and by pyright (`make types`); never run."""

from typing import Any, assert_type

from django.db.models import Q, Sum

import django_ormist as ormist
from django_ormist import Collection
from django_ormist.models.projection import Projection

Row = dict[str, Any]


class City(ormist.TaggedAttrsModel):
    """A model of a user's."""

    class Meta:
        ordered = ["population"]


def one_object_is_of_its_model() -> None:
    assert_type(City.objects.get("x"), City)
    assert_type(City.objects.get_or_none(name="Bern"), City | None)
    assert_type(City.objects.create("capital", name="Bern"), City)
    assert_type(City.objects.first(), City | None)
    assert_type(City.objects.find(name="Bern")[0], City)
    assert_type(City.objects.all()[:2], Collection[City] | list[City])
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


def answers_have_types_of_their_own() -> None:
    names = City.objects.values_list("name", flat=True)
    assert_type(names, Projection[Any])
    assert_type(City.objects.values("name"), Projection[dict[str, Any]])
    assert_type(City.objects.values_list("a", "b"), Projection[tuple[Any, ...]])
    assert_type(City.objects.values("name").list(), list[dict[str, Any]])
    assert_type(City.objects.facets("population"), dict[Any, int])
    assert_type(City.objects.aggregate(Sum("population")), dict[str, Any])
    assert_type(City.objects.all().explain(), str)


def projections_are_asked_as_collections() -> None:
    names = City.objects.values("name")
    assert_type(names.get(pk="x"), Row)
    assert_type(names.last(), Row | None)
    assert_type(names.latest("population"), Row)
    assert_type(names.none().all().distinct(), Projection[Row])
    assert_type(names[0], Row)
    assert_type(names[:2], Projection[Row] | list[Row])
    assert_type(list(names.iterator()), list[Row])
    assert_type(names.values_list("id", flat=True), Projection[Any])
    assert_type(names.values_list("id"), Projection[tuple[Any, ...]])
    assert_type(names.values(), Projection[Row])
    assert_type(names.aggregate(Sum("population")), Row)
    assert_type(names.explain(), str)
    assert_type(names.db, str)
    City.objects.find(pk__in=City.objects.values("pk"))


async def twins_have_the_same() -> None:
    assert_type(await City.objects.aget("x"), City)
    assert_type(await City.objects.find("x").alist(), list[City])
    assert_type([city async for city in City.objects.all()], list[City])
    assert_type(await City.objects.acount(), int)
    assert_type(await City.objects.alatest(), City)
    names = City.objects.values("name")
    assert_type(await names.afirst(), dict[str, Any] | None)
    assert_type(await names.aget("x"), dict[str, Any])
    assert_type([name async for name in names.aiterator(5)], list[dict[str, Any]])
