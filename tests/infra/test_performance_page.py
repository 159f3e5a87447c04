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


@pytest.fixture
def write_run(tmp_path, monkeypatch):
    """Return a function that writes the file of a run, and returns its path."""
    monkeypatch.setattr(published, "FILE", tmp_path / "figures.json")

    def write_run(number, server, *figures, python="3.13.0"):
        path = tmp_path / f"run{number}.json"
        run = {
            "server": server,
            "python": python,
            "measured": f"day {number}",
            "command": f"c{number} --json x",
        }
        path.write_text(json.dumps({**run, "figures": figures}))
        return path

    return write_run


def figure(name, ours, runs=()):
    return {
        **dict.fromkeys(("beside", "target", "is_met", "other", "ratio")),
        **{"name": name, "unit": "us", "ours": ours, "runs": list(runs)},
        "details": {"GET": {"rounds_us": [1, 2], "median_us": 61.23456}},
    }


def test_figures_of_a_run_replace_those_of_the_same_name(write_run):
    first = write_run(1, "s", figure("get", 70.12345), figure("list", 500.0))
    second = write_run(2, "s", figure("get", 140.2469, [1.1, 1.23456]))
    published.take([first, second])
    found = published.read()
    assert (found["measured"], found["command"]) == ("day 2", "c1; c2")
    get, listed = found["figures"]
    assert (get["ours"], get["runs"]) == (140.2, [1.1, 1.235])
    assert get["details"] == {"GET": {"median_us": 61.23}}
    assert listed["ours"] == 500.0


def test_a_page_names_the_servers_of_its_runs(write_run):
    published.take([write_run(1, "s1"), write_run(2, "s2"), write_run(3, "s1")])
    assert published.read()["server"] == "s1, s2"


def test_runs_of_two_pythons_make_no_page(write_run):
    paths = [write_run(number, "s", python=f"3.{number}") for number in (1, 2)]
    with pytest.raises(
        ValueError, match=r"another python than the first run: 3\.2, no"
    ):
        published.take(paths)
    assert not published.FILE.exists()


def test_a_line_says_the_ratio_of_each_run_and_whether_the_target_holds():
    row = {
        **{"name": "get, plain", "unit": "us", "ours": 70.1, "beside": "GET"},
        **{"other": 60.4, "ratio": 1.16, "target": 1.15, "is_met": False},
        "runs": [1.1, 1.16, 1.2],
    }
    text = published.tables({"figures": [row]})["targets"]
    cells = re.findall(r"- (.*)", text)
    assert cells[7:] == [
        *("get, plain", "1.16", "1.15", "no"),
        *("70.1 µs", "60.4 µs (GET)", "1.10, 1.16, 1.20"),
    ]


def test_latencies_stand_beside_the_rate_of_each_side():
    sides = {
        "django_ormist": {"p50": 120.4, "p99": 300.0, "calls_per_second": 5432.1},
        "bare redis-py": {"p50": 99.6, "p99": 1234.0, "calls_per_second": 6000.0},
    }
    rows = [
        {"name": f"latency of get, {share}", "details": sides}
        for share in ("p50", "p99")
    ]
    text = published.tables({"figures": rows})["latency"]
    assert re.findall(r"- ((?!\*).+)", text) == [
        *("Latency", "django_ormist", "bare redis-py"),
        *("get, calls a second", "5,432", "6,000"),
        *("get, p50", "120 µs", "100 µs"),
        *("get, p99", "300 µs", "1,234 µs"),
    ]


def test_queries_are_named_with_the_number_of_objects():
    row = {"name": "query 1000000 two tags, server time", "unit": "us", "ours": 480.2}
    text = published.tables({"figures": [{**row, "target": 1000, "is_met": True}]})
    cells = re.findall(r"- (.*)", text["queries"])
    assert cells[4:] == ["1,000,000, two tags", "480 µs", "1,000 µs", "yes"]


def test_a_table_without_figures_says_so():
    assert set(published.tables({"figures": []}).values()) == {published.NOT_MEASURED}
