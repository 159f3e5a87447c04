"""Errors that the server replied: their kind, and what to send again."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    ReadOnlyError,
    RedisError,
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
_UNAUTHENTICATED = "Protocol error: unauthenticated"

_REFUSED = (ReadOnlyError, MasterDownError, BusyLoadingError)


def typed(error: RedisError) -> RedisError:
    """Return *error* as redis-py types it where the server says the same plainly.

    Raises AuthenticationError for the protocol error by which Redis up to 7.0 refuses a
    long request before the password; it closes the connection then.
    """
    text = str(error)
    if text.startswith(_UNAUTHENTICATED):
        raise AuthenticationError("Authentication required.") from None
    wrapped = _IN_SCRIPT.match(text)
    if wrapped is None:
        return error
    found: RedisError = BaseParser.parse_error(wrapped[1])  # type: ignore[no-untyped-call]
    return found


def is_refusal(reply: Any) -> bool:
    """Whether a server refused because it is none to write to, or not ready.

    It has written nothing then: a script is refused at its first write, and whether the
    server is a replica cannot change within it.
    """
    return isinstance(reply, _REFUSED)


def to_repeat(operations: Sequence[Operation], replies: Sequence[Any]) -> list[int]:
    """Return the positions of what to send again, once the name was resolved anew.

    None without a refusal; else the refused ones, and the reads, which a server that is
    the primary no more may have answered from the past.
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
    """Whether only a node of a Cluster replies so."""
    return isinstance(error, AskError | ClusterDownError) and not is_refusal(error)
