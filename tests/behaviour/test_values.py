"""values() and values_list() have the methods of Django's QuerySet."""

import pytest
from django.db.models import Count, F, Q, Sum
from django.http import Http404
from django.shortcuts import aget_object_or_404, get_object_or_404

import django_ormist as ormist
from django_ormist import connections
from tests.models import City, Page


@pytest.fixture
def cities(server):
    """Five cities; Ur has no population."""
    rows = [
        ("Bern", "CH", 134_000, ["a"]),
        ("Ulm", "DE", 134_000, []),
        ("Basel", "CH", 173_000, ["a", "b"]),
        ("Köln", "DE", 1_073_000, ["b"]),
        ("Ur", "IQ", None, ["b"]),
    ]
    City.objects.bulk_create(
        City(*tags, id=name, name=name, country=country, population=size)
        for name, country, size, tags in rows
    )
    return City.objects


def test_an_evaluated_values_collection_does_not_query_again(ask, round_trips, cities):
    for collection in (
        cities.values_list("name", flat=True),
        cities.values_list("id", flat=True).distinct(),
    ):
        assert ask(collection.list) == ["Bern", "Ulm", "Basel", "Köln", "Ur"]
        with round_trips() as seen:
            assert ask(collection.list) == ask(list, collection)
            assert ask(collection.count) == len(collection) == 5
            assert ask(collection.exists) is True
            assert ask(collection.first) == collection[0] == "Bern"
            assert bool(collection)
            assert "Ulm" in collection
            assert "Oz" not in collection
            assert list(collection[1:3]) == collection[:4:1][1:3] == ["Ulm", "Basel"]
            assert ask(collection[4:].count) == 1
            assert repr(collection[:1]) == "<ValuesCollection ['Bern']>"
        assert seen.count == 0


def test_list_returns_a_new_list(ask, cities):
    collection = cities.values_list("name", flat=True)
    ask(collection.list).clear()
    assert len(collection) == 5


@pytest.mark.parametrize("is_distinct", [False, True])
@pytest.mark.parametrize("is_evaluated", [False, True])
def test_values_are_indexed_like_a_collection(cities, is_distinct, is_evaluated):
    collection = cities.values_list("name", flat=True)
    collection = collection.distinct() if is_distinct else collection
    if is_evaluated:
        len(collection)
    for wrong in (-1, slice(-2, None), slice(None, -1)):
        with pytest.raises(ValueError, match="Negative indexing is not supported"):
            collection[wrong]
    for wrong in ("name", None, 1.0):
        with pytest.raises(
            TypeError, match="ValuesCollection indices must be integers or"
        ):
            collection[wrong]
    for far in (5, 2**53, 10**30):
        with pytest.raises(IndexError):
            collection[far]
        assert list(collection[far:]) == []
        assert collection[far : far + 2].count() == 0
    assert collection[::2] == collection.list()[::2]


def test_a_slice_of_distinct_values_is_lazy(ask, round_trips, cities):
    countries = cities.order_by("-created").values_list("country", flat=True).distinct()
    with round_trips() as seen:
        part = countries[1:]
        last = part[1:2]
    assert seen.count == 0
    assert ask(part.list) == ["DE", "CH"]
    assert ask(last.count) == 1
    assert ask(last.first) == last[0] == "CH"
    assert ask(last.exists) is True
    assert ask(countries[3:].exists) is False
    assert ask(countries[3:].count) == 0
    assert ask(countries[:2].list) == ["IQ", "DE"]
    assert repr(part) == "<ValuesCollection ['DE', 'CH']>"
    with pytest.raises(TypeError, match="once a slice has been taken"):
        part.find("a")
    with pytest.raises(TypeError, match="once a slice has been taken"):
        part.distinct()


