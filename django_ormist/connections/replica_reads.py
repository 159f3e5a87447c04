"""Reads from replicas, and the choice of a node.

read() is a generator without I/O, which router.py drives. It asks a replica for its
place in replication and for the data, in one request. The replies count only if the
replica has the last write of this process, and what at_least() requires. Otherwise the
primary answers, in a second request.

A replica that is down, loads, or has lost its primary is left out for a while. It is
never the cause of an error: the primary replies, within the same patience.
"""

import logging
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple, Protocol

from redis.exceptions import AskError, NoPermissionError, NoScriptError, RedisError

from ..operations.operation import Address, NodeOperation, Operation, Script
from .endpoints import format_address
from .positions import STATE, Positions, State, is_proven, of_context
from .refusals import is_refusal
from .routing import route
from .steps import Broken, Nodes, Outcome, Parcel, Refresh, Step

logger = logging.getLogger("django_ormist.replicas")

LEFT_OUT_FOR = 10.0
"""Seconds for which a replica that failed is left out. Then one read tries it."""

_RO = re.compile("[`'](EVAL|EVALSHA)_RO[`']", re.IGNORECASE)
_REFRESH = Refresh(is_urgent=False)


class Block(Protocol):
    """An atomic() block."""

    def open_block(self) -> "Block | None":
        """Return this block, or the nearest one around it, that is open."""


blocks: ContextVar[Mapping[str, Block]] = ContextVar("django_ormist_blocks")
"""The blocks of atomic() by alias. Reads in a block are answered by the primary."""

_is_pinned: ContextVar[bool] = ContextVar("ormist_from_primary", default=False)


@contextmanager
def from_primary() -> Iterator[None]:
    """Let the primary answer all reads of the block."""
    before = _is_pinned.set(True)
    try:
        yield
    finally:
        _is_pinned.reset(before)


def may_read_replica(using: str) -> bool:
    """Return whether a replica may answer reads in this context."""
    block = blocks.get({}).get(using)
    is_in_block = block is not None and block.open_block() is not None
    return not (_is_pinned.get() or is_in_block)


class Reading:
    """The node that answers several reads in a row: all round trips of one flow.

    replica: its address, if one has answered. seen: its state then, so that a later
    round trip does not read older data. uses_primary: whether a replica could not
    answer.
    """

    __slots__ = ("replica", "seen", "uses_primary")

    def __init__(self) -> None:
        self.replica: Address | None = None
        self.seen: State | None = None
        self.uses_primary = False


Reads = bool | Reading
"""Whether a flow only reads, so that a replica may answer."""


class Ask(NamedTuple):
    """The request to send operations to the replica at *address*."""

    address: Address
    operations: Sequence[Operation]


