"""Which objects: a tree of conditions over what the indexes hold. Plain data."""

from collections.abc import Iterable
from dataclasses import dataclass

LOWEST, HIGHEST = b"", b"\xff"
"""Bounds below and above every sort key."""


@dataclass(frozen=True, slots=True)
class Term:
    """Carries this index term: ``"home"``, ``"name:John"``."""

    term: str


@dataclass(frozen=True, slots=True)
class Range:
    """Has an ordered attribute whose sort key is ``low <= key < high``."""

    name: str
    low: bytes = LOWEST
    high: bytes = HIGHEST


@dataclass(frozen=True, slots=True)
class Ids:
    """Is one of these."""

    pks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Holds:
    """Holds this value of an attribute that is unique, or of several together."""

    names: tuple[str, ...]
    value: bytes


@dataclass(frozen=True, slots=True)
class And:
    """Meets all of them; without any, every object does."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Or:
    """Meets one of them; without any, no object does."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Xor:
    """Meets an odd number of them."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Not:
    """Does not meet it."""

    part: "Condition"


Condition = Term | Range | Ids | Holds | And | Or | Xor | Not

EVERYTHING = And()
NOTHING = Or()


def all_of(parts: Iterable[Condition]) -> Condition:
    """The condition that all of these are met, without needless nesting.

    Ranges of one attribute are one, and so are lists of ids.
    """
    known: dict[object, Condition] = {}
    for part in parts:
        for each in part.parts if isinstance(part, And) else (part,):
            place = _place(each)
            each = _both(known[place], each) if place in known else each
            if each == NOTHING:
                return NOTHING
            known[place] = each
    conjuncts = tuple(known.values())
    return conjuncts[0] if len(conjuncts) == 1 else And(conjuncts)


def _place(part: Condition) -> object:
    """What a conjunct is about: of one thing there is one."""
    if isinstance(part, Range):
        return (Range, part.name)
    return Ids if isinstance(part, Ids) else part


def _both(one: Condition, other: Condition) -> Condition:
    """Two conjuncts about one thing as one."""
    if isinstance(one, Range) and isinstance(other, Range):
        low, high = max(one.low, other.low), min(one.high, other.high)
        return Range(one.name, low, high) if low < high else NOTHING
    if isinstance(one, Ids) and isinstance(other, Ids):
        return Ids(one.pks & other.pks)
    return one


def any_of(parts: Iterable[Condition]) -> Condition:
    """The condition that one of these is met, without needless nesting."""
    known: dict[Condition, None] = {}
    for part in parts:
        if part == EVERYTHING:
            return EVERYTHING
        known.update(dict.fromkeys(part.parts if isinstance(part, Or) else (part,)))
    return next(iter(known)) if len(known) == 1 else Or(tuple(known))


def odd_of(parts: Iterable[Condition]) -> Condition:
    """The condition that an odd number of these is met, as Django's XOR."""
    given = tuple(parts)
    return given[0] if len(given) == 1 else Xor(given) if given else NOTHING


def negated(part: Condition) -> Condition:
    """The opposite condition."""
    if part == EVERYTHING:
        return NOTHING
    if part == NOTHING:
        return EVERYTHING
    return part.part if isinstance(part, Not) else Not(part)
