"""What values() and values_list() give is asked as Django's QuerySet after them."""

import pytest

from tests.models import City


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


def test_an_evaluated_projection_answers_from_what_it_has(ask, trips, cities):
    for asked in (
        cities.values_list("name", flat=True),
        cities.values_list("id", flat=True).distinct(),
    ):
        assert ask(asked.list) == ["Bern", "Ulm", "Basel", "Köln", "Ur"]
        with trips() as seen:
            assert ask(asked.list) == ask(list, asked)
            assert ask(asked.count) == len(asked) == 5
            assert ask(asked.exists) is True
            assert ask(asked.first) == asked[0] == "Bern"
            assert bool(asked)
            assert "Ulm" in asked
            assert "Oz" not in asked
            assert list(asked[1:3]) == asked[:4:1][1:3] == ["Ulm", "Basel"]
            assert ask(asked[4:].count) == 1
            assert repr(asked[:1]) == "<Projection ['Bern']>"
        assert seen.count == 0


def test_a_list_of_it_is_the_users_own(ask, cities):
    asked = cities.values_list("name", flat=True)
    ask(asked.list).clear()
    assert len(asked) == 5


@pytest.mark.parametrize("is_distinct", [False, True])
@pytest.mark.parametrize("is_evaluated", [False, True])
def test_indices_are_those_of_a_collection(cities, is_distinct, is_evaluated):
    asked = cities.values_list("name", flat=True)
    asked = asked.distinct() if is_distinct else asked
    if is_evaluated:
        len(asked)
    for wrong in (-1, slice(-2, None), slice(None, -1)):
        with pytest.raises(ValueError, match="Negative indexing is not supported"):
            asked[wrong]
    for wrong in ("name", None, 1.0):
        with pytest.raises(TypeError, match="Projection indices must be integers or"):
            asked[wrong]
    for far in (5, 2**53, 10**30):
        with pytest.raises(IndexError):
            asked[far]
        assert list(asked[far:]) == []
        assert asked[far : far + 2].count() == 0
    assert asked[::2] == asked.list()[::2]


def test_a_slice_of_distinct_values_is_lazy(ask, trips, cities):
    countries = cities.order_by("-created").values_list("country", flat=True).distinct()
    with trips() as seen:
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
    assert repr(part) == "<Projection ['DE', 'CH']>"
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
def test_distinct_values_come_in_the_order_asked_for(ask, cities, order, sizes):
    asked = cities.order_by(*order).values_list("population", flat=True).distinct()
    assert ask(asked.list) == sizes
    assert ask(asked[1:3].list) == sizes[1:3]
    assert ask(asked.count) == 4
    assert ask(asked.first) == sizes[0]
    assert ask(asked.all().order_by("-created").first) is None


def test_distinct_values_in_no_order_come_in_their_own(ask, cities):
    """An explicit order of creation is another than none, and so is one reversed."""
    names = cities.values_list("name", flat=True).distinct()
    assert ask(names.list) == ["Basel", "Bern", "Köln", "Ulm", "Ur"]
    assert ask(names.reverse().list) == ["Ur", "Köln", "Basel", "Ulm", "Bern"]
    created = names.order_by("created")
    assert ask(created.list) == ["Bern", "Ulm", "Basel", "Köln", "Ur"]
    assert ask(created.reverse().list) == ask(created.list)[::-1]
    assert ask(created.order_by().list) == ask(names.list)
    assert ask(names.order_by("name").reverse().list) == ask(names.list)[::-1]
    assert ask(cities.values("name").distinct().first) == {"name": "Bern"}


def test_the_first_distinct_value_is_one_trip(ask, trips, cities):
    countries = cities.order_by("-name").values_list("country", flat=True).distinct()
    for answer, verb in (("IQ", countries.first), (True, countries.exists)):
        with trips() as seen:
            assert ask(verb) == answer
        assert seen.count == 1


def test_repr_shows_the_first_twenty_rows(trips, cities):
    asked = cities.values("name", "population")
    with trips() as seen:
        assert repr(asked[3:]) == (
            "<Projection [{'name': 'Köln', 'population': 1073000}, "
            "{'name': 'Ur', 'population': None}]>"
        )
    assert seen.count == 1
    City.objects.bulk_create(City(name=f"c{i}") for i in range(20))
    shown = repr(cities.values_list("name", flat=True))
    assert "'c14', '...(remaining elements truncated)...']>" in shown


def test_a_projection_is_projected_anew(ask, cities):
    asked = cities.find("b").values("name").order_by("-name")
    assert ask(asked.values_list("country", flat=True).list) == ["IQ", "DE", "CH"]
    assert ask(asked.values_list("id", "country", named=True).first).country == "IQ"
    assert ask(asked[:1].values("id", "tags").first)["id"] == "Ur"
    assert ask(asked.values()[1:].first)["population"] == 1_073_000
    countries = cities.values("country").distinct()
    assert ask(countries.values_list("country").list) == [("CH",), ("DE",), ("IQ",)]
    assert ask(countries[1:].values_list("country", flat=True).list) == ["DE", "IQ"]
