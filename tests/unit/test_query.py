"""A Query is immutable."""

from hypothesis import given
from hypothesis import strategies as st

from django_ormist.flows import fetch
from django_ormist.queries.query import Query
from tests.models import City

bounds = st.none() | st.integers(0, 12)


@given(st.lists(st.tuples(bounds, bounds), max_size=4))
def test_slices_of_slices_are_those_of_a_list(cuts):
    query, plain = Query(), list(range(10))
    for start, stop in cuts:
        query = query.slice(start or 0, stop)
        plain = plain[start:stop]
    assert list(range(10))[query.start : query.stop] == plain


def test_filtering_joins_terms_once_and_intersects_ids():
    query = Query().narrow(("a", "b")).narrow(("b", "c"), frozenset("xy"))
    assert query.terms == ("a", "b", "c")
    assert query.narrow((), frozenset("yz")).pks == frozenset("y")
    assert query.narrow((), frozenset("z")).is_empty
    assert Query().pks is None


def test_an_empty_query_stays_empty():
    assert Query().none().is_empty
    assert Query().none().reverse().narrow(("a",), frozenset("x")).is_empty
    assert Query().slice(3, 3).is_empty
    assert not Query().slice(3, 4).is_empty
    assert Query().slice(2**53, None).is_empty
    assert not Query().slice(2**53 - 1, None).is_empty


def test_reverse_twice_is_the_same_query():
    assert Query().reverse().reverse() == Query()
    assert Query().reverse().is_reversed


def test_limit_is_the_size_of_the_slice():
    assert Query().limit is None
    assert Query().slice(3, None).limit is None
    assert Query().slice(3, 9).limit == 6
    assert Query().slice(3, 9).slice(4, 99).limit == 2


def test_exists_ignores_the_order():
    def operation(cities):
        found = next(fetch.exists(cities))
        return found.command, found.keys, found.args

    cities = City.objects.find("rhine", population__gt=1)
    assert operation(cities.order_by("-name").reverse()) == operation(cities)
