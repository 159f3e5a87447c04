"""Round trips for the log, for OpenTelemetry's spans and for listeners.

Without these, a round trip costs three checks, at most half a microsecond.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from ..operations.operation import Operation, Script

logger = logging.getLogger("django_ormist.operations")


class RoundTrip(NamedTuple):
    """The operations, alias, start and duration of one round trip.

    url: the server, without user and password. address: as Endpoint.address. began_ns:
    nanoseconds since 1970. error: the exception that was raised, if any.
    nodes: the nodes of a Cluster that received the operations.
    """

    using: str
    url: str
    address: tuple[str, int | None] | None
    operations: Sequence[Operation]
    began_ns: int
    duration_ns: int
    error: BaseException | None = None
    nodes: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> list[str]:
        """The command or script of each operation."""
        return [_name(operation) for operation in self.operations]

    @property
    def summary(self) -> str:
        """The names, with the number of consecutive repeats: ``GET, ZSCORE x5``."""
        counted = ((name, len(list(same))) for name, same in groupby(self.names))
        return ", ".join(name if n == 1 else f"{name} x{n}" for name, n in counted)

    @property
    def keys(self) -> int:
        """The number of keys in all operations."""
        return sum(len(operation.all_keys()) for operation in self.operations)

    @property
    def milliseconds(self) -> float:
        """The duration in milliseconds."""
        return self.duration_ns / 1_000_000

    @property
    def is_first_load(self) -> bool:
        """Whether the round trip only sends the source of unknown scripts."""
        return all(operation.with_source for operation in self.operations)


Listener = Callable[[RoundTrip], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar(
    "ormist_listeners", default=()
)


def add_listener(listener: Listener) -> None:
    """Call *listener* with each round trip of this thread, or task and its children."""
    _listeners.set((*_listeners.get(), listener))


def remove_listener(listener: Listener) -> None:
    """Stop calling *listener*."""
    _listeners.set(tuple(each for each in _listeners.get() if each != listener))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call *listener* with each round trip of the block."""
    add_listener(listener)
    try:
        yield
    finally:
        remove_listener(listener)


def has_listeners() -> bool:
    """Return whether there is a listener, a DEBUG log, or a tracer."""
    return bool(
        _listeners.get()
        or logger.isEnabledFor(logging.DEBUG)
        or ("opentelemetry.trace" in sys.modules and _tracer())
    )


def send(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """Call ``connection.send()``, and pass the round trip to the listeners."""
    with _measure(connection, operations):
        replies: list[Any] = connection.send(operations)
        return replies


async def asend(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """See send()."""
    with _measure(connection, operations):
        replies: list[Any] = await connection.asend(operations)
        return replies


@contextmanager
def _measure(connection: Any, operations: Sequence[Operation]) -> Iterator[None]:
    began_ns, start = time.time_ns(), time.perf_counter_ns()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        nodes = connection.nodes_of(operations)
        round_trip = RoundTrip(
            connection.alias.name,
            connection.endpoint.safe_url,
            nodes[0] if len(nodes) == 1 else connection.address,
            operations,
            began_ns,
            time.perf_counter_ns() - start,
            error,
            nodes,
        )
        for listener in (_log, _span, *_listeners.get()):
            listener(round_trip)


def _name(operation: Operation) -> str:
    command = operation.command
    return command.name if isinstance(command, Script) else command


def _log(round_trip: RoundTrip) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "%s: %s; %d keys, %.3f ms",
            round_trip.using,
            round_trip.summary,
            round_trip.keys,
            round_trip.milliseconds,
            extra={
                "alias": round_trip.using,
                "operations": round_trip.names,
                "keys": round_trip.keys,
                "duration_ms": round_trip.milliseconds,
            },
        )


def _tracer() -> Any:
    """Return OpenTelemetry's tracer, if there is a provider and we are enabled.

    OpenTelemetry is not imported here: a process with a provider has imported it.
    """
    trace: Any = sys.modules["opentelemetry.trace"]
    # Its get_tracer_provider() looks into os.environ each time: 0.6 microseconds.
    is_set = vars(trace).get("_TRACER_PROVIDER", trace) is not None
    if not (is_set or _names_provider()):
        return None
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    if "django_ormist" in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ""):
        return None
    return trace.get_tracer("django_ormist")


@cache
def _names_provider() -> bool:
    """Return whether the environment names a provider for OpenTelemetry to load."""
    return "OTEL_PYTHON_TRACER_PROVIDER" in os.environ


def _span(round_trip: RoundTrip) -> None:
    """Create a span, by OpenTelemetry's conventions for databases. No values."""
    tracer = "opentelemetry.trace" in sys.modules and _tracer()
    if not tracer:
        return
    trace: Any = sys.modules["opentelemetry.trace"]
    attributes = {
        "db.system.name": "redis",
        "db.operation.name": round_trip.summary,
        "db.operation.batch.size": len(round_trip.operations),
        "ormist.alias": round_trip.using,
        "ormist.url": round_trip.url,
        "ormist.keys": round_trip.keys,
    }
    if round_trip.address is not None:
        host, port = round_trip.address
        attributes["server.address"] = host
        if port is not None:
            attributes["server.port"] = port
    span = tracer.start_span(
        f"ormist {round_trip.summary}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        start_time=round_trip.began_ns,
    )
    if round_trip.error is not None:
        span.record_exception(round_trip.error)
        span.set_status(trace.Status(trace.StatusCode.ERROR, str(round_trip.error)))
    span.end(round_trip.began_ns + round_trip.duration_ns)
