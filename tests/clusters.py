"""A cluster of three primaries and three replicas, for the tests of Redis Cluster."""

import atexit
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

from tests.relay import Relay
from tests.servers import START_TIMEOUT, NodeSet, Server, free_port, wait_until

SLOTS = 16384
# Seconds without an answer after which a primary counts as down: in tests of faults,
# and in others, where a busy machine is not a fault.
DOWN_AFTER, PATIENT = 1.0, 60.0

# A handshake between two nodes that takes longer than the timeout is begun again.
START_OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
# A replica may take over however old its data is, and stays with its primary.
STEADY = ("--cluster-replica-validity-factor", "0", "--cluster-migration-barrier", "9")


class ClusterSet(NodeSet):
    """The six processes. heal() makes them whole after a fault.

    Any of ``nodes`` may be the primary of a third of the slots, or a replica of one.
    """

    topology = "Cluster"

    def __init__(
        self, kind: str = "valkey91", options: Iterable[str] = (), relayed: bool = False
    ) -> None:
        self.kind = kind
        self._options = (*self.REPLICATES_FAST, *START_OPTIONS, *STEADY, *options)
        self._bus_ports: dict[Server, int] = {}
        self._bus_relays: dict[Server, Relay] = {}
        self.nodes = [self._new_node() for _ in range(6)]
        self._down_after = PATIENT
        for node in self.nodes if relayed else []:
            self._add_relays(node)

    def _new_node(self) -> Server:
        """Return a node that is not started. Redis 6.2 fixes the port of its bus."""
        if self.kind == "redis62":
            ports = iter(free_port, None)
            port = next(each for each in ports if each <= 65535 - 10000)
            return Server(self.kind, self._options, port)
        bus_port = free_port()
        node = Server(self.kind, (*self._options, "--cluster-port", str(bus_port)))
        self._bus_ports[node] = bus_port
        return node

    def _add_relays(self, node: Server) -> None:
        """Let the others reach *node* over relays, and reach them from its own host."""
        node.relay = Relay(node.port)
        self._bus_relays[node] = Relay(self._bus_ports[node])
        self._bus_ports[node] = self._bus_relays[node].port
        node.options = (
            *node.options,
            *("--cluster-announce-ip", "127.0.0.1"),
            *("--cluster-announce-port", str(node.announced_port)),
            *("--cluster-announce-bus-port", str(self._bus_ports[node])),
            *("--bind-source-addr", self._host_of(node)),
        )

    def _host_of(self, node: Server) -> str:
        return f"127.0.0.{self.nodes.index(node) + 2}"

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{node.announced_port}" for node in self.nodes)

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.hosts}"

    def start(self) -> "ClusterSet":
        for node in self.nodes:
            node.start()
        primaries, replicas = self.nodes[:3], self.nodes[3:]
        for number, node in enumerate(primaries):
            first, last = (SLOTS * each // 3 for each in (number, number + 1))
            with node.client() as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER ADDSLOTS", *range(first, last))
        for node in self.nodes:
            self._meet(node)
        wait_until(self._all_know_all, "All nodes know each other", START_TIMEOUT * 2)
        for primary, replica in zip(primaries, replicas, strict=True):
            with replica.client() as client:
                client.execute_command("CLUSTER REPLICATE", self.id_of(primary))
        wait_until(self.is_whole, "A new cluster is whole", START_TIMEOUT * 2)
        self.count_as_down_after(PATIENT)
        return self

    def _meet(self, node: Server) -> None:
        """Introduce *node* to the others, all of them, which is faster than gossip."""
        with node.client() as client:
            for other in self.nodes:
                if other is not node:
                    words = ["127.0.0.1", other.announced_port]
                    if other in self._bus_ports:
                        words.append(self._bus_ports[other])
                    client.execute_command("CLUSTER MEET", *words)

    def _all_know_all(self) -> bool:
        return all(
            len(known := self.map_of(node)) == 6
            and all(each["connected"] for each in known.values())
            and not any("handshake" in each["flags"] for each in known.values())
            for node in self.nodes
        )

    # What there is

    def map_of(self, node: Server) -> dict[str, Any]:
        """Return what *node* knows of the cluster: a dict for each address."""
        with node.client() as client:
            found: dict[str, Any] = client.execute_command("CLUSTER NODES")
        return found

    def facts(self, node: Server) -> dict[str, Any]:
        """Return what *node* knows of itself."""
        known = self.map_of(node).values()
        return next(each for each in known if "myself" in each["flags"])

    def id_of(self, node: Server) -> str:
        return str(self.facts(node)["node_id"])

    def node_of(self, id: str) -> Server:
        return next(node for node in self.running() if self.id_of(node) == id)

    def running(self) -> list[Server]:
        """Return the nodes that reply."""
        return [node for node in self.nodes if node.is_running]

    def primaries(self) -> list[Server]:
        """Return the running nodes that own slots, by the first of them."""
        owners = {slots[0][0]: node for node, slots in self.slots().items()}
        return [owners[first] for first in sorted(owners)]

    def slots(self) -> dict[Server, list[tuple[int, int]]]:
        """Return the first and last slots of each range that a running node owns."""
        found = {}
        for node in self.running():
            facts = self.facts(node)
            if "master" in facts["flags"] and facts["slots"]:
                ranges = [(int(each[0]), int(each[-1])) for each in facts["slots"]]
                found[node] = ranges
        return found

    def primary_of(self, key: str | bytes | int) -> Server:
        """Return the node that owns the slot of *key*, or the slot itself."""
        slot = key if isinstance(key, int) else slot_of(key)
        owners = [
            node
            for node, ranges in self.slots().items()
            if any(first <= slot <= last for first, last in ranges)
        ]
        if owners:  # one that is cut off does not know of the latest failover
            return max(owners, key=lambda node: int(self.facts(node)["epoch"]))
        raise redis.RedisError(f"No running node owns the slot {slot}.")

    def replicas_of(self, primary: Server) -> list[Server]:
        """Return the running replicas of *primary*."""
        id = self.id_of(primary)
        found = [node for node in self.running() if node is not primary]
        return [node for node in found if self.facts(node)["master_id"] == id]

    def is_whole(self) -> bool:
        """Whether all run, agree who owns which slot, replicate, and know all replicas.

        CLUSTER SLOTS leaves out a replica until its primary has told the node of it.
        """
        owners = set()
        for node in self.nodes:
            known = self.map_of(node)
            with node.client() as client:
                for _, _, _, *replicas in client.execute_command("CLUSTER SLOTS"):
                    if not replicas:
                        return False
                if client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                    return False
            if not _replicates(node.replication()):
                return False
            if any("fail" in each["flags"] for each in known.values()):
                return False
            if any(each["migrations"] for each in known.values()):
                return False
            owners.add(
                tuple(
                    sorted(
                        (each["node_id"], str(each["slots"])) for each in known.values()
                    )
                )
            )
        return len(owners) == 1 and len(self.primaries()) == 3

    # Faults: and kill(), freeze() and thaw() of a node

    def count_as_down_after(self, seconds: float) -> None:
        """Let a replica take over from a primary that is silent for *seconds*."""
        self._down_after = seconds
        for node in self.running():
            with node.client() as client:
                client.config_set("cluster-node-timeout", int(seconds * 1000))

    def fail_over(self, primary: Server, *how: str) -> Server:
        """Let a replica of *primary* take over, and return it when it has.

        how: "FORCE" or "TAKEOVER", or nothing for a planned failover. The request is
        repeated when it was not followed within its five seconds.
        """
        replica = self.replicas_of(primary)[0]
        asked = 0.0

        def is_over() -> bool:
            nonlocal asked
            with replica.client() as client:
                if client.role()[0] == b"master":
                    return True
                if asked < time.monotonic() - 6:
                    asked = time.monotonic()
                    client.execute_command("CLUSTER FAILOVER", *how)
            return False

        wait_until(is_over, f"{replica.port} has taken over from {primary.port}")
        return replica

    def isolate(self, node: Server) -> None:
        assert node.relay is not None
        node.relay.is_cut_off = self._bus_relays[node].is_cut_off = True
        for relay in self._bus_relays.values():
            relay.cut_off.add(self._host_of(node))

    def reconnect(self) -> None:
        for node, relay in self._bus_relays.items():
            relay.resume()
            if node.relay is not None:
                node.relay.resume()

    def heal(self) -> None:
        """Start and thaw what does not run. Finish migrations. Wait until whole."""
        self.revive()
        self.count_as_down_after(self._down_after)
        wait_until(self._has_three_primaries, "Three primaries own all slots")
        for slot, source, target in self.open_slots():
            SlotMigration(self, slot, source, target).finish()
        wait_until(self.is_whole, "The cluster is whole")

    def _has_three_primaries(self) -> bool:
        owned = [last - first + 1 for r in self.slots().values() for first, last in r]
        return sum(owned) == SLOTS and len(self.slots()) == 3

    def flush(self) -> None:
        """Delete all keys."""
        for node in self.primaries():
            with node.client() as client:
                client.flushall()

    # Migration of slots

    def open_slots(self) -> list[tuple[int, Server, Server]]:
        """Return each slot under classic migration, its source and its target."""
        found = {}
        for node in self.primaries():  # replicas know of it, too
            for each in self.facts(node)["migrations"]:
                other = self.node_of(each["node_id"])
                is_source = each["state"] == "migrating"
                pair = (node, other) if is_source else (other, node)
                found[int(each["slot"])] = pair
        return [(slot, *pair) for slot, pair in found.items()]

    def migrate(self, slot: int, target: Server) -> "SlotMigration":
        """Return the classic migration of *slot* to *target*, which has not begun."""
        return SlotMigration(self, slot, self.primary_of(slot), target)

    def migrate_at_once(self, slot: int, target: Server) -> None:
        """Migrate *slot* atomically, as Valkey 9 can. Return when it is over."""
        source, id = self.primary_of(slot), self.id_of(target)
        with source.client() as client:
            words = ("SLOTSRANGE", slot, slot, "NODE", id)
            client.execute_command("CLUSTER", "MIGRATESLOTS", *words)
        wait_until(lambda: self.primary_of(slot) is target, f"Slot {slot} is migrated")
        wait_until(self.is_whole, "The cluster is whole")


class SlotMigration:
    """The classic migration of one slot, in steps: begin(), move(), finish()."""

    def __init__(
        self, cluster: ClusterSet, slot: int, source: Server, target: Server
    ) -> None:
        self.cluster, self.slot = cluster, slot
        self.source, self.target = source, target

    def begin(self) -> "SlotMigration":
        """Mark the slot as under migration, on both nodes."""
        self._set(self.target, "IMPORTING", self.cluster.id_of(self.source))
        self._set(self.source, "MIGRATING", self.cluster.id_of(self.target))
        return self

    def keys(self, count: int = 1000) -> list[bytes]:
        """Return keys that are not moved yet."""
        with self.source.client() as client:
            words = ("GETKEYSINSLOT", self.slot, count)
            return list(client.execute_command("CLUSTER", *words))

    def move(self, keys: Iterable[str | bytes] | None = None) -> None:
        """Move *keys*, or all that the source has."""
        if keys is None:
            while rest := self.keys():
                self.move(rest)
            return
        wait_until(lambda: self._move(*keys), f"Keys of slot {self.slot} are moved")

    def _move(self, *keys: str | bytes) -> Any:
        with self.source.client() as client:
            words = ("127.0.0.1", self.target.port, "", 0, 60000, "KEYS", *keys)
            try:
                return client.execute_command("MIGRATE", *words)
            except redis.ResponseError:
                self.begin()  # news of an earlier owner has cleared the mark
                raise

    def finish(self) -> None:
        """Move what is left, and make the target the owner, for all nodes."""
        self.move()
        id = self.cluster.id_of(self.target)
        for node in (self.target, self.source, *self.cluster.primaries()):
            self._set(node, "NODE", id)
        wait_until(self.cluster.is_whole, f"The slot {self.slot} has moved")

    def cancel(self) -> None:
        """Let the source keep what it has. Keys that were moved are lost."""
        for node in (self.source, self.target):
            self._set(node, "STABLE")

    def _set(self, node: Server, *words: Any) -> None:
        """Mark the slot on a node, which refuses it while its replica is slow."""

        def is_set() -> Any:
            with node.client() as client:
                return client.execute_command("CLUSTER", "SETSLOT", self.slot, *words)

        wait_until(is_set, f"Slot {self.slot} of {node.port} is {words[0]}")


def slot_of(key: str | bytes) -> int:
    """Return the hash slot of *key*."""
    return key_slot(key.encode() if isinstance(key, str) else key)


def _replicates(state: dict[str, Any]) -> bool:
    """Whether INFO replication shows a primary with a replica, or one that follows."""
    if state["role"] == "master":
        return state["connected_slaves"] == 1 and state["slave0"]["state"] == "online"
    return bool(state["master_link_status"] == "up")


def shared(kind: str = "valkey91") -> ClusterSet:
    """The cluster of this process, started on the first call."""
    return _started(kind)


@cache
def _started(kind: str) -> ClusterSet:  # not shared(), whose default is another call
    made = ClusterSet(kind)
    atexit.register(made.stop)
    return made.start()


class _Client(RedisCluster):
    """A client that its last user does not close: redis-py's cannot be used again."""

    def close(self) -> None:
        self.disconnect_connection_pools()


@cache
def shared_client(kind: str = "valkey91") -> Any:
    """Return redis-py's client of shared(): of bytes, as Server.client() is.

    Commands for several keys, SCAN and SCRIPT LOAD reach all nodes.
    """
    cluster = shared(kind)
    nodes = [ClusterNode("127.0.0.1", node.port) for node in cluster.nodes]
    return _Client(startup_nodes=nodes, protocol=2, socket_timeout=60)
