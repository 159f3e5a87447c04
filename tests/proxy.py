"""A proxy between client and server: counts round trips, and breaks on demand."""

import selectors
import shutil
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from random import Random
from select import select
from termios import TIOCOUTQ
from typing import Any

import hiredis

Words = tuple[bytes, ...]

HANDSHAKE = {b"HELLO", b"AUTH", b"CLIENT", b"SELECT"}

QUIET = 0.02  # seconds after which a client that has not sent more waits for answers

_INCOMPLETE = object()


class Requests:
    """A parser that splits the bytes of a client into commands."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_between_commands(self) -> bool:
        return not self._buffer

    def feed(self, data: bytes) -> list[Words]:
        """Return the commands that *data* completes."""
        self._buffer += data
        commands = []
        while (found := self._next()) is not None:
            words, end = found
            del self._buffer[:end]
            commands.append(words)
        return commands

    def _next(self) -> tuple[Words, int] | None:
        """Return the first command of the buffer and its end, or None if incomplete."""
        head = self._line(0)
        if head is None:
            return None
        (size, position), words = head, []
        for _ in range(size):
            head = self._line(position)
            if head is None:
                return None
            length, start = head
            position = start + length + 2
            if len(self._buffer) < position:
                return None
            words.append(bytes(self._buffer[start : start + length]))
        return tuple(words), position

    def _line(self, start: int) -> tuple[int, int] | None:
        """Return the number in a line like ``*3``, and the start of the next line."""
        end = self._buffer.find(b"\r\n", start)
        return None if end < 0 else (int(self._buffer[start + 1 : end]), end + 2)


@dataclass
class RoundTrips:
    """The round trips of a ``with`` block, each a list of its commands."""

    all: list[list[Words]] = field(default_factory=list)

    @property
    def round_trips(self) -> list[list[Words]]:
        """The round trips that are not only the handshake of a connection."""
        return [
            each
            for each in self.all
            if any(words[0].upper() not in HANDSHAKE for words in each)
        ]

    @property
    def count(self) -> int:
        return len(self.round_trips)

    @property
    def commands(self) -> list[Words]:
        """Every command of every round trip, in order."""
        return [words for each in self.round_trips for words in each]


class _End:
    """One side of a link: its socket, and the bytes that wait to be sent there.

    A server keeps replies for a client that sends without reading, and so must the
    proxy: waiting for that client here would be a deadlock.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.waiting = bytearray()

    def receive(self) -> bytes:
        """Return everything that can be read now, b"" at the end of the stream."""
        parts = []
        with suppress(BlockingIOError):
            while part := self.socket.recv(1 << 20):
                parts.append(part)
        return b"".join(parts)

    def send(self, data: bytes = b"") -> None:
        """Send waiting bytes and *data*, as far as the other side accepts them now."""
        self.waiting += data
        with suppress(BlockingIOError):
            while self.waiting:
                del self.waiting[: self.socket.send(self.waiting)]

    @property
    def is_read(self) -> bool:
        """Whether the other side has read everything; only Linux can tell."""
        if self.waiting:
            return False
        if not sys.platform.startswith("linux"):
            return True
        (unread,) = struct.unpack("i", ioctl(self.socket, TIOCOUTQ, b"\0" * 4))
        return bool(unread == 0)

    def close(self) -> None:
        """Close the connection, also for forked children that hold a copy."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class _Link:
    """The connection of one client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = _End(client), _End(server)
        self.requests = Requests()
        self.replies = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self.commands: list[Words] = []
        self.open = 0  # commands that the server has not answered
        self.held = b""  # answers that the client has not been given
        self.is_answered = True
        self.rest: int | None = None  # bytes until the connection is reset

    @property
    def is_long(self) -> bool:
        """Whether more pieces of the request may follow."""
        return len(self.commands) > 1 or sum(map(len, self.commands)) > 100

    def record(self, data: bytes) -> None:
        """Record the requests of the client."""
        commands = self.requests.feed(data)
        self.commands += commands
        self.open += len(commands)

    def hold(self, data: bytes) -> None:
        """Keep the replies of the server for the client."""
        self.held += data
        self.replies.feed(data)
        while (reply := self.replies.gets()) is not _INCOMPLETE:
            self.open -= not isinstance(reply, hiredis.PushNotification)

    def deliver(self) -> None:
        """Send the client its replies once it has sent its complete request.

        It sends a long pipeline in several pieces. A reply to the first before the
        last was sent would look like two round trips, so the replies wait.
        """
        if self.open > 0 or not self.held:
            return
        if self.is_long and select([self.client.socket], [], [], QUIET)[0]:
            return
        self.is_answered = True
        self.client.send(self.held)
        self.held = b""

    def break_off(self, data: bytes) -> None:
        """Send the client what is held, and *data*, though more must follow."""
        self.client.send(self.held + data)

    def starts_round_trip(self) -> bool:
        """Whether a request that the client sends now begins a round trip.

        It does if the client has read all replies to its earlier requests.
        """
        return (
            self.is_answered
            and self.requests.is_between_commands
            and self.client.is_read
        )

    @property
    def ends(self) -> tuple[_End, _End]:
        return self.client, self.server


