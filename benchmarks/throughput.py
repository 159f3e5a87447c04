"""Calls a second of 1, 2, 4 and 8 client processes, and latencies at 80 % of that.

All sides take turns, and every process is there all the time. The share of the time in
which the server works says who is the limit: near 100 % it is the server, below it the
clients, which then share too few cores.

The latencies are those of calls that arrive at random times, 80 % of as many as ours
can do, for all sides alike. See clients.py for how they are counted.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median, quantiles
from typing import Any

from .clients import Answer, Clients, Turn, has, sides
from .figure import Figure
from .server import Measured
from .size import Size
from .subjects import visitors
from .timing import Clock

METHODS = ("get", "page", "create", "save")
OURS, BARE = "django_ormist", "bare redis-py"
LOAD = 0.8
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def figures(
    server: Measured, clock: Clock, size: Size, show: Callable[[str], None]
) -> Iterator[Figure]:
    """Yield the throughput of each method and number of clients, and the latencies."""
    total, seconds = size.total, size.seconds
    server.clear()
    for _ in visitors(total):
        show(f"throughput: storing {total} objects")
    clients = Clients(server.url, total, size.clients)
    rounds = min(clock.rounds, 5)
    try:
        for method in METHODS:
            ours_each = 0.0
            for count in size.clients:
                show(f"throughput: {method}, {count} clients")
                figure = _throughput(server, clients, method, count, rounds, seconds)
                if count <= _free_cores():
                    ours_each = figure.ours / count
                yield figure
            show(f"latency: {method}")
            rate = ours_each * LOAD
            together = max(each for each in size.clients if each <= _free_cores())
            turn = Turn(OURS, method, together, seconds, rate)
            yield from _latencies(clients, turn, rounds)
    finally:
        clients.close()
    server.clear()


def _free_cores() -> int:
    """Return the number of cores beside the server's, at least one."""
    return max((os.cpu_count() or 1) - 1, 1)


def _throughput(
    server: Measured,
    clients: Clients,
    method: str,
    count: int,
    rounds: int,
    seconds: float,
) -> Figure:
    names = [name for name in sides() if has(name, method)]
    rates: dict[str, list[float]] = {name: [] for name in names}
    busy: dict[str, list[float]] = {name: [] for name in names}
    with server.client() as client:
        for number in range(rounds):
            for place in range(len(names)):
                name = names[(number + place) % len(names)]
                before, start = _server_seconds(client), time.monotonic()
                answers = clients.take(Turn(name, method, count, seconds))
                spent = _server_seconds(client) - before
                busy[name].append(spent / (time.monotonic() - start))
                rates[name].append(sum(each.calls for each in answers) / seconds)
    ours = median(rates[OURS])
    details: dict[str, Any] = {
        name: {
            "calls_per_second": rates[name],
            "median": median(rates[name]),
            "server_busy": median(busy[name]),
        }
        for name in names
    }
    return Figure(
        f"throughput of {method}, {count} client{'s' * (count > 1)}",
        "/s",
        ours,
        f"{BARE}; server busy {details[OURS]['server_busy']:.0%}",
        median(rates[BARE]),
        median(a / b for a, b in zip(rates[OURS], rates[BARE], strict=True)),
        details=details,
    )


def _latencies(clients: Clients, turn: Turn, rounds: int) -> Iterator[Figure]:
    answers: dict[str, list[Answer]] = {OURS: [], BARE: []}
    for number in range(rounds):
        for name in (OURS, BARE) if number % 2 else (BARE, OURS):
            answers[name] += clients.take(replace(turn, side=name))
    total = (turn.rate or 0) * turn.clients
    shares = {name: _shares(found) for name, found in answers.items()}
    for share in SHARES:
        mine, other = shares[OURS][share], shares[BARE][share]
        yield Figure(
            f"latency of {turn.method}, {share}",
            "us",
            mine,
            f"{BARE}; {total:,.0f} calls a second",
            other,
            mine / other,
            details={name: shares[name] for name in answers},
        )


def _shares(answers: list[Answer]) -> dict[str, float]:
    times_us = [each for answer in answers for each in answer.times_us]
    cuts = quantiles(times_us, n=1000, method="inclusive")
    found = {name: cuts[round(share * 1000) - 1] for name, share in SHARES.items()}
    return {**found, "calls": len(times_us)}


def _server_seconds(client: Any) -> float:
    """Return the CPU time that the server's main thread has taken."""
    cpu: dict[str, float] = client.info("cpu")
    return cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"]
