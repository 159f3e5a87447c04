"""Scans of the raw keys of all primaries, and their removal.

They serve management commands and test runs.

The cursor of a SCAN belongs to one process of one server. If this server is restarted
or replaced, or slots move to another node, a scan may miss keys. So KeyScan looks at
the nodes before and after, and raises TopologyChanged if they are not the same.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..exceptions import TopologyChanged
from ..keys import SLOTS, Space, is_under, parse_key, slot_of
from . import topology
from .operation import (
    Address,
    Flow,
    Operation,
    near,
    on_every_primary,
    on_node,
    optional,
)

KEYS_PER_STEP = 1000

Node = Address | None
"""The address of a primary, or None for the only one."""

_Page = tuple[Node, tuple[bytes, list[bytes]]]
"""The node, the next cursor, and the keys."""


def root(prefix: str) -> bytes:
    """Return the common start of all keys under a KEY_PREFIX, and only of these.

    A KEY_PREFIX cannot contain a brace, so "shop" does not match keys of "shop:eu".
    """
    return Space(prefix, "").base.removesuffix(b"}:")


class KeyScan:
    """A scan of all keys that begin with *start*, in pages.

    key: a key of the one slot in which all these keys are, to scan only its node. rest:
    a pattern of what follows *start*. Keys that exist from the beginning to the end are
    found, some of them several times.
    """

    def __init__(
        self, start: bytes, key: bytes | None = None, rest: bytes = b"*"
    ) -> None:
        self.start = start
        self.rest = rest
        self.is_over = False
        self._key = key
        self._cursors: dict[Node, bytes] = {}
        self._before: _Facts | None = None
        self._has_slots = False

    def next_page(self) -> Flow[list[bytes]]:
        """Flow that returns the next keys, and sets *is_over* after the last ones.

        O(1000) on each primary. One round trip. In a Cluster the first page takes two;
        the last page takes one more, unless one server has only one page. Raises
        TopologyChanged if keys may have been missed. Before the first page this only
        means that it cannot begin now: then it may be called again.
        """
        is_first = self._before is None
        pages = yield from self._begin() if is_first else self._go_on()
        self._cursors = {node: cursor for node, (cursor, _) in pages if int(cursor)}
        if not self._cursors:
            if self._has_slots or not is_first:
                yield from self._compare()
            self.is_over = True
        return list(dict.fromkeys(key for _, (_, keys) in pages for key in keys))

    @property
    def is_proven(self) -> bool:
        """Whether the nodes tell of their slots, so that no key is missed unnoticed."""
        is_unknown = self._before is None or self._before.nodes is None
        return not (self._has_slots and is_unknown)

    def _begin(self) -> Flow[list[_Page]]:
        """Flow that returns the first page of each node."""
        pages: list[_Page]
        first = self._everywhere(scan(self.start, b"0", self.rest))
        before, pages = yield from self._look(first)
        self._has_slots = before.may_have_slots
        if self._has_slots:
            before, pages = yield from self._look(first)
            if (key := before.find_foreign_key()) is not None:
                yield [Operation("EXISTS", (key,))]
            _raise_for(before.find_fault())
        self._before = before
        return pages

    def _go_on(self) -> Flow[list[_Page]]:
        """Flow that returns the next page of each node that has one."""
        steps = []
        for node, cursor in self._cursors.items():
            step = scan(self.start, cursor, self.rest)
            if self._key is None:
                steps.append(on_node(step, node))
            else:
                steps.append(near(step, self._key))
        return list(zip(self._cursors, (yield steps), strict=True))

    def _compare(self) -> Flow[None]:
        """Flow that raises TopologyChanged if the nodes are not those of the start."""
        after, _ = yield from self._look()
        _raise_for(after.find_fault() or after.find_change(self._before or after))

    def _look(self, *more: Operation) -> Flow[tuple["_Facts", Any]]:
        """Flow that returns the facts of the nodes, and the answer of one operation.

        EXISTS finds the node of a slot again if it has moved.
        """
        operations = [optional(self._everywhere(topology.run_facts()))]
        if self._has_slots:
            operations.append(optional(self._everywhere(topology.this_node())))
        number, slot = len(operations), None
        if self._has_slots and self._key is not None:
            slot = slot_of(self._key)
            operations.append(Operation("EXISTS", (self._key,)))
        answers = yield [*operations, *more]
        nodes = answers[1] if number > 1 else None
        return _Facts(answers[0], nodes, slot), answers[-1]

    def _everywhere(self, operation: Operation) -> Operation:
        """Return the operation that answers [(node, answer)]."""
        everywhere = on_every_primary(operation)
        return everywhere if self._key is None else near(everywhere, self._key)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The nodes of a scan. None for facts that the server does not give.

    runs: the run id and mode of each. nodes: their roles and slots. slot: the one that
    is scanned, or None for all.
    """

    runs: list[tuple[Node, tuple[str | None, str | None]]] | None
    nodes: list[tuple[Node, topology.ClusterNode]] | None = None
    slot: int | None = None

    @property
    def may_have_slots(self) -> bool:
        """Whether this may be a Cluster."""
        return self.runs is None or any(mode == "cluster" for _, (_, mode) in self.runs)

    def find_foreign_key(self) -> bytes | None:
        """Return a key of another node, if the only server is one of several nodes.

        It is refused, and the connection explains this error: name the Cluster.
        """
        if self.slot is not None or not self.nodes or self.nodes[0][0] is not None:
            return None
        _, node = self.nodes[0]
        if node.slot_count == SLOTS:
            return None
        return next(key for n in count() if not node.owns(slot_of(key := b"%d" % n)))

    def find_fault(self) -> str:
        """Return why a scan would miss keys now, or ""."""
        if self.nodes is None:
            return ""
        moving = [slot for _, node in self.nodes for slot in node.moving]
        if moving if self.slot is None else self.slot in moving:
            return f"slot {moving[0] if self.slot is None else self.slot} is moving"
        if self.slot is not None:
            is_there = any(node.owns(self.slot) for _, node in self.nodes)
            return "" if is_there else f"slot {self.slot} has moved"
        number = sum(node.slot_count for _, node in self.nodes)
        if number == SLOTS:
            return ""
        return f"{number} of {SLOTS} slots are on the primaries that were asked"

    def find_change(self, before: "_Facts") -> str:
        """Return why a scan since *before* may have missed keys, or ""."""
        if self.runs != before.runs:
            return "a server was restarted or replaced"
        if self.nodes is None or before.nodes is None:
            return ""
        was, now = [
            [
                (node, facts.id, facts.is_primary)
                + (() if self.slot is not None else (facts.epoch, facts.slots))
                for node, facts in each.nodes or ()
            ]
            for each in (before, self)
        ]
        return "" if was == now else "a failover happened, or slots have moved"


