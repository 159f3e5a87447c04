"""Operations and flows.

An operation is plain data: it compares, prints, and does no I/O. A flow is a generator
that yields operations and receives their answers. ``run()`` and ``arun()`` in
``connections/executor.py`` send them.
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from ..exceptions import CorruptDataError

Word = bytes | str | int
"""An argument of a command."""

Address = tuple[str, int]
"""The host and the port of a node."""

_FOR_DRAGONFLY = b"--!df flags=allow-undeclared-keys\n"
"""A comment to other servers. Without it, Dragonfly refuses keys that a script
computes, when half of its writes may be done."""

_LOCALS = b"local KEYS, ARGV, redis = KEYS, ARGV, redis\n"
"""Lua looks up a global by its name each time, and a local by its place. A write
takes 0.2 to 0.4 microseconds less."""


def identity(reply: Any) -> Any:
    """Return the reply unchanged."""
    return reply


class Script:
    """An atomic step in Lua: a file of ``operations/scripts``, read on first use."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<Script {self.name}>"

    @cached_property
    def source(self) -> bytes:
        """The text that the server runs: a flag, parts of the prelude, and the file.

        A line ``-- INCLUDE part`` is replaced by the file of that name. Scripts share
        code in this way, because a call of a function takes 0.2 microseconds.

        The server defines the functions of a script in each call, 0.1 microseconds
        each. So a script has only those of the prelude that it uses. They come first,
        or those that only rare branches need at a line ``-- DEFINE names`` there. After
        such a line that is not indented, the rest of the script has them.
        """
        text = _lua(self.name)
        while _INCLUDE.search(text):
            text = _INCLUDE.sub(lambda line: _lua(line[1].decode()), text)
        rare = {name for line in _DEFINE.findall(text) for name in line.split()}
        common = _definitions(_words_of(text) - rare)
        known = set(common)

        def define(line: re.Match[bytes]) -> bytes:
            parts = _definitions(set(line[1].split()))
            parts = [part for part in parts if part not in known]
            if line[0].startswith(b"--"):
                known.update(parts)
            return b"".join(parts)

        begin = _FOR_DRAGONFLY + _LOCALS + b"".join(common)
        return begin + _DEFINE.sub(define, text)

    @cached_property
    def sha(self) -> str:
        """The hexadecimal SHA-1 by which EVALSHA names this script."""
        return sha1(self.source, usedforsecurity=False).hexdigest()

    def command_for(self, with_source: bool) -> tuple[str, Word]:
        """Return EVAL and the source, or EVALSHA and its name."""
        return ("EVAL", self.source) if with_source else ("EVALSHA", self.sha)


_INCLUDE = re.compile(rb"^ *-- INCLUDE (\w+)$", re.MULTILINE)
_DEFINE = re.compile(rb"^ *-- DEFINE ([\w ]+)\n", re.MULTILINE)


def _definitions(words: set[bytes]) -> list[bytes]:
    """Return the definitions of these words in the prelude, and those that they use."""
    found: list[bytes] = []
    for part in reversed(_lua("prelude").split(b"\n\n")):
        names = re.findall(rb"^local (?:function )?(\w+)", part, re.MULTILINE)
        if not words.isdisjoint(names):
            words = words | _words_of(part)
            found.insert(0, part + b"\n")
    return found


def _words_of(text: bytes) -> set[bytes]:
    """Return the words of a Lua text without its comments."""
    return set(re.findall(rb"\w+", re.sub(rb"--.*", b"", text)))


def _lua(name: str) -> bytes:
    """Return the text of one file of scripts/."""
    return (files(__package__) / "scripts" / f"{name}.lua").read_bytes()


@dataclass(slots=True)
class Operation:
    """One command or script with its keys and arguments.

    command: a Redis command ("GET") or a Script. keys: of one slot; they choose the
    node of a Cluster. Without keys any node may reply: see on_every_primary() and
    on_node() for others. args: sent after the keys. parse: a
    function that returns the answer from the raw reply (bytes, in the shape of RESP2).
    is_write: whether to send it once only. Reads may be sent again over a new
    connection. with_source: whether to send the source of the script, for a server that
    does not have it. It is never changed; a frozen dataclass takes three times as long
    to build.
    """

    command: "str | Script"
    keys: tuple[bytes, ...]
    args: tuple[Word, ...] = ()
    parse: Callable[[Any], Any] = field(default=identity, compare=False)
    is_write: bool = False
    with_source: bool = False

    def all_keys(self) -> tuple[bytes, ...]:
        """Return the keys that are sent. Those of an Insertion are more than *keys*."""
        return self.keys

    def wire_args(self) -> tuple[Word, ...]:
        """Return the command and its arguments as they are sent."""
        if isinstance(self.command, Script):
            verb, name = self.command.command_for(self.with_source)
            return (verb, name, len(self.keys), *self.keys, *self.args)
        return (self.command, *self.keys, *self.args)


