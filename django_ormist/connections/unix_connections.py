"""Connections over a unix socket: redis-py's async one mended, and the embedded ones.

Those to the embedded server start it, or join it, as they connect. So nothing starts
before the first command, and a server that has stopped for want of clients, or died,
is there again for the next one.
"""

import asyncio
from typing import Any

from redis import asyncio as redis_asyncio
from redis.connection import UnixDomainSocketConnection, parse_url


class AsyncUnixConnection(redis_asyncio.UnixDomainSocketConnection):
    """redis-py's, which shakes hands twice, and hides a wrong password in the first."""

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)


class EmbeddedConnection(UnixDomainSocketConnection):
    """A connection to the server whose data is in *folder*."""

    def __init__(self, folder: str, **arguments: Any) -> None:
        super().__init__(**arguments)  # type: ignore[no-untyped-call]
        self.folder = folder

    def _connect(self) -> Any:
        self.path = _socket_path(self.folder)
        return super()._connect()  # type: ignore[no-untyped-call]


class AsyncEmbeddedConnection(AsyncUnixConnection):
    """See EmbeddedConnection."""

    def __init__(self, folder: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.folder = folder

    async def connect(self) -> None:
        # Not in _connect(), whose errors redis-py makes ConnectionErrors of.
        if not self.is_connected:
            # In a thread, since the first start takes a few hundred milliseconds.
            self.path = await asyncio.to_thread(_socket_path, self.folder)
        await super().connect()  # type: ignore[no-untyped-call]


def _socket_path(folder: str) -> str:
    from ..embedded import server_url

    path: str = parse_url(server_url(folder))["path"]  # type: ignore[no-untyped-call]
    return path
