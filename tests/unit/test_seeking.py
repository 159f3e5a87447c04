"""Seeking: positions in an order, before and after them, against a sorted list."""

from django_ormist.queries.query import CREATED, Order, Query
from django_ormist.queries.seeking import Ordering, Position, seek


def test_an_ordering_is_read_from_a_query_and_applied():
    for query in (
        Query(),
        Query(is_reversed=True),
        Query(order=(Order("n"), Order("m", True))),
        Query(order=(Order("n"), Order(CREATED, True))),
    ):
        assert Ordering.of(query).apply(query) == query
    newest = Ordering.of(Query(is_reversed=True))
    assert newest.apply(Query(), is_backward=True) == Query()
    by_name = Ordering.of(Query(order=(Order("n"),)))
    assert by_name.apply(Query(), is_backward=True).is_reversed


def test_without_a_position_there_is_one_query():
    assert seek(Query(), None) == [Query()]
    assert seek(Query(), None, is_backward=True) == [Query(is_reversed=True)]


def test_objects_without_the_attribute_are_a_query_of_their_own():
    query = Query(order=(Order("n"),))
    there, without = seek(query, Position((b"\x21",), 5))
    assert (there.order, without.order) == (query.order, ())
    assert len(seek(query, Position((None,), 5))) == 1
    assert len(seek(query, Position((None,), 5), is_backward=True)) == 2
    assert len(seek(query, Position((b"\x21",), 5), is_backward=True)) == 1
