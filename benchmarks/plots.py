"""The plots of the page "Performance", drawn by matplotlib as SVG, light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]

from .published import digest

mpl.use("svg")

from matplotlib import pyplot as plt  # type: ignore[import-not-found]

COLORS = {
    "light": {
        "text": "#1f2933",
        "grid": "#d5dae0",
        "ours": "#0b6bcb",
        "bare": "#8a94a0",
        "third": "#b45309",
        "fourth": "#2f855a",
    },
    "dark": {
        "text": "#e4e8ec",
        "grid": "#3d464f",
        "ours": "#5aa9f5",
        "bare": "#8f99a5",
        "third": "#f0a04b",
        "fourth": "#68d391",
    },
}
MISSED = "#d9822b"
WIDTH = 5.8
"""Inches: about the width of a telephone, so that texts stay legible there."""

Palette = dict[str, str]


def draw(name: str, data: Any, folder: Path) -> None:
    """Write the plot *name* of these data, once for each color scheme."""
    for scheme, palette in COLORS.items():
        with mpl.rc_context(_style(palette)):
            figure = DRAWN[name](data, palette)
            figure.savefig(
                folder / f"{name}-{scheme}.svg",
                transparent=True,
                bbox_inches="tight",
                metadata={"Description": digest(data), "Date": None, "Creator": None},
            )
            plt.close(figure)


def _style(palette: Palette) -> dict[str, Any]:
    text = palette["text"]
    return {
        "svg.fonttype": "none",  # texts stay texts
        "svg.hashsalt": "ormist",  # the same file for the same data
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": text,
        "axes.labelcolor": text,
        "axes.edgecolor": palette["grid"],
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": palette["grid"],
        "xtick.color": text,
        "ytick.color": text,
        "legend.frameon": False,
    }


def _targets(data: list[list[Any]], palette: Palette) -> Any:
    """Draw a bar for each ratio, and a mark at its target."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.32 * len(data) + 1))
    for place, (_, ratio, target) in enumerate(data):
        color = palette["ours"] if ratio <= target else MISSED
        axes.barh(place, ratio, color=color, height=0.6)
        axes.plot([target, target], [place - 0.42, place + 0.42], color=palette["text"])
        axes.text(max(ratio, target) + 0.03, place, f"{ratio:.2f}", va="center")
    axes.axvline(1, color=palette["bare"], linestyle=":")
    axes.set_yticks(range(len(data)), [name for name, _, _ in data])
    axes.invert_yaxis()
    axes.set_xlabel("times bare redis-py; the mark is the target, orange misses it")
    axes.grid(axis="x")
    return figure


def _server_time(data: list[list[Any]], palette: Palette) -> Any:
    """Draw two bars for each call."""
    figure, axes = plt.subplots(figsize=(WIDTH, 0.45 * len(data) + 1))
    places = range(len(data))
    for shift, column, color, label in (
        (-0.19, 1, palette["ours"], "django_ormist"),
        (0.19, 2, palette["bare"], "bare script or commands"),
    ):
        widths = [line[column] for line in data]
        axes.barh([p + shift for p in places], widths, 0.36, color=color, label=label)
    axes.set_yticks(places, [line[0] for line in data])
    axes.invert_yaxis()
    axes.set_xlabel("microseconds of the server")
    axes.grid(axis="x")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2)
    return figure


def _throughput(data: dict[str, dict[str, list[Any]]], palette: Palette) -> Any:
    """Draw a small plot for each method: calls a second over client processes."""
    figure, grid = plt.subplots(2, 2, figsize=(WIDTH, 5.4), layout="constrained")
    colors = [palette[name] for name in ("ours", "bare", "third", "fourth")]
    for axes, (method, sides) in zip(grid.flat, data.items(), strict=True):
        for color, (side, points) in zip(colors, sides.items(), strict=False):
            axes.plot(*_columns(points), color=color, marker="o", label=side)
        axes.set_title(method)
        axes.set_xscale("log", base=2)
        ticks = sorted({point[0] for points in sides.values() for point in points})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
    figure.supxlabel("client processes", fontsize=10)
    figure.supylabel("calls a second", fontsize=10)
    labels = grid[0][0].get_legend_handles_labels()
    if labels[0]:
        figure.legend(*labels, loc="outside upper center", ncols=4)
    return figure


def _scale(data: dict[str, list[Any]], palette: Palette) -> Any:
    """Draw a line for each operation: microseconds over stored objects."""
    figure, axes = plt.subplots(figsize=(WIDTH, 4.5))
    colors = plt.get_cmap("tab20").colors
    for number, (name, points) in enumerate(data.items()):
        axes.plot(*_columns(points), marker="o", color=colors[number % 20], label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("stored objects")
    axes.set_ylabel("microseconds")
    axes.grid(axis="y")
    if data:
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.12), ncols=2)
    return figure


def _columns(points: list[Any]) -> tuple[list[Any], list[Any]]:
    return [point[0] for point in points], [point[1] for point in points]


DRAWN: dict[str, Callable[[Any, Palette], Any]] = {
    "targets": _targets,
    "server-time": _server_time,
    "throughput": _throughput,
    "scale": _scale,
}
