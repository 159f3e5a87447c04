"""Explanations of errors, which suggest another LOCATION."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redis.connection import SSLConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from ..exceptions import ImproperlyConfigured, NotReplicated, NotSupportedError
from ..operations.operation import Operation
from .async_pools import pools_of_running_loop
from .endpoints import Endpoint, format_address
from .exchange import aexchange, exchange
from .pools import pools
from .refusals import is_of_cluster
from .steps import Unconfirmed

_ROLE = [Operation("ROLE", keys=())]

_NO_DATABASE = ("db index is out of range", "select is not allowed", "invalid database")


def cluster_url(endpoint: Endpoint) -> str:
    """Return the URL of the Cluster, if this server is one of its nodes."""
    host, port = endpoint.address or ("", None)
    is_tls = issubclass(endpoint.connection_class, SSLConnection)
    scheme = "rediss+cluster" if is_tls else "redis+cluster"
    return f"{scheme}://{format_address((host, port or 6379))}"


def sentinel_url(endpoint: Endpoint, service: str = "SERVICE") -> str:
    """Return the URL of the service, if this server is a sentinel."""
    host, port = endpoint.address or ("", None)
    is_tls = issubclass(endpoint.connection_class, SSLConnection)
    scheme = "rediss+sentinel" if is_tls else "redis+sentinel"
    database = endpoint.arguments.get("db") or 0
    return f"{scheme}://{format_address((host, port or 26379))}/{service}/{database}"


def explain_node(alias: str, endpoint: Endpoint, error: RedisError) -> RedisError | Any:
    """Return NotSupportedError for an error of one node of a Cluster, or *error*.

    Adds a note to the error of a replica.
    """
    if is_of_cluster(error):
        explained = NotSupportedError(
            f"ORMIST alias {alias!r} at {endpoint.safe_url} is one node of a Cluster, "
            f"and the keys are not on it ({error.status_code}). Name the Cluster in "
            f"LOCATION: {cluster_url(endpoint)!r}."
        )
        explained.__cause__ = error
        return explained
    if isinstance(error, ReadOnlyError):
        error.add_note(
            "The server is a replica. Name its primary in LOCATION, or let sentinels "
            "find it: redis+sentinel://host:port/service/0."
        )
    return error


def explain_shortage(alias: str, replies: Unconfirmed) -> None:
    """Set the error of a write that too few replicas have confirmed."""
    replies.error = NotReplicated(
        f"A write to ORMIST[{alias!r}] was applied, but only {replies.confirmed} of "
        f"{replies.wanted} replicas have confirmed it. It is lost if the primary fails "
        "now. Do not repeat it: start the replicas, or change OPTIONS['replicas'] or "
        "'replicas_timeout'."
    )


def is_unknown_command(errors: Sequence[Any]) -> bool:
    """Return whether an error may be that of a sentinel, which has few commands."""
    return any(
        isinstance(error, ResponseError) and "unknown command" in str(error).lower()
        for error in errors
    )


def check_role(alias: str, endpoint: Endpoint) -> None:
    """Raise ImproperlyConfigured if the server is a sentinel. One round trip."""
    asked = _without_database(endpoint)
    try:
        (role,), _ = exchange(pools.get(asked), _ROLE)
    except RedisError:
        return  # the first error is raised
    finally:
        pools.retire(asked)
    _refuse_sentinel(alias, endpoint, role)


async def acheck_role(alias: str, endpoint: Endpoint) -> None:
    """See check_role()."""
    asked, loop_pools = _without_database(endpoint), pools_of_running_loop()
    try:
        (role,), _ = await aexchange(loop_pools.get(asked), _ROLE)
    except RedisError:
        return
    finally:
        await loop_pools.retire(asked)
    _refuse_sentinel(alias, endpoint, role)


def _without_database(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint for ROLE, with a pool of its own.

    A sentinel has no databases.
    """
    arguments = {**endpoint.arguments, "db": 0}
    return replace(endpoint, arguments=arguments, shared_pool=None, max_connections=1)


def _refuse_sentinel(alias: str, endpoint: Endpoint, role: Any) -> None:
    """Raise ImproperlyConfigured if *role*, a reply to ROLE, is that of a sentinel."""
    if not isinstance(role, list) or bytes(role[0]) != b"sentinel":
        return
    names = [name.decode(errors="replace") for name in role[1]]
    url = sentinel_url(endpoint, names[0] if len(names) == 1 else "SERVICE")
    known = ", ".join(map(repr, names)) or "none"
    raise ImproperlyConfigured(
        f"ORMIST[{alias!r}] at {endpoint.safe_url} is a sentinel, not a server. Write "
        f"{url!r} in LOCATION; it knows these services: {known}."
    )


def refuse_database(alias: str, endpoint: Endpoint, error: RedisError) -> None:
    """Raise ImproperlyConfigured if *error* is about the number of the database."""
    text = str(error)
    if any(words in text.lower() for words in _NO_DATABASE):
        number = endpoint.arguments.get("db")
        raise ImproperlyConfigured(
            f"ORMIST[{alias!r}] names the database {number}, which the server at "
            f"{endpoint.safe_url} does not have ({text.rstrip('.')}). Write a lower "
            "number in LOCATION, or raise 'databases' of the server. A node of a "
            "Cluster usually has only 0."
        ) from error
