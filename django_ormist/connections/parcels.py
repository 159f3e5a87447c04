"""Grouping of operations by node: a parcel for each."""

from collections.abc import Sequence

from ..operations.operation import Address, NodeOperation, Operation
from .steps import Nodes, Observer, Parcel

_ASKING = Operation("ASKING", keys=())


def is_followed(operations: Sequence[Operation], observer: Observer | None) -> bool:
    """Return whether WAIT or the observer's operation follows these operations."""
    follows_reads = observer is not None and observer.follows_reads
    return follows_reads or any(operation.is_write for operation in operations)


def parcels_of(
    nodes: Nodes,
    operations: Sequence[Operation],
    pending: dict[int, Address | None],
    confirm: Operation | None,
    observer: Observer | None,
) -> list[Parcel]:
    """Return the *pending* operations by node, sorted by address.

    The order is fixed: two threads that each hold the last connection of one pool
    and wait for the other's would block each other. For the same reason each node gets
    one parcel: those that ASK sent to a node with another parcel are left out. So is an
    operation whose node is not known. One without keys goes along with others: TIME is
    that of the server which replies to them.
    """
    by_node: dict[tuple[Address, bool], list[int]] = {}
    anywhere = []
    for i, asked in pending.items():
        operation = operations[i]
        if not (asked or operation.keys or type(operation) is NodeOperation):
            anywhere.append(i)
            continue
        address = asked or nodes.address_of(operation)
        if address is not None:
            by_node.setdefault((address, asked is not None), []).append(i)
    if anywhere:
        address = next(
            (address for address, is_asking in by_node if not is_asking),
            nodes.address_of(operations[anywhere[0]]),
        )
        if address is not None:
            by_node.setdefault((address, False), []).extend(anywhere)
            by_node[address, False].sort()
    parcels = []
    for (address, is_asking), positions in sorted(by_node.items()):
        if is_asking and (address, False) in by_node:
            continue
        chosen = [operations[i] for i in positions]
        if is_asking:
            chosen = [each for operation in chosen for each in (_ASKING, operation)]
        if (confirm or observer) and is_followed(chosen, observer):
            if observer:
                chosen.append(observer.operation)
            if confirm and any(operation.is_write for operation in chosen):
                chosen.append(confirm)
        parcels.append(Parcel(address, positions, chosen, is_asking))
    return parcels
