"""term_ids.lua: the next live ids that carry every term."""

import pytest

from django_ormist.operations import search
from django_ormist.operations.search import BEGINNING, Place
from django_ormist.queries.query import Query
from tests.scripts.store import ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def term_ids(store, *terms, after=BEGINNING, is_reversed=False):
    query = Query(terms=terms, is_reversed=is_reversed)
    operation = search.term_ids(store.space, query, after)
    return operation.parse(store.run(operation))


@pytest.fixture
def ten(store, monkeypatch):
    """Ten objects, three of which have one creation time; four ids a call."""
    scores = dict(zip("abcdefghij", (1, 2, 3, 3, 3, 6, 7, 8, 9, 10), strict=True))
    store.client.zadd(store.key("all"), scores)
    store.client.zadd(store.key("t:even"), {pk: scores[pk] for pk in "bdfhj"})
    monkeypatch.setattr(search, "IDS_PER_ROUND_TRIP", 4)
    return store


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_ids_come_in_parts_that_begin_after_the_last_id(ten, is_reversed):
    found, after = [], BEGINNING
    while True:
        after, pks = term_ids(ten, after=after, is_reversed=is_reversed)
        found += pks
        if after == BEGINNING:
            break
        # Neither the last id nor the places of others matter.
        ten.client.zrem(ten.key("all"), after.pk)
    assert b"".join(found) == (b"jihgfedcba" if is_reversed else b"abcdefghij")


def test_expired_ids_are_left_out(ten):
    ten.client.zadd(ten.key("expires"), {"a": 1, "b": 1})
    assert term_ids(ten) == (Place(b"3", b"d"), [b"c", b"d"])
    assert term_ids(ten, "even", "even") == (BEGINNING, [b"d", b"f", b"h", b"j"])


def test_several_terms_are_intersected_if_they_are_few(ten, monkeypatch):
    assert term_ids(ten, "even", "none") == (BEGINNING, [])
    found = term_ids(ten, "even", "even", is_reversed=True)
    assert found == (BEGINNING, [b"j", b"h", b"f", b"d", b"b"])
    monkeypatch.setattr("django_ormist.operations.steps.MOST_LOOKS", 1)
    ten.client.zadd(ten.key("t:many"), {f"m{n}": n for n in range(20)})
    assert term_ids(ten, "many", "many") is None