class Replicas:
    """The replicas of one alias, in turn, without those that failed lately.

    name: the alias, for the log. positions: of the writes of this process. Threads and
    loops share it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.positions = Positions()
        self._turns = count()
        self._left_out: dict[Address, float] = {}  # until when
        self._without_ro: set[Address] = set()

    def choose(self, addresses: Sequence[Address], now: float) -> Address | None:
        """Return the next replica in turn that is not left out, if any.

        One that was left out long enough is returned to one caller alone.
        """
        if not addresses:
            return None
        turn = next(self._turns)
        for i in range(len(addresses)):
            address = addresses[(turn + i) % len(addresses)]
            until = self._left_out.get(address)
            if until is None:
                return address
            if until <= now:
                self._left_out[address] = now + LEFT_OUT_FOR
                return address
        return None

    def leave_out(self, address: Address, now: float, reason: object) -> None:
        """Do not choose a replica for a while."""
        self._left_out[address] = now + LEFT_OUT_FOR
        logger.warning(
            "ORMIST[%r]: the replica %s is left out for %d seconds, and others or the "
            "primary are read: %s",
            self.name,
            format_address(address),
            LEFT_OUT_FOR,
            str(reason).partition("\n")[0],
        )

    def welcome(self, address: Address) -> None:
        """Choose a replica again, since it has answered."""
        self._left_out.pop(address, None)

    def lose(self, nodes: Nodes, operations: Sequence[Operation]) -> None:
        """Note writes without a reply: the primary has to answer the next read."""
        for operation in operations:
            slot = nodes.slot_of(operation) if operation.is_write else None
            if slot is not None:
                self.positions.lose(slot)

    def required(self, slot: int) -> list[tuple[Positions, dict[str, int]]]:
        """Return the offsets that this process and the context require, by source."""
        sources = (self.positions, *of_context(self.name))
        return [(source, source.required(slot)) for source in sources]

    def read_only(
        self, address: Address, operations: Sequence[Operation]
    ) -> list[Operation]:
        """Return the operations for a replica, with EVALSHA_RO if it is available.

        Redis 6.2 lacks it, and an ACL may forbid it.
        """
        if address in self._without_ro:
            return list(operations)
        return [_read_only(operation) for operation in operations]

    def lacks_read_only(self, address: Address, replies: Sequence[Any]) -> bool:
        """Return whether a replica has just refused EVALSHA_RO. Remember it."""
        if address in self._without_ro or not any(map(_is_about_ro, replies)):
            return False
        self._without_ro.add(address)
        return True


def _read_only(operation: Operation) -> Operation:
    if not isinstance(operation.command, Script):
        return operation
    verb, name = operation.command.command_for(operation.with_source)
    words = (name, len(operation.keys), *operation.keys, *operation.args)
    return Operation(f"{verb}_RO", (), words)


def _is_about_ro(reply: Any) -> bool:
    return isinstance(reply, RedisError) and bool(_RO.search(str(reply)))


class StateObserver:
    """Notes the positions of writes, from the state of the primary after them.

    With *renewed*, also after reads: then it replaces positions of a former primary.
    """

    operation = STATE

    def __init__(
        self,
        nodes: Nodes,
        positions: Positions,
        renewed: Sequence[tuple[Positions, Mapping[str, int]]] = (),
    ) -> None:
        self._nodes = nodes
        self._positions = positions
        self._renewed = renewed
        self.follows_reads = bool(renewed)

    def note(self, parcel: Parcel, reply: Any) -> None:
        """See Observer.note()."""
        state: State | None = STATE.parse(reply)
        is_write = any(operation.is_write for operation in parcel.operations)
        for slot in {self._nodes.slot_of(each) for each in parcel.operations}:
            if slot is None:
                continue
            if state is None or not state.is_primary:
                if is_write:
                    self._positions.lose(slot)
            elif is_write:
                self._positions.note(slot, state.replication_id, state.offset)
            else:
                for source, before in self._renewed:
                    source.renew(slot, before, state)


def read(
    nodes: Nodes,
    operations: Sequence[Operation],
    patience: float,
    clock: Callable[[], float],
    vary: Callable[[], float],
    replicas: Replicas,
    reading: Reading,
) -> Generator[Step | Ask, Any, list[Any]]:
    """Yield steps until a replica or the primary has replied. Return the replies.

    A step is one of route(), or Ask, whose result is an outcome. For the arguments see
    route(). One round trip, or two if the replica does not have the last writes.
    """
    began = clock()
    if nodes.is_due(began):
        yield _REFRESH
    slot = None if reading.uses_primary else _common_slot(nodes, operations)
    renewed: list[tuple[Positions, dict[str, int]]] = []
    if slot is not None:
        known = nodes.replicas_of(slot)
        address = reading.replica if reading.replica in known else None
        address = address or replicas.choose(known, clock())
        required = replicas.required(slot)
        while address is not None:
            sent = replicas.read_only(address, operations)
            outcome: Outcome = yield Ask(address, [STATE, *sent])
            if type(outcome) is list and replicas.lacks_read_only(address, outcome):
                continue
            seen = [] if reading.seen is None else [_as_required(reading.seen)]
            verdict = _judge(outcome, [*(each for _, each in required), *seen])
            if verdict.problem is not None:
                replicas.leave_out(address, clock(), verdict.problem)
                nodes.doubt()
            else:
                replicas.welcome(address)
            if verdict.has_moved:
                nodes.doubt()
            found = verdict.replies
            if found is not None and not (
                nodes.is_sharded and _are_empty(operations, found)
            ):
                reading.replica, reading.seen = address, verdict.state
                return found
            if verdict.is_foreign:
                renewed = required
                if not nodes.is_sharded:  # sentinels may name a newer primary
                    nodes.doubt()
            break
        reading.uses_primary = True
    observer = StateObserver(nodes, replicas.positions, renewed)
    rest = max(patience - (clock() - began), 0)
    steps = route(nodes, operations, rest, clock, vary, None, observer)
    return (yield from steps)


def _common_slot(nodes: Nodes, operations: Sequence[Operation]) -> int | None:
    """Return the slot of all operations; None if they have several, or none at all."""
    found = None
    for operation in operations:
        if type(operation) is NodeOperation:
            return None
        slot = nodes.slot_of(operation)
        if slot is not None and found is not None and slot != found:
            return None
        found = found if slot is None else slot
    return found


def _are_empty(operations: Sequence[Operation], replies: Sequence[Any]) -> bool:
    """Return whether nothing was found under any key.

    A replica of a Cluster may be wrong about that. It loses the keys of a slot that
    moves, and learns later that the slot has moved.
    """
    pairs = zip(operations, replies, strict=True)
    return all(_is_empty(reply) for operation, reply in pairs if operation.keys)


def _is_empty(reply: Any) -> bool:
    if isinstance(reply, list):
        return all(map(_is_empty, reply))
    return reply is None or reply in (0, b"")  # as the last cursor


class _Verdict(NamedTuple):
    """A decision about the replies of a replica.

    replies: if they are valid. problem: the reason to leave the replica out. has_moved:
    whether the slot has moved to another node. is_foreign: whether its replication id
    differs from the required one.
    """

    replies: list[Any] | None = None
    state: State | None = None
    problem: object = None
    has_moved: bool = False
    is_foreign: bool = False


def _judge(outcome: Outcome, required: Sequence[Mapping[str, int]]) -> _Verdict:
    if isinstance(outcome, Broken):
        return _Verdict(problem=outcome.error)
    told, *replies = outcome
    errors = [each for each in replies if isinstance(each, RedisError)]
    for error in errors:
        if is_refusal(error) or isinstance(error, NoPermissionError):
            return _Verdict(problem=error)
    state: State | None = STATE.parse(told)
    if state is None:
        return _Verdict(problem=f"INFO replication replied {told!r}")
    if not state.is_linked:
        return _Verdict(problem="it is not connected to its primary")
    if not all(isinstance(error, NoScriptError) for error in errors):
        # The primary raises it too, unless it is about this node.
        return _Verdict(has_moved=any(isinstance(each, AskError) for each in errors))
    if all(is_proven(state, each) for each in required):
        return _Verdict(replies, state)
    is_foreign = any(each.keys() - {state.replication_id} for each in required)
    return _Verdict(is_foreign=is_foreign)


def _as_required(state: State) -> dict[str, int]:
    return {state.replication_id: state.offset}
