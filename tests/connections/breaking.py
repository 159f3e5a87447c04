"""A server that reads each command, counts it, and closes the connection."""

import socket
import threading
from contextlib import suppress

from tests.proxy import HANDSHAKE, Requests, Words


class BreakingServer:
    """Answers the handshake, and nothing else.

    arrived: the commands that came, handshakes left out. is_silent: whether it leaves
    the connection open and does not answer.
    """

    def __init__(self, is_silent: bool = False) -> None:
        self.arrived: list[Words] = []
        self.is_silent = is_silent
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "BreakingServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._thread.join()
        self._listener.close()

    def _work(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._serve(client)

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
            if not self.is_silent and commands[-1][0].upper() not in HANDSHAKE:
                return
