"""The map of a service that Sentinel watches: one node, its primary.

SentinelMap does no I/O. Its refresh() is a generator that yields Query, one for each
sentinel in turn, and receives the replies or the error; router.py drives it.

The sentinels are queried on first use, after each failure, and once a second while
operations are sent. A planned failover leaves the old primary writable for seconds,
and what is written there is lost. So writes wait while a sentinel says that one is
under way, from a second after its begin at the latest.

During a failover sentinels may disagree. Each failover has a higher epoch, and the
answer with the highest one counts. An answer with a lower epoch than the known one is
used only if the primary that it would replace has failed. If no sentinel answers, the
primary that was known stays.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
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
from ..operations.operation import Address, Operation
from .endpoints import Endpoint, Sentinels, format_address, tls_hint

INTERVAL = 1.0
"""Seconds between two looks at a sentinel while operations are sent."""

UNANSWERED_INTERVAL = 5.0
"""The same after a look that no sentinel has answered. It may take their timeout."""

SHORTEST_INTERVAL = 0.05
"""Seconds between two urgent refreshes, of which every caller may want one."""

LONGEST_REFRESH = 30.0
"""Seconds after which a refresh that was interrupted no longer prevents another."""

AVOIDED_FOR = 30.0
"""Seconds for which a sentinel is queried only if no other one replies."""

LONGEST_HOLD = 5.0
"""Seconds for which writes wait for a failover that is under way. It may hang."""


class Query(NamedTuple):
    """Operations for one sentinel."""

    endpoint: Endpoint
    operations: list[Operation]


class Answer(NamedTuple):
    """The primary that a sentinel names, and the epoch of the failover to it.

    is_failing_over: whether this sentinel is replacing that primary. replicas: those
    that it can reach and that are connected to the primary, if they are requested.
    """

    address: Address
    epoch: int
    is_failing_over: bool = False
    replicas: tuple[Address, ...] = ()


class SentinelMap:
    """The address of the primary, shared by the threads and loops of a process.

    where: the setting, for error messages. replicas: the addresses of those that can be
    read. version: counts the changes of address and replicas.
    """

    is_sharded = False

    def __init__(self, where: str, sentinels: Sentinels) -> None:
        self.where = where
        self.service = sentinels.service
        self.version = 0
        self.address: Address | None = None
        self.replicas: tuple[Address, ...] = ()
        self._wants_replicas = sentinels.read_from == "replicas"
        self._epoch = -1
        self._holds_writes = False
        self._hold_began: float | None = None
        self._sentinels = list(sentinels.endpoints)
        self._avoided: dict[str, float] = {}  # by the sentinel: until when
        self._problems: dict[str, str] = {}  # by the sentinel: why it did not answer
        # Not locks, which an interrupted thread might leave locked. That two threads
        # refresh at the same moment is very rare, and harmless.
        self.check_at = 0.0
        self._busy_until = 0.0
        self._busy_process = 0

    # What route() has to know

    def is_due(self, now: float) -> bool:
        """Return whether a second has passed since the last refresh."""
        return now >= self.check_at

    def address_of(self, operation: Operation) -> Address | None:
        """Return the address of the primary. None if it is unknown, or replaced now."""
        return None if self._holds_writes and operation.is_write else self.address

    def common_address(self, operations: Sequence[Operation]) -> Address | None:
        """Return the address of the primary, as address_of()."""
        if self._holds_writes and any(each.is_write for each in operations):
            return None
        return self.address

    @property
    def primaries(self) -> Sequence[Address]:
        """The address of the primary, if it is known."""
        return () if self.address is None else (self.address,)

    def slot_of(self, operation: Operation) -> int | None:
        """Return 0: there are no hash slots."""
        return 0

    def replicas_of(self, slot: int) -> Sequence[Address]:
        """Return the addresses of the replicas."""
        return self.replicas

    @property
    def replica_addresses(self) -> set[Address]:
        """The addresses of all replicas that are used."""
        return set(self.replicas)

    def move(self, operation: Operation, address: Address) -> None:
        """Do nothing: a primary does not answer MOVED."""

    def doubt(self) -> None:
        """Refresh the address before the next request."""
        self.check_at = 0.0

    @property
    def addresses(self) -> set[Address]:
        """The addresses of all nodes that are used."""
        return set() if self.address is None else {self.address}

    def explain(self, address: Address | None, error: RedisError | None) -> RedisError:
        """Return an error that suggests a fix."""
        if address is not None:
            found = format_address(address)
            kind = TimeoutError if isinstance(error, TimeoutError) else ConnectionError
            return kind(
                f"The sentinels of {self.where} name {found} as the primary of "
                f"{self.service!r}, and it cannot be used from here: "
                f"{str(error).rstrip('.')}. Start it, or let it announce the address "
                f"that clients reach, with replica-announce-ip.{self._unheard()}"
            )
        refusals = [text for text in self._problems.values() if "Authentic" in text]
        fix = (
            "Give their user and password in OPTIONS['sentinel_kwargs']."
            if refusals
            else "Start them, or correct their addresses in LOCATION."
            + tls_hint(self._sentinels[0])
        )
        kind = AuthenticationError if self._is_refused() else ConnectionError
        return kind(
            f"{self.where} found no primary of {self.service!r}: no sentinel told "
            f"its address.{self._unheard()} {fix}"
        )

    def _is_refused(self) -> bool:
        """Return whether each sentinel has refused the user or the password."""
        problems = [self._problems.get(_name(each), "") for each in self._sentinels]
        return all("Authentic" in text for text in problems)

    def _unheard(self) -> str:
        """Return a sentence about the sentinels that failed to reply, or ""."""
        problems = self._problems.items()
        texts = [f"{name} said: {text.rstrip('.')}" for name, text in problems]
        return f" Of the sentinels, {'; '.join(texts)}." if texts else ""

    # Asking the sentinels

    def refresh(
        self, is_urgent: bool, clock: Callable[[], float]
    ) -> Generator[Query, Any, None]:
        """Yield queries to the sentinels, and update the address.

        Do nothing while another refresh runs, or if it has just ended.
        Raises ImproperlyConfigured if the sentinels do not know the service.
        """
        now = clock()
        if now < self._busy_until and self._busy_process == os.getpid():
            return
        self._busy_process = os.getpid()  # a fork copies no thread that refreshes
        self._busy_until = now + LONGEST_REFRESH
        self.check_at = now + INTERVAL
        interval = INTERVAL
        try:
            is_answered = yield from self._ask_all(now, is_urgent)
            interval = INTERVAL if is_answered else UNANSWERED_INTERVAL
        finally:
            self._busy_until = 0.0  # first: clock() may be interrupted
            now = clock()
            self.check_at = now + interval
            self._busy_until = now + (SHORTEST_INTERVAL if is_urgent else 0)

    def _ask_all(self, now: float, is_urgent: bool) -> Generator[Query, Any, bool]:
        """Query the sentinels that are not avoided. Return whether any replied.

        If all are avoided, query one of them, or all of them if it is urgent.
        """
        answers: list[Answer] = []
        for i, sentinel in enumerate(self._in_order(now)):
            if self._avoidance(sentinel, now) and (answers or (i and not is_urgent)):
                break
            answer = yield from self._ask(sentinel, now)
            if answer is None:
                continue
            answers.append(answer)
            if answer.address != self.address and answer.epoch >= self._epoch:
                break
        if answers:
            self._use(answers, now, is_urgent)
            return True
        self._holds_writes = False
        if self.address is None:
            yield from self._explain_misconfiguration()
        return False

    def _ask(self, sentinel: Endpoint, now: float) -> Generator[Query, Any, Any]:
        """Return the Answer of *sentinel*, or None. Remember whether it answered."""
        named = Operation("SENTINEL GET-MASTER-ADDR-BY-NAME", (), (self.service,))
        state = Operation("SENTINEL MASTER", (), (self.service,))
        asked = [named, state]
        if self._wants_replicas:
            asked.append(Operation("SENTINEL REPLICAS", (), (self.service,)))
        replies = yield Query(sentinel, asked)
        name = _name(sentinel)
        problem = _problem(replies, self.service)
        if problem is not None:
            self._problems[name] = problem
            self._avoided[name] = now + AVOIDED_FOR
            return None
        self._problems.pop(name, None)
        self._avoided.pop(name, None)
        (host, port), facts = replies[0], _facts(replies[1])
        # Once the new primary is promoted, SENTINEL MASTER still gives the old one.
        is_failing_over = b"failover_in_progress" in facts.get(b"flags", b"").split(
            b","
        ) and (facts.get(b"ip"), facts.get(b"port")) == (host, port)
        epoch = int(facts.get(b"config-epoch", 0))
        known = replicas_in(replies[2]) if self._wants_replicas else {}
        replicas = tuple(sorted(each for each, is_usable in known.items() if is_usable))
        return Answer((host.decode(), int(port)), epoch, is_failing_over, replicas)

    def _in_order(self, now: float) -> list[Endpoint]:
        return sorted(self._sentinels, key=lambda each: self._avoidance(each, now))

    def _avoidance(self, sentinel: Endpoint, now: float) -> float:
        """Return for how many seconds more *sentinel* is avoided."""
        return max(0.0, self._avoided.get(_name(sentinel), now) - now)

    def _use(self, answers: list[Answer], now: float, is_urgent: bool) -> None:
        """Take over the answer with the highest epoch."""
        best = max(answers, key=lambda answer: answer.epoch)
        if best.epoch < self._epoch and not is_urgent:
            return
        is_under_way = any(
            answer.is_failing_over and answer.address == best.address
            for answer in answers
        )
        if not is_under_way:
            self._hold_began = None
        elif self._hold_began is None:
            self._hold_began = now
        began = self._hold_began
        self._holds_writes = began is not None and now - began < LONGEST_HOLD
        self._epoch = best.epoch
        if (best.address, best.replicas) != (self.address, self.replicas):
            self.address, self.replicas = best.address, best.replicas
            self.version += 1

    def _explain_misconfiguration(self) -> Generator[Query, Any, None]:
        """Raise ImproperlyConfigured if a sentinel does not know the service.

        Raise AuthenticationError if all of them refuse: a retry cannot help.
        """
        for sentinel in self._sentinels:
            problem = self._problems.get(_name(sentinel), "")
            if problem == _UNKNOWN.format(self.service):
                replies = yield Query(sentinel, [Operation("SENTINEL MASTERS", ())])
                known = ", ".join(_services(replies)) or "none"
                raise ImproperlyConfigured(
                    f"{self.where} names the service {self.service!r}, which the "
                    f"sentinel {_name(sentinel)} does not know. Correct the name in "
                    f"the setting: the sentinel knows {known}."
                )
            if problem == _NO_SENTINEL:
                raise ImproperlyConfigured(
                    f"{self.where} names the sentinel {_name(sentinel)}, which is "
                    "another kind of server. Give the addresses of sentinels, whose "
                    "usual port is 26379, or the URL of the one server: redis://."
                )
        if self._is_refused():
            raise self.explain(None, None)


_UNKNOWN = "it does not know the service {!r}"
_NO_SENTINEL = "it is no sentinel"


def _problem(replies: Any, service: str) -> str | None:
    """Return why *replies* do not name a primary, or None if they do."""
    error = replies if isinstance(replies, RedisError) else replies[0]
    if error is None:
        return _UNKNOWN.format(service)
    if isinstance(error, AuthenticationError | NoPermissionError):
        return f"Authentication failed, {error}"
    if isinstance(error, ResponseError) and "unknown command" in str(error).lower():
        return _NO_SENTINEL
    return str(error) if isinstance(error, RedisError) else None


def _facts(reply: Any) -> dict[bytes, bytes]:
    """Return the fields in a reply to SENTINEL MASTER; {} if an ACL forbids it."""
    if isinstance(reply, dict):  # RESP3, within a list
        return reply
    if not isinstance(reply, list):
        return {}
    return dict(zip(reply[::2], reply[1::2], strict=False))


def replicas_in(reply: Any) -> dict[Address, bool]:
    """Return the replicas in a reply to SENTINEL REPLICAS, and which can be read.

    {} if an ACL forbids the command.
    """
    found: dict[Address, bool] = {}
    for facts in map(_facts, reply if isinstance(reply, list) else ()):
        flags = facts.get(b"flags", b"").split(b",")
        is_linked = facts.get(b"master-link-status", b"ok") == b"ok"
        address = facts[b"ip"].decode(), int(facts[b"port"])
        found[address] = is_linked and _UNUSABLE.isdisjoint(flags)
    return found


_UNUSABLE = {b"s_down", b"o_down", b"disconnected"}


def _services(replies: Any) -> Iterator[str]:
    """Yield the names in a reply to SENTINEL MASTERS."""
    if isinstance(replies, list) and isinstance(replies[0], list):
        for facts in map(_facts, replies[0]):
            yield repr(facts[b"name"].decode(errors="replace"))


def _name(sentinel: Endpoint) -> str:
    arguments = sentinel.arguments
    return format_address((arguments["host"], arguments["port"]))
