"""The report: figures in the shape of ``benchmarks/report.py``, and one table of all.

A figure is named "peers: " and the row, is beside a peer, and has the peer's ratio to
ours in ``details["to_ours"]``. A row that a peer has no method for is a figure without
a value, whose details say why.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..figure import Figure
from ..timing import Times

PREFIX = "peers: "
OURS = "django_ormist"


def timed(title: str, times: list[Times]) -> list[Figure]:
    """Return a figure for each peer beside ours."""
    (ours,) = (each for each in times if each.name == OURS)
    return [
        Figure(
            PREFIX + title,
            "us",
            ours.median_us,
            each.name,
            each.median_us,
            ours.ratio_to(each),
            details={
                "to_ours": each.ratio_to(ours),
                "rounds_us": each.rounds_us,
                "quartiles_us": each.quartiles_us(),
                "cpu_us": each.cpu_us,
            },
        )
        for each in times
    ]


def counted(
    title: str, unit: str, values: Mapping[str, float], is_compared: bool = True
) -> list[Figure]:
    """Return a figure for each peer beside ours, of a value that is not timed.

    is_compared: whether less is better.
    """
    ours = values[OURS]
    return [
        Figure(
            PREFIX + title,
            unit,
            ours,
            name,
            value,
            ours / value if is_compared else None,
            details={"to_ours": value / ours} if is_compared else {},
        )
        for name, value in values.items()
    ]


def lacking(title: str, name: str, reason: str) -> Figure:
    """Return a figure that says why a peer has no value."""
    return Figure(PREFIX + title, "", 0, name, details={"lacks": reason})


def cells(
    figures: Iterable[dict[str, Any]], is_short: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Return the names of the peers, and for each row its title and a cell per peer.

    figures: as in the JSON file; those that are not of peers are left out. A cell has
    the peer's value, and its ratio to ours: above 1, the peer takes more than ours.
    is_short: without the value where there is a ratio.
    """
    names: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    for figure in figures:
        if figure["name"].startswith(PREFIX):
            name = figure["beside"]
            if name not in names:
                names.append(name)
            title = figure["name"].removeprefix(PREFIX)
            rows.setdefault(title, {})[name] = _cell(figure, is_short)
    lines = [
        [title, *(found.get(name, "") for name in names)]
        for title, found in rows.items()
    ]
    return names, lines


def reasons(figures: Iterable[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Return for each peer the reasons of its empty cells, each with its rows."""
    figures = list(figures)
    found: dict[str, dict[str, list[str]]] = {name: {} for name in cells(figures)[0]}
    for figure in figures:
        reason = figure["details"].get("lacks")
        if figure["name"].startswith(PREFIX) and reason:
            title = figure["name"].removeprefix(PREFIX)
            found[figure["beside"]].setdefault(reason, []).append(title)
    return {name: of_peer for name, of_peer in found.items() if of_peer}


def better(figures: Iterable[dict[str, Any]], beyond: float = 0.95) -> dict[str, Any]:
    """Return for each peer the rows in which it takes less than ours, and its ratio.

    beyond: ratios above are equal.
    """
    figures = list(figures)
    found: dict[str, dict[str, float]] = {name: {} for name in cells(figures)[0]}
    for figure in figures:
        ratio = figure["details"].get("to_ours")
        if figure["name"].startswith(PREFIX) and ratio and ratio < beyond:
            title = figure["name"].removeprefix(PREFIX)
            found[figure["beside"]][title] = ratio
    return {name: ratios for name, ratios in found.items() if ratios}


def _cell(figure: dict[str, Any], is_short: bool) -> str:
    if figure["other"] is None:
        return "-"
    value = amount(figure["other"], figure["unit"])
    if figure["beside"] == OURS or figure["ratio"] is None:
        return value
    if is_short:
        return _ratio(figure["details"]["to_ours"])
    return f"{value} ({_ratio(figure['details']['to_ours'])})"


def amount(value: float, unit: str) -> str:
    """Return a value as text: 1500 us as 1.5 ms, 2000 ms as 2.0 s."""
    for small, large in (("us", "ms"), ("ms", "s")):
        if unit == small and value >= 1000:
            value, unit = value / 1000, large
    text = f"{value:,.0f}" if value >= 100 or not unit else f"{value:.1f}"
    return f"{text} {unit}".rstrip()


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def table(figures: Iterable[dict[str, Any]]) -> str:
    """Return the whole report as text: the table, where peers are better, and gaps."""
    figures = list(figures)
    names, rows = cells(figures)
    lines = [["", *names], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text += [
        "",
        "In parentheses: the ratio to django_ormist. Below 1, the peer is better.",
    ]
    for name, ratios in better(figures).items():
        found = ", ".join(f"{row} ({_ratio(ratio)})" for row, ratio in ratios.items())
        text.append(f"{name} is better: {found}.")
    for name, of_peer in reasons(figures).items():
        for reason, titles in of_peer.items():
            text.append(f"{name}: {reason} ({', '.join(titles)}).")
    return "\n".join(text)


def manual(whole: dict[str, Any]) -> str:
    """Return the part of the manual that shows a run. whole: as in the JSON file."""
    figures = whole["figures"]
    names, rows = cells(figures, is_short=True)
    lines = [
        ".. list-table::",
        "    :header-rows: 1",
        "    :class: peers",
        "",
        *_listed(["", *names]),
        *(line for row in rows for line in _listed(row)),
        "",
    ]
    versions = [
        *dict.fromkeys(whole["servers"].values()),
        *(f"{name} {whole[name]}" for name in ("python", "django", "redis-py")),
        *(f"{name} {number}" for name, number in whole["packages"].items()),
    ]
    lines.append(
        f"{whole['objects']:,} objects, medians of {whole['rounds']} rounds, "
        f"{whole['cores']} cores, load {whole['load']:.1f} at the start; measured on "
        f"{whole['measured'][:10]} with {', '.join(versions)}."
    )
    lines += ["", "Where a peer takes less than django_ormist:", ""]
    for name, ratios in better(figures).items():
        found = ", ".join(f"{row} ({_ratio(ratio)})" for row, ratio in ratios.items())
        lines.append(f"* {name}: {found}.")
    lines += ["", "What a peer has no method for:", ""]
    for name, of_peer in reasons(figures).items():
        lines.append(f"* {name}: {', '.join(of_peer)}.")
    return "\n".join(lines) + "\n"


def _listed(row: list[str]) -> list[str]:
    first, *others = (cell.replace("-", "\\-") if cell == "-" else cell for cell in row)
    return [
        f"    * - {first}".rstrip(),
        *(f"      - {cell}".rstrip() for cell in others),
    ]


def load(path: Path) -> list[dict[str, Any]]:
    """Return the figures of a JSON file."""
    figures: list[dict[str, Any]] = json.loads(path.read_text())["figures"]
    return figures
