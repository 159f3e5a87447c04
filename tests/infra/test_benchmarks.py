"""The benchmarks run, and both sides of a comparison do the same work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import native, subjects
from benchmarks.__main__ import unknown
from benchmarks.clients import sides
from benchmarks.figure import Figure, merge
from benchmarks.server import started
from django_ormist.codecs import pack, unpack
from django_ormist.connections.redirection import ENVIRONMENT_VARIABLE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("codec", "attributes"),
    [
        (native.PLAIN, subjects.plain_attributes),
        (native.MIXED, subjects.mixed_attributes),
    ],
    ids=["plain", "mixed"],
)
@pytest.mark.parametrize("tags", [[], ["everyone", "seventh"]], ids=["bare", "tags"])
def test_the_bare_side_packs_the_same_bytes(codec, attributes, tags):
    for number in (0, 1, 17, 999_999):
        attrs = attributes(number)
        packed = pack(attrs, tags)
        assert codec.pack(attrs, tags) == packed
        assert codec.unpack(packed) == unpack(packed)[0] == attrs


def run(tmp_path, *arguments):
    """Return the figures of a tiny run by name."""
    path = tmp_path / "figures.json"
    words = ("--tiny", "--server", "valkey91", "--json", str(path), *arguments)
    # It has a server of its own, and its processes share the stores there.
    environ = {k: v for k, v in os.environ.items() if k != ENVIRONMENT_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(path.read_text())["figures"]}


@pytest.mark.slow
def test_every_contest_compares_equal_results_of_both_payloads(tmp_path):
    names = ("get", "page of 20, deep", "save", "bulk")
    found = run(tmp_path, "--only", *names, *(f"async {name}" for name in names))
    for payload in ("plain", "mixed"):
        for mode in ("", "async "):
            for name in ("get", "page of 20, deep", "save one attribute"):
                figure = found[f"{mode}{name}, {payload}"]
                assert figure["ratio"] > 0
                assert figure["is_met"] is (figure["ratio"] <= figure["target"])
            assert found[f"{mode}bulk_create 100, {payload}"]["target"] == 0.5


@pytest.mark.slow
def test_sessions_are_compared_with_the_faster_cache(tmp_path):
    found = run(tmp_path, "--only", "session")
    assert len(found) == 8
    for figure in found.values():
        assert figure["target"] == 0.9
        medians = {
            name: each["median_us"]
            for name, each in figure["details"].items()
            if name != "django_ormist"
        }
        assert len(medians) == 2
        assert figure["beside"] == min(medians, key=medians.get)


def test_the_figure_of_several_runs_is_the_middle_one():
    runs = [Figure("get", "us", 1, "GET", 1, ratio, 1.15) for ratio in (1.3, 1.1, 1.2)]
    other = Figure("list", "us", 5)
    middle, alone = merge([*runs, other])
    assert (middle.ratio, middle.runs) == (1.2, [1.3, 1.1, 1.2])
    assert middle.is_met is False
    assert alone == other


@pytest.mark.slow
def test_clients_of_all_sides_are_counted_and_timed(tmp_path):
    found = run(tmp_path, "--only", "throughput")
    for method in ("get", "page", "create", "save"):
        for clients in ("1 client", "2 clients"):
            details = found[f"throughput of {method}, {clients}"]["details"]
            assert {"django_ormist", "bare redis-py"} <= details.keys() <= set(sides())
            for side in details.values():
                assert side["median"] > 0
                assert 0 <= side["server_busy"] <= 1.1
        times = [found[f"latency of {method}, {share}"] for share in ("p50", "p99.9")]
        assert times[0]["ours"] <= times[1]["ours"]
        assert times[0]["other"] <= times[1]["other"]


@pytest.mark.slow
def test_single_rows_of_the_servers_time_are_measured(tmp_path):
    found = run(tmp_path, "--only", "server time, get", "server time, delete")
    assert set(found) == {"server time, get", "server time, delete with two terms"}


@pytest.mark.slow
def test_costs_are_compared_over_sizes(tmp_path):
    found = run(tmp_path, "--only", "scale", "server")
    for name in ("get", "deep page", "verify, an object", "client memory of iterator"):
        base = found[f"scale: {name}, of 300"]
        assert found[f"scale: {name}, of 1000"]["other"] == base["ours"] > 0
    for command in ("verify", "reindex", "flush"):
        assert found[f"scale: stall of {command}, of 1000"]["target"] == 10
    assert found["server time, create"]["ratio"] > 0


def test_a_word_of_only_that_names_no_figure_is_told():
    found = [Figure("count of 1000, plain", "us", 1.0), Figure("import a", "ms", 1.0)]
    assert unknown(["count", "import", "session", "server"], found) == []
    assert unknown(["cuont", "count", "latency"], found) == ["cuont", "latency"]


def test_a_url_without_a_server_is_told():
    with (
        pytest.raises(SystemExit, match="--server: .*127.0.0.1:1"),
        started("redis://127.0.0.1:1/0"),
    ):
        pass
