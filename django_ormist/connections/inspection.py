"""Inspection of the nodes of an alias: roles, replication, slots, memory.

For ormist_inspect and the overview of the admin. A node that does not reply, and a
command that it refuses, make facts unknown (None). They are not errors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from redis.exceptions import RedisError

from ..keys import slot_of
from ..operations import stats
from ..operations.operation import Address, Operation
from ..operations.topology import (
    ClusterNode,
    cluster_nodes,
    replication_of,
)
from . import connections
from .endpoints import Endpoint, Sentinels, format_address
from .router import Router
from .sentinels import replicas_in

_INFO = stats.server_info()
_SIZE = Operation("DBSIZE", (), parse=int)
_NODES = cluster_nodes()


@dataclass(frozen=True)
class NodeFacts:
    """A server: of a Cluster, behind Sentinel, or the only one.

    role: "primary" or "replica". primary: the address of a replica's. link: "up" or
    "down"; of a replica to its primary, or "down" if a node does not reply. offset:
    bytes of the replication stream. lag_bytes, lag_seconds: how far a replica is
    behind, and for how long it has been silent. slots: (first, last) of each range of a
    primary. keys: of the database. info: the fields of INFO. error: why it did not
    reply.
    """

    address: str
    role: str | None = None
    primary: str | None = None
    link: str | None = None
    offset: int | None = None
    lag_bytes: int | None = None
    lag_seconds: int | None = None
    slots: tuple[tuple[int, int], ...] = ()
    keys: int | None = None
    info: dict[str, str] = field(default_factory=dict, repr=False)
    error: str | None = None

    @property
    def slot_count(self) -> int:
        """The number of its slots."""
        return sum(last - first + 1 for first, last in self.slots)

    @property
    def used_bytes(self) -> int | None:
        """Its memory in use."""
        used: int | None = stats.server_facts(self.info)["memory"]["used_bytes"]
        return used

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as a dict for JSON."""
        facts = stats.server_facts(self.info)
        return {
            "address": self.address,
            "role": self.role,
            "primary": self.primary,
            "link": self.link,
            "offset": self.offset,
            "lag_bytes": self.lag_bytes,
            "lag_seconds": self.lag_seconds,
            "slots": [list(each) for each in self.slots],
            "keys": self.keys,
            "product": facts["product"],
            "version": facts["version"],
            "memory": facts["memory"],
            "error": self.error,
        }


@dataclass(frozen=True)
class SentinelFacts:
    """A sentinel of the setting. primary: the address that it names.

    quorum: sentinels that must agree that a primary is down. sentinels, replicas: the
    numbers that it knows, itself included. flags: its state of the primary, as in
    Redis. error: why it did not reply.
    """

    address: str
    primary: str | None = None
    flags: str | None = None
    quorum: int | None = None
    sentinels: int | None = None
    replicas: int | None = None
    error: str | None = None

    @property
    def state(self) -> str:
        """Its flags in words."""
        return describe_flags(self.flags)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as a dict for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Nodes:
    """All nodes of an alias, primaries before their replicas, and its sentinels."""

    nodes: list[NodeFacts]
    sentinels: list[SentinelFacts] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        """Whether there are more than the one server of a URL."""
        return len(self.nodes) > 1 or bool(self.sentinels)

    @property
    def primaries(self) -> list[NodeFacts]:
        """The primaries."""
        return [node for node in self.nodes if node.role == "primary"]

    @property
    def main(self) -> list[NodeFacts]:
        """The primaries, or the one server if it is a replica or does not tell."""
        return self.primaries or self.nodes[:1]

    def find(self, address: str | None) -> NodeFacts | None:
        """Return the node at *address*, if it is known."""
        return next((node for node in self.nodes if node.address == address), None)


