"""Plans of long conditions find what the conditions do, with short ones."""

from operator import ior

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_ormist.operations.search import all_ids
from django_ormist.operations.steps import START
from django_ormist.queries import splitting
from django_ormist.queries.conditions import (
    And,
    Ids,
    Not,
    Or,
    Range,
    Subquery,
    Term,
    Xor,
    all_of,
)
from django_ormist.queries.splitting import Combined, conditions_of, leaves, split
from tests.models import City
from tests.unit.test_matching import conditions, founds, is_met

KINDS = [Term(f"kind:{i}") for i in range(100)]
PRICES = [Range("price", b"%03d" % i, b"%03d\xff" % i) for i in range(100)]


def is_found(plan, pk, found):
    if not isinstance(plan, Combined):
        return is_met(plan, pk, found, 2)
    facts = [{pk} if is_found(part, pk, found) else set() for part in plan.parts]
    members = facts[0]
    for fact in facts[1:]:
        members = plan.join(members, fact)
    if plan.is_disjoint:
        assert sum(map(len, facts)) < 2
    return bool(members)


@settings(max_examples=500)
@given(conditions, st.integers(2, 7), founds, st.sampled_from("123"))
def test_a_plan_finds_what_the_condition_does(condition, most, found, pk):
    plan = split(condition, most)
    assert is_found(plan, pk, found) == is_met(condition, pk, found, 2)
    assert all(leaves(each) <= most for each in conditions_of(plan))


def test_a_short_condition_is_its_own_plan():
    condition = all_of((Or(tuple(KINDS[:19])), Term("half")))
    assert split(condition, 20) == condition


def test_the_short_conditions_are_repeated_beside_each_part_of_a_long_one():
    plan = split(all_of((Or(tuple(KINDS)), Term("half"), Not(Term("old")))), 20)
    assert plan.join is ior
    assert len(plan.parts) == 6
    assert all({Term("half"), Not(Term("old"))} < {*p.parts} for p in plan.parts)


@pytest.mark.parametrize(
    ("condition", "queries"),
    [
        (Or(tuple(KINDS)), 5),
        (Xor(tuple(KINDS)), 5),
        (Not(Or(tuple(KINDS))), 6),
        (And(tuple(map(Not, KINDS))), 6),
        (Or(tuple(map(Not, KINDS))), 10),
        (And((Or(tuple(KINDS)), Or(tuple(PRICES)))), 10),
        (And((Or(tuple(KINDS)), Not(Or(tuple(PRICES))))), 10),
        (Subquery([], And, Or(tuple(KINDS))), 5),
    ],
)
def test_a_plan_has_few_queries(condition, queries):
    assert len([*conditions_of(split(condition, 20))]) <= queries


def test_ranges_that_do_not_overlap_and_ids_are_known_to_be_disjoint(monkeypatch):
    monkeypatch.setattr(splitting, "MOST_IDS", 30)
    assert split(Or(tuple(reversed(PRICES))), 20).is_disjoint
    assert not split(Or((*PRICES, Range("price", b"05", b"06"))), 20).is_disjoint
    assert not split(Or(tuple(KINDS)), 20).is_disjoint
    ids = split(And((Ids(frozenset(map(str, range(100)))), Term("half"))), 20)
    assert ids.is_disjoint
    assert len(ids.parts) == 4


@pytest.mark.parametrize(
    ("number", "orders", "cursor"),
    [
        (834, ["name", "population", "founded"], START),
        (833, ["name", "population", "founded"], b""),
        (5000, ["name", "population"], b""),
        (1, ["name", "population", "founded"], b""),
    ],
)
def test_a_query_of_many_ids_in_many_orders_begins_with_a_step(number, orders, cursor):
    pks = [f"c{i}" for i in range(number)]
    query = City.objects.filter(pk__in=pks).order_by(*orders).query
    operation = next(all_ids(City._meta.space("default"), query))
    assert operation.args[-1] == cursor
