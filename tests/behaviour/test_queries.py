"""Ranges, Q, orders and set operations."""

import pickle
from datetime import UTC, date, datetime
from operator import and_, or_, sub, xor

import pytest
from django.db.models import Count, F, Q
from django.http import Http404
from django.shortcuts import get_object_or_404

import django_ormist as ormist
from django_ormist.models import Model
from tests.behaviour.test_expiry import expire_now
from tests.models import City, Page, Plain, Todo


@pytest.fixture
def cities(server):
    """Five cities; Ur has no population, and Rom has a naive founding time."""
    rows = [
        ("Bern", "CH", 134_000, date(1191, 1, 1), ["capital"]),
        ("Basel", "CH", 173_000, date(1050, 1, 1), ["rhine"]),
        ("Köln", "DE", 1_073_000, date(50, 1, 1), ["rhine"]),
        ("Rom", "IT", 2_750_000, datetime(1, 4, 21), ["capital", "old"]),
        ("Ur", "IQ", None, "long ago", ["old"]),
    ]
    made = [
        City(*tags, id=name, name=name, country=country, population=size, founded=when)
        for name, country, size, when, tags in rows
    ]
    City.objects.bulk_create(made)
    return City.objects


@pytest.mark.parametrize(
    ("lookups", "names"),
    [
        ({"population__gt": 173_000}, ["Köln", "Rom"]),
        ({"population__gte": 173_000.0}, ["Basel", "Köln", "Rom"]),
        ({"population__lt": 173_000}, ["Bern"]),
        ({"population__lte": 173_000}, ["Bern", "Basel"]),
        ({"population__range": (134_000, 173_000)}, ["Bern", "Basel"]),
        ({"population__range": (173_000, 134_000)}, []),
        ({"population__range": {134_000: 1, 173_000: 2}.keys()}, ["Bern", "Basel"]),
        ({"population__gt": 1, "population__lt": 150_000}, ["Bern"]),
        ({"population": 134_000.0}, ["Bern"]),
        ({"population__in": [134_000, 1, 173_000]}, ["Bern", "Basel"]),
        ({"population": None}, ["Ur"]),
        ({"population__isnull": True}, ["Ur"]),
        ({"population__isnull": False}, ["Bern", "Basel", "Köln", "Rom"]),
        ({"name__startswith": "B"}, ["Bern", "Basel"]),
        ({"name__startswith": ""}, ["Bern", "Basel", "Köln", "Rom", "Ur"]),
        ({"name__gte": "K"}, ["Köln", "Rom", "Ur"]),
        ({"founded__lt": date(1100, 1, 1)}, ["Basel", "Köln"]),
        ({"founded__lt": datetime(1100, 1, 1)}, ["Rom"]),  # another kind than dates
        ({"founded__lt": datetime(1100, 1, 1, tzinfo=UTC)}, []),  # and than naive ones
        ({"founded__gt": ""}, ["Ur"]),
        ({"country__in": ["CH", "IQ"]}, ["Bern", "Basel", "Ur"]),
        ({"country__exact": "CH"}, ["Bern", "Basel"]),
        ({"country__in": []}, []),
        ({"tags": "rhine"}, ["Basel", "Köln"]),
        ({"tags": ["capital", "old"]}, ["Rom"]),
        ({"tags__in": ["rhine", "old"]}, ["Basel", "Köln", "Rom", "Ur"]),
        ({"pk__in": ["Ur", "Bern", "Oz"], "population__gt": 1}, ["Bern"]),
    ],
)
def test_a_lookup_finds(ask, cities, lookups, names):
    found = cities.find(**lookups)
    assert ask(found.ids) == names
    assert [city.name for city in ask(found.list)] == names
    assert ask(found.count) == len(names)
    assert ask(cities.exclude(**lookups).count) == 5 - len(names)


