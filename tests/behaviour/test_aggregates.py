"""Values, numbers and plans in place of objects."""

from decimal import Decimal

import pytest
from django.db.models import (
    Avg,
    Case,
    Count,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    StdDev,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Lower

import django_ormist as ormist
from tests.models import City, Page


@pytest.fixture
def cities(server):
    rows = [
        ("Bern", "CH", 134_000, ["a"]),
        ("Basel", "CH", 173_000, ["a", "b"]),
        ("Köln", "DE", 1_073_000, ["b"]),
        ("Ulm", "DE", 134_000, []),
        ("Ur", "IQ", None, ["b"]),
    ]
    City.objects.bulk_create(
        City(*tags, id=name, name=name, country=country, population=size)
        for name, country, size, tags in rows
    )
    return City.objects


def test_values_gives_dicts_of_the_requested_names(ask, cities):
    collection = cities.find("a").values("name", "population", "code")
    assert ask(collection.list) == [
        {"name": "Bern", "population": 134_000, "code": None},
        {"name": "Basel", "population": 173_000, "code": None},
    ]
    assert ask(cities.find(pk="Ur").values().list) == [
        {"id": "Ur", "name": "Ur", "country": "IQ", "population": None}
    ]
    assert ask(cities.find(pk="Ur").values("pk", "tags", "expire").first) == {
        "pk": "Ur",
        "tags": ["b", "name:Ur", "country:IQ"],
        "expire": None,
    }


def test_values_list_gives_tuples_flat_or_named(ask, cities):
    collection = cities.order_by("-population")
    assert ask(collection[:2].values_list("name", "country").list) == [
        ("Köln", "DE"),
        ("Basel", "CH"),
    ]
    assert ask(collection.values_list("name", flat=True)[1:3].list) == ["Basel", "Bern"]
    row = ask(collection.values_list("name", "id", named=True).first)
    assert (row.name, row.id) == ("Köln", "Köln")
    assert ask(list, collection.values_list("name", flat=True).exclude("b")) == [
        "Bern",
        "Ulm",
    ]
    assert collection.values_list("name", flat=True)[0] == "Köln"
    with pytest.raises(IndexError):
        collection.values_list("name", flat=True)[9]
    assert ask(collection.values("name").count) == 5
    assert ask(cities.none().values("name").exists) is False
    assert ask(cities.none().values("name").first) is None


def test_values_includes_counters(ask, server):
    page = ask(Page.objects.create, site="x", views=3)
    assert ask(Page.objects.values("views", "votes", "site").list) == [
        {"views": 3, "votes": 0, "site": "x"}
    ]
    ask(page.increment, "votes")
    assert ask(Page.objects.values_list("votes", flat=True).list) == [1]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("a",), {"flat": True, "named": True}, "can't be used together"),
        (("a", "b"), {"flat": True}, "more than one field"),
        ((), {"flat": True}, "no field"),
        ((), {}, "takes the names of attributes: an object may have any"),
        (("name", None), {}, "takes names, which are texts; not NoneType: None"),
        ((5, "name"), {"named": True}, "takes names, which are texts; not int: 5"),
    ],
)
def test_values_list_refuses_what_django_refuses(names, options, message):
    for collection in (City.objects, City.objects.all(), City.objects.values("slug")):
        with pytest.raises(TypeError, match=message):
            collection.values_list(*names, **options)


@pytest.mark.parametrize("wrong", [None, 5, b"name", ["name"]])
def test_values_accepts_only_names(wrong):
    for collection in (City.objects, City.objects.all(), City.objects.values("slug")):
        with pytest.raises(TypeError, match="values.. takes names, which are texts"):
            collection.values("name", wrong)


@pytest.mark.parametrize("wrong", ["class", "not a name"])
def test_a_named_row_has_valid_python_names(wrong):
    with pytest.raises(ValueError, match="[Ff]ield names"):
        City.objects.values_list("name", wrong, named=True)


def test_distinct_values(ask, cities):
    countries = cities.values_list("country", flat=True).distinct()
    assert ask(countries.list) == ["CH", "DE", "IQ"]
    assert ask(countries.count) == 3
    sizes = cities.values_list("population", flat=True).distinct()
    assert ask(sizes.list) == [134_000, 173_000, 1_073_000, None]
    assert ask(sizes.find("b").list) == [173_000, 1_073_000, None]
    assert ask(sizes.order_by("population").reverse().list)[0] is None
    assert ask(cities.values("country").distinct().list)[2] == {"country": "IQ"}
    assert ask(cities.distinct().count) == 5
    with pytest.raises(ormist.NotSupportedError, match="values_list"):
        cities.distinct("country")
    with pytest.raises(TypeError, match="once a slice"):
        cities.all()[:3].values("country").distinct()


