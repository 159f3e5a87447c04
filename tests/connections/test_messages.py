"""A long request is sent in pieces, each as soon as it is made and is due."""

import asyncio
import socket
from dataclasses import dataclass, field
from select import select
from threading import Thread

import pytest
from redis.asyncio.connection import Connection as AsyncConnection
from redis.connection import Connection

from django_ormist.connections import messages
from django_ormist.connections.async_wire import attach_async_wire
from django_ormist.connections.wire import attach_wire
from django_ormist.operations.operation import Operation
from tests.proxy import Requests

WORDS = 400
"""Words of an operation that fills a piece."""


@dataclass(slots=True)
class Noted(Operation):
    """An operation that notes when its words are made."""

    notes: list = field(default_factory=list)
    words: int = WORDS

    def wire_args(self):
        self.notes.append("made")
        return ("PING", *[b"x"] * (self.words - 1))


class NotedConnection:
    """A connection without a wire that notes when it sends."""

    def __init__(self, notes):
        self.notes = notes

    def send_packed_command(self, request, check_health):
        self.notes.append("sent")


class NotedAsyncConnection(NotedConnection):
    """See NotedConnection."""

    async def send_packed_command(self, request, check_health):
        super().send_packed_command(request, check_health)


def noted(number, words=WORDS):
    notes = []
    return notes, [Noted("PING", (), notes=notes, words=words) for _ in range(number)]


# One that leaves room is sent when the next operation was made, and does not fit.
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (messages.PIECE_WORDS, ["made", "sent"] * 4),
        (messages.PIECE_WORDS - 1, ["made", *["made", "sent"] * 3, "sent"]),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_piece_is_sent_before_the_next_one_is_made(is_async, words, expected):
    notes, operations = noted(4, words)
    if is_async:
        sending = messages.asend(NotedAsyncConnection(notes), operations)
        assert asyncio.run(sending) == []
    else:
        assert messages.send(NotedConnection(notes), operations) == []
    assert notes == expected


class Peer(Thread):
    """A server at one end of a socket pair, which replies when it is told to.

    number: the commands of the request. allowed: how many of them it answers early.
    """

    def __init__(self, end, number, allowed):
        super().__init__()
        self.end, self.number, self.allowed = end, number, allowed
        self.arrived = []

    def run(self):
        requests, commands, answered = Requests(), 0, 0
        while commands < self.number:
            if not select([self.end], [], [], 0.05)[0]:
                self.arrived.append(commands)
                if answered == self.allowed:
                    return
                self.end.sendall(b"+PONG\r\n")
                answered += 1
                continue
            commands += len(requests.feed(self.end.recv(1 << 16)))
        self.arrived.append(commands)
        self.end.sendall(b"+PONG\r\n" * (commands - answered))


@pytest.fixture(params=["sync", "async"])
def talk(request):
    """Returns the replies that came early, all replies, and the pieces' arrival."""

    def talk(number, allowed):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            peer = Peer(theirs, number, allowed)
            peer.start()
            _, operations = noted(number)
            if request.param == "sync":
                early, replies = converse(ours, operations)
            else:
                early, replies = asyncio.run(aconverse(ours, operations))
            peer.join()
            return early, replies, peer.arrived

    return talk


def converse(ours, operations):
    connection = Connection(protocol=2)
    connection._sock = ours
    connection._parser.on_connect(connection)
    attach_wire(connection)
    early = messages.send(connection, operations)
    rest = [messages.read(connection) for _ in operations[len(early) :]]
    return early, early + rest


async def aconverse(ours, operations):
    connection = AsyncConnection(protocol=2)
    connection._reader, connection._writer = await asyncio.open_connection(sock=ours)
    connection._parser.on_connect(connection)
    attach_async_wire(connection)
    try:
        early = await messages.asend(connection, operations)
        rest = [await messages.aread(connection) for _ in operations[len(early) :]]
        return early, early + rest
    finally:
        await connection.disconnect(nowait=True)


def test_at_most_two_pieces_are_unanswered(talk, monkeypatch):
    monkeypatch.setattr(messages, "PAUSE_S", 10)
    monkeypatch.setattr(messages, "FIRST_PAUSE_S", 10)
    early, replies, arrived = talk(5, allowed=3)
    assert arrived == [2, 3, 4, 5]
    assert early == [b"PONG"] * 3
    assert replies == [b"PONG"] * 5


def test_a_piece_does_not_wait_long_for_a_reply(talk):
    early, replies, arrived = talk(5, allowed=0)
    assert arrived == [5]
    assert early == []
    assert replies == [b"PONG"] * 5


def test_short_operations_share_a_piece(monkeypatch):
    sent = []

    class Kept(NotedConnection):
        def send_packed_command(self, request, check_health):
            sent.append(b"".join(request))

    ping = Operation("PING", ())
    assert messages.send(Kept([]), [ping] * messages.PIECE_WORDS) == []
    assert len(sent) == 1
    messages.send(Kept([]), [ping] * (messages.PIECE_WORDS + 1))
    assert len(sent) == 3
    assert sent[0] == sent[1]
    assert sent[2] == b"*1\r\n$4\r\nPING\r\n"


def test_fewer_writes_share_a_piece_since_each_may_sweep():
    write = Operation("UNLINK", ("key",), is_write=True)
    most = messages.PIECE_WORDS // (2 + messages.SWEEP_WORDS)
    ends = [end for _, end in messages._pieces([write] * (2 * most + 1))]
    assert ends == [most, 2 * most, 2 * most + 1]
