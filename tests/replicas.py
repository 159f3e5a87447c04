"""A primary, replicas and a gate between them, for the tests of reads from replicas."""

import atexit
import socket
import threading
from contextlib import suppress
from functools import cache
from typing import Any

from django_ormist.connections.instrumentation import listening
from django_ormist.connections.sentinels import SentinelMap
from tests.sentinels import wait_until
from tests.servers import Server


class Gate:
    """Passes bytes between a replica and its primary, and holds them while closed."""

    def __init__(self, port_of_primary: int) -> None:
        self._target = port_of_primary
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def stop(self) -> None:
        self._open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                replica, _ = self._listener.accept()
                try:
                    primary = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    replica.close()
                    continue
                for pair in ((replica, primary), (primary, replica)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._open.wait()
                target.sendall(data)
        for each in (source, target):
            each.close()


class ReplicaSet:
    """A primary and replicas behind gates, without sentinels."""

    def __init__(self, kind: str, number: int = 2) -> None:
        options = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        self.primary, *self.replicas = (
            Server(kind, options) for _ in range(1 + number)
        )
        self.gates: list[Gate] = []

    def start(self) -> "ReplicaSet":
        for node in (self.primary, *self.replicas):
            node.start()
        for node in self.replicas:
            self.gates.append(Gate(self.primary.port))
            with node.client() as client:
                client.replicaof("127.0.0.1", self.gates[-1].port)
        self.catch_up()
        return self

    def stop(self) -> None:
        for gate in self.gates:
            gate.stop()
        for node in (self.primary, *self.replicas):
            node.stop()

    def hold(self) -> None:
        for gate in self.gates:
            gate.hold()

    def catch_up(self) -> None:
        """Open the gates. Wait until all replicas have what the primary has."""
        for gate in self.gates:
            gate.release()
        wait_until(self._is_level, "All replicas have caught up")

    def _is_level(self) -> bool:
        state = self.primary.replication()
        return all(
            (told := node.replication())["master_link_status"] == "up"
            and told["slave_repl_offset"] >= state["master_repl_offset"]
            and told["master_replid"] == state["master_replid"]
            for node in self.replicas
        )

    @property
    def ports(self) -> set[int]:
        """The ports of the replicas."""
        return {node.port for node in self.replicas}


class FixedMap(SentinelMap):
    """A map of a ReplicaSet, which no sentinel watches."""

    def use(self, nodes: ReplicaSet) -> None:
        self.address = ("127.0.0.1", nodes.primary.port)
        self.replicas = tuple(("127.0.0.1", port) for port in sorted(nodes.ports))

    def is_due(self, now: float) -> bool:
        return False

    def refresh(self, is_urgent: bool, clock: Any) -> Any:
        yield from ()


@cache
def shared(kind: str = "valkey91") -> ReplicaSet:
    """The replica set of this process, started on the first call."""
    made = ReplicaSet(kind)
    atexit.register(made.stop)
    return made.start()


def answered_by(function, *arguments) -> set:
    """The ports of the nodes that answer a sync call."""
    seen = []
    with listening(seen.append):
        function(*arguments)
    return {each.address[1] for each in seen}
