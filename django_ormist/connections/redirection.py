"""Redirection of every alias to a separate key space in test runs.

In a test run an alias keeps its server, or uses its TEST LOCATION, and every key begins
with ``KEY_PREFIX:test-RUN``. A run is recognized by the pytest plugin, which calls
begin(), by Django's setup_test_environment(), and by ``manage.py test``. A process
stays in its test run until it ends, so that late writes, from a thread or at exit, are
redirected too.

The process that began the run removes its keys at the end. A killed run leaves its
keys, and a later run removes them after a day.
"""

import glob
import os
import re
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from .. import conf
from ..exceptions import TopologyChanged
from ..operations.operation import Operation
from .connection import Connection

STALE_AFTER = 24 * 60 * 60
"""Seconds after which the keys of another run are removed."""

ENVIRONMENT_VARIABLE = "DJANGO_ORMIST_TEST_RUN"
"""``WORKER@PATH``: the run, for child processes that multiprocessing spawns."""

_NAME = re.compile(rb"([0-9a-f]{8})-[0-9a-f]{12}(?=[-:])")

_lock = threading.Lock()
has_begun = False
"""Whether this process is, or has been, in a test run."""

_run: "Run | None" = None


def begin() -> None:
    """Declare that this process runs tests."""
    global has_begun
    has_begun = True
    current()  # for children


def end() -> None:
    """Remove the keys of the run that this process began, if any."""
    if _run is not None and _run.is_own:
        _run.empty()


def space() -> str | None:
    """Return the name of this process's key space, if it is in a test run."""
    if not has_begun and not _is_test_environment():
        return None
    return current().space


def current() -> "Run":
    """Return the test run of this process, made at the first call."""
    global _run
    if _run is None:
        with _lock:
            if _run is None:
                _run = _make_run()
    return _run


def connect(alias: conf.Alias) -> Connection:
    """Return the connection of *alias*, redirected in a test run. No I/O."""
    if _is_test_command() or _is_child_of_run():
        begin()
    if space() is None:
        return Connection(alias)
    run = current()
    run.export()
    if f":test-{run.name}" in alias.key_prefix:  # of a test that is isolated
        return Connection(alias)
    return RedirectedConnection(alias, run)


def _is_test_environment() -> bool:
    """Return whether Django's test environment is, or has been, set up."""
    global has_begun
    utils = sys.modules.get("django.test.utils")
    if utils is not None and (
        hasattr(getattr(utils, "_TestState", None), "saved_data") or _worker_number()
    ):
        has_begun = True
    return has_begun


