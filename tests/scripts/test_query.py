"""query.lua: one page of the matches of a condition, in an order."""

import pytest

from django_ormist.operations import counts, search
from django_ormist.operations.objects import Image
from django_ormist.queries.conditions import (
    EVERYTHING,
    And,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Term,
    Xor,
)
from django_ormist.queries.query import Order, Query
from django_ormist.sortkeys import AFTER, sort_key
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

ODD = Not(Term("b"))
SEVEN = sort_key(7)
ALL = Query()
SMALL = Range("size", sort_key(0), sort_key(1) + AFTER)


def page(store, *order, where=EVERYTHING, start=0, size=100, want="ids", back=False):
    query = Query(order=order, start=start, is_reversed=back).where(where)
    return store.run(search.query_page(store.space, query, size, want, None))


def numbers(reply):
    return [int(pk[1:]) for pk in reply[0]]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (EVERYTHING, [*range(12)]),
        (ODD, [1, 3, 5, 7, 9, 11]),
        (SMALL, [0, 1, 2, 3, 4, 5]),
        (Not(Range("size")), [11]),
        (Or((SMALL, Ids(frozenset({"n11", "none"})))), [0, 1, 2, 3, 4, 5, 11]),
        (Xor((SMALL, Term("b"))), [1, 3, 5, 6, 8, 10]),
    ],
)
def test_a_page_is_a_slice_of_the_matches(sized, where, found):
    for start in range(13):
        assert (
            numbers(page(sized, where=where, start=start, size=3))
            == (found[start : start + 3])
        )
    assert numbers(page(sized, where=where, back=True)) == found[::-1]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ((Order("size"),), [*range(12)]),
        ((Order("size", True),), [9, 10, 6, 7, 8, 3, 4, 5, 0, 1, 2, 11]),
        (
            (Order("size", True), Order("created", True)),
            [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11],
        ),
        ((Order("expire"),), [0, 5, 10, 1, 6, 11, 2, 7, 3, 8, 4, 9]),
    ],
)
def test_equal_values_are_ordered_by_creation_and_absent_values_are_last(
    sized, order, found
):
    for size in (1, 2, 5, 12):
        for start in range(12):
            shown = numbers(page(sized, *order, start=start, size=size))
            assert shown == found[start : start + size]
    assert numbers(page(sized, *order, back=True)) == found[::-1]


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_a_page_by_one_attribute_is_a_slice_with_and_without_gaps(
    sized, is_descending, back
):
    """The index of the attribute holds equal sizes in one order only."""
    order = Order("size", is_descending)
    whole = sorted(range(11), key=lambda n: -(n // 3) if is_descending else n // 3)
    whole = [f"{number}".encode() for number in [*whole, 11]]
    whole = whole[::-1] if back else whole

    def check():
        for start in range(13):
            for size in (1, 2, 3, 7):
                found = page(
                    sized, order, start=start, size=size, want="objects", back=back
                )
                assert found[1] == whole[start : start + size]
                assert found[0] == [b"n%02d" % int(number) for number in found[1]]

    check()
    sized.delete("n11", Image(b"11", (b"t:a",), FAR + 1))
    whole.remove(b"11")
    check()
    sized.expire_now("n04")
    whole.remove(b"4")
    check()
    sized.client.delete(sized.key("o:n03"))
    place = whole.index(b"3")
    found = page(sized, order, start=place - 1, size=2, want="objects", back=back)
    assert found[1] == [whole[place - 1], *whole[place + 1 :][:1]]


SOON = Period("expire", FAR + 1, FAR + 2)


@pytest.mark.parametrize(
    ("where", "order", "found"),
    [
        (SOON, (), [1, 2, 6, 7, 11]),
        (SOON, (Order("expire"),), [1, 6, 11, 2, 7]),
        (SOON, (Order("expire", True),), [2, 7, 1, 6, 11]),
        (SOON, (Order("size", True),), [6, 7, 1, 2, 11]),
        (Not(SOON), (Order("expire"),), [0, 5, 10, 3, 8, 4, 9]),
        (And((SOON, SMALL)), (Order("expire", True),), [2, 1]),
        (Period("expire"), (Order("expire"),), [0, 5, 10, 1, 6, 11, 2, 7, 3, 8, 4, 9]),
    ],
)
def test_deadlines_are_compared(sized, where, order, found):
    for size in (1, 2, 100):
        for start in range(len(found) + 1):
            shown = numbers(page(sized, *order, where=where, start=start, size=size))
            assert shown == found[start : start + size]
    assert numbers(page(sized, *order, where=where, back=True)) == found[::-1]
    assert sorted(numbers(page(sized, Order("?"), where=where))) == sorted(found)
    sized.expire_now("n01", "n05")
    left = [number for number in found if number not in (1, 5)]
    assert numbers(page(sized, *order, where=where)) == left


def test_creation_times_are_compared(sized):
    moments = dict(sized.client.zrange(sized.key("all"), 0, -1, withscores=True))
    fourth, ninth = int(moments[b"n03"]), int(moments[b"n08"])
    for low, high, found in (
        (fourth, ninth, [3, 4, 5, 6, 7, 8]),
        (fourth + 1, ninth - 1, [4, 5, 6, 7]),
        (ninth, fourth, []),
        (0, fourth, [0, 1, 2, 3]),
    ):
        where = Period("created", low, high)
        plan, *_ = page(sized, where=where, want="explain")
        assert plan == [b"scan", sized.key("all"), len(found)]
        for start in range(len(found) + 1):
            shown = numbers(page(sized, where=where, start=start, size=2))
            assert shown == found[start : start + 2]
        assert numbers(page(sized, where=where, back=True)) == found[::-1]
        odd = [number for number in found if number % 2]
        assert numbers(page(sized, where=And((where, ODD)))) == odd
        rest = [number for number in range(12) if number not in found]
        assert numbers(page(sized, where=Not(where))) == rest
        sizes = sorted(found, key=lambda number: (-(number // 3), number))
        assert numbers(page(sized, Order("size", True), where=where)) == sizes


def test_a_random_order_contains_each_object_once(sized):
    assert sorted(numbers(page(sized, Order("?")))) == [*range(12)]
    assert len({*numbers(page(sized, Order("?"), size=5))}) == 5


def test_expired_and_missing_objects_are_left_out_and_the_page_is_full(sized):
    sized.expire_now("n00", "n04", "n10")
    sized.client.delete(sized.key("o:n03"))
    before = sized.everything()
    down = Order("size", True)
    assert page(sized, down, size=3, want="objects")[1] == [b"9", b"6", b"7"]
    assert page(sized, down, start=3, size=2, want="objects")[1] == [b"8", b"5"]
    counters = page(sized, where=SMALL, size=2, want="counters")
    assert counters == [[b"n01", b"n02"], [b"1", b"2"], [[], []]]
    assert sized.everything() == before


@pytest.mark.parametrize("late", [["n05"], ["n00", "n01", "n02", "n09", "n11"]])
@pytest.mark.parametrize("order", [Order("size"), Order("size", True)])
def test_an_offset_counts_only_live_objects(sized, late, order):
    for back in (False, True):
        whole = numbers(page(sized, order, back=back))
        live = [number for number in whole if f"n{number:02}" not in late]
        sized.expire_now(*late)
        for start in range(13):
            found = numbers(page(sized, order, start=start, size=2, back=back))
            assert found == live[start : start + 2]
        sized.client.zadd(sized.key("expires"), dict.fromkeys(late, FAR))


def test_only_the_holder_matches_a_unique_value(sized):
    held = {"t:x": "n03", "t:late": "n04", "t:gone": "never"}
    sized.client.hset(sized.key("u:code"), mapping=held)
    sized.expire_now("n04")

    def holds(value):
        return Holds(("code",), value)

    assert numbers(page(sized, where=holds(b"t:x"))) == [3]
    assert numbers(page(sized, Order("size"), where=holds(b"t:x"), back=True)) == [3]
    assert numbers(page(sized, where=Or((holds(b"t:x"), Range("size", SEVEN))))) == [3]
    assert len(numbers(page(sized, where=Not(holds(b"t:x"))))) == 10
    for value in (b"t:none", b"t:late", b"t:gone"):
        assert numbers(page(sized, where=holds(value))) == []
        counted = counts.count_where(sized.space, ALL.where(holds(value)))
        assert sized.run(counted(b"")) == [b"", 0]
    plan, *_ = page(sized, where=holds(b"t:x"), want="explain")
    assert plan == [b"sort", sized.key("u:code"), 1]


def test_the_reply_describes_the_work(sized):
    plan, examined, *_ = page(sized, Order("size"), size=3, want="explain")
    assert plan == [b"scan", sized.key("by:size"), 11]
    assert examined == 11
    plan, *_ = page(sized, Order("size"), where=Term("none"), want="explain")
    assert plan == [b"sort", sized.key("t:none"), 0]
