"""Who looks on while operations travel: a log, spans, and whoever asks to.

Where nobody does, a trip costs a look at three places, half a microsecond at most.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import Any, NamedTuple

from ..operations.operation import Operation, Script

logger = logging.getLogger("django_ormist.operations")


class RoundTrip(NamedTuple):
    """One round trip: what was sent to which alias, when, and how long it took.

    address: as Endpoint's. began_ns: since 1970. error: what came in place of replies,
    None if they came.
    """

    using: str
    place: str
    address: tuple[str, int | None] | None
    operations: Sequence[Operation]
    began_ns: int
    duration_ns: int
    error: BaseException | None = None

    @property
    def names(self) -> list[str]:
        """The command or script of each operation."""
        return [_name(operation) for operation in self.operations]

    @property
    def summary(self) -> str:
        """The names in short: ``GET, ZSCORE x5``."""
        counted = ((name, len(list(same))) for name, same in groupby(self.names))
        return ", ".join(name if n == 1 else f"{name} x{n}" for name, n in counted)

    @property
    def keys(self) -> int:
        """How many keys were named."""
        return sum(len(operation.keys) for operation in self.operations)

    @property
    def milliseconds(self) -> float:
        return self.duration_ns / 1_000_000

    @property
    def is_first_load(self) -> bool:
        """Whether it only told the server scripts that it did not know."""
        return all(operation.with_source for operation in self.operations)


Listener = Callable[[RoundTrip], None]

_watchers: ContextVar[tuple[Listener, ...]] = ContextVar("ormist_watchers", default=())


def add_listener(watcher: Listener) -> None:
    """Call *watcher* with each trip of this thread, or task and what it starts."""
    _watchers.set((*_watchers.get(), watcher))


def remove_listener(watcher: Listener) -> None:
    """Call it no more."""
    _watchers.set(tuple(each for each in _watchers.get() if each != watcher))


@contextmanager
def listening(watcher: Listener) -> Iterator[None]:
    """Call *watcher* with each trip of the block."""
    add_listener(watcher)
    try:
        yield
    finally:
        remove_listener(watcher)


def has_listeners() -> bool:
    """Whether anybody looks on."""
    return bool(
        _watchers.get()
        or logger.isEnabledFor(logging.DEBUG)
        or ("opentelemetry.trace" in sys.modules and _tracer() is not None)
    )


def send(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """``connection.send()``, and whoever looks on is told."""
    with _told(connection, operations):
        replies: list[Any] = connection.send(operations)
        return replies


async def asend(connection: Any, operations: Sequence[Operation]) -> list[Any]:
    """See send()."""
    with _told(connection, operations):
        replies: list[Any] = await connection.asend(operations)
        return replies


@contextmanager
def _told(connection: Any, operations: Sequence[Operation]) -> Iterator[None]:
    began_ns, start = time.time_ns(), time.perf_counter_ns()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        trip = RoundTrip(
            connection.alias.name,
            connection.endpoint.place,
            connection.endpoint.address,
            operations,
            began_ns,
            time.perf_counter_ns() - start,
            error,
        )
        for tell in (_log, _span, *_watchers.get()):
            tell(trip)


def _name(operation: Operation) -> str:
    command = operation.command
    return command.name if isinstance(command, Script) else command


def _log(trip: RoundTrip) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "%s: %s; %d keys, %.3f ms",
            trip.using,
            trip.summary,
            trip.keys,
            trip.milliseconds,
            extra={
                "alias": trip.using,
                "operations": trip.names,
                "keys": trip.keys,
                "duration_ms": trip.milliseconds,
            },
        )


def _tracer() -> Any:
    """OpenTelemetry's tracer; None where no provider is configured, or not for us.

    It is never imported here: a process that has a provider has imported it.
    """
    trace: Any = sys.modules["opentelemetry.trace"]
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    if "django_ormist" in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ""):
        return None
    return trace.get_tracer("django_ormist")


def _span(trip: RoundTrip) -> None:
    """A span of one trip, in the words of OpenTelemetry for databases. No values."""
    tracer = "opentelemetry.trace" in sys.modules and _tracer()
    if not tracer:
        return
    trace: Any = sys.modules["opentelemetry.trace"]
    attributes = {
        "db.system.name": "redis",
        "db.operation.name": trip.summary,
        "db.operation.batch.size": len(trip.operations),
        "ormist.alias": trip.using,
        "ormist.place": trip.place,
        "ormist.keys": trip.keys,
    }
    if trip.address is not None:
        host, port = trip.address
        attributes["server.address"] = host
        if port is not None:
            attributes["server.port"] = port
    span = tracer.start_span(
        f"ormist {trip.summary}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        start_time=trip.began_ns,
    )
    if trip.error is not None:
        span.record_exception(trip.error)
        span.set_status(trace.Status(trace.StatusCode.ERROR, str(trip.error)))
    span.end(trip.began_ns + trip.duration_ns)
