"""Where the bytes go: ``connections["default"]``, over pools that outlive a request."""

from .connection import Connection
from .handler import ConnectionHandler, UnknownAlias, connect_signals, connections

__all__ = [
    "Connection",
    "ConnectionHandler",
    "UnknownAlias",
    "connect_signals",
    "connections",
]
