"""The figures that the manual shows: benchmarks/figures.json, and its tables.

The file holds the medians of a run, without its rounds. Everything on the page
"Performance" that is a figure comes from it: see docs.py.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "figures.json"

Row = dict[str, Any]
"""A figure: the fields of Figure that are published."""

Table = list[tuple[str, ...]]

NOT_MEASURED = "This run has not measured it.\n"
OURS = "django_ormist"
METHODS = ("get", "page", "create", "save")
SIDES = (OURS, "bare redis-py", "walrus", "redis-om")
HOLDS = {None: "", True: "yes", False: "no"}
LONGEST_STALLS = 20

NAMES = {
    **{name: name.capitalize() for name in ("measured", "server", "python", "django")},
    **{name: name.capitalize() for name in ("processor", "cores", "system", "command")},
    **{"rounds": "Rounds of a run", "runs": "Runs, of rows with targets"},
}
"""How the page names facts of a run."""

SAME = (
    *("python", "django", "redis-py", "hiredis", "ormsgpack"),
    *("django-redis", "django_ormist", "processor", "cores", "system"),
)
"""What the runs of one page have in common."""


def take(paths: Sequence[Path]) -> None:
    """Write the figures of these runs; of those of one name, the last one.

    Raises ValueError if they are of different machines or versions.
    """
    first, *others = runs = [json.loads(path.read_text()) for path in paths]
    rows: dict[str, Row] = {}
    for run in runs:
        rows |= {row["name"]: _publish(row) for row in run["figures"]}
    for run, path in zip(others, paths[1:], strict=True):
        for fact in SAME:
            if run.get(fact) != first.get(fact):
                raise ValueError(
                    f"{path} has another {fact} than the first run: {run.get(fact)}, "
                    f"not {first.get(fact)}. Measure it again."
                )
    # Without the names of files, which say nothing to others.
    commands = dict.fromkeys(re.sub(r" --json \S+", "", run["command"]) for run in runs)
    published = {
        **first,
        "measured": max(run["measured"] for run in runs),
        "server": ", ".join(dict.fromkeys(run["server"] for run in runs)),
        "command": "; ".join(commands),
        "figures": list(rows.values()),
    }
    FILE.write_text(json.dumps(published, indent=1) + "\n")


def read() -> dict[str, Any]:
    """Return the machine, the versions and the figures."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def _publish(row: Row) -> Row:
    """Return a figure with the medians of its details only."""
    kept = ("name", "unit", "ours", "beside", "other", "ratio", "target", "is_met")
    published = {name: _round(row[name]) for name in kept}
    if row["runs"]:
        published["runs"] = [_round(each) for each in row["runs"]]
    sides = {
        side: {
            name: _round(value)
            for name, value in facts.items()
            if not isinstance(value, list)
        }
        for side, facts in row["details"].items()
        if isinstance(facts, dict)
    }
    if any(sides.values()):
        published["details"] = sides
    return published


