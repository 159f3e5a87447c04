"""Connections over a unix socket: a repaired async one, and the embedded ones.

Connections to the embedded server start it, or join it, when they connect. So it
starts with the first command. If it stopped for lack of clients, or died, the next
connection starts it again.
"""

import asyncio
from typing import Any

from redis import asyncio as redis_asyncio
from redis.connection import UnixDomainSocketConnection, parse_url


class AsyncUnixConnection(redis_asyncio.UnixDomainSocketConnection):
    """redis-py's connection with one handshake, so that a wrong password is reported.

    redis-py's own sends it twice, and hides the error of the first.
    """

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)


class EmbeddedConnection(UnixDomainSocketConnection):
    """A connection to the embedded server of *folder*."""

    def __init__(self, folder: str, **arguments: Any) -> None:
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        self.folder = folder

    def _connect(self) -> Any:
        self.path = _socket_path(self.folder)
        return super()._connect()  # type: ignore[no-untyped-call]


class AsyncEmbeddedConnection(AsyncUnixConnection):
    """The async variant of EmbeddedConnection."""

    def __init__(self, folder: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.folder = folder

    async def connect(self) -> None:
        # Not in _connect(): redis-py turns its errors into ConnectionErrors.
        if not self.is_connected:
            # In a thread, since a start takes a few hundred milliseconds.
            self.path = await asyncio.to_thread(_socket_path, self.folder)
        await super().connect()  # type: ignore[no-untyped-call]


def _socket_path(folder: str) -> str:
    from ..embedded import server_url

    path: str = parse_url(server_url(folder))["path"]  # type: ignore[no-untyped-call]
    return path
