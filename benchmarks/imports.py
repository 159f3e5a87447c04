"""The time of ``import django_ormist``, in new processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from .figure import Figure

TARGET_MS = 60

_TIMED = """
from time import perf_counter
start = perf_counter()
import {module}
print((perf_counter() - start) * 1000)
"""

# A process that uses the mapper has set Django up, with its database layer.
SET_UP = """
import redis, redis.asyncio, django, django.db.models
from django.conf import settings
settings.configure()
django.setup()
"""

BARELY = """
import redis, django
"""


def figures(rounds: int) -> Iterator[Figure]:
    """Yield milliseconds beyond Django and redis-py, with and without setup."""
    after = {"Django set up, redis-py": SET_UP, "import django, redis": BARELY}
    times: dict[str, list[float]] = {name: [] for name in after}
    for _ in range(rounds + 1):
        for name, source in after.items():
            times[name].append(_import_ms(source))
    for name, rounds_ms in times.items():
        warm = rounds_ms[1:]  # the first may have compiled
        yield Figure(
            f"import after {name}",
            "ms",
            median(warm),
            target=TARGET_MS,
            details={"rounds_ms": warm},
        )


def _import_ms(source: str) -> float:
    return run_compiled(source + _TIMED.format(module="django_ormist"))


def run_compiled(program: str) -> float:
    """Return the number that a new process prints.

    It keeps the compiled modules, also where PYTHONDONTWRITEBYTECODE is set. Otherwise
    each process would compile them, which takes longer than the imports.
    """
    words = [sys.executable, "-c", program]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env=environ
    )
    return float(done.stdout)
