"""The report: a table, a JSON file, and progress on a terminal."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import django_redis
import hiredis
import ormsgpack
import redis

import django_ormist

from .figure import Figure

HEAD = ("", "ours", "beside", "", "ratio", "CPU", "target", "")

LEGEND = """\
beside: the other way that is judged; in parentheses others, with our ratio to each.
ratio: the median of those of the rounds, not of the two times. CPU: the ratio of the
client's CPU time, which says more on a busy machine."""


def show(text: str) -> None:
    """Show the current work in the last line of a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}\r")
        sys.stderr.flush()


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as aligned text."""
    lines = [HEAD, *(_cells(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    is_left = (True, False, False, True, False, False, False, True)
    padded = [
        cell.ljust(width) if left else cell.rjust(width)
        for cell, width, left in zip(cells, widths, is_left, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _cells(figure: Figure) -> tuple[str, ...]:
    target = ""
    if figure.target is not None:
        is_ratio = figure.ratio is not None
        target = f"{figure.target:.2f}" if is_ratio else _amount(figure, figure.target)
    met = {None: "", True: "met", False: "NOT MET"}[figure.is_met]
    if figure.runs:
        met += f" ({', '.join(f'{each:.2f}' for each in figure.runs)})"
    return (
        figure.name,
        _amount(figure, figure.ours),
        "" if figure.other is None else _amount(figure, figure.other),
        figure.beside + _others(figure),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        _cpu_ratio(figure),
        target,
        met,
    )


def _cpu_ratio(figure: Figure) -> str:
    beside = figure.details.get(figure.beside)
    if not isinstance(beside, dict) or "ours_to_it_cpu" not in beside:
        return ""
    return f"{beside['ours_to_it_cpu']:.2f}"


def _others(figure: Figure) -> str:
    """Return the other bare ways, each with our ratio to it."""
    return "".join(
        f" ({name}: {measured['ours_to_it']:.2f})"
        for name, measured in figure.details.items()
        if isinstance(measured, dict)
        and name not in ("django_ormist", figure.beside)
        and "ours_to_it" in measured
    )


def _amount(figure: Figure, value: float) -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text} {figure.unit}"


def surroundings(server: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the machine, the versions, and how it was measured."""
    return {
        **machine(server),
        "rounds": options.rounds,
        "runs": options.runs,
        "size": asdict(options.size),
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
    }


def machine(server: str) -> dict[str, Any]:
    """Return the machine and the versions."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": server,
        "python": platform.python_version(),
        "django": django.get_version(),
        "redis-py": redis.__version__,
        "hiredis": hiredis.__version__,
        "ormsgpack": ormsgpack.__version__,
        "django-redis": django_redis.__version__,
        "django_ormist": django_ormist.__version__,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """Return the model of the processor."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write_json(path: Path, around: dict[str, Any], figures: Iterable[Figure]) -> None:
    """Write all measurements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**around, "figures": [figure.as_json() for figure in figures]}
    path.write_text(json.dumps(whole, indent=1) + "\n")
