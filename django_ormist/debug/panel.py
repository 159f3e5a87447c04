"""The panel: each round trip of a request, what it asked, and what that costs."""

import os
import re
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from debug_toolbar.panels import Panel

from ..connections.instrumentation import RoundTrip, add_listener, remove_listener
from ..operations.operation import Operation, Script


def explanation(operation: Operation) -> dict[str, str]:
    """{"does": one sentence, "cost": what it takes}; empty for a plain command."""
    if not isinstance(operation.command, Script):
        return {}
    header = _header(operation.command)
    does = header.partition("\n\n")[0].replace("\n", " ")
    found = re.search(r"^COST +(.*(?:\n {2,}.*)*)", header, re.MULTILINE)
    cost = re.sub(r"\s+", " ", found[1]) if found else ""
    return {"does": does, "cost": cost}


@cache
def _header(script: Script) -> str:
    """The comment that the script's own file begins with, without its dashes."""
    source = files("django_ormist.operations") / "scripts" / f"{script.name}.lua"
    lines = []
    for line in source.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return "\n".join(lines)


_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
MOST_KEYS = 10


class OrmistPanel(Panel):  # type: ignore[misc]
    """Trips, operations, keys and time of one request, with what each script does."""

    title = "Redis objects"
    nav_title = "Ormist"
    template = "django_ormist/debug/panel.html"
    is_async = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trips: list[dict[str, Any]] = []

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()
        number = len(stats.get("trips", ()))
        trips = "1 trip" if number == 1 else f"{number} trips"
        return f"{trips} in {stats.get('milliseconds', 0):.2f} ms"

    def enable_instrumentation(self) -> None:
        add_listener(self._note)

    def disable_instrumentation(self) -> None:
        remove_listener(self._note)

    def generate_stats(self, request: Any, response: Any) -> None:
        self.record_stats(
            {
                "trips": self._trips,
                "operations": sum(len(each["operations"]) for each in self._trips),
                "keys": sum(each["keys"] for each in self._trips),
                "milliseconds": sum(each["milliseconds"] for each in self._trips),
            }
        )

    def _note(self, trip: RoundTrip) -> None:
        self._trips.append(
            {
                "using": trip.using,
                "summary": trip.summary,
                "keys": trip.keys,
                "milliseconds": round(trip.milliseconds, 3),
                "error": "" if trip.error is None else repr(trip.error),
                "caller": caller(),
                "operations": [
                    {
                        "name": name,
                        "keys": _shown(operation.keys),
                        "explanation": explanation(operation),
                    }
                    for name, operation in zip(trip.names, trip.operations, strict=True)
                ],
            }
        )


def _shown(keys: tuple[bytes, ...]) -> list[str]:
    texts = [key.decode(errors="backslashreplace") for key in keys[:MOST_KEYS]]
    more = len(keys) - len(texts)
    return [*texts, f"and {more} more"] if more else texts


def caller() -> str:
    """The line of the project that asked: the nearest outside of this package."""
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and "contextlib" not in name:
            return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
