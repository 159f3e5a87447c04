"""The benchmarks run, and both sides of a comparison do the same work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import native, subjects
from django_ormist.codecs import pack, unpack

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
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
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
