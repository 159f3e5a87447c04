"""Matching objects in Python, compared with the definition of each condition."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_ormist.queries.conditions import (
    And,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Term,
    Xor,
    negate,
)
from django_ormist.queries.matching import matcher
from django_ormist.terms import term_suffix


@dataclass
class Found:
    """The entries of an object."""

    suffixes: tuple[bytes, ...] = ()
    sort_keys: dict[str, bytes] = field(default_factory=dict)
    unique: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    expire_at_ms: int | None = None


def is_met(condition, pk, found, created=None):
    match condition:
        case Term(term):
            return term_suffix(term) in found.suffixes
        case Range(name, low, high):
            return name in found.sort_keys and low <= found.sort_keys[name] < high
        case Ids(pks):
            return pk in pks
        case Holds(names, value):
            return found.unique.get(names) == value
        case Period(name, low, high):
            time = created if name == "created" else found.expire_at_ms
            return time is not None and low <= time <= high
        case Not(part):
            return not is_met(part, pk, found, created)
    met = [is_met(part, pk, found, created) for part in condition.parts]
    return {And: all(met), Or: any(met), Xor: sum(met) % 2 == 1}[type(condition)]


keys = st.sampled_from([b"", b"a", b"b", b"ba", b"c", b"\xff"])
times = st.integers(0, 4)
leaves = st.one_of(
    st.builds(Term, st.sampled_from("abc")),
    st.builds(Range, st.sampled_from("xy"), keys, keys),
    st.builds(Ids, st.frozensets(st.sampled_from("12"))),
    st.builds(Holds, st.just(("u",)), keys),
    st.builds(Period, st.sampled_from(["created", "expire"]), times, times),
)


def joined(parts):
    several = st.lists(parts, max_size=5).map(tuple)
    return st.one_of(
        st.builds(And, several),
        st.builds(Or, several),
        st.builds(Xor, several),
        parts.map(negate),
        parts.map(Not),
    )


conditions = st.recursive(leaves, joined)
founds = st.builds(
    Found,
    st.lists(st.sampled_from("abc").map(term_suffix), unique=True).map(tuple),
    st.dictionaries(st.sampled_from("xy"), keys),
    st.dictionaries(st.just(("u",)), keys),
    st.none() | times,
)


@settings(max_examples=500)
@given(conditions, st.sampled_from("123"), founds, st.none() | times)
def test_a_tree_of_conditions_matches_as_its_parts_do(condition, pk, found, created):
    wanted = is_met(condition, pk, found, created)
    assert matcher(condition)(pk, found, created) is wanted


@pytest.mark.parametrize("kind", [Or, Xor])
def test_an_index_entry_is_read_once_for_any_number_of_values(kind):
    class Counted(dict):
        reads = 0

        def get(self, *key):
            self.reads += 1
            return super().get(*key)

    ranges = (Range("x", b"%d" % n, b"%d\xff" % n) for n in range(1000))
    holds = (Holds(("u",), b"%d" % n) for n in range(1000))
    found = Found((b"t:7",), Counted(x=b"7"), Counted({("u",): b"7"}))
    matcher(kind((*ranges, *holds)))("1", found, None)
    assert found.sort_keys.reads == found.unique.reads == 1
