"""The panel: the round trips of a request, their operations and costs."""

import os
import re
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from debug_toolbar.panels import Panel

from ..connections.endpoints import format_address
from ..connections.instrumentation import RoundTrip, add_listener, remove_listener
from ..operations.operation import Operation, Script


def explain(operation: Operation) -> dict[str, str]:
    """Return {"does": a sentence, "cost": its cost} of a script, {} of a command."""
    if not isinstance(operation.command, Script):
        return {}
    header = _read_header(operation.command)
    does = header.partition("\n\n")[0].replace("\n", " ")
    found = re.search(r"^COST +(.*(?:\n {2,}.*)*)", header, re.MULTILINE)
    cost = re.sub(r"\s+", " ", found[1]) if found else ""
    return {"does": does, "cost": cost}


@cache
def _read_header(script: Script) -> str:
    """Return the comment at the top of the script's file, without its dashes."""
    source = files("django_ormist.operations") / "scripts" / f"{script.name}.lua"
    lines = []
    for line in source.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return "\n".join(lines)


_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
MAX_KEYS = 10


class OrmistPanel(Panel):  # type: ignore[misc]
    """The round trips, operations, keys and time of a request, scripts explained."""

    title = "Redis objects"
    nav_title = "Ormist"
    template = "django_ormist/debug/panel.html"
    is_async = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._round_trips: list[dict[str, Any]] = []

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()
        number = len(stats.get("round_trips", ()))
        text = "1 round trip" if number == 1 else f"{number} round trips"
        return f"{text} in {stats.get('milliseconds', 0):.2f} ms"

    def enable_instrumentation(self) -> None:
        add_listener(self._record)

    def disable_instrumentation(self) -> None:
        remove_listener(self._record)

    def generate_stats(self, request: Any, response: Any) -> None:
        self.record_stats(
            {
                "round_trips": self._round_trips,
                "operations": sum(
                    len(each["operations"]) for each in self._round_trips
                ),
                "keys": sum(each["keys"] for each in self._round_trips),
                "milliseconds": sum(each["milliseconds"] for each in self._round_trips),
            }
        )

    def _record(self, round_trip: RoundTrip) -> None:
        self._round_trips.append(
            {
                "using": round_trip.using,
                "nodes": [format_address(node) for node in round_trip.nodes],
                "summary": round_trip.summary,
                "keys": round_trip.keys,
                "milliseconds": round(round_trip.milliseconds, 3),
                "error": "" if round_trip.error is None else repr(round_trip.error),
                "caller": find_caller(),
                "operations": [
                    {
                        "name": name,
                        "keys": _format_keys(operation.all_keys()),
                        "explanation": explain(operation),
                    }
                    for name, operation in zip(
                        round_trip.names, round_trip.operations, strict=True
                    )
                ],
            }
        )


def _format_keys(keys: tuple[bytes, ...]) -> list[str]:
    texts = [key.decode(errors="backslashreplace") for key in keys[:MAX_KEYS]]
    more = len(keys) - len(texts)
    return [*texts, f"and {more} more"] if more else texts


def find_caller() -> str:
    """Return the line of the project that made the query."""
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE) and "contextlib" not in name:
            return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
