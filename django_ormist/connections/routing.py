"""Routing of operations to nodes: a generator without I/O, which router.py drives.

route() yields steps and receives their results:

* ``list[Parcel]``: send each parcel to its node. All are written before any is read.
  The result has an outcome for each: its replies, or Broken.
* ``Refresh``: find out again where the nodes are.
* ``Wait``: sleep.

Reads and writes are sent again if a server refused them, since it did not run them, or
if connecting failed, since they were never sent. If the
connection broke after they were sent, reads are sent again. So is a RepeatableWrite,
whose reply then says whether it was applied before. Another write is not: it may have
been applied, and the error says so.

All this ends when the patience does. Then the last error is raised, or stands in the
place of the reply, with a note that lists the attempts.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
    TryAgainError,
)

from ..operations.operation import Address, Operation
from ..operations.repeatable import RepeatableWrite
from .endpoints import format_address
from .fan_out import fan_out, is_for_every_primary
from .parcels import is_followed, parcels_of
from .refusals import is_refusal
from .steps import (
    Broken,
    Nodes,
    Observer,
    Outcome,
    Parcel,
    Refresh,
    Step,
    Unconfirmed,
    Wait,
)
from .thread_pools import is_broken

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.25
"""Seconds between attempts: doubled each time, and varied by half."""

REDIRECTIONS = 3
"""Rounds of MOVED and ASK replies that are followed without a pause."""

LOST = (
    "The connection broke after a write was sent. It may have been applied, so it was "
    "not sent again. Read the object to find out."
)

UNPROVEN = (
    "The connection broke after a write was sent. It may have been applied: repeating "
    "it gave no proof. Read the object to find out."
)

# min-replicas-to-write: so replies a primary that is cut off, and for a moment a new
# one. redis-py has no class for it.
_TOO_FEW_REPLICAS = "NOREPLICAS"


def route(
    nodes: Nodes,
    operations: Sequence[Operation],
    patience: float,
    clock: Callable[[], float],
    vary: Callable[[], float],
    confirm: Operation | None = None,
    observer: Observer | None = None,
    first: tuple[Parcel, Outcome] | None = None,
) -> Generator[Step, Any, list[Any]]:
    """Yield steps until each operation has a reply. Return the replies, in order.

    An error reply that is not worth repeating is an item of the result. clock: returns
    seconds. vary: returns a random number from 0 to 1. confirm: WAIT, to send after
    writes in the same request. If it returns too few replicas, the result is
    Unconfirmed. observer: notes where each node is after writes. first: a parcel of all
    operations that was sent, and its outcome. Raises RedisError.
    """
    began = clock()
    if first is None and nodes.is_due(began):
        yield Refresh(is_urgent=False)
    address = None if first else nodes.common_address(operations)
    if (confirm or observer) and is_followed(operations, observer):
        address = None
    if address is not None:  # the usual case: one node, and no error
        parcel = Parcel(address, range(len(operations)), operations)
        (outcome,) = yield [parcel]
        if type(outcome) is list:
            for reply in outcome:
                if isinstance(reply, RedisError):
                    break
            else:
                return outcome
        first = parcel, outcome
    elif (
        first is None
        and nodes.is_sharded
        and any(map(is_for_every_primary, operations))
    ):
        fanned = fan_out(
            nodes,
            operations,
            lambda some: route(nodes, some, patience, clock, vary, confirm, observer),
        )
        return (yield from fanned)
    end = began + patience
    state = _Route(nodes, operations, began, end, clock, vary, confirm, observer)
    return (yield from state.run(first))


class _Route:
    """The state of route(): the replies so far, and the operations without one.

    began, end: the beginning and the end of the patience, by the clock.
    """

    def __init__(
        self,
        nodes: Nodes,
        operations: Sequence[Operation],
        began: float,
        end: float,
        clock: Callable[[], float],
        vary: Callable[[], float],
        confirm: Operation | None,
        observer: Observer | None,
    ) -> None:
        self.nodes = nodes
        self.operations = [*operations]
        self.began, self.end = began, end
        self.clock = clock
        self.vary = vary
        self.confirm, self.observer = confirm, observer
        self.confirmed: list[int] = []
        self.replies: list[Any] = [None] * len(operations)
        # The positions to send, each with the node that an ASK reply named.
        self.pending: dict[int, Address | None] = dict.fromkeys(range(len(operations)))
        self.refused: dict[int, RedisError] = {}
        self.old: set[int] = set()
        """Reads to repeat whose reply may be used if there is no better one."""
        self.broken: tuple[Address | None, RedisError | None] = (None, None)
        self.fatal: RedisError | None = None
        self.lost: dict[int, RedisError] = {}
        """Writes to repeat though they may have been applied, and why."""
        self.tried: Counter[str] = Counter()
        self.redirections = 0
        self.is_redirected = False
        self.needs_refresh = self.needs_wait = False

    def run(
        self, first: tuple[Parcel, Outcome] | None
    ) -> Generator[Step, Any, list[Any]]:
        """Return the replies. first: a parcel that was sent, and its outcome."""
        pauses = _pauses(self.vary)
        outcomes = [] if first is None else [first]
        while True:
            for parcel, outcome in outcomes:
                self._judge(parcel, outcome)
            if self.fatal is not None:
                self.nodes.doubt()
                raise self.fatal
            if not self.pending:
                return self._finish()
            self.redirections += self.is_redirected
            if self.is_redirected and self.redirections > REDIRECTIONS:
                self.needs_wait = True
            self.is_redirected = False
            if self.needs_refresh:
                yield Refresh(is_urgent=True)
            if self.needs_wait:
                pause = next(pauses)
                now = self.clock()
                if now + pause > self.end:
                    return self._give_up(now - self.began)
                yield Wait(pause)
            after = self.confirm, self.observer
            parcels = parcels_of(self.nodes, self.operations, self.pending, *after)
            sent = sum(len(parcel.positions) for parcel in parcels)
            self.needs_refresh = self.needs_wait = sent < len(self.pending)
            outcomes = []
            if parcels:
                outcomes = list(zip(parcels, (yield parcels), strict=True))

    # What an outcome means

    def _judge(self, parcel: Parcel, outcome: Outcome) -> None:
        if isinstance(outcome, Broken):
            self._judge_broken(parcel, outcome)
            return
        if parcel.operations[-1] is self.confirm:
            self._judge_confirmation(parcel, outcome.pop(), outcome)
        if self.observer is not None:
            number = len(parcel.positions) * (2 if parcel.is_asking else 1)
            if len(outcome) > number:
                self.observer.note(parcel, outcome.pop())
        replies = outcome[1::2] if parcel.is_asking else outcome
        # A former primary may have replied to reads with old data.
        is_refused = any(map(is_refusal, replies))
        for i, reply in zip(parcel.positions, replies, strict=True):
            if isinstance(reply, RedisError) and self._is_repeatable(i, reply, parcel):
                self.refused[i] = reply
            elif is_refused and not self.operations[i].is_write:
                self.pending[i] = None
                self.replies[i] = reply
                self.old.add(i)
            else:
                self.replies[i] = self._settle(i, reply) if i in self.lost else reply
                del self.pending[i]

    def _judge_broken(self, parcel: Parcel, outcome: Broken) -> None:
        error, was_sent = outcome
        lost = [i for i in parcel.positions if was_sent and self.operations[i].is_write]
        if not (
            is_transient(error)
            and all(isinstance(self.operations[i], RepeatableWrite) for i in lost)
        ):
            if lost:
                error.add_note(LOST)
            self.fatal = self.fatal or error
            return
        self._prepare_repeats(lost, error)
        self._note(parcel.address, error)
        self.broken = parcel.address, error
        self.needs_refresh = self.needs_wait = True
        for i in parcel.positions:
            self.pending[i] = None
            self.refused.pop(i, None)
            self.old.discard(i)

    def _prepare_repeats(self, lost: list[int], error: RedisError) -> None:
        """Prepare to send these writes again.

        With the source of the script: a new primary may not know it, and a reply of
        that kind would be lost in a further call.
        """
        for i in lost:
            self.operations[i] = replace(self.operations[i], with_source=True)
            self.lost.setdefault(i, error)

    def _settle(self, i: int, reply: Any) -> Any:
        """Return the reply to use for a write that may have been applied before."""
        if isinstance(reply, RedisError):
            reply.add_note(UNPROVEN)
            return reply
        write = cast(RepeatableWrite, self.operations[i])
        settled = write.settle(reply)
        if settled is None and self.fatal is None:
            self.fatal = self.lost[i]
            self.fatal.add_note(UNPROVEN)
        if write.was_applied_before(reply):
            self.confirmed.append(0)  # WAIT is about writes of the new connection
        return settled

    def _judge_confirmation(
        self, parcel: Parcel, confirmed: Any, replies: list[Any]
    ) -> None:
        """Note how many replicas have confirmed the writes, if any was run."""
        for operation, reply in zip(parcel.operations, replies, strict=False):
            if operation.is_write and not isinstance(reply, RedisError):
                found = 0 if isinstance(confirmed, RedisError) else confirmed
                self.confirmed.append(found)
                return

    def _is_repeatable(self, i: int, error: RedisError, parcel: Parcel) -> bool:
        """Return whether to send operation *i* again, and prepare it."""
        address = parcel.address
        if isinstance(error, TryAgainError):
            self.needs_wait = True  # at the same node
        elif isinstance(error, AskError):  # MovedError is one
            if not self.nodes.is_sharded:
                return False
            self._redirect(i, error, address)
        elif (
            is_refusal(error)
            or isinstance(error, ClusterDownError)
            or str(error).startswith(_TOO_FEW_REPLICAS)
        ):
            self.pending[i] = None
            self.needs_refresh = self.needs_wait = True
        else:
            return False
        self._note(address, error)
        return True

    def _redirect(self, i: int, error: AskError, address: Address) -> None:
        there = (error.host or address[0], int(error.port))
        is_moved = isinstance(error, MovedError)
        if there[0] == "?":  # a node without the host name that it should announce
            self.pending[i] = None
            self.needs_refresh = self.needs_wait = True
        elif is_moved and self.operations[i].keys:
            self.nodes.move(self.operations[i], there)
            self.pending[i] = None
            self.needs_refresh = True
        else:  # ASK, or keys among the arguments, which the map does not see
            self.pending[i] = there
        self.is_redirected = True

    # The end of the patience

    def _note(self, address: Address, error: RedisError) -> None:
        text = str(error).partition("\n")[0]
        self.tried[f"{format_address(address)}: {type(error).__name__} {text}"] += 1

    def _give_up(self, waited: float) -> list[Any]:
        """Return the replies, with the last refusals. Raise if there is none."""
        attempts = _list(f"{text} ({n} times)" for text, n in self.tried.items())
        note = f"Gave up after {waited:.1f} seconds, OPTIONS['patience']. {attempts}"
        if self.pending.keys() - self.refused.keys() - self.old:
            error = self.nodes.explain(*self.broken)
            error.add_note(note)
            if self.lost.keys() & self.pending.keys():
                error.add_note(UNPROVEN)
            raise error from self.broken[1]
        for i in self.pending.keys() - self.old:
            self.replies[i] = self.refused[i]
            self.refused[i].add_note(note)
            if i in self.lost:
                self.refused[i].add_note(UNPROVEN)
        return self._finish()

    def _finish(self) -> list[Any]:
        """Return the replies, as Unconfirmed if a write has too few replicas."""
        if self.confirm and self.confirmed:
            confirmed, wanted = min(self.confirmed), int(self.confirm.args[0])
            if confirmed < wanted:
                found = Unconfirmed(self.replies)
                found.confirmed, found.wanted = confirmed, wanted
                return found
        return self.replies


def is_transient(error: RedisError) -> bool:
    """Return whether a connection that failed with *error* may succeed later."""
    return is_broken(error) or isinstance(
        error, TimeoutError | ReadOnlyError | MasterDownError
    )


def _pauses(vary: Callable[[], float]) -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause * (0.5 + vary())
        pause = min(2 * pause, LONGEST_PAUSE)


def _list(texts: Iterable[str]) -> str:
    found = list(texts)
    return f"Tried {'; '.join(found)}." if found else "Nothing could be sent."
