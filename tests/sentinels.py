"""A primary, two replicas and three sentinels, for the tests of Sentinel."""

import atexit
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import redis

from tests.relay import Relay
from tests.servers import (
    LONGEST_FAILOVER,
    START_TIMEOUT,
    NodeSet,
    Server,
    find,
    free_port,
    wait_until,
)

SERVICE = "mymaster"
# Seconds without an answer after which a primary counts as down: in tests of faults,
# and in others, where a busy machine is not a fault.
DOWN_AFTER, PATIENT = 1.0, 60.0


class Sentinel:
    """A sentinel process that watches the primary at *port_of_primary*."""

    def __init__(self, kind: str, port_of_primary: int, options: str = "") -> None:
        self.kind = kind
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ormist-"))
        self.process: subprocess.Popen[bytes] | None = None
        lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"logfile {self.folder}/log",
            f"sentinel monitor {SERVICE} 127.0.0.1 {port_of_primary} 2",
            f"sentinel down-after-milliseconds {SERVICE} {int(PATIENT * 1000)}",
            f"sentinel failover-timeout {SERVICE} 5000",
            options,
        )
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        found = find(self.kind)
        assert found is not None
        self.process = subprocess.Popen(
            [found[0], str(self.folder / "sentinel.conf"), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, **options)

    def ask(self, *words: Any) -> Any:
        with self.client() as client:
            client.response_callbacks.clear()
            return client.execute_command("SENTINEL", *words)

    def facts(self) -> dict[bytes, bytes]:
        """What it knows about the primary."""
        return _facts(self.ask("MASTER", SERVICE))

    def replica_flags(self) -> list[bytes]:
        """The state of each replica: b"slave" if it may be promoted."""
        return [_facts(each)[b"flags"] for each in self.ask("REPLICAS", SERVICE)]

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class SentinelSet(NodeSet):
    """The six processes. heal() makes them whole after a fault."""

    topology = "Sentinel"

    def __init__(
        self, kind: str = "valkey91", sentinel_options: str = "", relayed: bool = False
    ) -> None:
        self.kind = kind
        self.nodes = [Server(kind, self.REPLICATES_FAST) for _ in range(3)]
        for node in self.nodes if relayed else []:
            node.relay = Relay(node.port)
            announced = ("--replica-announce-port", str(node.relay.port))
            node.options = (*node.options, *announced)
        port = self.nodes[0].announced_port
        self.sentinels = [Sentinel(kind, port, sentinel_options) for _ in range(3)]

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.hosts}/{SERVICE}/0"

    def start(self) -> "SentinelSet":
        for node in self.nodes:
            node.start()
        for node in self.nodes[1:]:
            with node.client() as client:
                client.replicaof("127.0.0.1", self.nodes[0].announced_port)
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until(self.is_whole, "A new sentinel set is whole", START_TIMEOUT * 2)
        return self

    def stop(self) -> None:
        for sentinel in self.sentinels:
            sentinel.stop()
        super().stop()

    # What there is

    def primary(self) -> Server:
        """The node that the sentinels agree on."""
        ports = {
            int(each.ask("GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
            for each in self.sentinels
            if each.process is not None
        }
        if len(ports) > 1:
            raise redis.RedisError(f"The sentinels name {ports}.")
        return next(node for node in self.nodes if node.announced_port in ports)

    def replicas(self) -> list[Server]:
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def primary_of(self, key: str) -> Server:
        return self.primary()

    def replicas_of(self, primary: Server) -> list[Server]:
        return [node for node in self.nodes if node is not primary]

    def flush(self) -> None:
        """Delete all keys, on the replicas too: one may be promoted next."""
        with self.primary().client() as client:
            client.flushall()
            assert client.wait(2, 10_000) == 2

    def is_whole(self) -> bool:
        """Whether all run, agree, and replicate.

        A replica that still loads what it has received is online for its primary.
        """
        facts = [sentinel.facts() for sentinel in self.sentinels]
        state = self.primary().replication()
        replicas = [node.replication() for node in self.replicas()]
        return (
            all(f[b"flags"] == b"master" for f in facts)
            and all(s.replica_flags() == [b"slave"] * 2 for s in self.sentinels)
            and all(f[b"num-slaves"] == b"2" for f in facts)
            and all(f[b"num-other-sentinels"] == b"2" for f in facts)
            and state["role"] == "master"
            and state["connected_slaves"] == 2
            and all(state[f"slave{i}"]["state"] == "online" for i in range(2))
            and all(each["role"] == "slave" for each in replicas)
            and all(each["master_link_status"] == "up" for each in replicas)
        )

    # Faults

    def count_as_down_after(self, seconds: float) -> None:
        """Let the sentinels replace a primary that is silent for *seconds*."""
        for sentinel in self.sentinels:
            name, value = "down-after-milliseconds", int(seconds * 1000)
            sentinel.ask("SET", SERVICE, name, value)

    def fail_over(self, *how: str) -> Server:
        """Let a replica take over as planned. Return the former primary when it has.

        Sentinels refuse for a while after a fault, and may give up later. So they are
        asked again when none of them is at it, and in the second half of the time for
        a failover of the common kind.
        """
        former, half = self.primary(), time.monotonic() + LONGEST_FAILOVER / 2

        def is_over() -> bool:
            is_begun = any(
                b"failover_in_progress" in sentinel.facts()[b"flags"]
                for sentinel in self.sentinels
                if sentinel.process is not None
            )
            if self.primary() is not former:  # known before the flag is removed
                return True
            if not is_begun:
                options = how if time.monotonic() < half else ()
                self.sentinels[0].ask("FAILOVER", SERVICE, *options)
            return False

        wait_until(is_over, "A planned failover is over", LONGEST_FAILOVER)
        return former

    def isolate(self, node: Server) -> None:
        assert node.relay is not None
        node.relay.is_cut_off = True

    def reconnect(self) -> None:
        for node in self.nodes:
            assert node.relay is not None
            node.relay.resume()

    def heal(self) -> None:
        """Start and thaw what does not run. Wait until all is whole."""
        for sentinel in self.sentinels:
            if sentinel.process is None:
                sentinel.start()
        self.revive()
        wait_until(self._follows, "All nodes follow one primary", LONGEST_FAILOVER)
        wait_until(self.is_whole, "The sentinel set is whole", LONGEST_FAILOVER)

    def _follows(self) -> bool:
        """Let the others follow the primary. Sentinels would wait for ten seconds."""
        primary = self.primary()
        with primary.client() as client:
            if client.role()[0] != b"master":
                return False
        for node in self.nodes:
            with node.client() as client:
                role = client.role()
                if node is not primary and role[2] != primary.announced_port:
                    client.replicaof("127.0.0.1", primary.announced_port)
        return True


def _facts(reply: Any) -> dict[bytes, bytes]:
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def shared(kind: str = "valkey91") -> SentinelSet:
    """The sentinel set of this process, started on the first call."""
    return _started(kind)


@cache
def _started(kind: str) -> SentinelSet:  # not shared(), whose default is another call
    made = SentinelSet(kind)
    atexit.register(made.stop)
    return made.start()
