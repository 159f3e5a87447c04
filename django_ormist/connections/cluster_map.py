"""The map of a Cluster: the primary of each hash slot, and the replicas of each.

ClusterMap does no I/O. Its refresh() is a generator that yields Query, one for each
node in turn, and receives the replies or the error; router.py drives it.

The nodes are queried on first use, after each failure, after MOVED, and once a minute.
Known nodes come first, in arbitrary order, and the nodes of the setting last.
MOVED changes a single slot at once.

A node that is cut off from the others has an old map. So an answer with an older epoch
than the known one counts only if all nodes give such answers. If no node answers, the
known map stays.
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from random import shuffle
from typing import Any, NamedTuple

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from ..exceptions import ImproperlyConfigured
from ..keys import SLOTS, slot_of
from ..operations.operation import Address, NodeOperation, Operation
from .endpoints import Cluster, format_address, tls_hint
from .sentinels import LONGEST_REFRESH, SHORTEST_INTERVAL, Query
from .steps import NodeLeft

INTERVAL = 60.0
"""Seconds between two looks at the nodes without a failure: replicas may be new."""

AVOIDED_FOR = 10.0
"""Seconds for which a node that did not reply is queried last."""

_QUERY = [Operation("CLUSTER SLOTS", ()), Operation("CLUSTER INFO", ())]


class Topology(NamedTuple):
    """The state of the Cluster, as a node knows it.

    slots: the primary of each slot, or None. replicas: the sorted addresses of the
    replicas, by the address of their primary. epoch: a number that rises with each
    failover and each moved slot; -1 if the user may not read it.
    """

    slots: list[Address | None]
    replicas: Mapping[Address, tuple[Address, ...]]
    epoch: int = -1


class ClusterMap:
    """The nodes of a Cluster, shared by the threads and loops of a process.

    where: the setting, for error messages. version: counts the changes of *addresses*.
    check_at: the time of the next refresh, by the clock of refresh().
    primaries: the addresses of primaries that have slots, sorted. replicas: by the
    address of a primary, the addresses of its replicas. addresses: all of these.
    """

    is_sharded = True

    def __init__(self, where: str, cluster: Cluster) -> None:
        self.where = where
        self.version = 0
        self.primaries: tuple[Address, ...] = ()
        self.replicas: Mapping[Address, tuple[Address, ...]] = {}
        self.addresses: frozenset[Address] = frozenset()
        self._slots: list[Address | None] = [None] * SLOTS
        self._epoch = -1
        self._cluster = cluster
        self._seeds = cluster.seeds
        self._latest: Address | None = None  # MOVED named it, so it knows the slot
        self._avoided: dict[Address, float] = {}  # until when
        self._problems: dict[Address, str] = {}  # why a node did not answer
        # Not locks: see SentinelMap.
        self.check_at = 0.0
        self._busy_until = 0.0
        self._busy_process = 0

    # What route() has to know

    def is_due(self, now: float) -> bool:
        """Return whether nothing is known yet, or a minute has passed."""
        return now >= self.check_at

    def address_of(self, operation: Operation) -> Address | None:
        """Return the primary of the operation's keys, or the node that it names.

        An operation without keys is for any primary. None if it is not known yet.
        """
        keys = operation.keys
        if keys:
            return self._slots[slot_of(keys[0])]
        if type(operation) is NodeOperation and operation.node is not None:
            return self._named(operation.node)
        return self.primaries[0] if self.primaries else None

    def common_address(self, operations: Sequence[Operation]) -> Address | None:
        """Return the one node for all of *operations*; None if unknown, or if several.

        Operations without keys are sent to the node of the others.
        """
        if len(operations) == 1 and (keys := operations[0].keys):  # the usual case
            return self._slots[slot_of(keys[0])]
        found: int | None = None
        address: Address | None = None
        for operation in operations:
            keys = operation.keys
            if keys:
                slot = slot_of(keys[0])
                if slot == found:
                    continue
                there = self._slots[slot]
                if found is not None and there != address:
                    return None
                found, address = slot, there
            elif type(operation) is NodeOperation:
                if len(operations) == 1 and operation.node is not None:
                    return self._named(operation.node)
                return None
        if found is None and operations and self.primaries:
            return self.primaries[0]
        return address

    def _named(self, address: Address) -> Address | None:
        if not self.addresses or address in self.addresses:
            return address
        raise NodeLeft(
            f"{format_address(address)} is not a node of the Cluster of {self.where} "
            "any more. Repeat the call from its beginning."
        )

    def slot_of(self, operation: Operation) -> int | None:
        """Return the slot of the operation's keys, if it has any."""
        return slot_of(operation.keys[0]) if operation.keys else None

    def replicas_of(self, slot: int) -> Sequence[Address]:
        """Return the addresses of the replicas of the slot's primary."""
        address = self._slots[slot]
        return () if address is None else self.replicas.get(address, ())

    @property
    def replica_addresses(self) -> set[Address]:
        """The addresses of all replicas."""
        return {address for some in self.replicas.values() for address in some}

    def move(self, operation: Operation, address: Address) -> None:
        """Note that the slot of *operation* is on the node *address*."""
        if operation.keys:
            self._slots[slot_of(operation.keys[0])] = address
        self._latest = address

    def doubt(self) -> None:
        """Refresh the map before the next request."""
        self.check_at = 0.0

    @property
    def address(self) -> Address | None:
        """The address of a primary, if one is known."""
        return self.primaries[0] if self.primaries else None

    def node_of_key(self, key: bytes) -> Address | None:
        """Return the address of the primary of *key*, if it is known."""
        return self._slots[slot_of(key)]

    def explain(self, address: Address | None, error: RedisError | None) -> RedisError:
        """Return an error that suggests a fix."""
        if address is not None:
            kind = TimeoutError if isinstance(error, TimeoutError) else ConnectionError
            return kind(
                f"The Cluster of {self.where} names the node {format_address(address)},"
                f" and it cannot be used from here: {str(error).rstrip('.')}. Start "
                "it, or let nodes announce the address that clients reach, with "
                f"cluster-announce-ip or cluster-announce-hostname.{self._unheard()}"
            )
        if self.primaries:
            return ConnectionError(
                f"The Cluster of {self.where} has no node for some of its hash slots. "
                f"Start the nodes that are down, or let others serve the slots: "
                f"redis-cli --cluster fix.{self._unheard()}"
            )
        is_refused = [
            "Authentic" in self._problems.get(each, "") for each in self._seeds
        ]
        fix = (
            "Give the user and the password in OPTIONS."
            if any(is_refused)
            else "Start them, or correct their addresses in LOCATION."
            + tls_hint(self._cluster.query_endpoint)
        )
        kind = AuthenticationError if all(is_refused) else ConnectionError
        return kind(
            f"{self.where} found no node of its Cluster that answers.{self._unheard()} "
            f"{fix}"
        )

    def _unheard(self) -> str:
        """Return a sentence about the nodes that failed to reply, or ""."""
        texts = [
            f"{format_address(address)} said: {text.rstrip('.')}"
            for address, text in self._problems.items()
        ]
        return f" Of the nodes, {'; '.join(texts)}." if texts else ""

    # Asking the nodes

    def refresh(
        self, is_urgent: bool, clock: Callable[[], float]
    ) -> Generator[Query, Any, None]:
        """Query the nodes in turn until one replies, and update the map.

        Do nothing while another refresh runs, or if it has just ended.
        Raises ImproperlyConfigured if the setting names other servers.
        """
        now = clock()
        if now < self._busy_until and self._busy_process == os.getpid():
            return
        self._busy_process = os.getpid()  # a fork copies no thread that refreshes
        self._busy_until = now + LONGEST_REFRESH
        self.check_at = now + INTERVAL
        try:
            yield from self._ask_all(now)
        finally:
            self._busy_until = 0.0  # first: clock() may be interrupted
            now = clock()
            self.check_at = now + (INTERVAL if self.primaries else 0)
            self._busy_until = now + (SHORTEST_INTERVAL if is_urgent else 0)

    def _ask_all(self, now: float) -> Generator[Query, Any, None]:
        """Query the nodes until one has the known epoch or a later one."""
        best: Topology | None = None
        for address in self._in_order(now):
            answer = yield from self._ask(address, now)
            if answer is None:
                continue
            if best is None or answer.epoch > best.epoch:
                best = answer
            if answer.epoch < 0 or answer.epoch >= self._epoch:
                break
        if best is not None:
            self._use(best)
        elif not self.primaries:
            self._raise_misconfiguration()

    def _in_order(self, now: float) -> list[Address]:
        """Return the nodes in query order: known ones, seeds, then silent ones."""
        known = list(self.addresses)
        shuffle(known)
        latest = [] if self._latest is None else [self._latest]
        order = dict.fromkeys([*latest, *known, *self._seeds])
        return sorted(order, key=lambda each: self._avoided.get(each, 0.0) > now)

    def _ask(
        self, address: Address, now: float
    ) -> Generator[Query, Any, Topology | None]:
        """Return the topology that a node reports, or None. Note a node without one."""
        replies = yield Query(self._cluster.at(address), _QUERY)
        try:
            found = parse_slots(replies, address)
        except RedisError as error:
            self._avoided[address] = now + AVOIDED_FOR
            self._problems[address] = _problem(error)
            return None
        self._avoided.pop(address, None)
        self._problems.pop(address, None)
        if not any(found.slots):
            self._problems[address] = "it serves no hash slots"
            return None
        return found

    def _use(self, found: Topology) -> None:
        """Update the map from the reply of a node."""
        primaries = tuple(sorted({each for each in found.slots if each is not None}))
        replicas = [each for some in found.replicas.values() for each in some]
        addresses = frozenset((*primaries, *replicas))
        self._slots = found.slots
        self._epoch = found.epoch
        self._latest = None
        self.primaries, self.replicas = primaries, found.replicas
        if addresses != self.addresses:
            self.addresses = addresses
            self.version += 1
            known = addresses.union(self._seeds)
            for memory in (self._avoided, self._problems):
                for address in [each for each in memory if each not in known]:
                    memory.pop(address, None)

    def _raise_misconfiguration(self) -> None:
        """Raise ImproperlyConfigured if a seed is not a node, or lacks the database.

        Raise AuthenticationError if all of them refuse the user: a retry cannot help.
        """
        for address in self._seeds:
            problem, named = self._problems.get(address, ""), format_address(address)
            if problem == _NO_NODE:
                raise ImproperlyConfigured(
                    f"{self.where} names {named} as a node of a Cluster, and it is "
                    "another kind of server. Give the addresses of nodes that run with "
                    "cluster-enabled, or the URL of the one server: redis://."
                )
            if problem == _NO_DATABASE:
                raise ImproperlyConfigured(
                    f"{self.where} names the database {self._cluster.database}, and "
                    f"the Cluster at {named} has only the database 0. Leave the number "
                    "out of LOCATION. Valkey 9 has several with cluster-databases."
                )
        error = self.explain(None, None)
        if isinstance(error, AuthenticationError):
            raise error


