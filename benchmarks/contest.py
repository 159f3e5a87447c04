"""One comparison of ours with other ways to do the same work."""

from dataclasses import dataclass, field

from .figure import Figure
from .timing import Clock, Contestant


@dataclass(frozen=True)
class Contest:
    """A comparison with the fastest of *others*.

    target: the largest allowed ratio. shown: more ways, which do less or more than
    ours. They are measured in the same rounds and not judged.
    """

    name: str
    target: float | None
    ours: Contestant
    others: list[Contestant]
    shown: list[Contestant] = field(default_factory=list)
    rounds: int | None = None
    calls: int | None = None

    def held(self, clock: Clock) -> Figure:
        """Measure and return the figure."""
        contestants = [self.ours, *self.others, *self.shown]
        mine, *theirs = clock.contest(contestants, self.rounds, self.calls)
        judged = theirs[: len(self.others)]
        best = min(judged, key=lambda times: times.median_us)
        details = {
            times.name: {
                "median_us": times.median_us,
                "quartiles_us": times.quartiles_us(),
                "rounds_us": times.rounds_us,
                "cpu_us": times.cpu_us,
                "ours_to_it": mine.ratio_to(times),
                "ours_to_it_cpu": mine.cpu_ratio_to(times),
            }
            for times in (mine, *theirs)
        }
        return Figure(
            self.name,
            "us",
            mine.median_us,
            best.name,
            best.median_us,
            mine.ratio_to(best),
            self.target,
            details,
        )
