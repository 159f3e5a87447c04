"""Replication offsets that a replica must have reached before it may reply.

A primary counts the bytes that it has sent to its replicas, and a replica those that it
has applied. Both belong to a replication id, which a new primary changes. So a replica
has a write if it follows the same id and its offset is at least the primary's after the
write.

A process keeps the position of its last write to each slot; without a Cluster the only
slot is 0. A token takes these positions to another process.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ..operations.operation import Operation

LOST = ""
"""The replication id of a write whose reply was lost. No replica has this id."""

LONGEST_TOKEN = 100_000

_ENTRY = re.compile(
    r"(?P<alias>[\w.%~-]+):(?P<replication_id>[0-9a-f]{40}|)"
    r"(?P<offsets>(?::[0-9]{1,5}\.[0-9]{1,19})+)",
    re.ASCII,
)


class State(NamedTuple):
    """The place of a server in replication.

    is_linked: whether it is a replica that is connected to its primary. is_primary: a
    former primary, which is a replica now, is not.
    """

    replication_id: str
    offset: int
    is_linked: bool
    is_primary: bool = False


def _parse_state(reply: Any) -> State | None:
    if not isinstance(reply, bytes):
        return None  # an error: an ACL may forbid INFO
    facts = dict(line.partition(b":")[::2] for line in reply.split(b"\r\n"))
    is_primary = facts.get(b"role") == b"master"
    name = b"master_repl_offset" if is_primary else b"slave_repl_offset"
    try:
        return State(
            facts[b"master_replid"].decode(),
            int(facts[name]),
            not is_primary and facts[b"master_link_status"] == b"up",
            is_primary,
        )
    except (KeyError, ValueError):
        return None


STATE = Operation("INFO", (), ("replication",), parse=_parse_state)
"""Answers the State of a server, or None if an ACL forbids INFO."""


class Positions:
    """The required replication offsets, by slot and replication id. Thread-safe.

    There are no locks, since a signal handler might leave one locked. The greatest
    offset in the list of an id counts. Appending and removing are atomic.
    """

    def __init__(self) -> None:
        self._slots: dict[int, dict[str, list[int]]] = {}
        self._losses = count()

    def note(self, slot: int, replication_id: str, offset: int) -> None:
        """Require this offset, unless a greater one of the same id is known."""
        by_id = self._slots.setdefault(slot, {})
        offsets = by_id.setdefault(replication_id, [])
        offsets.append(offset)
        if len(offsets) > 1:
            for smaller in sorted(offsets)[:-1]:
                _remove(offsets, smaller)

    def lose(self, slot: int) -> None:
        """Require reads from the primary, since its offset is not known.

        Losses are numbered, so that an earlier renewal does not discard a later one.
        """
        self.note(slot, LOST, next(self._losses))

    def required(self, slot: int) -> dict[str, int]:
        """Return the required offset by replication id. Two ids: only the primary."""
        by_id = self._slots.get(slot)
        if not by_id:
            return {}
        return {
            name: max(found)
            for name, offsets in by_id.copy().items()
            if (found := tuple(offsets))
        }

    def renew(self, slot: int, before: Mapping[str, int], state: State) -> None:
        """Replace the offsets of other ids after the primary has replied with *state*.

        before: the offsets required before its reply. A primary with a new id
        has the writes before them, or they are lost.
        """
        foreign = before.keys() - {state.replication_id}
        if foreign:
            self.note(slot, state.replication_id, state.offset)
            for name in foreign:
                _remove(self._slots[slot].get(name, []), before[name])

    def slots(self) -> list[int]:
        """Return the slots with a required offset."""
        return sorted(self._slots.copy())


def _remove(offsets: list[int], offset: int) -> None:
    with suppress(ValueError):  # another thread was first
        offsets.remove(offset)


def is_proven(state: State, required: Mapping[str, int]) -> bool:
    """Return whether a replica in this state has all required writes."""
    return state.is_linked and all(
        name == state.replication_id and offset <= state.offset
        for name, offset in required.items()
    )


# Tokens, and the positions that a context requires

_contexts: ContextVar[tuple[dict[str, Positions], ...]] = ContextVar(
    "ormist_positions", default=()
)


def of_context(alias: str) -> Iterator[Positions]:
    """Yield the positions that blocks of at_least() require on *alias*."""
    for by_alias in _contexts.get():
        if alias in by_alias:
            yield by_alias[alias]


def write_token(known: Mapping[str, Positions]) -> str:
    """Return a text with the positions by alias, and with those of the context."""
    entries = []
    for alias, own in known.items():
        merged: dict[str, dict[int, int]] = {}
        for positions in (own, *of_context(alias)):
            for slot in positions.slots():
                for name, offset in positions.required(slot).items():
                    by_slot = merged.setdefault(name, {})
                    by_slot[slot] = max(offset, by_slot.get(slot, 0))
        for name, by_slot in sorted(merged.items()):
            offsets = "".join(f":{slot}.{by_slot[slot]}" for slot in sorted(by_slot))
            entries.append(f"{quote(alias, safe='')}:{name}{offsets}")
    return "!".join(entries)


def read_token(token: str) -> dict[str, Positions]:
    """Return the positions of a token by alias. Raises ValueError, TypeError."""
    if not isinstance(token, str):
        raise TypeError(
            f"A token of position() is a text, not {type(token).__name__}: {token!r}."
        )
    found: dict[str, Positions] = {}
    for entry in token.split("!") if token else ():
        match = _ENTRY.fullmatch(entry) if len(token) <= LONGEST_TOKEN else None
        if match is None:
            shown = token if len(token) <= 100 else f"{token[:100]}..."
            raise ValueError(
                f"This is not a token of position(): {shown!r}. Pass what position() "
                "returned, or an empty text."
            )
        positions = found.setdefault(unquote(match["alias"]), Positions())
        for part in match["offsets"].split(":")[1:]:
            slot, _, offset = part.partition(".")
            positions.note(int(slot), match["replication_id"], int(offset))
    return found


@contextmanager
def at_least(token: str) -> Iterator[None]:
    """Read what was written before *token*, in the block. For sync and async code.

    token: a text from position(), of this or another process, or "". With
    ``OPTIONS["read_from"] = "replicas"`` a replica answers only if it has these writes,
    else the primary does. Blocks may be nested: then all their tokens count. Raises
    ValueError for another text. No round trip.
    """
    before = _contexts.set((*_contexts.get(), read_token(token)))
    try:
        yield
    finally:
        _contexts.reset(before)
