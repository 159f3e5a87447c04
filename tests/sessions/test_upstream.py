"""Django's own tests of a session engine, from the source of the installed version."""

import os
import re
import subprocess
import sys
from pathlib import Path

import django
import pytest

from tests.servers import ROOT

SOURCES = Path(os.environ.get("ORMIST_DJANGO_SOURCES", ROOT / ".venvs" / "sources"))
SOURCE = SOURCES / f"django-{django.__version__}"

pytestmark = [
    pytest.mark.servers("valkey91", "redis62"),
    pytest.mark.skipif(
        not (SOURCE / "tests" / "sessions_tests").is_dir(),
        reason=f"Django's source is not at {SOURCE}: `make test-all` fetches it there "
        "where the package registry can be reached.",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("use_tz", [True, False])
def test_djangos_own_session_tests_pass(server, use_tz):
    words = ["tests.sessions.upstream", str(SOURCE), server.location, str(use_tz)]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    server.client.delete(*server.keys("upstream:*"), b"none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"Ran (\d+) tests", done.stdout)[1]) >= 65