@pytest.mark.parametrize(
    ("q", "names"),
    [
        (Q(country="CH") | Q(population__gt=10**6), ["Bern", "Basel", "Köln", "Rom"]),
        (Q(country="CH") & ~Q(tags="rhine"), ["Bern"]),
        (Q(tags="capital") ^ Q(tags="old"), ["Bern", "Ur"]),
        (Q(tags="capital") ^ Q(tags="old") ^ Q(name="Rom"), ["Bern", "Rom", "Ur"]),
        (Q("capital") | Q("rhine"), ["Bern", "Basel", "Köln", "Rom"]),
        (~(Q(country="CH") | Q(country="DE")), ["Rom", "Ur"]),
        (Q(pk="Bern"), ["Bern"]),
        (Q(population__gt=5) & Q(population__lt=3), []),
    ],
)
def test_q_nests(ask, cities, q, names):
    assert ask(cities.find(q).ids) == names
    assert ask(cities.exclude(q).count) == 5 - len(names)


@pytest.mark.parametrize(
    ("q", "names"),
    [
        (Q(), "all"),
        (~Q(), "all"),
        (~Q(Q()), "all"),
        (Q(Q(), ~Q(), country="CH"), ["Bern", "Basel"]),
        (Q(Q(), country="CH", _connector=Q.OR), ["Bern", "Basel"]),
        (Q(Q(country="CH"), Q(), _connector=Q.XOR), ["Bern", "Basel"]),
        (~Q(Q(), country="CH"), ["Köln", "Rom", "Ur"]),
    ],
)
def test_an_empty_q_is_ignored(ask, cities, q, names):
    names = ask(cities.all().ids) if names == "all" else names
    assert ask(cities.find(q).ids) == names


def test_exclude_without_conditions_excludes_nothing(ask, cities):
    assert ask(cities.exclude().count) == 5
    assert ask(cities.exclude(Q()).count) == 5
    assert ask(cities.exclude(~Q(), Q(Q())).count) == 5
    assert ask(cities.exclude(pk__in=[]).count) == 5
    assert ask(cities.exclude(~Q(pk__in=[])).count) == 0


def test_an_id_of_none_matches_nothing(ask, cities):
    assert ask(cities.filter(pk=None).first) is None
    assert ask(cities.filter(id__in=[None, "Ur"]).ids) == ["Ur"]
    assert ask(cities.exclude(pk=None).count) == 5
    assert ask(cities.in_bulk, [None]) == {}
    assert ask(cities.get_or_none, pk=None) is None
    made, is_new = ask(cities.get_or_create, {"name": "Oz"}, pk=None)
    assert is_new
    assert ask(cities.get, made.id).name == "Oz"


def test_get_takes_q(ask, cities):
    assert ask(cities.get, Q(country="CH"), population=134_000).id == "Bern"
    assert ask(cities.get, Q(pk="Ur")).name == "Ur"
    assert ask(cities.find("old").get, Q(name="Rom") | Q(name="Bern")).id == "Rom"
    assert ask(cities.get_or_none, Q(country="XX")) is None
    with pytest.raises(City.MultipleObjectsReturned):
        ask(cities.get, Q(country="CH"))
    assert get_object_or_404(City, Q(pk="Ur")).id == "Ur"
    with pytest.raises(Http404):
        get_object_or_404(City.objects, Q(name="Oz"))


def test_collections_combine(ask, cities):
    swiss, rhine = cities.find(country="CH"), cities.find("rhine")
    assert ask((swiss | rhine).ids) == ["Bern", "Basel", "Köln"]
    assert ask((swiss & rhine).ids) == ["Basel"]
    assert ask((swiss - rhine).ids) == ["Bern"]
    assert ask((swiss ^ rhine).ids) == ["Bern", "Köln"]
    assert ask((swiss | cities.none()).ids) == ["Bern", "Basel"]
    assert ask((swiss & cities.none()).ids) == []
    assert ask((swiss.order_by("name") | rhine).ids) == ["Basel", "Bern", "Köln"]
    assert ask((swiss | rhine.order_by("name")).ids) == ["Basel", "Bern", "Köln"]
    created = swiss.order_by("created")
    assert ask((created | rhine.order_by("name")).ids) == ["Bern", "Basel", "Köln"]
    assert ask((swiss | rhine.reverse()).ids) == ["Köln", "Basel", "Bern"]
    assert ask((cities.none() | rhine.order_by("-name")).ids) == ["Köln", "Basel"]
    assert ask((cities.none() | rhine[:1]).ids) == ["Basel"]
    assert ask((cities.all() - swiss.order_by("-name")).ids) == ["Köln", "Rom", "Ur"]
    assert ask((rhine.order_by("-name") - cities.none()).ids) == ["Köln", "Basel"]
    assert ask((rhine[1:] | cities.none()).ids) == ["Köln"]
    assert ask(cities.find(pk__in=swiss).find("rhine").ids) == ["Basel"]


