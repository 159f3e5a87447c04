"""Run flows, sync or async. The only code that waits for I/O."""

import asyncio
import os
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar, overload

from redis.exceptions import NoScriptError, ResponseError

from ..exceptions import TopologyChanged
from ..operations.operation import (
    Call,
    Evaluate,
    Flow,
    Operation,
    OrNone,
    RefusedCommands,
    RunOn,
    SignalEvent,
)
from . import connections, instrumentation
from .connection import Connection, Reader
from .instrumentation import has_listeners
from .replica_reads import Reads
from .steps import Unconfirmed

_PAUSES = (0.2, 2.0)
"""Seconds until a scan is begun again."""

T = TypeVar("T")

Batch = list[Operation] | SignalEvent | Call | Evaluate | RunOn | RefusedCommands


@overload
def run(flow: Flow[T], using: str, reads: Reads = False) -> T: ...
@overload
def run(flow: Operation | list[Operation], using: str, reads: Reads = False) -> Any: ...
def run(
    flow: Flow[T] | Operation | list[Operation], using: str, reads: Reads = False
) -> T:
    """Return the result of *flow*, run over the connection *using*.

    The result of an operation is its answer. That of several is a list of answers, in
    one round trip. reads: whether the flow only reads, so that a replica may answer; a
    Reading keeps several flows at one node. Raises NotReplicated at the end if too few
    replicas have a write.
    """
    connection, steps = connections[using], _steps(flow)
    sender: Connection | Reader = connection
    if reads and connection.reads_replicas:
        sender = connection.reader(reads)
    replies: Any = None
    shortage: Exception | None = None
    try:
        while True:
            batch = steps.send(replies)
            if isinstance(batch, list):
                if has_listeners():
                    replies = instrumentation.send(sender, batch)
                else:
                    replies = sender.send(batch)
                if type(replies) is Unconfirmed:
                    shortage = replies.error
            elif isinstance(batch, Call):
                replies = _call(batch)
            elif isinstance(batch, Evaluate):
                replies = list(batch.results)
            elif isinstance(batch, RunOn):
                replies = run(batch.flow, batch.using)
            elif isinstance(batch, RefusedCommands):
                replies = connection.refused
            else:
                batch.signal.send(batch.sender, **batch.arguments)
                replies = None
    except StopIteration as done:
        if shortage is not None:
            raise shortage from None
        value: T = done.value
        return value
    finally:
        steps.close()


@overload
async def arun(flow: Flow[T], using: str, reads: Reads = False) -> T: ...
@overload
async def arun(
    flow: Operation | list[Operation], using: str, reads: Reads = False
) -> Any: ...
async def arun(
    flow: Flow[T] | Operation | list[Operation], using: str, reads: Reads = False
) -> T:
    """See run()."""
    connection, steps = connections[using], _steps(flow)
    sender: Connection | Reader = connection
    if reads and connection.reads_replicas:
        sender = connection.reader(reads)
    replies: Any = None
    shortage: Exception | None = None
    try:
        while True:
            batch = steps.send(replies)
            if isinstance(batch, list):
                if has_listeners():
                    replies = await instrumentation.asend(sender, batch)
                else:
                    replies = await sender.asend(batch)
                if type(replies) is Unconfirmed:
                    shortage = replies.error
            elif isinstance(batch, Call):
                replies = await _acall(batch)
            elif isinstance(batch, Evaluate):
                replies = [each async for each in batch.results]
            elif isinstance(batch, RunOn):
                replies = await arun(batch.flow, batch.using)
            elif isinstance(batch, RefusedCommands):
                replies = connection.refused
            else:
                await batch.signal.asend(batch.sender, **batch.arguments)
                replies = None
    except StopIteration as done:
        if shortage is not None:
            raise shortage from None
        value: T = done.value
        return value
    finally:
        steps.close()


def run_over(send: Callable[[list[Operation]], list[Any]], flow: Flow[T]) -> T:
    """Return the result of a *flow* without signals, whose operations *send* sends."""
    steps = _steps(flow)
    replies: list[Any] | None = None
    try:
        while True:
            batch = steps.send(replies)
            if not isinstance(batch, list):
                raise TypeError("run_over() runs operations only.")
            replies = send(batch)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        steps.close()


def is_loop_running() -> bool:
    """Return whether this is async code, which must not wait for a server.

    False if DJANGO_ALLOW_ASYNC_UNSAFE is set, as for Django's own queries.
    """
    is_running = asyncio._get_running_loop() is not None
    return is_running and not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")


def repeat_scan(scan: Callable[[], T], connection: Connection) -> T:
    """Return the result of *scan*, a function that scans keys over *connection*.

    It is called again, twice at most, if a failover or a move of slots was under way.
    """
    for seconds in _PAUSES:
        try:
            return scan()
        except TopologyChanged:
            time.sleep(seconds)
            connection.doubt()
    return scan()


def _call(call: Call) -> Exception | None:
    """Make the call. Return its exception, if any, to throw it into the flow."""
    try:
        getattr(call.target, call.method)(**call.arguments)
    except Exception as error:
        return error
    return None


async def _acall(call: Call) -> Exception | None:
    """See _call()."""
    try:
        await getattr(call.target, f"a{call.method}")(**call.arguments)
    except Exception as error:
        return error
    return None


def _flow_of(operations: Operation | list[Operation]) -> Flow[Any]:
    """Flow that returns the answer of an operation, or the answers of several."""
    return (yield operations)


def _steps(
    flow: Flow[T] | Operation | list[Operation],
) -> Generator[Batch, Any, T]:
    """Yield the batches of *flow*, receive their raw replies, and return its result."""
    if isinstance(flow, Operation | list):
        flow = _flow_of(flow)
    result: Any = None
    raised: Exception | None = None
    try:
        while True:
            step = flow.send(result) if raised is None else flow.throw(raised)
            raised = None
            if isinstance(step, Operation):
                replies = yield [step]
                if isinstance(replies[0], Exception):
                    replies = yield from _reload_scripts([step], replies)
                result = step.parse(replies[0])
            elif isinstance(step, SignalEvent | Evaluate | RunOn | RefusedCommands):
                result = yield step
            elif isinstance(step, Call):
                raised, result = (yield step), None
            elif step:
                replies = yield from _reload_scripts(step, (yield step))
                result = [each.parse(r) for each, r in zip(step, replies, strict=True)]
            else:
                result = []
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        flow.close()


def _reload_scripts(
    operations: list[Operation], replies: list[Any]
) -> Generator[Batch, Any, list[Any]]:
    """Return the replies. Send unknown scripts again, in one more round trip.

    The operations of a batch do not depend on each other, and those that failed with
    NOSCRIPT had no effect. Only these are sent again, with the source of the script.
    Raises the first error among the replies.
    """
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = yield [replace(operations[i], with_source=True) for i in unknown]
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    for i, reply in enumerate(replies):
        if isinstance(reply, Exception) and not _is_allowed(reply, operations[i]):
            raise reply
    return replies


def _is_allowed(error: Exception, operation: Operation) -> bool:
    """Return whether the refusal of an optional operation is its reply."""
    return isinstance(error, ResponseError) and isinstance(operation.parse, OrNone)