def inspect_nodes(using: str) -> Nodes:
    """Return the nodes of an alias. Two round trips to each node at most.

    Raises RedisError, ImproperlyConfigured if no node can be found.
    """
    connection = connections[using]
    endpoint, router = connection.endpoint, connection._router
    if router is None:
        (reply,) = connection.send([_INFO])
        info = _parsed(_INFO, reply) or {}
        found = _from_info(endpoint.safe_url, info)
        return Nodes([found, *_silent_replicas(found)])
    if endpoint.sentinels is None:
        return Nodes(_inspect_cluster(router))
    return _inspect_service(router, endpoint.sentinels)


def locate(using: str, key: bytes) -> tuple[int, str] | None:
    """Return the slot of a key and the address of its node, in a Cluster.

    The address is "" if it is not known yet. No I/O.
    """
    connection = connections[using]
    if not connection.is_cluster:
        return None
    router: Any = connection._router
    address = router.map.node_of_key(key)
    return slot_of(key), "" if address is None else format_address(address)


# ---------------------------------------------------------------- a Cluster


def _inspect_cluster(router: Router) -> list[NodeFacts]:
    """Return the nodes of a Cluster, as they describe each other."""
    known = router.find_nodes()
    lines, view = _find_lines(router, known)
    if not lines:  # CLUSTER NODES is forbidden
        asked = [_ask(router, address) for address in known or [router.primary]]
        return _sort(asked)
    by_id = {line.id: _address_of(line, view) for line in lines}
    nodes = []
    for line in lines:
        address = by_id[line.id]
        if address is None or line.has_failed:
            error = "The other nodes do not reach it." if line.has_failed else None
            facts = NodeFacts(_name(address) or line.id, error=error)
        else:
            facts = _ask(router, address)
        # A node knows its role before the others do.
        role = facts.role or ("primary" if line.is_primary else "replica")
        primary = _name(by_id.get(line.primary or "")) or facts.primary
        link = "down" if line.has_failed else facts.link
        if link is None and role == "replica":
            link = "up" if line.is_connected else "down"
        nodes.append(
            replace(facts, role=role, primary=primary, slots=line.slots, link=link)
        )
    return _sort(nodes)


def _find_lines(
    router: Router, known: Sequence[Address]
) -> tuple[list[ClusterNode], Address | None]:
    """Return the nodes that the first node to reply lists, and its address."""
    for address in known:
        try:
            (reply,) = router.query(address, [_NODES])
        except RedisError:
            continue
        lines = _parsed(_NODES, reply)
        if lines is not None:
            return lines, address
    return [], None


def _address_of(line: ClusterNode, asked: Address | None) -> Address | None:
    return asked if line.address is None and "myself" in line.flags else line.address


def _sort(nodes: Iterable[NodeFacts]) -> list[NodeFacts]:
    """Return primaries, by their first slot, each before its replicas, with lags."""
    every = list(nodes)
    primaries = [node for node in every if node.role != "replica"]
    primaries.sort(key=lambda node: (node.slots[:1] or ((2**14, 0),), node.address))
    found: list[NodeFacts] = []
    for primary in primaries:
        own = [n for n in every if n.role == "replica" and n.primary == primary.address]
        found += [primary, *_with_lags(primary, own)]
    shown = {node.address for node in found}
    return found + [node for node in every if node.address not in shown]


# ---------------------------------------------------------------- one node


def _ask(router: Router, address: Address) -> NodeFacts:
    """Return the facts of one node. One round trip."""
    name = format_address(address)
    try:
        info, size = router.query(address, [_INFO, _SIZE])
    except RedisError as error:
        return NodeFacts(name, link="down", error=_first_line(error))
    facts = _from_info(name, _parsed(_INFO, info) or {})
    return replace(facts, keys=_parsed(_SIZE, size))


def _from_info(name: str, info: dict[str, str]) -> NodeFacts:
    state = replication_of(info)
    primary = None
    if state.role == "slave" and info.get("master_port", "").isdigit():
        primary = format_address(
            (info.get("master_host", ""), int(info["master_port"]))
        )
    return NodeFacts(
        name,
        role=stats.role_name(state.role),
        primary=primary,
        link=state.link,
        offset=state.offset,
        info=info,
    )