@pytest.fixture
def other(server, settings):
    """A second alias, on the same server."""
    settings.ORMIST = {**settings.ORMIST, "other": settings.ORMIST["default"]}
    return "other"


def test_collections_of_two_aliases_do_not_combine(cities, other):
    some, there = cities.find(country="CH"), cities.using(other)
    for one, two in ((some, there), (cities.none(), there), (some, there.none())):
        for combine in (or_, and_, xor, sub):
            with pytest.raises(TypeError, match="of two different aliases"):
                combine(one, two)


def test_a_collection_in_a_condition_must_use_the_same_alias(ask, cities, other):
    there = cities.using(other)
    assert ask(there.find(pk__in=there.find(country="CH")).count) == 2
    for asking in (
        lambda: cities.find(pk__in=there.all()),
        lambda: cities.find("old", pk__in=there.all()),
        lambda: cities.exclude(pk__in=there.all()),
        lambda: cities.find(Q(name="x") | ~Q(pk__in=there.all())),
        lambda: there.find(pk__in=cities.all()),
        lambda: ask(cities.get, pk__in=there.all()),
        lambda: ask(cities.get_or_create, pk__in=there.all()),
        lambda: ask(cities.aggregate, n=Count("pk", filter=Q(pk__in=there.all()))),
    ):
        with pytest.raises(ValueError, match="across different databases.*ids()"):
            asking()


def test_a_lookup_by_a_unique_value_finds_its_holder(ask, cities):
    ask(City.objects.bulk_create, [City(id="a", code=1), City(id="b", code="x" * 99)])
    assert ask(City.objects.get, code="1").id == "a"
    assert ask(cities.find(code="x" * 99).ids) == ["b"]
    assert ask(cities.find(code__in=[1, 2, "x" * 99]).order_by("-created").ids) == [
        "b",
        "a",
    ]
    assert ask(cities.find(code=1).count) == 1
    assert ask(cities.exclude(code=1).count) == 6
    assert ask(cities.find(Q(code=1) | Q(country="CH")).ids) == ["Bern", "Basel", "a"]
    assert ask(cities.find("rhine", code=1).exists) is False
    assert not ask(cities.find(code=2).exists)
    assert ask(cities.find(code=1).update, population=5) == 1
    assert ask(City.objects.get, "a").population == 5
    assert ask(cities.find(code=1).delete)[0] == 1
    assert ask(cities.find(code=1).count) == 0
    assert "code = 'x'" in ask(cities.find(code="x").explain)


def test_an_expired_object_does_not_hold_its_unique_value(ask, server):
    expire_now(server, ask(City.objects.create, code=1, expire=1000))
    assert ask(City.objects.get_or_none, code=1) is None
    assert ask(City.objects.find(code=1).count) == 0
    city, is_new = ask(City.objects.get_or_create, code=1)
    assert is_new
    assert ask(City.objects.get, code=1) == city


