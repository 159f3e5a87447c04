"""A separate key space for one test, and counted round trips."""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import count
from typing import Any
from unittest import mock

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.utils.functional import empty

from .. import conf
from ..connections import connections, redirection
from ..connections.executor import repeat_scan, run
from ..connections.instrumentation import RoundTrip, listening
from ..exceptions import NotSupportedError
from ..operations.keyspace import KeyScan, copy_some, unlink_some

SERVERS = ("fakeredis", "embedded", "configured")

_numbers = count(1)


class Isolated:
    """The key space of one test.

    server: one of SERVERS. aliases: ORMIST of the test.
    """

    def __init__(self, server: str, aliases: Mapping[str, Mapping[str, Any]]) -> None:
        self.server = server
        self.aliases = aliases
        self._moves = ExitStack()

    def __repr__(self) -> str:
        return f"<Isolated {self.prefix} on {self.server}>"

    @property
    def prefix(self) -> str:
        """The KEY_PREFIX of the alias "default"."""
        return str(self.aliases["default"]["KEY_PREFIX"])

    def travel(self, seconds: float) -> None:
        """Move the time forward, until the end of the test.

        The server's clock decides about expiration. fakeredis uses Python's
        ``time.time()``, which is moved together with ``time.time_ns()``.
        ``datetime.now()`` is not moved. freezegun and time-machine move all of them,
        and expiration too.

        Raises NotSupportedError on a real server.
        """
        if self.server != "fakeredis":
            raise NotSupportedError(
                f"Cannot move the clock of a real server ({self.server}). Test expiry "
                "on fakeredis, or with a short lifetime, and wait."
            )
        now, now_ns = time.time, time.time_ns
        for name, moved in (
            ("time.time", lambda: now() + seconds),
            ("time.time_ns", lambda: now_ns() + round(seconds * 1_000_000_000)),
        ):
            self._moves.enter_context(mock.patch(name, moved))

    def _copy(self, source: "Isolated") -> None:
        """Copy every key of *source*."""
        for alias, entry in self.aliases.items():
            start = f"{source.aliases[alias]['KEY_PREFIX']}:".encode()
            new = f"{entry['KEY_PREFIX']}:".encode()
            repeat_scan(partial(_copy_all, alias, start, new), connections[alias])

    def _clean(self) -> None:
        """Remove every key of the test."""
        for alias, entry in self.aliases.items():
            start = f"{entry['KEY_PREFIX']}:".encode()
            repeat_scan(partial(_unlink_all, alias, start), connections[alias])

    def _stop_travelling(self) -> None:
        self._moves.close()


def _copy_all(alias: str, start: bytes, new: bytes) -> None:
    found = KeyScan(start)
    while not found.is_over:
        run(copy_some(found, new), alias)


def _unlink_all(alias: str, start: bytes) -> None:
    found = KeyScan(start)
    while not found.is_over:
        run(unlink_some(found), alias)


@contextmanager
def isolated(
    server: str = "fakeredis", *, copy_of: Isolated | None = None
) -> Iterator[Isolated]:
    """Give every alias of ORMIST an empty key space, and remove it at the end.

    server: "fakeredis", in this process; "embedded", a real Valkey server for this
    process; "configured", the servers of the settings, or of TEST, under another
    KEY_PREFIX. Parallel processes (xdist) are separate. Two tests at once in a process
    are not supported. copy_of: start with a copy of this key space, on its server.
    O(keys).
    """
    # Imported here, since pytest loads this module at its start, and django.test is
    # large.
    from django.test.utils import override_settings

    if copy_of is not None:
        server = copy_of.server
    if server not in SERVERS:
        raise ValueError(f"No server {server!r}. Choose among {', '.join(SERVERS)}.")
    aliases = _read_aliases(server) if copy_of is None else copy_of.aliases
    number, run_of_tests = next(_numbers), redirection.current()
    test = Isolated(
        server,
        {
            name: {
                **alias,
                "KEY_PREFIX": run_of_tests.prefix(alias["KEY_PREFIX"], number, name),
            }
            for name, alias in aliases.items()
        },
    )
    with _ensure_settings(), override_settings(ORMIST=test.aliases):
        try:
            if copy_of is not None:
                test._copy(copy_of)
            yield test
        finally:
            test._stop_travelling()
            test._clean()


@contextmanager
def _ensure_settings() -> Iterator[None]:
    """Configure Django's settings, as override_settings() requires.

    A project without settings gets Django's defaults until the end of the test.
    """
    if settings.configured or os.environ.get(ENVIRONMENT_VARIABLE):
        yield
        return
    settings.configure()
    try:
        yield
    finally:
        vars(settings).clear()
        settings._wrapped = empty


def _read_aliases(server: str) -> dict[str, dict[str, Any]]:
    """Return the aliases of the settings, on the *server* of the tests."""
    entries = {**conf.DEFAULT, **conf.get_setting()}
    return {
        name: _read_for_tests(conf.read_alias(name, entries), server)
        for name in entries
    }


def _read_for_tests(alias: conf.Alias, server: str) -> dict[str, Any]:
    moved = alias.in_tests(alias.test.key_prefix or alias.key_prefix)
    common = {"KEY_PREFIX": moved.key_prefix, "CODEC": moved.codec}
    if server == "fakeredis":
        return {**common, "LOCATION": "fakeredis://django-ormist-testing"}
    if server == "embedded":
        return {**common, "LOCATION": f"embedded://{_make_folder(os.getpid())}"}
    if moved.cache is not None:
        return {**common, "CACHE": moved.cache}
    return {**common, "LOCATION": moved.location, "OPTIONS": moved.options}


@cache
def _make_folder(pid: int) -> str:
    """Return the folder of this process's embedded server, removed at its exit."""
    folder = tempfile.mkdtemp(prefix="ormist-test-")
    atexit.register(_remove, folder, pid)
    return folder


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # not in a child that was forked
        connections.reset()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def assert_round_trips(
    number: int, using: str | None = None
) -> Iterator[list[RoundTrip]]:
    """Fail unless the block makes *number* round trips. Yield the list of them.

    Counts the round trips of this thread, or of this task and its children. using:
    count only this alias. A round trip that only sends the source of unknown scripts is
    not counted.
    """
    round_trips: list[RoundTrip] = []

    def count(round_trip: RoundTrip) -> None:
        if not round_trip.is_first_load and using in (None, round_trip.using):
            round_trips.append(round_trip)

    with listening(count):
        yield round_trips
    if len(round_trips) != number:
        lines = [
            f"{n}. {round_trip.using}: {round_trip.summary}"
            for n, round_trip in enumerate(round_trips, 1)
        ]
        raise AssertionError(
            "\n".join([f"{len(round_trips)} round trips, {number} expected.", *lines])
        )
