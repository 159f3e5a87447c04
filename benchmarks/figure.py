"""One figure of the report, and whether it is what it should be."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured figure and the one it is compared with.

    unit: "us", "ms" or "B". beside: what other is. target: the most that the ratio
    may be; of a figure without one, the most that ours may be; None: nothing asked.
    details: everything that was measured, for the JSON file.
    """

    name: str
    unit: str
    ours: float
    beside: str = ""
    other: float | None = None
    ratio: float | None = None
    target: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def judged(self) -> float:
        """What the target is about."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def is_met(self) -> bool | None:
        """None where nothing is asked."""
        return None if self.target is None else self.judged <= self.target

    def as_json(self) -> dict[str, Any]:
        """The figure as plain values."""
        return {**asdict(self), "is_met": self.is_met}
