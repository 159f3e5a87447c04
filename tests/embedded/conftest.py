"""Folders with embedded servers: real processes, ended after each test."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_ormist.embedded import server_url, supervisor
from tests.servers import ROOT

DEADLINE_SECONDS = 60.0  # it takes some tens of milliseconds on an idle machine
SOON = 0.3  # idle_seconds of a server that shall stop
WHILE = 5.0  # idle_seconds of a server that shall check often, and not stop


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds, at most a minute."""
    deadline, clock = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "It did not come to pass within a minute."
        clock.wait(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Home:
    """A folder for an embedded server, and its state."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def url(self, idle_seconds: float | None = None) -> str:
        return server_url(self.path, idle_seconds)

    def client(self, url: str | None = None) -> redis.Redis:
        """Return a plain client without retries, of *url* or of ``url()``."""
        retry = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(url or self.url(), retry=retry)

    def connect(self, idle_seconds: float) -> redis.Redis:
        """Return a connected client, which keeps the server running.

        On a busy machine, the server may stop before the client has connected.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            client = self.client(self.url(idle_seconds))
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
            else:
                return client

    def server_facts(self) -> tuple[str, int, int]:
        """Return the server's run id, its process id, and its supervisor's, if any."""
        with self.client() as client:
            facts = client.info("server")
            pid = int(facts["process_id"])
            command = ["ps", "-o", "ppid=", "-p", str(pid)]
            # Within the block: a server that is idle may stop.
            parent = subprocess.run(command, capture_output=True, text=True, check=True)
        return str(facts["run_id"]), pid, int(parent.stdout)

    def run_id(self) -> str:
        return self.server_facts()[0]

    def is_locked(self, name: str) -> bool:
        return self.path.exists() and supervisor.is_locked(str(self.path / name))

    def has_stopped(self) -> bool:
        return not self.is_locked(supervisor.SERVER_LOCK) and not self.is_locked(
            supervisor.SUPERVISOR_LOCK
        )

    def log(self) -> str:
        return (self.path / supervisor.LOG).read_text()

    def end(self) -> None:
        """Stop the server and its supervisor, if they run."""
        if self.is_locked(supervisor.SERVER_LOCK):
            address = supervisor.read_address(str(self.path))
            if address is not None and os.path.exists(address):
                with self.client(f"unix://{quote(address)}") as client:
                    client.shutdown(nosave=True)
        wait_until(self.has_stopped)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder with a short path, unlike those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="ormist-home-")).resolve()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def homes(short_folder: Path) -> Iterator[Callable[[str], Home]]:
    """Returns homes by their path below an empty folder: ``homes("a/b")``."""
    made: list[Home] = []

    def home_at(name: str) -> Home:
        made.append(Home(short_folder / name))
        return made[-1]

    yield home_at
    for home in made:
        home.end()


@pytest.fixture
def home(homes: Callable[[str], Home]) -> Home:
    """A home whose folder does not exist yet."""
    return homes("data")


class Child:
    """Another Python process that runs *source* and uses stdin and stdout."""

    def __init__(self, source: str, *words: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, *words],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its process group can be killed
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return its next line, or "" at its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts processes that end with the test: ``child(source, "a", TMPDIR="b")``."""
    started: list[Child] = []

    def start(source: str, *words: str, **environment: str) -> Child:
        started.append(Child(source, *words, **environment))
        return started[-1]

    yield start
    for process in started:
        process.end()