@pytest.mark.parametrize(
    ("lookups", "message"),
    [
        ({"code": None}, r"'code': None is not kept unique.* City\.Meta\.index_attrs"),
        ({"code": [1]}, r"by 'code': a value of type list is not kept unique"),
        ({"slug": "x"}, r"by 'slug': it is not indexed. .*City\.Meta\.index_attrs"),
        ({"code__gt": 1}, r"City\.Meta\.ordered"),
    ],
)
def test_a_lookup_that_a_unique_index_cannot_serve_is_refused(lookups, message):
    with pytest.raises(ormist.FieldError, match=message):
        City.objects.find(**lookups)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (["population"], ["Bern", "Basel", "Köln", "Rom", "Ur"]),
        (["-population"], ["Rom", "Köln", "Basel", "Bern", "Ur"]),
        (["founded"], ["Köln", "Basel", "Bern", "Rom", "Ur"]),
        (["-name"], ["Ur", "Rom", "Köln", "Bern", "Basel"]),
        (["created"], ["Bern", "Basel", "Köln", "Rom", "Ur"]),
        (["-created"], ["Ur", "Rom", "Köln", "Basel", "Bern"]),
        (
            [F("population").desc(nulls_last=True)],
            ["Rom", "Köln", "Basel", "Bern", "Ur"],
        ),
        ([F("name")], ["Basel", "Bern", "Köln", "Rom", "Ur"]),
        ([], ["Bern", "Basel", "Köln", "Rom", "Ur"]),
    ],
)
def test_slices_keep_the_order_and_reverse_inverts_it(ask, cities, order, names):
    collection = cities.order_by(*order)
    assert ask(collection.ids) == names
    assert ask(collection[1:3].ids) == names[1:3]
    assert ask(collection.first).id == names[0]
    assert ask(collection.last).id == names[-1]
    assert ask(collection.reverse().ids) == names[::-1]
    assert ask(collection.reverse()[1:3].ids) == names[::-1][1:3]


def test_a_second_order_by_replaces_the_first(ask, cities):
    collection = cities.order_by("name").reverse().order_by("population")
    assert ask(collection.ids) == ["Bern", "Basel", "Köln", "Rom", "Ur"]


def test_a_random_order_contains_each_object_once(ask, cities):
    assert sorted(ask(cities.order_by("?").ids)) == sorted(ask(cities.all().ids))
    orders = {tuple(ask(cities.order_by("?")[:5].ids)) for _ in range(40)}
    assert len(orders) > 1


def test_earliest_and_latest(ask, cities):
    assert ask(cities.earliest).id == "Bern"
    assert ask(cities.latest).id == "Ur"
    assert ask(cities.earliest, "population").id == "Bern"
    assert ask(cities.latest, "population").id == "Rom"
    assert ask(cities.find("rhine").latest, "-population").id == "Basel"
    with pytest.raises(City.DoesNotExist):
        ask(cities.find("sea").latest, "population")


def test_latest_takes_what_order_by_takes(ask, cities):
    assert ask(cities.latest, F("population")).id == "Rom"
    assert ask(cities.latest, F("population").desc()).id == "Bern"
    assert ask(cities.earliest, F("population").desc(nulls_last=True)).id == "Rom"
    assert ask(cities.latest, "-created").id == "Bern"
    assert ask(cities.find(pk="Ur").latest, "population").id == "Ur"
    assert ask(cities.latest, "?").id in ask(cities.all().ids)
    for wrong in (None, 5):
        with pytest.raises(TypeError, match="takes names, not"):
            ask(cities.latest, wrong)


def test_bulk_changes_apply_to_every_match_of_the_query(ask, cities):
    assert ask(cities.find(population__gt=10**6).set_expire, 1000) == 2
    assert ask(cities.exclude("old").delete) == (3, {"tests.City": 3})
    assert ask(cities.all().ids) == ["Rom", "Ur"]


