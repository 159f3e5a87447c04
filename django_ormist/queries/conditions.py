"""Conditions of a query: a tree of plain data over the index entries."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LOWEST, HIGHEST = b"", b"\xff"
"""Bounds below and above every sort key."""


@dataclass(frozen=True, slots=True)
class Term:
    """The condition of carrying an index term: ``"home"``, ``"name:John"``."""

    term: str


@dataclass(frozen=True, slots=True)
class Range:
    """The condition of an ordered attribute with ``low <= sort key < high``."""

    name: str
    low: bytes = LOWEST
    high: bytes = HIGHEST


EARLIEST, LATEST = -(2**53), 2**53
"""Bounds of the scores that a sorted set holds exactly."""


@dataclass(frozen=True, slots=True)
class Period:
    """The condition of a time with ``low <= time <= high``.

    name: ``created``, in microseconds since 1970, or ``expire``, in milliseconds.
    """

    name: str
    low: int = EARLIEST
    high: int = LATEST


@dataclass(frozen=True, slots=True)
class Ids:
    """The condition of having one of these ids."""

    pks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Holds:
    """The condition of holding this value of one or more unique attributes."""

    names: tuple[str, ...]
    value: bytes


@dataclass(frozen=True, slots=True)
class And:
    """The conjunction of its parts. Without parts, it matches every object."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Or:
    """The disjunction of its parts. Without parts, it does not match any object."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Xor:
    """The condition that an odd number of the parts are met."""

    parts: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of its part."""

    part: "Condition"


@dataclass(eq=False, slots=True)
class Subquery:
    """The condition of a value that another query finds.

    results: a lazy result of one value per row, of this package or of Django, which is
    evaluated before the query is sent. build: a function that returns the condition of
    its values. loaded: that condition, as it was loaded last.
    """

    results: Any
    build: "Callable[[list[Any]], Condition]"
    loaded: "Condition | None" = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the inner query without its rows, which are read anew each time."""
        results = self.results.all()
        name = "_cache" if hasattr(results, "_cache") else "_result_cache"
        setattr(results, name, [])  # otherwise, pickling evaluates it
        return Subquery, (results, self.build)

    @property
    def condition(self) -> "Condition":
        """The loaded condition."""
        if self.loaded is None:
            raise RuntimeError("A subquery is used before it was loaded.")
        return self.loaded


Condition = Term | Range | Period | Ids | Holds | And | Or | Xor | Not | Subquery


def subqueries(condition: "Condition") -> "Iterator[Subquery]":
    """Yield the subqueries in a condition, at any depth."""
    if isinstance(condition, Subquery):
        yield condition
    elif isinstance(condition, Not):
        yield from subqueries(condition.part)
    elif isinstance(condition, And | Or | Xor):
        for part in condition.parts:
            yield from subqueries(part)


EVERYTHING = And()
NOTHING = Or()


def all_of(parts: Iterable[Condition]) -> Condition:
    """Return the conjunction of the parts, without needless nesting.

    Merges ranges of the same attribute, periods of the same time, and lists of ids.
    """
    known: dict[object, Condition] = {}
    for part in parts:
        for each in part.parts if isinstance(part, And) else (part,):
            key = _merge_key(each)
            each = _merge(known[key], each) if key in known else each
            if each == NOTHING:
                return NOTHING
            known[key] = each
    conjuncts = tuple(known.values())
    return conjuncts[0] if len(conjuncts) == 1 else And(conjuncts)


def _merge_key(part: Condition) -> object:
    """Return the key by which conjuncts are merged."""
    if isinstance(part, Range | Period):
        return (type(part), part.name)
    return Ids if isinstance(part, Ids) else part


def _merge(one: Condition, other: Condition) -> Condition:
    """Return the conjunction of two conditions with the same merge key."""
    if isinstance(one, Range) and isinstance(other, Range):
        low, high = max(one.low, other.low), min(one.high, other.high)
        return Range(one.name, low, high) if low < high else NOTHING
    if isinstance(one, Period) and isinstance(other, Period):
        first, last = max(one.low, other.low), min(one.high, other.high)
        return Period(one.name, first, last) if first <= last else NOTHING
    if isinstance(one, Ids) and isinstance(other, Ids):
        return Ids(one.pks & other.pks)
    return one


def any_of(parts: Iterable[Condition]) -> Condition:
    """Return the disjunction of the parts, without needless nesting."""
    known: dict[Condition, None] = {}
    for part in parts:
        if part == EVERYTHING:
            return EVERYTHING
        known.update(dict.fromkeys(part.parts if isinstance(part, Or) else (part,)))
    return next(iter(known)) if len(known) == 1 else Or(tuple(known))


def odd_of(parts: Iterable[Condition]) -> Condition:
    """Return the condition that an odd number of parts are met, as Django's XOR."""
    given = tuple(parts)
    return given[0] if len(given) == 1 else Xor(given) if given else NOTHING


def negate(part: Condition) -> Condition:
    """Return the negation of a condition."""
    if part == EVERYTHING:
        return NOTHING
    if part == NOTHING:
        return EVERYTHING
    return part.part if isinstance(part, Not) else Not(part)


def reads_creation(condition: Condition) -> bool:
    """Return whether the condition depends on the creation time.

    Subqueries must be loaded.
    """
    match condition:
        case Period(name):
            return name == "created"
        case Not(part):
            return reads_creation(part)
        case And(parts) | Or(parts) | Xor(parts):
            return any(map(reads_creation, parts))
        case Subquery(loaded=Not() | And() | Or() | Xor() | Period() as loaded):
            return reads_creation(loaded)
    return False
