"""Times taken in turns: each round runs every contestant once, in rotating order."""

import asyncio
import gc
import inspect
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter_ns, process_time_ns
from typing import Any

Work = Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]

SLICE_NS = 20_000_000
"""About so long is one contestant measured in one round, at most MOST calls."""

MOST = 200


def same_again(count: int) -> Iterable[Any]:
    """Return the numbers of the calls, for work without arguments."""
    return range(count)


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    work: called with each object of prepare(count), which is not timed; a coroutine
    function is awaited. facts: returns the part of a result, or of the stored data,
    that all contestants must share. None: it is not compared. after: called after each
    turn, not timed.
    """

    name: str
    work: Work
    prepare: Callable[[int], Iterable[Any]] = same_again
    facts: Callable[[Any], Any] | None = None
    after: Callable[[], None] = lambda: None


@dataclass
class Times:
    """Microseconds per call of one contestant, one figure for each round.

    rounds_us: the time that passed. cpu_us: the CPU time of this process, in which a
    busy machine and the server's work do not count.
    """

    name: str
    rounds_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        return median(self.rounds_us)

    def ratio_to(self, other: "Times") -> float:
        """Return the median of the ratios of each round."""
        return _ratio(self.rounds_us, other.rounds_us)

    def cpu_ratio_to(self, other: "Times") -> float:
        """Return the median of the ratios of CPU time of each round."""
        return _ratio(self.cpu_us, other.cpu_us)

    def quartiles_us(self) -> list[float]:
        """Return the first and the third quartile."""
        if len(self.rounds_us) < 2:
            return self.rounds_us * 2
        return quantiles(self.rounds_us, n=4)[::2]


def _ratio(mine: list[float], theirs: list[float]) -> float:
    return median(one / other for one, other in zip(mine, theirs, strict=True))


class Clock:
    """A timer of contestants in one event loop, which the async ones share."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.runner = asyncio.Runner()

    def contest(
        self,
        contestants: list[Contestant],
        rounds: int | None = None,
        calls: int | None = None,
    ) -> list[Times]:
        """Return the times of all contestants, in order.

        calls: the number of calls per turn; None: as fits SLICE_NS. The results are
        compared first. Raises AssertionError if they differ.
        """
        self._compare(contestants)
        if calls is None:
            slowest = max(self._turn(each, 3)[0] for each in contestants)
            calls = min(max(int(SLICE_NS / 1000 / slowest), 1), MOST)
        times = [Times(each.name) for each in contestants]
        for number in range(rounds or self.rounds):
            for place in range(len(contestants)):
                turn = (number + place) % len(contestants)
                random.seed(number)  # everybody gets the same things
                spent_us, cpu_us = self._turn(contestants[turn], calls)
                times[turn].rounds_us.append(spent_us)
                times[turn].cpu_us.append(cpu_us)
        return times

    def close(self) -> None:
        """End the event loop."""
        self.runner.close()

    def _turn(self, contestant: Contestant, calls: int) -> tuple[float, float]:
        """Return the median of the microseconds per call, and the mean CPU time.

        By the median, interruptions count less.
        """
        things = list(contestant.prepare(calls))
        gc.collect()  # before the turn, not during it
        start_ns = process_time_ns()
        if inspect.iscoroutinefunction(contestant.work):
            spent_ns = self.runner.run(_awaited_ns(contestant.work, things))
        else:
            spent_ns = _called_ns(contestant.work, things)
        cpu_ns = process_time_ns() - start_ns
        contestant.after()
        return median(spent_ns) / 1000, cpu_ns / len(things) / 1000

    def _compare(self, contestants: list[Contestant]) -> None:
        found = []
        for each in contestants:
            random.seed(0)
            (thing,) = each.prepare(1)
            result: Any = each.work(thing)
            if inspect.isawaitable(result):
                result = self.runner.run(_await(result))
            if each.facts is not None:
                found.append((each.name, each.facts(result)))
            each.after()
        for name, facts in found[1:]:
            assert facts == found[0][1], f"{name} has another result than {found[0][0]}"


def _called_ns(work: Work, things: list[Any]) -> list[int]:
    spent_ns = []
    for thing in things:
        start = perf_counter_ns()
        work(thing)
        spent_ns.append(perf_counter_ns() - start)
    return spent_ns


async def _awaited_ns(work: Work, things: list[Any]) -> list[int]:
    spent_ns = []
    for thing in things:
        start = perf_counter_ns()
        await work(thing)
        spent_ns.append(perf_counter_ns() - start)
    return spent_ns


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
