"""Operations that are sent to every primary of a Cluster, and their replies."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from redis.exceptions import RedisError

from ..operations.operation import (
    Address,
    NodeOperation,
    Operation,
    RepliesByNode,
    on_node,
)
from .steps import NodeLeft, Nodes, Step

_PING = Operation("PING", keys=())


def is_for_every_primary(operation: Operation) -> bool:
    """Return whether on_every_primary() made this operation."""
    return type(operation) is NodeOperation and operation.node is None


def fan_out(
    nodes: Nodes,
    operations: Sequence[Operation],
    send: Callable[[Sequence[Operation]], Generator[Step, Any, list[Any]]],
) -> Generator[Step, Any, list[Any]]:
    """Yield steps that send operations, and return the replies.

    An operation for every primary is sent to each one. Its reply is RepliesByNode, or
    the first error. If a primary leaves the Cluster meanwhile, all operations are sent
    again, to the others. If one of them is a write, NodeLeft is raised.
    """
    if not nodes.primaries:
        yield from send([_PING])  # which finds them
    while True:
        primaries = tuple(nodes.primaries)
        parts: list[list[Operation]] = [
            [on_node(operation, each) for each in primaries]
            if is_for_every_primary(operation)
            else [operation]
            for operation in operations
        ]
        try:
            found = yield from send([each for part in parts for each in part])
            break
        except NodeLeft:
            if any(operation.is_write for operation in operations):
                raise
    rest = iter(found[:])
    found[:] = [
        _by_node(primaries, [next(rest) for _ in part])
        if is_for_every_primary(operation)
        else next(rest)
        for operation, part in zip(operations, parts, strict=True)
    ]
    return found


def _by_node(primaries: Sequence[Address], replies: list[Any]) -> Any:
    for reply in replies:
        if isinstance(reply, RedisError):
            return reply
    return RepliesByNode(zip(primaries, replies, strict=True))