@dataclass(slots=True)
class CountedKeys(Operation):
    """A command that takes the number of its keys before them, such as ZINTER."""

    def wire_args(self) -> tuple[Word, ...]:
        """See Operation.wire_args()."""
        return (str(self.command), len(self.keys), *self.keys, *self.args)


@dataclass(slots=True)
class NodeOperation(Operation):
    """A command without keys for one node of a Cluster, or for every primary.

    Made by on_node() and on_every_primary(). node: an address, or None for every
    primary. A connection to one server sends the command there.
    """

    node: Address | None = None


@dataclass(slots=True)
class NearbyOperation(Operation):
    """A command without keys for the node of *keys*, which are not sent."""

    def wire_args(self) -> tuple[Word, ...]:
        """See Operation.wire_args()."""
        return (str(self.command), *self.args)


class RepliesByNode(list[tuple[Address, Any]]):
    """The address and the raw reply of each primary of a Cluster."""


def on_every_primary(operation: Operation) -> NodeOperation:
    """Return the operation that sends *operation*, which has no keys, to each primary.

    Its answer is a list of (address, answer), sorted by address. Without Cluster there
    is one primary, and its address is None. Hand the address to on_node() to ask the
    same node again, with the cursor of a SCAN say::

        for node, (cursor, keys) in (yield on_every_primary(scan(prefix, b"0"))):
            while int(cursor):
                cursor, more = yield on_node(scan(prefix, cursor), node)

    All nodes get it at once: one round trip. If one of them fails, so does the
    operation, as any other does.
    """
    return NodeOperation(
        operation.command,
        operation.keys,
        operation.args,
        partial(_parse_by_node, operation.parse),
        operation.is_write,
        operation.with_source,
    )


def on_node(operation: Operation, node: Address | None) -> Operation:
    """Return the operation that sends *operation*, which has no keys, to one node.

    node: the address of a primary or a replica. With None, any node may reply: the only
    one if there is no Cluster. Sending it raises NodeLeft if the node is not in the
    Cluster any more.
    """
    if node is None:
        return operation
    return NodeOperation(
        operation.command,
        operation.keys,
        operation.args,
        operation.parse,
        operation.is_write,
        operation.with_source,
        node,
    )


def near(operation: Operation, key: bytes) -> Operation:
    """Return the operation that sends *operation*, which has no keys, to a key's node.

    For TIME, say: the clock of that node decides about the expiration of the key.
    """
    return NearbyOperation(
        operation.command, (key,), operation.args, operation.parse, operation.is_write
    )


def optional(operation: Operation) -> Operation:
    """Return the operation that answers None if the server refuses *operation*.

    An ACL or a host may forbid INFO, and some products do not have it.
    """
    return replace(operation, parse=OrNone(operation.parse))


class OrNone:
    """The parser of an optional() operation. It gets error replies, too."""

    def __init__(self, parse: Callable[[Any], Any]) -> None:
        self._parse = parse

    def __call__(self, reply: Any) -> Any:
        return None if isinstance(reply, Exception) else self._parse(reply)


def or_error(operation: Operation) -> Operation:
    """Return the operation with its error as the answer. It is not raised.

    The answers to other operations of the same request are not lost then.
    """
    return replace(operation, parse=OrError(operation.parse))


class OrError(OrNone):
    """The parser of or_error(). It returns error replies and CorruptDataError."""

    def __call__(self, reply: Any) -> Any:
        if isinstance(reply, Exception):
            return reply
        try:
            return self._parse(reply)
        except CorruptDataError as error:
            return error


def _parse_by_node(parse: Callable[[Any], Any], reply: Any) -> list[tuple[Any, Any]]:
    if type(reply) is RepliesByNode:
        return [(node, parse(each)) for node, each in reply]
    return [(None, parse(reply))]


class SignalEvent(NamedTuple):
    """A signal to send: ``send`` in sync code, ``asend`` in async code."""

    signal: Any
    sender: Any
    arguments: dict[str, Any]


class Call(NamedTuple):
    """A method to call, or its async variant in async code.

    The flow gets its exceptions.
    """

    target: Any
    method: str
    arguments: dict[str, Any]


class Evaluate(NamedTuple):
    """Lazy results to evaluate, of this package or of Django. The answer is a list."""

    results: Any


class RunOn(NamedTuple):
    """A flow to run on another alias. The answer is its result."""

    using: str
    flow: "Flow[Any]"


class RefusedCommands:
    """A request for the connection's set of commands that are known to be refused.

    No round trip. A flow takes another way without a command that is in it.
    """

    def __repr__(self) -> str:
        return "REFUSED"


REFUSED = RefusedCommands()

FlowItem = (
    Operation
    | list[Operation]
    | SignalEvent
    | Call
    | Evaluate
    | RunOn
    | RefusedCommands
)
"""One operation, several for one round trip, or something else to do in between."""

T = TypeVar("T")

Flow = Generator[FlowItem, Any, T]
"""A generator that yields items, receives their answers, and returns a T."""