def test_facets_count_each_value(ask, cities):
    assert ask(cities.facets, "population") == {134_000: 2, 173_000: 1, 1_073_000: 1}
    assert list(ask(cities.facets, "name")) == ["Basel", "Bern", "Köln", "Ulm", "Ur"]
    assert ask(cities.find("b").facets, "population") == {173_000: 1, 1_073_000: 1}
    assert ask(cities.find("a").facets, "country", ["CH", "DE"]) == {"CH": 2, "DE": 0}
    assert ask(cities.all().facets, "tags", ["a", "b"]) == {"a": 2, "b": 3}
    hint = r"City.Meta.ordered.* Or name the values to count: facets\('country', \["
    with pytest.raises(ormist.FieldError, match=hint):
        ask(cities.facets, "country")
    with pytest.raises(TypeError, match="facets"):
        ask(cities.all()[:2].facets, "population")
    with pytest.raises(TypeError, match=r"facets\(\) takes a list of values, not 'CH'"):
        ask(cities.facets, "country", "CH")
    with pytest.raises(ormist.FieldError, match="takes a name, not a lookup"):
        ask(cities.facets, "population__gt", [1, 2])
    with pytest.raises(ormist.FieldError, match="Pass them, as in facets"):
        ask(cities.facets, "tags")
    with pytest.raises(ormist.FieldError, match=r"an attribute in City\.Meta\.ordered"):
        ask(cities.facets, "id")


def test_facets_hold_values_of_their_own_type(ask, server):
    for size in (Decimal("1.50"), True, 2.0):
        ask(City.objects.create, population=size)
    assert [type(size) for size in ask(City.objects.facets, "population")] == [
        bool,
        Decimal,
        float,
    ]


def test_aggregates_are_computed(ask, cities):
    results = ask(
        cities.aggregate,
        Count("pk"),
        Count("population"),
        Sum("population"),
        low=Min("population"),
        high=Max("name"),
        average=Avg("population"),
        kinds=Count("population", distinct=True),
        swiss=Count("id", filter=Q(country="CH")),
        swiss_sum=Sum("population", filter=Q(country="CH")),
    )
    assert results == {
        "pk__count": 5,
        "population__count": 4,
        "population__sum": 1_514_000,
        "low": 134_000,
        "high": "Ur",
        "average": 378_500,
        "kinds": 3,
        "swiss": 2,
        "swiss_sum": 307_000,
    }


def test_aggregates_of_an_empty_collection_and_of_mixed_numbers(ask, server):
    nothing = City.objects.all()
    assert ask(nothing.aggregate, Sum("population"), Count("pk")) == {
        "population__sum": None,
        "pk__count": 0,
    }
    assert ask(nothing.aggregate, s=Sum("population", default=0)) == {"s": 0}
    for size in (Decimal("0.1"), Decimal("0.2"), 1):
        ask(City.objects.create, population=size)
    total = ask(City.objects.aggregate, s=Sum("population"))["s"]
    assert (total, type(total)) == (Decimal("1.3"), Decimal)


def test_aggregates_cover_only_the_given_ids(ask, cities):
    two = cities.find(pk__in=["Ur", "Ulm", "Oz"])
    counted = {"pk__count": 2, "population__sum": 134_000}
    assert ask(two.aggregate, Count("pk"), Sum("population")) == counted
    assert ask(two.aggregate, Count("pk")) == {"pk__count": 2}
    assert ask(two.facets, "country", ["DE", "CH"]) == {"DE": 1, "CH": 0}
    assert ask(two.facets, "name") == {"Ulm": 1, "Ur": 1}


def test_aggregates_of_none_take_no_round_trip(ask, round_trips, server):
    nothing = City.objects.none()
    with round_trips() as seen:
        assert ask(nothing.facets, "name") == {}
        assert ask(nothing.facets, "country", ["CH"]) == {"CH": 0}
        assert ask(nothing.values_list("name", flat=True).distinct().list) == []
        results = ask(nothing.aggregate, Count("pk"), Sum("population"))
        assert results == {"pk__count": 0, "population__sum": None}
        assert ask(nothing.order_by("name").list) == []
    assert seen.count == 0


