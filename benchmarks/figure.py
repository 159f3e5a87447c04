"""One figure of the report, and its target."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured figure, and the one that it is compared with.

    unit: "us", "ms" or "B". beside: the name of the other. target: the largest allowed
    ratio, or our largest figure without one; None without a target. details: all
    measurements, for the JSON file.
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
        """The value that the target limits."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        return None if self.target is None else self.judged <= self.target

    def as_json(self) -> dict[str, Any]:
        """Return the figure as plain values."""
        return {**asdict(self), "is_met": self.is_met}
