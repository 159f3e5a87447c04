"""The connections to servers: ``connections["default"]``."""

from .connection import Connection
from .handler import (
    ConnectionHandler,
    UnknownAlias,
    connect_signals,
    connections,
    position,
)
from .positions import at_least

__all__ = [
    "Connection",
    "ConnectionHandler",
    "UnknownAlias",
    "at_least",
    "connect_signals",
    "connections",
    "position",
]
