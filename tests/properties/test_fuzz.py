"""Thousands of random bytes give an object or CorruptDataError.

They run in another process with limited memory, because a failure is a crash, a hang or
an exhausted machine.
"""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_foreign_bytes_do_not_crash_hang_or_exhaust_the_process(codec, seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.properties.fuzzer", codec, str(seed), "3"],
        capture_output=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, b"alive\n"), done.stderr[-3000:]
