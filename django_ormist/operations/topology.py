"""The nodes of an alias, as the servers describe them: roles, slots, replication.

It reads INFO and CLUSTER NODES. An ACL or a host may forbid both: then a fact is None.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .operation import Address, Operation
from .stats import read_info


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A line of CLUSTER NODES.

    address: as this node announces itself, or None. flags: of Redis, as {"master"}.
    primary: the id of its primary, if it is a replica. epoch: increased by a failover
    or a move of slots. slots: (first, last) of each range. moving: slots that are under
    migration from or to this node; it is only known of a node that describes itself.
    """

    id: str
    address: Address | None
    flags: frozenset[str]
    primary: str | None
    epoch: int
    is_connected: bool
    slots: tuple[tuple[int, int], ...] = ()
    moving: tuple[int, ...] = ()

    @property
    def is_primary(self) -> bool:
        """Whether it is a primary, with or without slots."""
        return "master" in self.flags

    @property
    def has_failed(self) -> bool:
        """Whether the other nodes do not reach it."""
        return bool(self.flags & {"fail", "fail?", "noaddr", "handshake"})

    def owns(self, slot: int) -> bool:
        """Return whether *slot* is on this node."""
        return any(first <= slot <= last for first, last in self.slots)

    @property
    def slot_count(self) -> int:
        """The number of its slots."""
        return sum(last - first + 1 for first, last in self.slots)


def cluster_nodes() -> Operation:
    """Return the ClusterNodes that a node knows. O(nodes)."""
    return Operation("CLUSTER NODES", (), parse=read_cluster_nodes)


def this_node() -> Operation:
    """Return the ClusterNode that replies. O(nodes)."""
    return Operation("CLUSTER NODES", (), parse=_read_this_node)


def read_cluster_nodes(reply: bytes | str) -> list[ClusterNode]:
    """Return the ClusterNodes in a reply to CLUSTER NODES."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return [_read_line(line.split(" ")) for line in text.splitlines() if line]


def _read_this_node(reply: bytes | str) -> ClusterNode:
    return next(each for each in read_cluster_nodes(reply) if "myself" in each.flags)


def _read_line(words: list[str]) -> ClusterNode:
    pk, address, flags, primary, _, _, epoch, link, *slots = words
    return ClusterNode(
        pk,
        _read_address(address),
        frozenset(flags.split(",")),
        None if primary == "-" else primary,
        int(epoch),
        link == "connected",
        tuple(_read_range(each) for each in slots if each[0] != "["),
        # [93->-ID] is moved to a node, and [77-<-ID] from one.
        tuple(int(each[1:].partition("-")[0]) for each in slots if each[0] == "["),
    )


def _read_address(text: str) -> Address | None:
    """Return the address in ``ip:port@bus,hostname``. None if the node has none."""
    host, _, port = text.partition(",")[0].partition("@")[0].rpartition(":")
    return (host, int(port)) if host and int(port) else None


def _read_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


# ---------------------------------------------------------------- replication


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica, as its primary describes it.

    state: "online", or a state before that. offset: bytes of the replication
    stream. lag_bytes: how far it is behind. lag_seconds: since its last report.
    """

    address: Address | None
    state: str
    offset: int | None
    lag_bytes: int | None
    lag_seconds: int | None


@dataclass(frozen=True, slots=True)
class Replication:
    """The replication of a node.

    role: "master", "slave", or None. offset: bytes of the replication stream. link: of
    a replica to its primary, "up" or "down". replicas: those of a primary.
    """

    role: str | None
    offset: int | None
    link: str | None = None
    replicas: list[ReplicaState] = field(default_factory=list)


def replication_of(info: Mapping[str, str]) -> Replication:
    """Return the Replication in the fields of INFO."""
    role = info.get("role")
    name = "slave_repl_offset" if role == "slave" else "master_repl_offset"
    offset = _number(info.get(name))
    return Replication(
        role,
        offset,
        info.get("master_link_status"),
        list(_replica_states(info, offset)),
    )


def _replica_states(
    info: Mapping[str, str], offset: int | None
) -> Iterator[ReplicaState]:
    number = 0
    while (text := info.get(f"slave{number}")) is not None:
        facts = dict(part.partition("=")[::2] for part in text.split(","))
        own = _number(facts.get("offset"))
        host, port = facts.get("ip", ""), _number(facts.get("port"))
        yield ReplicaState(
            (host, port) if host and port else None,
            facts.get("state", "unknown"),
            own,
            None if own is None or offset is None else max(offset - own, 0),
            _number(facts.get("lag")),
        )
        number += 1


def _number(text: Any) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def run_facts() -> Operation:
    """Return the (run id, mode) of a server. O(1).

    The run id changes with each start.
    """

    def parse(reply: bytes | str) -> tuple[str | None, str | None]:
        info = read_info(reply)
        mode = info.get("server_mode", info.get("redis_mode"))
        return info.get("run_id"), mode

    return Operation("INFO", (), ("server",), parse=parse)
