"""A call does no more work beside bare redis-py's than benchmarks/counts.json says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import counts
from benchmarks.server import known
from django_ormist.connections.redirection import ENVIRONMENT_VARIABLE

ROOT = Path(__file__).parents[2]
PYTHON = json.loads(counts.FILE.read_text())["python"]

# The compiler of another Python makes other lines of the same source.
counted = pytest.mark.skipif(
    f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON or not known(),
    reason=f"needs Python {PYTHON}, on which the counts were taken, and a server",
)


def begin():
    """Start to count in a process of its own, which nothing else has changed."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name != ENVIRONMENT_VARIABLE and "COVERAGE" not in name
    }
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.counts", "--json", "--no-callgrind"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(printed)


@counted
def test_the_work_of_a_call_beside_bare_redis_py_has_not_grown(record_property):
    found = finish(begin())
    assert [*found] == [*counts.read()]
    grown, shrunk = counts.judge(found, counts.read())
    assert not grown, "\n".join([counts.GROWN, *grown])
    if shrunk:
        record_property("note", "\n".join([counts.SHRUNK, *shrunk]))


@counted
@pytest.mark.slow
def test_counts_do_not_depend_on_the_load_of_the_machine():
    first, second = map(finish, [begin() for _ in range(2)])
    assert first == second


def test_a_ratio_that_is_a_tenth_higher_or_lower_is_named():
    limits = {"get": {"calls": [150, 100], "lines": [150, 100]}}
    close = {"get": {"calls": [328, 200], "lines": [272, 200]}}
    assert counts.judge(close, limits) == ([], [])
    far = {"get": {"calls": [332, 200], "lines": [268, 200]}}
    assert counts.judge(far, limits) == (
        ["get: 332 calls, 1.66 of bare redis-py's 200, not 1.50 (150 of 100)"],
        ["get: 268 lines, 1.34 of bare redis-py's 200, not 1.50 (150 of 100)"],
    )


def test_what_has_no_committed_count_has_grown():
    grown, shrunk = counts.judge({"get": {"calls": [1, 100]}}, {})
    assert len(grown) == 1
    assert shrunk == []


def test_the_written_file_keeps_the_kinds_that_were_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(counts, "FILE", tmp_path / "counts.json")
    counts.write({"get": {"calls": [2, 1], "instructions": [20, 10]}})
    counts.write({"get": {"calls": [3, 1]}})
    assert counts.read() == {"get": {"calls": [3, 1], "instructions": [20, 10]}}


def test_the_command_of_the_messages_is_a_target():
    assert "make counts ARGS=--write" in counts.GROWN
    assert "make counts ARGS=--write" in counts.SHRUNK
    assert "\ncounts:" in (ROOT / "Makefile").read_text()
