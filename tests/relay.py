"""Relays between the nodes of a test, so that one can be cut off from the others."""

import socket
import threading
from contextlib import suppress


class Relay:
    """Passes bytes to a port of 127.0.0.1, and drops those of hosts in ``cut_off``.

    Links whose bytes were dropped are closed by resume(): the bytes stay lost.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_off: set[str] = set()
        self.is_cut_off = False
        self._broken: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def resume(self) -> None:
        """Pass everything on again."""
        self.is_cut_off = False
        self.cut_off = set()
        for link in [*self._broken]:
            self._close(link)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, (host, _) = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            link = client, server
            for ends in (link, link[::-1]):
                words = (*ends, host, link)
                threading.Thread(target=self._pump, args=words, daemon=True).start()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        host: str,
        link: tuple[socket.socket, socket.socket],
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.is_cut_off or host in self.cut_off:
                    self._broken.add(link)
                else:
                    sink.sendall(data)
        self._close(link)

    def _close(self, link: tuple[socket.socket, socket.socket]) -> None:
        self._broken.discard(link)
        for each in link:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
