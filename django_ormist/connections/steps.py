"""The steps of route(), their outcomes, and the topology that it uses."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from redis.exceptions import RedisError

from ..exceptions import TopologyChanged
from ..operations.operation import Address, Operation


class NodeLeft(TopologyChanged):
    """An operation is for a node that is not in the Cluster any more."""


class Parcel(NamedTuple):
    """Operations for one node.

    positions: their places among the operations to route. operations: what to send.
    If *is_asking*, each is preceded by ASKING.
    """

    address: Address
    positions: Sequence[int]
    operations: Sequence[Operation]
    is_asking: bool = False


class Broken(NamedTuple):
    """The outcome of a parcel without replies. Without *was_sent*, nothing was sent."""

    error: RedisError
    was_sent: bool


class Refresh(NamedTuple):
    """The request to update the nodes. It *is_urgent* if they have failed."""

    is_urgent: bool


class Wait(NamedTuple):
    """The request to sleep."""

    seconds: float


Step = list[Parcel] | Refresh | Wait
Outcome = list[Any] | Broken


class Unconfirmed(list[Any]):
    """Replies to writes that too few replicas have confirmed.

    confirmed, wanted: numbers of replicas. error: set by the connection.
    """

    confirmed: int = 0
    wanted: int = 0
    error: Exception | None = None


class Observer(Protocol):
    """Sends an operation after the writes of a parcel, in the same request."""

    operation: Operation
    follows_reads: bool
    """Whether to send it after reads, too."""

    def note(self, parcel: Parcel, reply: Any) -> None:
        """Note the reply to *operation*."""


class Nodes(Protocol):
    """The topology that route() uses. No method does I/O."""

    is_sharded: bool
    """Whether there are several primaries, and MOVED and ASK are followed."""

    @property
    def primaries(self) -> Sequence[Address]:
        """The addresses of all known primaries, sorted."""

    def is_due(self, now: float) -> bool:
        """Return whether to refresh before the next request."""

    def address_of(self, operation: Operation) -> Address | None:
        """Return the node for *operation*; None if it is not known yet.

        Raises NodeLeft for a NodeOperation whose node is not there any more.
        """

    def common_address(self, operations: Sequence[Operation]) -> Address | None:
        """Return the node for all of *operations*; None if unknown, or if several."""

    def slot_of(self, operation: Operation) -> int | None:
        """Return the hash slot of the keys, 0 without a Cluster; None without keys."""

    def replicas_of(self, slot: int) -> Sequence[Address]:
        """Return the addresses of the replicas that have this slot."""

    def move(self, operation: Operation, address: Address) -> None:
        """Note that the keys of *operation* are on the node *address*."""

    def doubt(self) -> None:
        """Refresh before the next request."""

    def explain(self, address: Address | None, error: RedisError | None) -> RedisError:
        """Return the error for a node that is unknown (None) or cannot be reached."""