def _raise_for(reason: str) -> None:
    if reason:
        raise TopologyChanged(
            f"Keys may have been missed, because {reason}. Do it again when the nodes "
            "are at rest."
        )


def keys_by_model(
    start: bytes, prefix: str, key: bytes | None = None
) -> Flow[dict[Space, tuple[int, int]]]:
    """Flow that returns {key space: (objects, keys)} of keys that begin with *start*.

    Unregistered models are included. key: see KeyScan. A key may be counted twice while
    the server resizes its table. O(keys of the database), in steps of 1000.
    """
    keys_of: Counter[Space] = Counter()
    objects_of: Counter[Space] = Counter()
    found = KeyScan(start, key)
    while not found.is_over:
        for each in (yield from found.next_page()):
            space, rest = parse_key(each, prefix)
            keys_of[space] += 1
            objects_of[space] += rest.startswith(b"o:")
    return {space: (objects_of[space], keys_of[space]) for space in keys_of}


def list_keys(start: bytes, key: bytes | None = None) -> Flow[list[bytes]]:
    """Flow that returns the keys that begin with *start*, each once. See KeyScan.

    O(keys of the database), in steps of 1000.
    """
    found: dict[bytes, None] = {}
    scanned = KeyScan(start, key)
    while not scanned.is_over:
        found.update(dict.fromkeys((yield from scanned.next_page())))
    return list(found)


def list_quarantined(
    start: bytes, prefix: str, key: bytes | None = None
) -> Flow[list[bytes]]:
    """Flow that returns the quarantined keys whose former names begin with *start*.

    key: see KeyScan. O(keys of the database), in steps of 1000.
    """
    head = prefix.encode() + b":"
    return (yield from list_keys(head + b"lost:" + start.removeprefix(head), key))


def list_journals(prefix: str) -> Flow[list[bytes]]:
    """Flow that returns the keys of moves that are not done: see operations/move.py.

    O(keys of the database), in steps of 1000.
    """
    return (yield from list_keys(f"{prefix}:moved:{{".encode()))


def unlink(*keys: bytes) -> Operation:
    """Remove the keys, which are of one slot. Answers how many existed. O(keys)."""
    return Operation("UNLINK", keys, is_write=True)


def unlink_all(keys: Iterable[bytes]) -> Flow[int]:
    """Flow that removes keys of any slots. Returns how many existed. One round trip."""
    by_slot: dict[int, list[bytes]] = {}
    for key in keys:
        by_slot.setdefault(slot_of(key), []).append(key)
    if not by_slot:
        return 0
    removed: list[int] = yield [unlink(*some) for some in by_slot.values()]
    return sum(removed)


def unlink_some(found: KeyScan, only_objects: bool = False) -> Flow[int]:
    """Flow that removes the next keys of a scan, and returns how many existed.

    only_objects: keep the index. O(1000), one round trip more than the scan.
    """
    keys = yield from found.next_page()
    if only_objects:
        prefix = found.start.partition(b":{")[0].decode()
        keys = [k for k in keys if parse_key(k, prefix)[1][:2] in (b"o:", b"c:")]
    return (yield from unlink_all(keys))


def copy_some(found: KeyScan, new: bytes) -> Flow[None]:
    """Flow that copies the next keys of a scan to others that begin with *new*.

    Expiration times are copied too. Existing keys are not replaced. O(1000 keys and
    their sizes), one round trip more than the scan.
    """
    keys = yield from found.next_page()
    yield [
        Operation("COPY", (key, new + key.removeprefix(found.start)), is_write=True)
        for key in keys
    ]


def scan(start: bytes, cursor: bytes, rest: bytes = b"*") -> Operation:
    """Return (next cursor, some keys that begin with *start*), by a SCAN. O(1000).

    rest: a pattern of what follows *start*.
    """

    def parse(reply: Any) -> tuple[bytes, list[bytes]]:
        # Checked again: keys are removed by it, whatever MATCH accepts.
        return reply[0], [key for key in reply[1] if is_under(start, key)]

    pattern = escape_glob(start) + rest
    return Operation(
        "SCAN", (), (cursor, "MATCH", pattern, "COUNT", KEYS_PER_STEP), parse=parse
    )


def escape_glob(text: bytes) -> bytes:
    r"""Return the pattern that matches only *text*: \\ before \\ * ? [ and ]."""
    return b"".join(
        b"\\" + bytes((byte,)) if byte in b"\\*?[]" else bytes((byte,)) for byte in text
    )