@pytest.mark.parametrize(
    ("order", "sizes"),
    [
        ([], [134_000, 173_000, 1_073_000, None]),
        (["population"], [134_000, 173_000, 1_073_000, None]),
        (["-population"], [1_073_000, 173_000, 134_000, None]),
        (["created"], [134_000, 173_000, 1_073_000, None]),
        (["-created"], [None, 1_073_000, 173_000, 134_000]),
        (["name"], [173_000, 134_000, 1_073_000, None]),
        (["-name"], [None, 134_000, 1_073_000, 173_000]),
        (["population", "-created"], [134_000, 173_000, 1_073_000, None]),
    ],
)
def test_distinct_values_keep_the_requested_order(ask, cities, order, sizes):
    collection = cities.order_by(*order).values_list("population", flat=True).distinct()
    assert ask(collection.list) == sizes
    assert ask(collection[1:3].list) == sizes[1:3]
    assert ask(collection.count) == 4
    assert ask(collection.first) == sizes[0]
    assert ask(collection.all().order_by("-created").first) is None


def test_distinct_values_without_an_order_are_sorted(ask, cities):
    """The order of creation, given explicitly, differs from the absence of an order."""
    names = cities.values_list("name", flat=True).distinct()
    assert ask(names.list) == ["Basel", "Bern", "Köln", "Ulm", "Ur"]
    assert ask(names.reverse().list) == ["Ur", "Köln", "Basel", "Ulm", "Bern"]
    created = names.order_by("created")
    assert ask(created.list) == ["Bern", "Ulm", "Basel", "Köln", "Ur"]
    assert ask(created.reverse().list) == ask(created.list)[::-1]
    assert ask(created.order_by().list) == ask(names.list)
    assert ask(names.order_by("name").reverse().list) == ask(names.list)[::-1]
    assert ask(cities.values("name").distinct().first) == {"name": "Bern"}
    either = cities.find("a") | cities.find("b").order_by("-created")
    names = either.values_list("name", flat=True).distinct()
    assert ask(names.list) == ["Ur", "Köln", "Basel", "Bern"]


def test_the_first_distinct_value_takes_one_round_trip(ask, round_trips, cities):
    countries = cities.order_by("-name").values_list("country", flat=True).distinct()
    for result, method in (("IQ", countries.first), (True, countries.exists)):
        with round_trips() as seen:
            assert ask(method) == result
        assert seen.count == 1


def test_repr_shows_the_first_twenty_rows(round_trips, cities):
    collection = cities.values("name", "population")
    with round_trips() as seen:
        assert repr(collection[3:]) == (
            "<ValuesCollection [{'name': 'Köln', 'population': 1073000}, "
            "{'name': 'Ur', 'population': None}]>"
        )
    assert seen.count == 1
    City.objects.bulk_create(City(name=f"c{i}") for i in range(20))
    shown = repr(cities.values_list("name", flat=True))
    assert "'c14', '...(remaining elements truncated)...']>" in shown


@pytest.mark.parametrize(
    "held",
    [
        lambda collection: collection.values("pk"),
        lambda collection: collection.values("id"),
        lambda collection: collection.values_list("pk"),
        lambda collection: collection.values_list("id", flat=True),
        lambda collection: collection.values_list("pk", named=True).order_by("-name"),
        lambda collection: collection.values("name").values("pk"),
    ],
)
def test_a_values_list_of_ids_is_a_condition_and_is_not_evaluated(
    ask, round_trips, cities, held
):
    with round_trips() as seen:
        found = cities.find("b", pk__in=held(cities.find(country="DE")))
        either = cities.find(Q(id__in=held(cities.find("a"))) | Q(name="Ur"))
    assert seen.count == 0
    with round_trips() as seen:
        assert ask(found.ids) == ["Köln"]
        assert ask(either.ids) == ["Bern", "Basel", "Ur"]
        assert ask(cities.get, pk__in=held(cities.find("b", "a"))).id == "Basel"
    assert seen.count == 3
    assert ask(cities.exclude(pk__in=held(cities.find("a"))).count) == 3
    assert ask(cities.find(pk__in=held(cities.none())).count) == 0


@pytest.mark.parametrize(
    "held",
    [
        lambda: City.objects.values_list("name", flat=True),
        lambda: City.objects.values_list("country", flat=True),
        lambda: City.objects.values_list("pk", flat=True)[:2],
        lambda: City.objects.values_list("pk", flat=True).distinct(),
        lambda: City.objects.order_by("-created")[:2],
        lambda: Page.objects.values_list("pk", flat=True),
    ],
)
def test_other_values_are_evaluated_first(ask, round_trips, cities, held):
    values = [getattr(each, "id", each) for each in ask(list, held())]
    every = ask(cities.ids)
    with round_trips() as seen:
        found = cities.find(pk__in=held())
        without = cities.exclude(id__in=held())
    assert seen.count == 0
    assert ask(found.ids) == [pk for pk in every if pk in values]
    assert ask(without.ids) == [pk for pk in every if pk not in values]


