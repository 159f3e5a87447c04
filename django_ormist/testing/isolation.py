"""A key space of its own for one test."""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from secrets import token_hex
from typing import Any
from unittest import mock

from .. import conf
from ..connections import connections
from ..connections.executor import run
from ..exceptions import NotSupportedError
from ..operations.inspection import unlink_some

SERVERS = ("fakeredis", "embedded", "configured")

_numbers = count(1)
_run = token_hex(4)


class Isolated:
    """The key space of one test.

    server: one of SERVERS. prefix: what its keys begin with.
    """

    def __init__(self, server: str, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self._moves = ExitStack()

    def __repr__(self) -> str:
        return f"<Isolated {self.prefix} on {self.server}>"

    def travel(self, seconds: float) -> None:
        """Let so much time pass at once, until the end of the test.

        Deadlines are judged by the server's clock, so this takes fakeredis, whose clock
        is Python's ``time.time()``. That and ``time.time_ns()`` are moved, and
        ``datetime.now()`` is not. freezegun and time-machine move all of them, and
        expiry with them.
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

    def _clean(self) -> None:
        """Remove every key of the test."""
        for alias in connections:
            connection = connections[alias]
            start = f"{connection.key_prefix}:".encode()
            cursor = None
            while cursor != b"0":
                cursor, _ = run(unlink_some(start, cursor or b"0"), alias)

    def _stop_travelling(self) -> None:
        self._moves.close()


@contextmanager
def isolated(server: str = "fakeredis") -> Iterator[Isolated]:
    """Point every alias of ORMIST at keys of its own, which are none, and clean up.

    server: "fakeredis", in this process and without expense; "embedded", a real Valkey
    that one process shares; "configured", the servers of the settings, under another
    KEY_PREFIX. Processes (xdist) do not meet. Not for two tests at once in one process.
    """
    # Here, for pytest imports this at its start: django.test is half of Django.
    from django.test.utils import override_settings

    if server not in SERVERS:
        raise ValueError(f"No server {server!r}. Choose among {', '.join(SERVERS)}.")
    prefix = f"test-{_run}-{os.getpid()}-{next(_numbers)}"
    aliases = {
        name: _moved(name, entry, server, prefix)
        for name, entry in {**conf.DEFAULT, **conf.setting()}.items()
    }
    test = Isolated(server, prefix)
    with override_settings(ORMIST=aliases):
        try:
            yield test
        finally:
            test._stop_travelling()
            test._clean()


def _moved(
    name: str, entry: Mapping[str, Any], server: str, prefix: str
) -> dict[str, Any]:
    """An alias of the settings, elsewhere."""
    key_prefix = f"{prefix}-{name}".translate({ord("{"): "(", ord("}"): ")"})
    if server == "configured":
        return {**entry, "KEY_PREFIX": key_prefix}
    location = "fakeredis://django-ormist-testing"
    if server == "embedded":
        location = f"embedded://{_folder(os.getpid())}"
    kept = {"CODEC": entry["CODEC"]} if "CODEC" in entry else {}
    return {"LOCATION": location, "KEY_PREFIX": key_prefix, **kept}


@cache
def _folder(pid: int) -> str:
    """The folder of this process's embedded server, removed as the process ends."""
    folder = tempfile.mkdtemp(prefix="ormist-test-")
    atexit.register(_remove, folder, pid)
    return folder


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # not in a child that was forked
        connections.reset()
        shutil.rmtree(folder, ignore_errors=True)