def _round(value: Any) -> Any:
    """Return a number with four digits that count."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


# ------------------------------------------------------------------ tables


def tables(published: dict[str, Any]) -> dict[str, str]:
    """Return the text of each table of the page, by its name."""
    rows: list[Row] = published["figures"]
    is_contest = ("plain", "mixed")
    contests = [row for row in rows if row["name"].endswith(is_contest)]
    return {
        "machine": _table(_machine(published)),
        "targets": _table(
            _ratios([row for row in contests if not row["name"].startswith("async ")])
        ),
        "targets-async": _table(
            _ratios([row for row in contests if row["name"].startswith("async ")])
        ),
        "sessions": _table(_ratios(_named(rows, "session "))),
        "memory": _table(_ratios(_named(rows, "bytes an object, "), "By hand")),
        "server-time": _table(_ratios(_named(rows, "server time, "))),
        "writes": _table(_ratios(_named(rows, "write: "))),
        "throughput": _table(_throughput(rows)),
        "latency": _table(_latency(rows)),
        "scale": _table(_scale(rows)),
        "stalls": _table(_stalls(_named(rows, "stall "))),
        "queries": _table(_queries(rows)),
        "imports": _table(_imports(_named(rows, "import "))),
    }


def _named(rows: list[Row], start: str) -> list[Row]:
    """Return the figures whose name begins like this, without this beginning."""
    return [
        {**row, "name": row["name"].removeprefix(start)}
        for row in rows
        if row["name"].startswith(start)
    ]


def _table(lines: Table) -> str:
    """Return reStructuredText: the first line is the head."""
    if len(lines) < 2:
        return NOT_MEASURED
    text = [".. list-table::", "    :header-rows: 1", ""]
    for line in lines:
        for number, cell in enumerate(line):
            text.append(f"    {'  -' if number else '* -'} {cell}".rstrip())
    return "\n".join(text) + "\n"


def _machine(published: dict[str, Any]) -> Table:
    names = ("measured", "server", *SAME, "rounds", "runs", "command")
    lines = [
        (NAMES.get(name, name), str(published[name]))
        for name in names
        if name in published
    ]
    # A literal, or two dashes of the command become one.
    return [("What", "Value"), *((name, f"``{value}``") for name, value in lines)]


def _ratios(rows: list[Row], beside: str = "Beside") -> Table:
    """Return the ratio, the target, whether it holds, both times, and all runs."""
    head = ("Operation", "Ratio", "Target", "Holds", OURS, beside, "Each run")
    lines = [_ratio_line(row) for row in rows if row["ratio"] is not None]
    has_runs = any(line[-1] for line in lines)
    return [line if has_runs else line[:-1] for line in (head, *lines)]


def _ratio_line(row: Row) -> tuple[str, ...]:
    name = "" if row["beside"] == "by hand" else f" ({row['beside']})"
    return (
        row["name"],
        f"{row['ratio']:.2f}",
        "" if row["target"] is None else f"{row['target']:.2f}",
        HOLDS[row["is_met"]],
        _ours(row),
        _amount(row["other"], row["unit"]) + name,
        ", ".join(f"{each:.2f}" for each in row.get("runs", ())),
    )


def _amount(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text} {unit.replace('us', 'µs')}"


def _throughput(rows: list[Row]) -> Table:
    """Return the calls a second of each side, a line for each number of clients."""
    found = _named(rows, "throughput of ")
    sides = list(dict.fromkeys(name for row in found for name in row["details"]))
    lines: Table = [("Calls a second", *sides, "Server busy")]
    for row in found:
        details = row["details"]
        rates = (_detail(row, side, "median") for side in sides)
        lines.append((row["name"], *rates, f"{details[OURS]['server_busy']:.0%}"))
    return lines


def _latency(rows: list[Row]) -> Table:
    """Return a line for each method and share of its calls, and one for the rates."""
    found = _named(rows, "latency of ")
    sides = list(dict.fromkeys(name for row in found for name in row["details"]))
    lines: Table = [("Latency", *sides)]
    for row in found:
        method, _, share = row["name"].partition(", ")
        if not lines[-1][0].startswith(f"{method}, "):
            rates = (_detail(row, side, "calls_per_second") for side in sides)
            lines.append((f"{method}, calls a second", *rates))
        times = (_detail(row, side, share, " µs") for side in sides)
        lines.append((row["name"], *times))
    return lines


def _detail(row: Row, side: str, name: str, unit: str = "") -> str:
    facts = row["details"].get(side)
    return f"{facts[name]:,.0f}{unit}" if facts else ""


def _queries(rows: list[Row]) -> Table:
    """Return the time of the server for each query, and its promise."""
    table: Table = [("Objects, query", "Server", "At most", "Holds")]
    for row in _named(rows, "query "):
        most = "" if row["target"] is None else _amount(row["target"], "us")
        name = _with_commas(row["name"].removesuffix(", server time"))
        value = f"{row['ours']:.2f} µs" if name.endswith("held") else _ours(row)
        table.append((name, value, most, HOLDS[row["is_met"]]))
    return table


def _imports(rows: list[Row]) -> Table:
    table: Table = [("import django_ormist", "Time", "At most", "Holds")]
    for row in rows:
        most = _amount(row["target"], row["unit"])
        table.append((row["name"], _ours(row), most, HOLDS[row["is_met"]]))
    return table


def _ours(row: Row) -> str:
    return _amount(row["ours"], row["unit"])


def _with_commas(name: str) -> str:
    """Return a name with its number of objects as 1,000,000."""
    total, _, rest = name.partition(" ")
    return f"{int(total):,}, {rest}"


def scale_lines(rows: list[Row]) -> dict[str, tuple[str, dict[int, float]]]:
    """Return {operation: (unit, {size: value})}."""
    found: dict[str, tuple[str, dict[int, float]]] = {}
    for row in _named(rows, "scale: "):
        name, _, size = row["name"].rpartition(", of ")
        found.setdefault(name, (row["unit"], {}))[1][int(size)] = row["ours"]
    return found


def _scale(rows: list[Row]) -> Table:
    """Return a line for each operation, and a column for each number of objects."""
    lines = scale_lines(rows)
    sizes = sorted({size for _, values in lines.values() for size in values})
    table: Table = [("Operation", *(f"{size:,}" for size in sizes))]
    for name, (unit, values) in lines.items():
        cells = (
            _amount(values[size], unit) if size in values else "" for size in sizes
        )
        table.append((name, *cells))
    return table


def _stalls(rows: list[Row]) -> Table:
    """Return the longest stalls, the longest first."""
    table: Table = [
        ("Objects, work", "Another client waits", "Longest command", "Holds")
    ]
    longest = sorted(rows, key=lambda row: -row["ours"])[:LONGEST_STALLS]
    for row in longest:
        command = f"{_amount(row['other'], 'ms')} ({row['beside']})"
        shown = command if row["beside"] else ""
        name = _with_commas(row["name"])
        table.append((name, _ours(row), shown, HOLDS[row["is_met"]]))
    return table


# ------------------------------------------------------------------ plots


def series(published: dict[str, Any]) -> dict[str, Any]:
    """Return the data of each plot, by its name."""
    rows: list[Row] = published["figures"]
    plain = [
        {**row, "name": row["name"].removesuffix(", plain")}
        for row in rows
        if row["name"].endswith(", plain") and row["target"] is not None
    ]
    return {
        "targets": [[row["name"], row["ratio"], row["target"]] for row in plain],
        "server-time": [
            [row["name"], row["ours"], row["other"]]
            for row in _named(rows, "server time, ")
        ],
        "throughput": {
            method: {
                side: [
                    [int(row["name"].split()[0]), row["details"][side]["median"]]
                    for row in _named(rows, f"throughput of {method}, ")
                    if side in row["details"]
                ]
                for side in SIDES
                if any(
                    side in row["details"]
                    for row in _named(rows, f"throughput of {method}, ")
                )
            }
            for method in METHODS
        },
        "scale": {
            name: sorted(values.items())
            for name, (unit, values) in scale_lines(rows).items()
            if unit == "us" and not name.endswith("an object")
        },
    }


def digest(data: Any) -> str:
    """Return a text that names the data of a plot: it stands in the plot's file."""
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]
