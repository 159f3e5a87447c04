"""The connections to servers: ``connections["default"]``."""

from .connection import Connection
from .handler import ConnectionHandler, UnknownAlias, connect_signals, connections

__all__ = [
    "Connection",
    "ConnectionHandler",
    "UnknownAlias",
    "connect_signals",
    "connections",
]
