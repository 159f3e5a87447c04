"""The objects that every peer stores, and the right answers to its queries."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]
"""One object: ATTRIBUTES and their values."""

ATTRIBUTES = {
    "name": str,
    "city": str,
    "kind": str,
    "state": str,
    "score": int,
    "seen": float,
    "is_active": bool,
    "note": str,
}
"""Plain types, which every peer has. Only is_active, seen and note have no index."""

CITIES = [f"city-{number:02}" for number in range(50)]
KINDS = [f"kind-{number:02}" for number in range(20)]
STATES = [f"state-{number}" for number in range(4)]

HIGHEST = 10_000_000
"""Scores are below; no two are equal, since stores break ties differently."""

PAGE = 20
"""Objects on a page."""

NOTE = "Left with the neighbours on the second floor, ring twice. "


@dataclass
class Job:
    """The first *total* objects, always the same, and new ones after them."""

    total: int
    stored: list[Values] = field(default_factory=list)
    by_city: dict[str, list[Values]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        generator = random.Random(self.total)
        scores = generator.sample(range(HIGHEST), self.total)
        for number, score in enumerate(scores):
            values = new_values(f"device-{number:07}", score, generator)
            self.stored.append(values)
            self.by_city.setdefault(values["city"], []).append(values)

    def batches(self, size: int) -> Iterator[list[Values]]:
        """Yield all objects in lists of *size*."""
        for start in range(0, self.total, size):
            yield self.stored[start : start + size]

    # The right answers

    def two_equalities(self, city: str, kind: str) -> list[str]:
        """Return the names of the objects of a city and a kind, sorted."""
        return sorted(v["name"] for v in self.by_city[city] if v["kind"] == kind)

    def page(self, city: str, low: int, high: int) -> list[str]:
        """Return the names of the first PAGE of a range of scores, highest first."""
        found = [v for v in self.by_city[city] if low <= v["score"] <= high]
        found.sort(key=lambda values: -values["score"])
        return [values["name"] for values in found[:PAGE]]

    def count(self, city: str, kind: str) -> int:
        """Return the number of objects of a city and a kind."""
        return len(self.two_equalities(city, kind))

    def count_range(self, city: str, low: int) -> int:
        """Return the number of objects of a city with at least this score."""
        return sum(values["score"] >= low for values in self.by_city[city])

    def facets(self, city: str) -> dict[str, int]:
        """Return the number of objects of each kind in a city."""
        return dict(Counter(values["kind"] for values in self.by_city[city]))

    def prefix(self, start: str) -> list[str]:
        """Return the names that begin with *start*, sorted."""
        return sorted(v["name"] for v in self.stored if v["name"].startswith(start))


def new_values(name: str, score: int, generator: Any = random, **given: Any) -> Values:
    """Return an object with random values but for the given ones."""
    return {
        "name": name,
        "city": generator.choice(CITIES),
        "kind": generator.choice(KINDS),
        "state": generator.choice(STATES),
        "score": score,
        "seen": 1_764_000_000 + generator.randrange(10**6) / 64,
        "is_active": generator.random() < 0.5,
        "note": NOTE + name,
    } | given
