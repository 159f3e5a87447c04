"""Calls a second of 1, 2, 4 and 8 client processes, and latencies at 80 % of that.

All sides take turns, and all processes exist all the time. The server's share of busy
time shows the limit. Near 100 % the server is the limit. Below that the clients are,
because they share too few cores.

For the latencies, calls arrive at random times. Each side gets 80 % of the calls that
it has just done at full speed. So the queues of all sides are equally full. At one
rate for all, the slower side would have the longer queue. Then the ratio would show how
near the rate is to its limit, not how long its calls take. clients.py has the clock.
"""

import os
import time
from collections.abc import Callable, Iterator
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
            for count in size.clients:
                show(f"throughput: {method}, {count} clients")
                yield _throughput(server, clients, method, count, rounds, seconds)
            show(f"latency: {method}")
            together = max(each for each in size.clients if each <= _free_cores())
            yield from _latencies(clients, method, together, rounds, seconds)
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


def _latencies(
    clients: Clients, method: str, count: int, rounds: int, seconds: float
) -> Iterator[Figure]:
    names = [name for name in sides() if has(name, method)]
    found: dict[str, list[Answer]] = {name: [] for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            answers = clients.take(Turn(name, method, count, seconds))
            each = LOAD * sum(answer.calls for answer in answers) / seconds / count
            rates[name].append(each * count)
            found[name] += clients.take(Turn(name, method, count, seconds, each))
    details = {
        name: {**_shares(found[name]), "calls_per_second": median(rates[name])}
        for name in names
    }
    for share in SHARES:
        mine, other = details[OURS][share], details[BARE][share]
        yield Figure(
            f"latency of {method}, {share}",
            "us",
            mine,
            f"{BARE}; each at {LOAD:.0%} of its throughput",
            other,
            mine / other,
            details=details,
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
