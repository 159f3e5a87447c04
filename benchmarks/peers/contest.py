"""The measurements: each round runs every peer once, in rotating order."""

import gc
import random
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any

from ..timing import Times
from .job import Job
from .peer import BATCH, Peer
from .rows import Row, Stage

MOST = 100
"""The most calls of one peer in one round."""

KEPT = MOST
"""Objects that the rows of saves change: one for each call, or a copy is stale."""

LOOKED_UP = 10_000
"""Objects that the row of gets reads."""

Show = Callable[[str], None]


def fill(peer: Peer, job: Job, bulk: int, show: Show) -> tuple[Stage, float]:
    """Store all objects of *job*. Return the stage, and the bytes per object."""
    stage = Stage(peer, job, bulk)
    peer.enter()
    before, done = peer.used_bytes(), 0
    for some in job.batches(BATCH):
        pks = peer.bulk(some)
        if len(stage.stored) < LOOKED_UP:
            stage.stored.update(zip(pks, some, strict=True))
        done += len(some)
        show(f"filling {peer.name}: {done * 100 // job.total} %")
        peer.enter()
    bytes_each = (peer.used_bytes() - before) / job.total
    peer.filled()
    kept = [stage.new(city="kept") for _ in range(KEPT)]
    pks = peer.bulk(kept)
    stage.kept = dict(zip((values["name"] for values in kept), pks, strict=True))
    return stage, bytes_each


def contest(
    row: Row, stages: list[Stage], rounds: int, slice_ms: float, show: Show
) -> list[Times]:
    """Return the times of a row for the peers that can do it, in the order of *stages*.

    slice_ms: about so long is one peer measured in one round. Each turn checks its last
    answer. Raises AssertionError if it is wrong.
    """
    able = [stage for stage in stages if row.method not in stage.peer.lacks]
    calls = [_fitting(row, stage, slice_ms) for stage in able]
    times = [Times(stage.peer.name) for stage in able]
    for number in range(rounds):
        for place in range(len(able)):
            turn = (number + place) % len(able)
            show(f"{row.title}: round {number + 1} of {rounds}, {times[turn].name}")
            random.seed(number)  # all get the same arguments
            spent_us, cpu_us = _turn(row, able[turn], calls[turn])
            times[turn].rounds_us.append(spent_us)
            times[turn].cpu_us.append(cpu_us)
    return times


def _fitting(row: Row, stage: Stage, slice_ms: float) -> int:
    """Return the number of calls that fit into a turn, after one to warm up."""
    random.seed(0)
    _turn(row, stage, 1)
    spent_us, _ = _turn(row, stage, 2)
    # A clock may tick too slowly to see the shortest call.
    return min(max(int(slice_ms * 1000 / max(spent_us, 0.01)), 1), MOST)


def _turn(row: Row, stage: Stage, calls: int) -> tuple[float, float]:
    """Return the median microseconds per call, and those of CPU time here.

    In the median, interruptions count less.
    """
    peer = stage.peer
    peer.enter()
    work: Any = getattr(peer, row.method)
    given = [row.arguments(stage) for _ in range(calls)]
    gc.collect()  # before the turn, not during it
    spent_ns, answers = [], []
    cpu_ns = process_time_ns()
    for arguments in given:
        peer.enter()
        start = perf_counter_ns()
        answer = work(*arguments)
        spent_ns.append(perf_counter_ns() - start)
        answers.append(answer)
    cpu_ns = process_time_ns() - cpu_ns
    peer.enter()
    try:
        row.check(stage, given[-1], answers[-1])
    except AssertionError as error:
        raise AssertionError(f"{row.title}, {peer.name}: {error}") from error
    return median(spent_ns) / 1000, cpu_ns / 1000 / calls