def _is_test_command() -> bool:
    """Return whether this is ``manage.py test``, whose apps load before its runner."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    is_django = program in ("manage.py", "django-admin", "django-admin.exe") or (
        sys.argv[0:1] and sys.argv[0].endswith(os.path.join("django", "__main__.py"))
    )
    return bool(is_django and sys.argv[1:2] == ["test"])


def _is_child_of_run() -> bool:
    """Return whether multiprocessing started this process from one in a test run.

    Other programs that a test starts are not redirected: they might outlive it.
    """
    if ENVIRONMENT_VARIABLE not in os.environ:
        return False
    from multiprocessing import parent_process

    return parent_process() is not None


def _worker_number() -> int:
    """Return the number of this worker of ``manage.py test --parallel``, or 0."""
    return getattr(sys.modules.get("django.test.runner"), "_worker_id", 0)


def _make_run() -> "Run":
    if _is_child_of_run():
        worker, _, path = os.environ[ENVIRONMENT_VARIABLE].partition("@")
        return Run(path, worker, owner=0)
    name = f"{int(time.time()):08x}-{token_hex(6)}"
    path = os.path.join(tempfile.gettempdir(), f"ormist-test-{name}")
    run = Run(path, os.environ.get("PYTEST_XDIST_WORKER", ""), owner=os.getpid())
    run.export()
    run.empty_at_exit()
    return run


class Run:
    """The key spaces of one test run: of its process and of its workers.

    path: the prefix of the names of its files. A child process may be terminated, so it
    writes the aliases that it uses to such a file. worker: the name of this worker, or
    "". owner: the pid of the process that began the run.
    """

    def __init__(self, path: str, worker: str, owner: int) -> None:
        self.name = os.path.basename(path).removeprefix("ormist-test-")
        self._path = path
        self._worker = worker
        self._owner = owner
        self._used: dict[tuple[str, str], Connection] = {}
        self._emptied_by: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether this process began the run."""
        return os.getpid() == self._owner

    @property
    def space(self) -> str:
        """The name of this process's key space: the run's, and the worker's."""
        worker = self._worker_name
        return f"test-{self.name}-{worker}" if worker else f"test-{self.name}"

    @property
    def _worker_name(self) -> str:
        number = _worker_number()
        return f"w{number}" if number else self._worker

    def export(self) -> None:
        """Set the environment variable for child processes."""
        os.environ[ENVIRONMENT_VARIABLE] = f"{self._worker_name}@{self._path}"

    def prefix(self, base: str, *parts: object) -> str:
        """Return the KEY_PREFIX in this space of an alias whose own is *base*."""
        name = "-".join(map(str, [self.space, *parts]))
        base = base.partition(f":test-{self.name}")[0]
        return f"{base}:{name.translate(str.maketrans('{}:', '()_'))}"

    def use(self, connection: "RedirectedConnection") -> None:
        """Record that *connection* was used, so that its keys are removed."""
        if connection.endpoint.address is None:  # fakeredis ends with its process
            return
        if self.is_own or _worker_number():
            server = (connection.endpoint.key, connection.base)
            self._used.setdefault(server, connection)
            self.empty_at_exit()
        if not self.is_own:
            with open(f"{self._path}.{os.getpid()}", "a") as file:
                file.write(f"{connection.alias.name}\n")

    def empty_at_exit(self) -> None:
        """Call empty() at the end of this process. Idempotent."""
        # Not with atexit, which multiprocessing's children do not run.
        from multiprocessing.util import Finalize

        if self._emptied_by != os.getpid():
            self._emptied_by = os.getpid()
            Finalize(None, self.empty, exitpriority=-10)

    def empty(self) -> None:
        """Remove the keys of this process, or of the run if this process began it."""
        used, self._used = self._used, {}
        start = self.name if self.is_own else self.space.removeprefix("test-")
        for connection in (*used.values(), *self._used_by_others()):
            _remove(connection, start.encode())
        for path in self._files():
            Path(path).unlink(missing_ok=True)

    def _files(self) -> list[str]:
        if self.is_own:
            return glob.glob(f"{glob.escape(self._path)}.*")
        return [f"{self._path}.{os.getpid()}"]

    def _used_by_others(self) -> Iterator[Connection]:
        """Yield a connection for each alias that a child process has used."""
        if not self.is_own:
            return
        names = {name for path in self._files() for name in _lines(path)}
        for name in sorted(names & set(conf.get_setting())):
            yield RedirectedConnection(conf.read_alias(name), self)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


class RedirectedConnection(Connection):
    """The connection of an alias in a test run.

    base: the beginning of its KEY_PREFIX, before the name of the run.
    """

    def __init__(self, alias: conf.Alias, run: Run) -> None:
        self.base = alias.test.key_prefix or alias.key_prefix
        super().__init__(alias.in_tests(run.prefix(self.base)))
        self._run = run
        self._is_used = False

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        self._use()
        return super().send(operations)

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        self._use()
        return await super().asend(operations)

    @property
    def client(self) -> redis.Redis:
        self._use()
        return super().client

    @property
    def aclient(self) -> redis.asyncio.Redis:
        self._use()
        return super().aclient

    def _use(self) -> None:
        if not self._is_used:
            self._run.use(self)
            self._is_used = True


def _remove(connection: Any, start: bytes) -> None:
    """Remove the keys of the space *start*, and stale keys of killed runs."""
    from ..operations.keyspace import KeyScan, unlink_all
    from .executor import repeat_scan, run_over

    root = f"{connection.base}:test-".encode()
    send = partial(Connection.send, connection)

    def remove() -> None:
        found = KeyScan(root)
        while not found.is_over:
            keys = run_over(send, found.next_page())
            over = [key for key in keys if _is_over(key[len(root) :], start)]
            run_over(send, unlink_all(over))

    try:
        repeat_scan(remove, connection)
    except (ConnectionError, TimeoutError):
        return  # the server has ended, or a later run removes the keys
    except (RedisError, TopologyChanged) as error:
        warnings.warn(
            f"The keys under {root.decode()!r} of ORMIST[{connection.alias.name!r}] "
            f"were not removed: {error}",
            RuntimeWarning,
            stacklevel=2,
        )


def _is_over(rest: bytes, start: bytes) -> bool:
    """Return whether a key, after ``KEY_PREFIX:test-``, is of *start*, or stale."""
    if rest.startswith((start + b"-", start + b":")):
        return True
    found = _NAME.match(rest)
    return found is not None and int(found[1], 16) < time.time() - STALE_AFTER
