"""Another way to the nodes, for one client alone: other clients take the usual one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from redis.connection import UnixDomainSocketConnection

from django_ormist.connections.endpoints import Endpoint
from django_ormist.connections.unix_connections import AsyncUnixConnection


def route_over(
    routes: dict[int, str], patch: Callable[[Any, str, Any], None] = setattr
) -> None:
    """Let connections to the nodes at these ports use these unix sockets."""
    at = Endpoint.at

    def over(endpoint: Endpoint, address: Any) -> Endpoint:
        node = at(endpoint, address)
        path = routes.get(address[1])
        if path is None:
            return node
        arguments = {
            k: v for k, v in node.arguments.items() if k not in ("host", "port")
        }
        return replace(
            node,
            connection_class=UnixDomainSocketConnection,
            async_class=AsyncUnixConnection,
            arguments={**arguments, "path": path},
        )

    patch(Endpoint, "at", over)
