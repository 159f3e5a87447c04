"""count_where.lua: the number of live objects that match a condition."""

import pytest

from django_ormist.operations import counts
from django_ormist.queries.conditions import (
    EVERYTHING,
    And,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Term,
    Xor,
)
from django_ormist.queries.query import Query
from django_ormist.sortkeys import AFTER, sort_key
from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER

A, B = Term("a"), Term("b")


def sizes(low, high):
    return Range("size", sort_key(low), sort_key(high) + AFTER)


SMALL = sizes(0, 1)


@pytest.mark.parametrize(
    ("where", "all_of_them", "without_due"),
    [
        (EVERYTHING, 12, 9),
        (Not(B), 6, 5),
        (SMALL, 6, 4),
        (And((A, B)), 6, 4),
        (And((A, Not(B))), 6, 5),
        (And((SMALL, Not(B), A)), 3, 2),
        (Or((SMALL, B)), 9, 6),
        (Xor((SMALL, B)), 6, 4),
        (Xor((SMALL, B, Ids(frozenset({"n11"})))), 7, 5),
        (Or((SMALL, B, Ids(frozenset({"n11"})))), 10, 7),
        (Or((sizes(3, 3), SMALL)), 8, 5),
        (Or((sizes(1, 2), sizes(2, 3), sizes(0, 0), sizes(1, 1))), 11, 8),
        (Ids(frozenset({"n00", "n01", "none"})), 2, 1),
        (Period("expire"), 12, 9),
        (Not(Period("expire")), 0, 0),
        (Period("expire", FAR + 1, FAR + 3), 7, 6),
        (And((Period("expire", FAR + 1, FAR + 3), B)), 3, 3),
        (Or((Period("expire", FAR + 4), Period("expire", high=FAR))), 5, 3),
        (Or((Period("expire", FAR, FAR + 2), Period("expire", FAR + 1))), 12, 9),
        (Or((Period("expire", FAR + 9), Period("expire", high=FAR - 9))), 0, 0),
        (Xor((Period("expire", FAR + 1), Period("expire", FAR + 3))), 5, 5),
        (Or((Period("created", 0, 1), Period("created"))), 12, 9),
        (And((Period("created"), Not(B))), 6, 5),
        (Not(Range("size")), 1, 1),
    ],
)
def test_only_live_objects_are_counted(sized, where, all_of_them, without_due):
    query = counts.count_where(sized.space, Query().where(where))(b"")
    assert sized.run(query) == [b"", all_of_them]
    sized.expire_now("n00", "n03", "n10")
    assert sized.run(query) == [b"", without_due]
