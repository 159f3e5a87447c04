"""Bytes that nobody packed, thousands of them: an object or a damaged one, never more.

In a process of its own, with bounded memory: what is wrong here is a crash, a hang or
an exhausted machine, which would end the tests.
"""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_foreign_bytes_do_not_crash_hang_or_exhaust_the_process(codec, seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.properties.fuzzer", codec, str(seed), "3"],
        capture_output=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, b"alive\n"), done.stderr[-3000:]