@pytest.mark.parametrize(
    ("aggregate", "error", "message"),
    [
        (Sum("slug"), ormist.FieldError, "City.Meta.ordered"),
        (Sum("name"), ormist.FieldError, "holds str"),
        (StdDev("population"), ormist.FieldError, "Count, Min"),
        (Avg("population") + 1, ormist.FieldError, "Count, Min"),
        (Case(When(name="x", then="name")), ormist.FieldError, "Count, Min"),
        (3, TypeError, "Count, Min"),
        (Sum("population", default=F("name")), ormist.FieldError, "pass a value"),
        *(
            (kind(of), ormist.FieldError, "pass a name")
            for kind in (Count, Sum)
            for of in (
                F("population") + 1,
                F("name")[:1],
                Case(When(population__gt=300, then="name")),
                Coalesce("name", "country"),
                Lower("name"),
                OuterRef("name"),
                Q(name="x"),
                Value(1),
            )
        ),
        *(
            (Count("pk", filter=of), ormist.FieldError, "Pass a Q")
            for of in (Case(When(name="x", then=True)), F("name"), Value(True))
        ),
    ],
)
def test_other_aggregates_are_refused(ask, cities, aggregate, error, message):
    with pytest.raises(error, match=message):
        ask(cities.aggregate, x=aggregate)


def test_explain_says_what_the_server_does(ask, cities):
    collection = cities.find("a", population__gt=1).exclude(country="DE")
    text = ask(collection.order_by("-name")[:2].explain)
    assert text.startswith(
        "tests.City: 'a' and population > 1 and not 'country:DE'\n"
        "Order: -name; slice 0:2\n"
    )
    assert "t:a (2)" in text
    assert text.endswith("2 ids were examined.")
    listed = ask(cities.find("a").order_by("name").explain)
    assert listed.endswith(
        "  read: t:a (2)\nA list: its ids first, then 1000 objects per command."
    )
    assert listed == ask(cities.find("a").order_by("name")[:1001].explain).replace(
        "; slice 0:1001", ""
    )
    assert "  read: all (5)" in ask(cities.all().explain)
    assert "no query is sent" in ask(cities.none().explain)


def test_explain_describes_every_condition(ask, cities):
    q = (
        Q(pk="x")
        | Q(name__startswith="K") ^ Q(name="Bern")
        | Q(population__isnull=True)
    )
    q |= Q(population__range=(1, 2)) & Q(name__gte="B")
    text = ask(cities.find(q).reverse().explain)
    assert (
        "1 ids or (name starts with 'K' xor 'name:Bern') or not has population" in text
    )
    assert "(population >= 1 and population <= 2 and name >= 'B')" in text
    assert "Order: created, reversed" in text


def test_each_aggregate_takes_one_round_trip(ask, server, round_trips, cities):
    collection = cities.find("b", population__gt=1).order_by("-name")
    for method, arguments in (
        (collection.ids, ()),
        (collection[:3].list, ()),
        (collection.count, ()),
        (collection.exists, ()),
        (collection.first, ()),
        (collection.latest, ("population",)),
        (collection.facets, ("name",)),
        (collection.facets, ("country", ["CH", "DE"])),
        (collection.aggregate, (Sum("population"), Count("pk", filter=Q(name="Ulm")))),
        (collection.values_list("population", flat=True).distinct().count, ()),
        (collection[:3].values("name").list, ()),
        (collection.explain, ()),
    ):
        before = server.client.dbsize()
        with round_trips() as seen:
            ask(method, *arguments)
        assert seen.count == 1, method
        assert server.client.dbsize() == before
    with round_trips() as seen:
        ask(collection.list)
    assert seen.count == 2


@pytest.mark.parametrize(
    "expression",
    [
        Lower("name"),
        F("name")[:1],
        Value(1),
        OuterRef("name"),
        Q(name="x"),
        Count("pk"),
    ],
)
def test_an_unsupported_expression_is_a_field_error(ask, cities, expression):
    for asking in (
        lambda: cities.order_by(expression),
        lambda: ask(cities.latest, expression),
        lambda: cities.values(expression),
        lambda: cities.values(x=expression),
        lambda: cities.values_list("name", expression),
        lambda: ask(cities.facets, expression),
        lambda: cities.find(name=expression),
        lambda: cities.find(name__in=[expression]),
        lambda: cities.find(population__range=(1, expression)),
    ):
        with pytest.raises(ormist.FieldError):
            asking()
    if not isinstance(expression, Q):
        with pytest.raises(ormist.FieldError, match="takes tags"):
            cities.find(expression)


@pytest.mark.parametrize("name", ["a__b", "name__lower", "_x", ""])
def test_names_that_cannot_be_attributes_are_refused(cities, name):
    for collection in (cities, cities.all(), cities.values("name")):
        with pytest.raises(ormist.FieldError, match="no lookup is followed"):
            collection.values(name)
        with pytest.raises(ormist.FieldError, match="no lookup is followed"):
            collection.values_list("name", name)
        with pytest.raises(ormist.FieldError, match="no lookup is followed"):
            collection.values_list(name, flat=True)
