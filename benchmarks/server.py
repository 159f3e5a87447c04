"""The measured server: our own, on a core of its own, or a given one."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from tests.servers import PRODUCTS, Server, find

PATIENCE = 1000
"""The most attempts until the memory is stable."""

PREFIXES = ("obench", "rbench")
"""KEY_PREFIX of our side, and of the bare side: of one length, for equal memory."""


@dataclass(frozen=True)
class Measured:
    """A running server. is_ours: started here, so its data may be deleted."""

    name: str
    url: str
    is_ours: bool

    def client(self) -> redis.Redis:
        """Return a redis-py client of bytes, RESP2."""
        return redis.Redis.from_url(self.url, protocol=2)

    def clear(self) -> None:
        """Remove the keys of the benchmarks; on our own server, all keys."""
        with self.client() as client:
            if self.is_ours:
                client.flushall(asynchronous=False)
            else:
                for prefix in PREFIXES:
                    self.clear_keys(f"{prefix}*")

    def clear_keys(self, pattern: str) -> None:
        """Remove the keys that match *pattern*."""
        with self.client() as client:
            cursor = -1
            while cursor != 0:
                cursor, keys = client.scan(max(cursor, 0), pattern, 5000)
                if keys:
                    client.unlink(*keys)

    def used_memory(self) -> int:
        """Return used_memory without client buffers, when it is stable.

        A server resizes a hash table in steps, and has two tables meanwhile.
        """
        with self.client() as client:
            last = None
            for _ in range(PATIENCE):
                memory: Any = client.info("memory")
                used: int = memory["used_memory"] - memory.get("mem_clients_normal", 0)
                if last is not None and abs(used - last) < 1024:
                    return used
                last = used
                time.sleep(0.3)
        raise RuntimeError("The server's memory does not settle: does it serve others?")

    def version(self) -> str:
        """Return name and version of the server."""
        with self.client() as client:
            facts: Any = client.info("server")
        if "valkey_version" in facts:
            return f"Valkey {facts['valkey_version']}"
        return f"Redis {facts['redis_version']}"


def known() -> list[str]:
    """Return the names of servers that can be started on this machine."""
    return [name for name in PRODUCTS if find(name) is not None]


@contextmanager
def started(wanted: str) -> Iterator[Measured]:
    """Start or connect to *wanted*: a name of PRODUCTS, or a URL.

    Ends the process with a message if no server replies at the URL.

    With two cores or more, our own server runs on the first and this process on the
    second, so that they do not compete.
    """
    if "://" in wanted:
        measured = Measured(wanted, wanted, is_ours=False)
        try:
            measured.version()
        except redis.ConnectionError as error:
            sys.exit(f"--server: {error}")
        try:
            yield measured
        finally:
            measured.clear()
        return
    server = Server(wanted)
    with kept_apart() as keep_to:
        keep_to(0)  # a child keeps to the cores of its parent, all its threads do
        server.start()
        keep_to(1)
        try:
            yield Measured(wanted, server.unix_url, is_ours=True)
        finally:
            server.stop()


@contextmanager
def kept_apart() -> Iterator[Callable[[int], None]]:
    """Return a function that keeps this process on one of two cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield lambda number: None
        return
    before = os.sched_getaffinity(0)
    two = sorted(before)[:2]

    def keep_to(number: int) -> None:
        if len(two) == 2:
            os.sched_setaffinity(0, {two[number]})

    try:
        yield keep_to
    finally:
        os.sched_setaffinity(0, before)
