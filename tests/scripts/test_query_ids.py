"""query_ids.lua: every live id that matches a condition, with its sort values."""

from django_ormist.operations import matching_ids
from django_ormist.queries.conditions import EVERYTHING, Range, Term
from django_ormist.queries.query import Order, Query
from django_ormist.sortkeys import sort_key
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def query_ids(store, *order, where=EVERYTHING):
    cursor, in_order, *found = store.run(
        matching_ids.query_ids(store.space, Query(order=order).where(where))(b"")
    )
    assert (cursor, in_order) == (b"", b"")
    return found


def test_ids_in_creation_order_are_returned_without_values(sized):
    sized.expire_now("n02")
    assert query_ids(sized, where=Term("b")) == [
        [b"n00", b"n04", b"n06", b"n08", b"n10"]
    ]


def test_ids_are_returned_with_the_values_that_sort_them(sized):
    some = Range("size", sort_key(3), sort_key(4))
    pks, created = query_ids(sized, where=some)
    assert (pks, len(created)) == ([b"n09", b"n10"], 2)
    orders = Order("size"), Order("expire"), Order("?")
    pks, sizes, deadlines, shuffled = query_ids(sized, *orders)
    assert sizes == [sort_key(number // 3) for number in range(11)] + [None]
    assert list(map(float, deadlines)) == [FAR + number % 5 for number in range(12)]
    assert len({*shuffled}) == 12