@pytest.mark.parametrize(
    "held", [lambda: City.objects.values("pk", "name"), lambda: City.objects.values()]
)
def test_rows_of_several_values_are_not_a_condition(ask, round_trips, cities, held):
    with round_trips() as seen:
        for asking in (
            lambda: cities.find(pk__in=held()),
            lambda: cities.exclude(id__in=held()),
            lambda: cities.find(~Q(pk__in=held())),
            lambda: ask(cities.get, pk__in=held()),
        ):
            with pytest.raises(TypeError, match="takes one value per row"):
                asking()
        with pytest.raises(TypeError, match="Pass pk__in"):
            cities.find(pk=held())
    assert seen.count == 0


def test_ids_of_another_alias_are_not_a_condition(cities):
    there = cities.using("other")
    with pytest.raises(ValueError, match="across different databases"):
        cities.find(pk__in=there.values("pk"))


def test_values_can_be_called_again(ask, cities):
    collection = cities.find("b").values("name").order_by("-name")
    assert ask(collection.values_list("country", flat=True).list) == ["IQ", "DE", "CH"]
    assert (
        ask(collection.values_list("id", "country", named=True).first).country == "IQ"
    )
    assert ask(collection[:1].values("id", "tags").first)["id"] == "Ur"
    assert ask(collection.values()[1:].first)["population"] == 1_073_000
    countries = cities.values("country").distinct()
    assert ask(countries.values_list("country").list) == [("CH",), ("DE",), ("IQ",)]
    assert ask(countries[1:].values_list("country", flat=True).list) == ["DE", "IQ"]


def test_get_first_last_earliest_and_latest_return_one_row(ask, round_trips, cities):
    collection = cities.order_by("-population").values_list("name", flat=True)
    for method, arguments, result in (
        (collection.get, ("Ulm",), "Ulm"),
        (collection.find("a").get, (), None),
        (collection.find(country="DE", name="Ulm").get, (), "Ulm"),
        (collection.get, (Q(country="DE") & ~Q("b"),), "Ulm"),
        (collection[2:3].get, (), "Bern"),
        (collection.first, (), "Köln"),
        (collection.last, (), "Ur"),
        (collection.find("none").last, (), None),
        (collection.earliest, (), "Bern"),
        (collection.latest, (), "Ur"),
        (collection.earliest, ("population",), "Bern"),
        (collection.latest, (F("population").desc(),), "Bern"),
    ):
        with round_trips() as seen:
            if result is None and method.__name__ == "get":
                with pytest.raises(City.MultipleObjectsReturned, match="returned 2!"):
                    ask(method, *arguments)
            else:
                assert ask(method, *arguments) == result
        assert seen.count == 1


def test_get_distinguishes_none_from_a_missing_object(ask, cities):
    sizes = cities.values_list("population", flat=True)
    assert ask(sizes.get, pk="Ur") is None
    assert ask(sizes.find(name="Ur").get) is None
    assert ask(sizes.latest) is None
    for method in (sizes.find(pk="Oz").get, sizes.find("none").latest):
        with pytest.raises(City.DoesNotExist, match="City matching query does not"):
            ask(method)
    with pytest.raises(TypeError, match="once a slice has been taken"):
        ask(sizes[:2].get, pk="Ur")


def test_get_or_404_accepts_a_values_collection(ask, cities):
    collection = cities.values("pk")
    if ask.is_async:
        found = ask.wait(aget_object_or_404(collection, pk="Ur"))
    else:
        found = get_object_or_404(collection, pk="Ur")
    assert found == {"pk": "Ur"}
    with pytest.raises(Http404, match="No City matches the given query"):
        get_object_or_404(collection, pk="Oz")


def test_get_returns_counters(ask, server):
    page = ask(Page.objects.create, site="x", views=3)
    assert ask(Page.objects.values("views", "votes").get, page.id) == {
        "views": 3,
        "votes": 0,
    }
    assert ask(Page.objects.values_list("votes", flat=True).last) == 0


