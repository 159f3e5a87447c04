"""Matching of one object with a condition, by its index entries."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from ..terms import term_suffix
from .conditions import (
    And,
    Condition,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Subquery,
    Term,
    Xor,
    any_of,
)
from .query import CREATED


class Entries(Protocol):
    """The index entries of one stored object.

    suffixes: the ``terms.term_suffix`` of each index term. sort_keys: one for each
    ordered attribute that it has. unique: the ``terms.unique_value`` of each unique
    constraint, by the names of its attributes. expire_at_ms: its deadline, if any.
    """

    @property
    def suffixes(self) -> Collection[bytes]: ...

    @property
    def sort_keys(self) -> Mapping[str, bytes]: ...

    @property
    def unique(self) -> Mapping[tuple[str, ...], bytes]: ...

    @property
    def expire_at_ms(self) -> Any: ...


Matcher = Callable[[str, Entries, float | None], bool]
"""A function: whether an object meets a condition.

Its arguments are the id, the entries, and the creation time in microseconds, which is
only needed for a condition that ``reads_creation()``.
"""


def matcher(condition: Condition) -> Matcher:
    """Return the Matcher of a condition.

    It looks up each entry of the object once, whatever the number of values in the
    condition.
    """
    match condition:
        case Not(part):
            meets = matcher(part)
            return lambda pk, entries, created: not meets(pk, entries, created)
        case And(parts):
            plain = [matcher(each) for each in parts if not isinstance(each, Not)]
            negated = [each.part for each in parts if isinstance(each, Not)]
            if negated:
                plain.append(matcher(Not(any_of(negated))))
            return lambda pk, entries, created: all(
                meets(pk, entries, created) for meets in plain
            )
        case Xor(parts):
            number = _counter(parts)
            return lambda pk, entries, created: number(pk, entries, created) % 2 == 1
    number = _counter(condition.parts if isinstance(condition, Or) else (condition,))
    return lambda pk, entries, created: number(pk, entries, created) > 0


def _counter(
    parts: Iterable[Condition],
) -> Callable[[str, Entries, float | None], int]:
    """Return a function that counts how many of the parts an object meets."""
    terms: defaultdict[bytes, int] = defaultdict(int)
    pks: defaultdict[str, int] = defaultdict(int)
    held: defaultdict[tuple[tuple[str, ...], bytes], int] = defaultdict(int)
    ranges: defaultdict[str, list[Range]] = defaultdict(list)
    periods: defaultdict[str, list[Period]] = defaultdict(list)
    others: list[Matcher] = []
    for part in parts:
        match part:
            case Term(term):
                terms[term_suffix(term)] += 1
            case Ids(chosen):
                for pk in chosen:
                    pks[pk] += 1
            case Holds(names, value):
                held[names, value] += 1
            case Range(name, low, high):
                if low < high:
                    ranges[name].append(part)
            case Subquery():
                others.append(matcher(part.condition))
            case Period(name, first, last):
                if first <= last:
                    periods[name].append(part)
            case _:
                others.append(matcher(part))
    bounds = {
        name: (sorted(each.low for each in some), sorted(each.high for each in some))
        for name, some in ranges.items()
    }
    times = {
        name: (sorted(each.low for each in some), sorted(each.high for each in some))
        for name, some in periods.items()
    }
    unique_names = {names for names, _ in held}

    def number(pk: str, entries: Entries, created: float | None) -> int:
        met = pks.get(pk, 0) + sum(meets(pk, entries, created) for meets in others)
        if terms:
            met += sum(terms.get(suffix, 0) for suffix in set(entries.suffixes))
        for name, (lows, highs) in bounds.items():
            key = entries.sort_keys.get(name)
            if key is not None:
                met += bisect_right(lows, key) - bisect_right(highs, key)
        for name, (firsts, lasts) in times.items():
            time = created if name == CREATED else entries.expire_at_ms
            if time is not None:
                met += bisect_right(firsts, time) - bisect_left(lasts, time)
        for names in unique_names:
            value = entries.unique.get(names)
            met += 0 if value is None else held.get((names, value), 0)
        return met

    return number
