"""page.lua: one page of the objects with every term."""

import pytest

from django_ormist.operations.objects import NOTHING
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER

PKS = [f"n{number:02}" for number in range(12)]


@pytest.fixture
def dozen(store):
    """Twelve objects with "a", every second with "b", the others with a counter n."""
    for number, pk in enumerate(PKS):
        is_even = number % 2 == 0
        terms = ["a", "b"] if is_even else ["a"]
        counters = None if is_even else {"n": number}
        new = image(*terms, packed=pk.encode(), expire=FAR)
        store.save(pk, NOTHING, new, counters)
    return store


def ids(reply):
    """Return the ids of a reply that holds only ids."""
    (found,) = reply
    return [pk.decode() for pk in found]


def test_ids_are_returned_in_order(dozen):
    assert ids(dozen.page()) == ids(dozen.page("a")) == PKS
    assert ids(dozen.page("a", "b")) == ids(dozen.page("b", "a")) == PKS[::2]
    assert ids(dozen.page("a", "none")) == ids(dozen.page("none")) == []


@pytest.mark.parametrize("terms", [(), ("a",), ("b",), ("a", "b")])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_page_is_a_slice_of_the_complete_list(dozen, terms, is_reversed):
    whole = PKS[::2] if "b" in terms else PKS
    whole = whole[::-1] if is_reversed else whole
    for start in range(14):
        for size in (1, 2, 5, 100):
            page = dozen.page(*terms, start=start, size=size, is_reversed=is_reversed)
            assert ids(page) == whole[start : start + size]


def test_objects_are_returned_with_their_ids(dozen):
    assert dozen.page("b", size=2, want="objects") == [[b"n00", b"n02"]] * 2


def test_counters_are_returned_as_flat_lists(dozen):
    pks, objects, counters = dozen.page(start=1, size=2, want="counters")
    assert pks == objects == [b"n01", b"n02"]
    assert counters == [[b"n", b"1"], []]


@pytest.mark.parametrize("terms", [(), ("a",), ("a", "b")])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("late", [["n00"], ["n03", "n04", "n10"], PKS[:9]])
def test_expired_objects_are_left_out_and_the_page_is_full(
    dozen, terms, is_reversed, late
):
    dozen.expire_now(*late)
    whole = PKS[::2] if "b" in terms else PKS
    live = [pk for pk in whole if pk not in late]
    live = live[::-1] if is_reversed else live
    before = dozen.everything()
    for start in range(12):
        page = dozen.page(*terms, start=start, size=3, is_reversed=is_reversed)
        assert ids(page) == live[start : start + 3]
    assert dozen.everything() == before


def test_missing_objects_are_left_out_and_the_page_is_full(dozen):
    dozen.client.delete(dozen.key("o:n01"), dozen.key("o:n02"))
    assert dozen.page(size=3, want="objects") == [[b"n00", b"n03", b"n04"]] * 2
    pks, objects, counters = dozen.page("a", start=1, size=2, want="counters")
    assert pks == objects == [b"n03", b"n04"]
    assert len(counters) == 2


def test_a_page_without_expired_objects_is_the_same_with_gaps(store):
    """Without expired and missing objects it is read in a shorter way."""
    store.fill(*PKS, terms=["a"])
    pks = [pk.encode() for pk in PKS]

    def objects(start, is_reversed=False):
        page = store.page(
            "a", start=start, size=3, want="objects", is_reversed=is_reversed
        )
        assert page[0] == page[1]
        return page[0]

    assert objects(2) == pks[2:5]
    assert objects(2, is_reversed=True) == pks[9:6:-1]
    assert objects(10) == pks[10:]
    assert objects(12) == []
    assert ids(store.page(start=2, size=3)) == PKS[2:5]
    store.client.delete(store.key("o:n03"))
    assert objects(2) == [b"n02", b"n04", b"n05"]
    assert objects(10) == pks[10:]
    store.expire_now("n00")
    assert objects(2) == [b"n04", b"n05", b"n06"]


def test_few_matches_in_large_sets_are_found_by_an_intersection(store):
    """After 1000 steps the scan changes to ZINTER, with the same result."""
    many = {f"m{number:04}": number for number in range(4000)}
    left = {pk: score for pk, score in many.items() if score % 2 == 0 or score > 3900}
    right = {pk: score for pk, score in many.items() if score % 2 or score < 100}
    for rest, members in (("all", many), ("t:left", left), ("t:right", right)):
        store.client.zadd(store.key(rest), members)
    both = [pk for pk in many if pk in left and pk in right]
    late = both[7::10]
    store.expire_now(*late)
    live = [pk for pk in both if pk not in late]
    assert len(live) > 60
    for start, size in ((0, 20), (40, 20), (0, 1000), (len(live) - 3, 10), (500, 5)):
        for is_reversed in (False, True):
            right_answer = (live[::-1] if is_reversed else live)[start : start + size]
            page = store.page(
                "left", "right", start=start, size=size, is_reversed=is_reversed
            )
            assert ids(page) == right_answer


@pytest.mark.parametrize("lives", [50, 500, 4000])
def test_few_live_objects_among_many_expired_ones_are_found(store, lives):
    """After 5000 expired ids the server finds the others, if they are few."""
    many = {f"m{number:05}": number for number in range(12_000)}
    live = [f"m{number:05}" for number in range(11_950 - lives, 11_950)]
    late = [pk for pk in many if pk not in set(live)]
    expires = dict.fromkeys(late, 1) | dict.fromkeys(live[::3], FAR)
    even = {pk: score for pk, score in many.items() if score % 2 == 0}
    terms = {"all": many, "t:a": many, "t:even": even}
    for rest, members in {**terms, "expires": expires}.items():
        store.client.zadd(store.key(rest), members)
    before = store.everything()
    for terms in ((), ("a",), ("even",), ("a", "even")):
        right = [pk for pk in live if "even" not in terms or pk in even]
        assert store.count(*terms) == len(right)
        for start in (0, 7, lives - 3):
            for is_reversed in (False, True):
                page = store.page(*terms, start=start, size=9, is_reversed=is_reversed)
                whole = right[::-1] if is_reversed else right
                assert ids(page) == whole[start : start + 9]
    assert store.everything() == before


def test_a_page_of_an_empty_store_is_empty(store):
    assert store.page() == [[]]
    assert store.page("a", want="objects") == [[], []]
    assert store.page("a", "b", want="counters") == [[], [], []]