_NO_NODE = "it is no node of a Cluster"
_NO_DATABASE = "it has no such database"


def _problem(error: RedisError) -> str:
    """Return the reason why a node did not reply, as text."""
    text = str(error)
    lower = text.lower()
    if isinstance(error, AuthenticationError | NoPermissionError):
        return f"Authentication failed, {text}"
    if "cluster support disabled" in lower or (
        isinstance(error, ResponseError) and "unknown command" in lower
    ):
        return _NO_NODE
    if "select is not allowed" in lower or "db index is out of range" in lower:
        return _NO_DATABASE
    return text


def parse_slots(replies: Any, source: Address) -> Topology:
    """Read the nodes and their slots in the replies to CLUSTER SLOTS and INFO.

    source: the address of the node that replied. Raises RedisError if a reply is an
    error, or has another form, as from a proxy.
    """
    if isinstance(replies, RedisError):
        raise replies
    listed, info = replies
    if isinstance(listed, RedisError):
        raise listed
    try:
        return _topology(listed, info, source)
    except (TypeError, ValueError, IndexError) as error:
        raise ResponseError(
            f"its reply to CLUSTER SLOTS or CLUSTER INFO cannot be read: {error}"
        ) from None


def _topology(listed: Any, info: Any, source: Address) -> Topology:
    slots: list[Address | None] = [None] * SLOTS
    replicas: dict[Address, tuple[Address, ...]] = {}
    for first, last, primary, *others in listed:
        address = _address(primary, source)
        if address is None:
            continue
        slots[first : last + 1] = [address] * (last + 1 - first)
        found = {_address(each, source) for each in others} - {None}
        replicas[address] = tuple(sorted(each for each in found if each is not None))
    return Topology(slots, replicas, _epoch(info))


def _address(node: Sequence[Any], source: Address) -> Address | None:
    """Return the address of a node; None if it announces a host name and has none.

    A node without a host has the host of the node that replied.
    """
    host, port, *more = node
    if host == b"?":
        host = _facts(more[1]).get(b"ip") if len(more) > 1 else None
        if not host:
            return None
    return (host.decode() if host else source[0], int(port))


def _facts(metadata: Any) -> Mapping[bytes, bytes]:
    """Return the metadata of a node: pairs with RESP2, a map with RESP3."""
    if isinstance(metadata, Mapping):
        return metadata
    return dict(zip(metadata[::2], metadata[1::2], strict=False))


def _epoch(info: Any) -> int:
    """Return the current epoch in a reply to CLUSTER INFO; -1 if an ACL forbids it."""
    for line in _lines(info):
        name, _, value = line.partition(b":")
        if name == b"cluster_current_epoch":
            return int(value)
    return -1


def _lines(info: Any) -> Iterator[bytes]:
    if isinstance(info, bytes):
        yield from info.split()