def _with_lags(primary: NodeFacts, replicas: Sequence[NodeFacts]) -> list[NodeFacts]:
    """Return the replicas with their lag, as their primary reports it."""
    states = {
        format_address(each.address): each
        for each in replication_of(primary.info).replicas
        if each.address is not None
    }
    found = []
    for each in replicas:
        state = states.get(each.address)
        if state is not None:
            offset = state.offset if each.offset is None else each.offset
            each = replace(
                each,
                primary=primary.address,
                offset=offset,
                lag_bytes=state.lag_bytes,
                lag_seconds=state.lag_seconds,
            )
        found.append(replace(each, role="replica"))
    return found


def _silent_replicas(primary: NodeFacts) -> list[NodeFacts]:
    """Return the replicas of a single server, from its INFO alone."""
    states = replication_of(primary.info).replicas
    found = [
        NodeFacts(
            format_address(each.address),
            link="up" if each.state == "online" else "down",
        )
        for each in states
        if each.address is not None
    ]
    return _with_lags(primary, found)


# ---------------------------------------------------------------- Sentinel


def _inspect_service(router: Router, sentinels: Sentinels) -> Nodes:
    """Return the primary, and the replicas that it or a sentinel names."""
    router.find_nodes()
    address = router.primary
    primary = _ask(router, address)
    primary = replace(primary, role=primary.role or "primary")
    asked = [_ask_sentinel(router, s, sentinels.service) for s in sentinels.endpoints]
    states = replication_of(primary.info).replicas
    # The primary forgets a replica that is down. The sentinels do not.
    named = {each.address for each in states if each.address}
    named = named.union(*(replicas for _, replicas in asked)) - {address}
    replicas = _once_each(primary, [_ask(router, each) for each in sorted(named)])
    return Nodes([primary, *_with_lags(primary, replicas)], [each for each, _ in asked])


def _once_each(primary: NodeFacts, nodes: Iterable[NodeFacts]) -> list[NodeFacts]:
    """Leave out servers that were named twice, by their host and by their IP."""
    seen = {primary.info.get("run_id")} - {None}
    found = []
    for node in nodes:
        run = node.info.get("run_id")
        if run not in seen:
            found.append(node)
        seen |= {run} - {None}
    return found


def _ask_sentinel(
    router: Router, sentinel: Endpoint, service: str
) -> tuple[SentinelFacts, set[Address]]:
    """Return the facts of a sentinel, and the replicas that it names."""
    arguments = sentinel.arguments
    name = format_address((arguments["host"], arguments["port"]))
    try:
        state, replicas = router.query(
            sentinel,
            [
                Operation("SENTINEL MASTER", (), (service,)),
                Operation("SENTINEL REPLICAS", (), (service,)),
            ],
        )
    except RedisError as error:
        return SentinelFacts(name, error=_first_line(error)), set()
    named = set(replicas_in(replicas))
    if isinstance(state, RedisError):
        return SentinelFacts(name, error=_first_line(state)), named
    pairs = (
        state if isinstance(state, dict) else dict(zip(*[iter(state)] * 2, strict=True))
    )
    facts = {key.decode(): value.decode() for key, value in pairs.items()}
    others = _number(facts.get("num-other-sentinels"))
    found = SentinelFacts(
        name,
        format_address((facts["ip"], int(facts["port"]))),
        facts.get("flags"),
        _number(facts.get("quorum")),
        None if others is None else others + 1,
        _number(facts.get("num-slaves")),
    )
    return found, named


# ---------------------------------------------------------------- helpers


def describe_flags(flags: str | None) -> str:
    """Return the flags of a sentinel in the words of this package, or ""."""
    return (flags or "").replace("master", "primary")


def _parsed(operation: Operation, reply: Any) -> Any:
    """Return the answer of an operation, or None if the server refused it."""
    return None if isinstance(reply, Exception) else operation.parse(reply)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _name(address: Address | None) -> str | None:
    return None if address is None else format_address(address)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
