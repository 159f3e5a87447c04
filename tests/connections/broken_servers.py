"""Servers that misbehave: one breaks every connection, one answers late."""

import socket
import threading
from contextlib import suppress

from tests.proxy import HANDSHAKE, Requests, Words


class BreakingServer:
    """A server that reads each command, counts it, and closes the connection.

    It only replies to the handshake. arrived: the commands, without handshakes.
    """

    _breaks = True

    def __init__(self) -> None:
        self.arrived: list[Words] = []
        self._listener = self._client = socket.create_server(("127.0.0.1", 0))
        self._is_over = False
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "BreakingServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over = True
        for waiting in (self._client, self._listener):  # wakes recv() or accept()
            with suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _work(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while not self._is_over:
                self._client, _ = self._listener.accept()
                with self._client, suppress(OSError):
                    self._serve(self._client)

    def _serve(self, client: socket.socket) -> None:
        requests = Requests()
        while data := client.recv(65536):
            commands = requests.feed(data)
            for words in commands:
                if words[0].upper() == b"HELLO":
                    client.sendall(b"%1\r\n+proto\r\n:3\r\n")
                elif words[0].upper() in HANDSHAKE:
                    client.sendall(b"+OK\r\n")
                else:
                    self.arrived.append(words)
                    self._answer(client)
            if self._breaks and commands[-1][0].upper() not in HANDSHAKE:
                return

    def _answer(self, client: socket.socket) -> None:
        pass


class SilentServer(BreakingServer):
    """A server that reads each command, and never replies."""

    _breaks = False


class LateServer(SilentServer):
    """A server that replies with numbers, to the first command after the second.

    So a connection whose first reply was not read has no bytes to read when it is used
    again.
    """

    def _answer(self, client: socket.socket) -> None:
        count = len(self.arrived)
        if count == 2 and client is self._first:
            client.sendall(b":1\r\n")
        if count > 1:
            client.sendall(b":%d\r\n" % count)
        else:
            self._first = client
