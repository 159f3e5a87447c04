"""The page "Performance" shows the committed figures, and nothing else."""

import json
import re

import pytest

from benchmarks import published
from benchmarks.docs import PLOTS, TABLES
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "explanation" / "performance.rst").read_text()
FIGURES = published.read()
TEXTS, SERIES = published.tables(FIGURES), published.series(FIGURES)
AGAIN = "Run `make bench-docs`."


@pytest.mark.parametrize("name", TEXTS)
def test_each_table_is_that_of_the_committed_figures(name):
    assert (TABLES / f"{name}.txt").read_text() == TEXTS[name], AGAIN
    assert PAGE.count(f".. include:: performance/{name}.txt\n") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SERIES)
def test_each_plot_is_that_of_the_committed_figures(name, scheme):
    drawn = (PLOTS / f"{name}-{scheme}.svg").read_text()
    assert f">{published.digest(SERIES[name])}<" in drawn, AGAIN
    image = f"/images/performance/{name}-{scheme}.svg\n    :class: only-{scheme}\n"
    assert PAGE.count(image) == 1


def test_nothing_else_is_generated():
    assert {path.stem for path in TABLES.iterdir()} == set(TEXTS)
    plots = {f"{name}-{scheme}" for name in SERIES for scheme in ("light", "dark")}
    assert {path.stem for path in PLOTS.iterdir()} == plots


def test_the_page_itself_states_no_measured_figure():
    prose = re.sub(r"(?m)^( {4}.*|\.\. .*)$", "", PAGE)
    assert not re.search(r"\d (µs|ms|MB|times)\b|\d\.\d", prose)


def test_figures_of_a_run_replace_those_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "FILE", tmp_path / "figures.json")
    paths = []
    for number, runs in ((1, []), (2, [1.1, 1.23456])):
        figure = {
            **dict.fromkeys(("beside", "target", "is_met", "other", "ratio")),
            **{"name": "get, plain", "unit": "us", "ours": 70.12345 * number},
            "runs": runs,
            "details": {"GET": {"rounds_us": [1, 2], "median_us": 61.23456}},
        }
        path = tmp_path / f"run{number}.json"
        path.write_text(json.dumps({"server": f"s{number}", "figures": [figure]}))
        paths.append(path)
    published.take(paths)
    found = published.read()
    assert found["server"] == "s1"
    (row,) = found["figures"]
    assert (row["ours"], row["runs"]) == (140.2, [1.1, 1.235])
    assert row["details"] == {"GET": {"median_us": 61.23}}


def test_a_line_says_the_ratio_of_each_run_and_whether_the_target_holds():
    row = {
        **{"name": "get, plain", "unit": "us", "ours": 70.1, "beside": "GET"},
        **{"other": 60.4, "ratio": 1.16, "target": 1.15, "is_met": False},
        "runs": [1.1, 1.16, 1.2],
    }
    text = published.tables({"figures": [row]})["targets"]
    cells = re.findall(r"- (.*)", text)
    assert cells[6:] == [
        "get, plain",
        "70.1 µs",
        "60.4 µs (GET)",
        "1.16 (1.10, 1.16, 1.20)",
        "1.15",
        "no",
    ]


def test_a_table_without_figures_says_so():
    assert set(published.tables({"figures": []}).values()) == {published.NOT_MEASURED}