@pytest.mark.parametrize(
    ("ask_for", "error", "message"),
    [
        (lambda: City.objects.find(code__gt=1), ormist.FieldError, "City.Meta.ordered"),
        (lambda: City.objects.find(country__gt="A"), ormist.FieldError, "Meta.ordered"),
        (lambda: City.objects.find(slug=1), ormist.FieldError, "City.Meta.index_attrs"),
        (lambda: City.objects.find(Q(slug=1)), ormist.FieldError, "Meta.index_attrs"),
        (
            lambda: City.objects.find(code__isnull=True),
            ormist.FieldError,
            "Meta.ordered",
        ),
        (
            lambda: City.objects.find(name__icontains="e"),
            ormist.FieldError,
            "icontains",
        ),
        (
            lambda: City.objects.find(country=F("name")),
            ormist.FieldError,
            "compares two attributes",
        ),
        (
            lambda: City.objects.find(population__gt=F("x")),
            ormist.FieldError,
            "compares",
        ),
        (lambda: City.objects.find(population__gt=None), ValueError, "isnull=True"),
        (lambda: City.objects.find(population__gt=[1]), ormist.FieldError, "no order"),
        (lambda: City.objects.find(population__range=3), ValueError, "two bounds"),
        (lambda: City.objects.find(population__range=(3, "a")), ValueError, "one kind"),
        (lambda: City.objects.find(name__startswith=3), ValueError, "takes a text"),
        (lambda: City.objects.find(name__isnull=1), ValueError, "True or False"),
        (lambda: City.objects.find(country__in="CH"), TypeError, "a list of values"),
        (lambda: City.objects.find(expire__gt=3), ValueError, "expire__gt: “3” value"),
        (lambda: City.objects.find(expire__year=3), ormist.FieldError, "lookup 'year'"),
        (lambda: Plain.objects.find(tags="a"), ormist.FieldError, "has no tags"),
        (lambda: City.objects.order_by("slug"), ormist.FieldError, "City.Meta.ordered"),
        (lambda: City.objects.order_by("-pk"), ormist.FieldError, "'created'"),
        (lambda: City.objects.order_by("-?"), ormist.FieldError, "by '[?]'"),
        (lambda: City.objects.find(name__="x"), ormist.FieldError, "the lookup ''"),
        (
            lambda: City.objects.find(n__gt__lt=1),
            ormist.FieldError,
            "It cannot have one",
        ),
        (
            lambda: City.objects.find(created__startswith="2"),
            ormist.FieldError,
            "an equal moment, or by in, gt,",
        ),
        (lambda: Page.objects.order_by("views"), ormist.FieldError, "It is a counter"),
        (lambda: City.objects.order_by(3), TypeError, "takes names"),
        (
            lambda: City.objects.order_by(F("name").asc(nulls_first=True)),
            ormist.FieldError,
            "come last",
        ),
        (lambda: City.objects.find(pk__in=Todo.objects.all()), TypeError, "of City"),
        (lambda: City.objects.all() | Todo.objects.all(), TypeError, "two different"),
        (lambda: City.objects.all()[:2] | City.objects.all(), TypeError, "a slice"),
        (lambda: City.objects.all()[:2].exclude("a"), TypeError, "a slice"),
        (lambda: City.objects.all()[:2].order_by("name"), TypeError, "a slice"),
        (lambda: City.objects.all()[:2].latest(), TypeError, "a slice"),
        (lambda: City.objects.all() | 3, TypeError, "unsupported operand"),
    ],
)
def test_a_query_without_an_index_is_refused_at_once(ask_for, error, message):
    with pytest.raises(error, match=message):
        ask_for()


def test_an_absent_value_does_not_match(ask, cities):
    """There are two truth values: exclude() is the complement of find()."""
    assert ask(cities.exclude(population__gt=10**6).ids) == ["Bern", "Basel", "Ur"]


def test_a_query_is_pickled_with_its_result(ask, cities):
    collection = cities.find(Q(country="CH") | ~Q("old"), population__gt=1).order_by(
        "-name"
    )
    again = pickle.loads(pickle.dumps(collection))
    assert again.query == collection.query
    assert ask(again.list) == ask(collection.list)


def test_get_takes_every_lookup(ask, cities):
    assert ask(cities.get, population__lt=150_000).id == "Bern"
    assert ask(cities.find("old").get, pk="Ur").id == "Ur"
    assert ask(cities.find(population__gt=1).get_or_none, "Ur") is None
    with pytest.raises(City.MultipleObjectsReturned):
        ask(cities.get, population__gt=150_000)
    assert isinstance(ask(cities.get, "Ur"), Model)