class Proxy:
    """Passes bytes between clients of ``url`` and the server at a unix socket.

    One thread does all the work. A method (cut, refuse ...) takes effect before it
    returns.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = Path(tempfile.mkdtemp(prefix="ormist-"))
        self.path = self.folder / "proxy.sock"
        self.url = f"unix://{self.path}?db=0"
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._links: set[_Link] = set()
        self._lost: set[_Link] = set()
        self._counters: list[RoundTrips] = []
        self._is_refusing = self._is_swallowing = False
        self._cuts_at = ""
        self._skips = 0
        self._then: Callable[[], object] | None = None
        self._sizes: Iterator[int] | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Proxy":
        self._listener.bind(str(self.path))
        self._listener.listen(128)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._waker.close()  # which ends the thread
        self._thread.join()
        self.cut()
        for each in (self._listener, self._wake, self._selector):
            each.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Methods for tests

    @contextmanager
    def counting(self) -> Iterator[RoundTrips]:
        """Count the round trips that begin inside the block."""
        counter = RoundTrips()
        with self._lock:
            self._counters.append(counter)
        try:
            yield counter
        finally:
            with self._lock:
                self._counters.remove(counter)

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        with self._lock:
            return len(self._links)

    def cut(self) -> None:
        """Close every connection; new ones are accepted."""
        with self._lock:
            for link in list(self._links):
                self._close(link)

    def cut_next_reply(self, **options: Any) -> None:
        """Close the connection at the next reply, after the server has executed.

        skip: how many short ones to let pass first. then: called before the client can
        notice.
        """
        self._cut_next("reply", **options)

    def cut_next_request(self, **options: Any) -> None:
        """Close the connection at the next request, before the server gets it."""
        self._cut_next("request", **options)

    def _cut_next(
        self, where: str, skip: int = 0, then: Callable[[], object] | None = None
    ) -> None:
        with self._lock:
            self._cuts_at, self._skips, self._then = where, skip, then

    def cut_often(self) -> None:
        """Close each connection after 2 to 66 kilobytes, until resume().

        It is mostly in the middle of a message, and after some commands. A script with
        its source is one of 30 kilobytes.
        """
        random = Random(0)
        with self._lock:
            self._sizes = iter(
                lambda: 2000 * 2 ** random.randrange(6) + random.randrange(2000), None
            )
            for link in self._links:
                link.rest = next(self._sizes)

    def refuse(self) -> None:
        """Close every connection, and each new one at once, until resume()."""
        with self._lock:
            self._is_refusing = True
            self.cut()

    def swallow(self) -> None:
        """Drop all bytes in both directions, with open connections, until resume()."""
        with self._lock:
            self._is_swallowing = True

    def lose(self) -> None:
        """Drop all bytes of the present connections; new ones are accepted."""
        with self._lock:
            self._lost |= self._links

    def resume(self) -> None:
        """Work normally again. Dropped bytes stay lost."""
        with self._lock:
            self._is_refusing = self._is_swallowing = False
            self._cuts_at, self._sizes = "", None
            for link in self._links:
                link.rest = None

    # The thread

    def _work(self) -> None:
        while True:
            ready = self._selector.select()
            with self._lock:
                for key, events in ready:
                    if key.fileobj is self._wake:
                        return
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._links:  # not closed a moment ago
                        self._serve(key.data, key.fileobj, events)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            if self._is_refusing:
                raise ConnectionRefusedError
            server.connect(str(self.target))
        except OSError:
            client.close()
            server.close()
            return
        link = _Link(client, server)
        link.rest = next(self._sizes) if self._sizes else None
        self._links.add(link)
        for end in link.ends:
            self._selector.register(end.socket, selectors.EVENT_READ, link)

    def _serve(self, link: _Link, ready: object, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                for end in link.ends:
                    end.send()
            if events & selectors.EVENT_READ:
                self._pass_on(link, is_from_client=ready is link.client.socket)
        except OSError:
            self._close(link)
        if link in self._links:
            for end in link.ends:
                wanted = selectors.EVENT_WRITE if end.waiting else 0
                self._selector.modify(end.socket, selectors.EVENT_READ | wanted, link)

    def _pass_on(self, link: _Link, is_from_client: bool) -> None:
        data = (link.client if is_from_client else link.server).receive()
        if not data:
            raise ConnectionResetError
        if self._is_swallowing or link in self._lost:
            return
        if self._cuts_at == ("request" if is_from_client else "reply"):
            self._skips -= 1
            if self._skips < 0:
                self._cuts_at = ""
                if self._then is not None:
                    self._then()
                raise ConnectionResetError
        if link.rest is not None:
            if link.rest <= len(data):
                part = data[: link.rest]
                link.server.send(part) if is_from_client else link.break_off(part)
                raise ConnectionResetError
            link.rest -= len(data)
        if not is_from_client:
            link.hold(data)
            link.deliver()
            return
        if link.starts_round_trip():
            link.commands = []
            for counter in self._counters:
                counter.all.append(link.commands)
        link.is_answered = False
        link.record(data)
        link.server.send(data)

    def _close(self, link: _Link) -> None:
        self._links.discard(link)
        self._lost.discard(link)
        for end in link.ends:
            self._selector.unregister(end.socket)
            end.close()
