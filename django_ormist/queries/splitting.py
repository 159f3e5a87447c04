"""Division of a condition that is too long for one script into shorter ones."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from math import ceil
from operator import iand, ior, isub, ixor
from typing import Any, NamedTuple

from ..batching import batched
from .conditions import (
    And,
    Condition,
    Ids,
    Not,
    Or,
    Range,
    Subquery,
    Xor,
    all_of,
    any_of,
    negate,
    odd_of,
)

MOST_IDS = 5000
"""Ids in a condition of one script."""

IDS_PER_LEAF = 50
"""Ids that a script reads in about the time of another condition."""


class Combined(NamedTuple):
    """A combination of the ids that several plans find, from left to right.

    join: the operator of two sets. is_disjoint: whether no object meets two of the
    parts, which are conditions.
    """

    join: Callable[[Any, Any], Any]
    parts: "tuple[Plan, ...]"
    is_disjoint: bool = False

    @property
    def is_union(self) -> bool:
        """Whether the parts are conditions, and a match meets one of them."""
        return self.join is ior and not any(isinstance(p, Combined) for p in self.parts)


Plan = Condition | Combined
"""A condition of few leaves, or a combination of several."""


def conditions_of(plan: Plan) -> Iterator[Condition]:
    """Yield the conditions of a plan, from left to right."""
    if not isinstance(plan, Combined):
        yield plan
        return
    for part in plan.parts:
        yield from conditions_of(part)


def leaves(condition: Condition) -> int:
    """Return the number of single conditions. Subqueries must be loaded."""
    match condition:
        case Ids(pks):
            return ceil(len(pks) / IDS_PER_LEAF) if len(pks) <= MOST_IDS else len(pks)
        case Subquery():
            return leaves(condition.condition)
        case Not(part):
            return leaves(part)
        case And(parts) | Or(parts) | Xor(parts):
            return sum(map(leaves, parts))
    return 1


def split(condition: Condition, most: int, rest: tuple[Condition, ...] = ()) -> Plan:
    """Return a plan for the conjunction of a condition and *rest*.

    most: the leaves of each condition in the plan. rest: at most half as many, which
    are repeated in each, so that the server can read the smallest.
    """
    whole = all_of((*rest, condition))
    if leaves(whole) <= most:
        return whole
    room = most - leaves(all_of(rest))
    match condition:
        case Subquery():
            return split(condition.condition, most, rest)
        case Not(part) if _is_open(part):
            return split(_opposite(part), most, rest)
        case Not(part):
            return Combined(isub, (all_of(rest), split(part, most, rest)))
        case Ids(pks):
            each = partial(_ids_with, rest)
            return Combined(ior, tuple(map(each, batched(sorted(pks), MOST_IDS))), True)
        case And():
            return _split_all(whole, most)
        case Or(parts) if any(map(_is_open, parts)):
            return split(negate(_opposite(condition)), most, rest)
        case Xor(parts) if any(map(_is_open, parts)):
            closed = odd_of(_opposite(p) if _is_open(p) else p for p in parts)
            return split(negate(closed) if _is_open(condition) else closed, most, rest)
        case Or(parts) | Xor(parts):
            is_or = isinstance(condition, Or)
            join = any_of if is_or else odd_of
            plans = [split(join(some), most, rest) for some in _pack(parts, room)]
            return _join(ior if is_or else ixor, plans, is_or and _are_disjoint(parts))
    raise RuntimeError(f"The other conditions are too many: {rest}.")


def _split_all(condition: Condition, most: int) -> Plan:
    """Return a plan for a conjunction: its short parts are repeated in the others."""
    condition = all_of(map(_without_double_negation, _parts_of(condition)))
    parts = _parts_of(condition)
    negated = any_of(part.part for part in parts if isinstance(part, Not))
    plain = [part for part in parts if not isinstance(part, Not)]
    short, long = list[Condition](), list[Condition]()
    room = most // 2
    for part in sorted((*plain, negate(negated)), key=leaves):
        room -= leaves(part)
        (short if room >= 0 else long).append(part)
    base = all_of(short)
    rest = _parts_of(base)
    excluded = [part for part in long if isinstance(part, Not)]
    required = [part for part in long if not isinstance(part, Not)]
    plans = [
        split(all_of(some), most, rest) for some in _pack(required, most - leaves(base))
    ]
    found = _join(iand, plans) if plans else base
    for part in excluded:
        found = Combined(isub, (found, split(part.part, most, rest)))
    return found


def _parts_of(condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, And) else (condition,)


def _without_double_negation(condition: Condition) -> Condition:
    if isinstance(condition, Not) and _is_open(condition.part):
        return _opposite(condition.part)
    return condition


def _join(
    join: Callable[[Any, Any], Any], plans: list[Plan], is_disjoint: bool = False
) -> Plan:
    if len(plans) == 1:
        return plans[0]
    flat: list[Plan] = []
    for plan in plans:
        is_same = isinstance(plan, Combined) and plan.join is join
        flat += plan.parts if is_same and isinstance(plan, Combined) else (plan,)
    return Combined(join, tuple(flat), is_disjoint)


def _pack(parts: Iterable[Condition], most: int) -> Iterator[list[Condition]]:
    """Yield lists of parts with up to *most* leaves. A longer part is alone."""
    some, size = list[Condition](), 0
    for part in sorted(parts, key=_place):
        if some and size + leaves(part) > most:
            yield some
            some, size = [], 0
        some.append(part)
        size += leaves(part)
    if some:
        yield some


def _place(part: Condition) -> tuple[str, bytes]:
    return (part.name, part.low) if isinstance(part, Range) else ("", b"")


def _are_disjoint(parts: Iterable[Condition]) -> bool:
    """Whether these are ranges of one attribute that do not overlap."""
    ranges = sorted((p for p in parts if isinstance(p, Range)), key=_place)
    return len(ranges) == len(tuple(parts)) and all(
        one.name == other.name and one.high <= other.low
        for one, other in pairwise(ranges)
    )


def _ids_with(rest: tuple[Condition, ...], pks: list[str]) -> Condition:
    return all_of((*rest, Ids(frozenset(pks))))


def _is_open(condition: Condition) -> bool:
    """Whether objects outside the indexes of a condition may meet it."""
    match condition:
        case Subquery():
            return _is_open(condition.condition)
        case Not(part):
            return not _is_open(part)
        case And(parts):
            return all(map(_is_open, parts))
        case Or(parts):
            return any(map(_is_open, parts))
        case Xor(parts):
            return sum(map(_is_open, parts)) % 2 == 1
    return False


def _opposite(condition: Condition) -> Condition:
    """Return the negation of a condition: if that is open, one that is not.

    Xor is negated with an odd number of its parts.
    """
    if not _is_open(condition):
        return negate(condition)
    match condition:
        case Subquery():
            return _opposite(condition.condition)
        case And(parts):
            return any_of(map(_opposite, parts))
        case Or(parts):
            return all_of(map(_opposite, parts))
        case Xor(parts):
            return odd_of(_opposite(p) if _is_open(p) else p for p in parts)
    return negate(condition)