def test_the_last_distinct_value_is_that_of_the_list(ask, cities):
    countries = cities.values_list("country", flat=True).distinct()
    assert ask(countries.list) == ["CH", "DE", "IQ"]
    assert ask(countries.last) == "IQ"
    assert ask(countries.find("a").last) == "CH"
    assert ask(countries.order_by("-created").last) == "CH"
    assert ask(cities.values_list("name", flat=True).distinct().last) == "Ur"
    assert ask(cities.none().values("country").distinct().last) is None
    with pytest.raises(TypeError, match="once a slice has been taken"):
        ask(countries.all()[1:].last)
    with pytest.raises(TypeError, match="once a slice has been taken"):
        ask(cities.values("name")[1:].last)


def test_get_of_distinct_values_needs_one_value(ask, cities):
    countries = cities.values_list("country", flat=True).distinct()
    assert ask(countries.find("a").get) == "CH"
    assert ask(countries.find(population=134_000).get, country="DE") == "DE"
    assert ask(countries[1:2].get) == "DE"
    assert ask(countries.earliest) == "CH"
    names = cities.values_list("name", flat=True).distinct()
    assert (ask(names.first), ask(names.earliest)) == ("Basel", "Bern")
    with pytest.raises(City.MultipleObjectsReturned, match="returned 3!"):
        ask(countries.get)


def test_none_takes_no_round_trip(ask, round_trips, cities):
    nothing = cities.values("name").none()
    with round_trips() as seen:
        assert ask(nothing.list) == []
        assert ask(nothing.distinct().last) is ask(nothing.first) is None
        assert ask(nothing.count) == 0
    assert seen.count == 0


def test_an_iterator_gives_each_once(ask, round_trips, cities):
    def iterated(collection, *size):
        if ask.is_async:
            return ask.wait(collected(collection.aiterator(*size)))
        return list(collection.iterator(*size))

    names = cities.order_by("-name").values_list("name", flat=True)
    with round_trips() as seen:
        assert iterated(names, 2) == ["Ur", "Ulm", "Köln", "Bern", "Basel"]
    assert seen.count == 4
    assert iterated(names[1:3]) == ["Ulm", "Köln"]
    countries = cities.values_list("country", flat=True).distinct()
    with round_trips() as seen:
        assert iterated(countries, 2) == ["CH", "DE", "IQ"]
        assert iterated(countries[1:], 1) == ["DE", "IQ"]
    per_list = 2 if connections["default"].refused else 1
    assert seen.count == 2 * per_list
    with pytest.raises(ValueError, match="strictly positive, not 0"):
        iterated(names, 0)


async def collected(iterator):
    return [each async for each in iterator]


def test_count_aggregate_and_explain_are_those_of_the_objects(ask, cities):
    collection = cities.find("b").values("name")
    counted = {"population__sum": 1_246_000, "pk__count": 3}
    assert ask(collection.aggregate, Sum("population"), Count("pk")) == counted
    assert ask(collection.explain) == ask(cities.find("b").explain)
    assert (collection.db, cities.using("other").values("name").db) == (
        "default",
        "other",
    )
    names = cities.values_list("name", flat=True).distinct()
    assert "come from the index of name" in ask(names[1:].explain)
    assert "the index" not in ask(names.order_by("population").explain)
    with pytest.raises(ormist.NotSupportedError, match="distinct=True"):
        ask(names.aggregate, Count("name"))
    with pytest.raises(TypeError, match="'limit' or 'offset' with aggregate"):
        ask(collection[:1].aggregate, Count("name"))
    with pytest.raises(ormist.NotSupportedError, match="takes no names"):
        collection.distinct("name")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("delete", []),
        ("update", []),
        ("set_expire", [5]),
        ("contains", ["x"]),
    ],
)
def test_methods_of_objects_are_refused_after_values(ask, cities, method, arguments):
    message = rf"Cannot call {method}\(\) after \.values\(\) or \.values_list\(\)"
    for collection in (cities.values("name"), cities.values_list("name").distinct()):
        with pytest.raises(TypeError, match=message):
            ask(getattr(collection, method), *arguments)
    assert ask(cities.count) == 5
