"""One figure of the report, and its target."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from statistics import median_low
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured figure, and the one that it is compared with.

    unit: "us", "ms", "B", "MB" or "/s". beside: the name of the other. target: the
    largest allowed ratio, or our largest figure without one; None without a target.
    details: all measurements, for the JSON file. runs: the judged value of each run, if
    there are several.
    """

    name: str
    unit: str
    ours: float
    beside: str = ""
    other: float | None = None
    ratio: float | None = None
    target: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    runs: list[float] = field(default_factory=list)

    @property
    def judged(self) -> float:
        """The value that the target limits."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        return None if self.target is None else self.judged <= self.target

    def as_json(self) -> dict[str, Any]:
        """Return the figure as plain values."""
        return {**asdict(self), "is_met": self.is_met}


def merge(figures: Iterable[Figure]) -> list[Figure]:
    """Return one figure for each name: the run with the median of them."""
    by_name: dict[str, list[Figure]] = {}
    for figure in figures:
        by_name.setdefault(figure.name, []).append(figure)
    return [_middle(same) for same in by_name.values()]


def _middle(runs: list[Figure]) -> Figure:
    if len(runs) == 1:
        return runs[0]
    judged = [figure.judged for figure in runs]
    return replace(runs[judged.index(median_low(judged))], runs=judged)
