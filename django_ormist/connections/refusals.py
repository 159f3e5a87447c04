"""Error replies: their types, and which operations to send again."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ..operations.operation import Operation

# redis-py's table of codes and classes, which it shows nowhere else.
from redis._parsers.base import BaseParser  # isort: skip

# Up to Redis 6.2 an error that ends a script comes wrapped.
_IN_SCRIPT = re.compile(
    r"(?:Error running script \(call to f_\w+\): )?"
    r"(?:@user_script: ?\d+: )+-?([A-Z]+ .*)",
    re.DOTALL,
)
# The slot of a script's keys moves, and a key that the script computes is not here. The
# scripts check before their first write that this cannot happen later.
_NOT_HERE = re.compile(
    r"attempted to access a non local key in a cluster node"
    r"|undeclared keys were accessed during rehashing of the slot",  # Redis 8
    re.IGNORECASE,
)
_UNAUTHENTICATED = "Protocol error: unauthenticated"

_FORBIDDEN = re.compile("denied|unknown command|not supported|syntax", re.IGNORECASE)

_REFUSED = (ReadOnlyError, MasterDownError, BusyLoadingError)


def unwrap_error(error: RedisError) -> RedisError:
    """Return *error* with redis-py's type for its code, also if a script wrapped it.

    A script that cannot reach a computed key gets TryAgainError, as it would for a key
    that is declared.

    Raises AuthenticationError for the protocol error of Redis up to 7.0 on a long
    request without a password. The server then closes the connection.
    """
    text = str(error)
    if text.startswith(_UNAUTHENTICATED):
        raise AuthenticationError("Authentication required.") from None
    if _NOT_HERE.search(text):
        return TryAgainError(text)
    wrapped = _IN_SCRIPT.match(text)
    if wrapped is None:
        return error
    found: RedisError = BaseParser.parse_error(wrapped[1])  # type: ignore[no-untyped-call]
    return found


def is_refusal(reply: Any) -> bool:
    """Return whether the server refused since it is a replica, or not ready.

    Then the operation had no effect: a script is refused at its first write, and a
    server does not become a replica during a script.
    """
    return isinstance(reply, _REFUSED)


def is_forbidden(reply: Any) -> bool:
    """Return whether the server never runs this command: by an ACL or its version.

    Other refusals end, as for lack of memory or of replicas.
    """
    if not isinstance(reply, ResponseError):
        return False
    is_unknown = _FORBIDDEN.search(str(reply)) is not None
    return is_unknown or isinstance(reply, NoPermissionError)


def refuse_replica(role: Any) -> None:
    """Raise ReadOnlyError if *role*, a reply to ROLE, is that of a replica."""
    if bytes(role[0]) != b"master":
        raise ReadOnlyError("The server is a replica, by its reply to ROLE.")


def positions_to_repeat(
    operations: Sequence[Operation], replies: Sequence[Any]
) -> list[int]:
    """Return the positions of the operations to send again over a new connection.

    Without a refusal the list is empty. Otherwise it has the refused operations, and
    all reads, since a former primary may have replied with old data.
    """
    if not any(map(is_refusal, replies)):
        return []
    return list(_refused_or_read(operations, replies))


def _refused_or_read(
    operations: Sequence[Operation], replies: Sequence[Any]
) -> Iterator[int]:
    for i, (operation, reply) in enumerate(zip(operations, replies, strict=True)):
        if is_refusal(reply) or not operation.is_write:
            yield i


def is_of_cluster(error: Any) -> bool:
    """Return whether this is an error of a Cluster node."""
    return isinstance(error, AskError | ClusterDownError) and not is_refusal(error)
