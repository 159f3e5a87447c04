"""Run flows, sync or async. The only code that waits for I/O."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
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
)
from . import connections, instrumentation
from .connection import Connection, Reader
from .instrumentation import has_listeners
from .replica_reads import Reads
from .steps import Unconfirmed

_PAUSES = (0.2, 2.0)
"""Seconds until a scan is begun again."""

_SENT = (Operation, list)
"""What a flow yields to be sent. `Operation | list` makes a new type in each call."""

T = TypeVar("T")


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
    connection = connections[using]
    sender: Connection | Reader = connection
    if reads and connection.reads_replicas:
        sender = connection.reader(reads)
    if isinstance(flow, _SENT):
        flow = _flow_of(flow)
    answer: Any = None
    raised: Exception | None = None
    shortage: Exception | None = None
    try:
        while True:
            step = flow.send(answer) if raised is None else flow.throw(raised)
            raised = None
            if isinstance(step, _SENT):
                send = sender.send
                if has_listeners():
                    send = partial(instrumentation.send, sender)
                replies = _exchange(send, step if isinstance(step, list) else [step])
                if type(replies) is Unconfirmed:
                    shortage = replies.error
                answer = _parse(step, replies)
            elif isinstance(step, Call):
                raised, answer = _call(step), None
            elif isinstance(step, Evaluate):
                answer = list(step.results)
            elif isinstance(step, RunOn):
                answer = run(step.flow, step.using)
            elif isinstance(step, RefusedCommands):
                answer = connection.refused
            else:
                step.signal.send(step.sender, **step.arguments)
                answer = None
    except StopIteration as done:
        if shortage is not None:
            raise shortage from None
        value: T = done.value
        return value
    finally:
        flow.close()


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
    connection = connections[using]
    sender: Connection | Reader = connection
    if reads and connection.reads_replicas:
        sender = connection.reader(reads)
    if isinstance(flow, _SENT):
        flow = _flow_of(flow)
    answer: Any = None
    raised: Exception | None = None
    shortage: Exception | None = None
    try:
        while True:
            step = flow.send(answer) if raised is None else flow.throw(raised)
            raised = None
            if isinstance(step, _SENT):
                send = sender.asend
                if has_listeners():
                    send = partial(instrumentation.asend, sender)
                replies = await _aexchange(
                    send, step if isinstance(step, list) else [step]
                )
                if type(replies) is Unconfirmed:
                    shortage = replies.error
                answer = _parse(step, replies)
            elif isinstance(step, Call):
                raised, answer = await _acall(step), None
            elif isinstance(step, Evaluate):
                answer = [each async for each in step.results]
            elif isinstance(step, RunOn):
                answer = await arun(step.flow, step.using)
            elif isinstance(step, RefusedCommands):
                answer = connection.refused
            else:
                await step.signal.asend(step.sender, **step.arguments)
                answer = None
    except StopIteration as done:
        if shortage is not None:
            raise shortage from None
        value: T = done.value
        return value
    finally:
        flow.close()


def run_over(send: Callable[[list[Operation]], list[Any]], flow: Flow[T]) -> T:
    """Return the result of a *flow* without signals, whose operations *send* sends."""
    answer: Any = None
    try:
        while True:
            step = flow.send(answer)
            if not isinstance(step, _SENT):
                raise TypeError("run_over() runs operations only.")
            replies = _exchange(send, step if isinstance(step, list) else [step])
            answer = _parse(step, replies)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        flow.close()


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


def _exchange(
    send: Callable[[list[Operation]], list[Any]], operations: list[Operation]
) -> list[Any]:
    """Return the raw replies. Send unknown scripts again, in one more round trip.

    The operations of a batch do not depend on each other, and those that failed with
    NOSCRIPT had no effect. Only these are sent again, with the source of the script.
    Raises the first error among the replies.
    """
    replies = send(operations) if operations else []
    if not [each for each in replies if isinstance(each, Exception)]:
        return replies
    if unknown := _find_unknown(replies):
        replies = _insert(send(_with_source(operations, unknown)), unknown, replies)
    _raise_errors(operations, replies)
    return replies


async def _aexchange(
    send: Callable[[list[Operation]], Awaitable[list[Any]]], operations: list[Operation]
) -> list[Any]:
    """See _exchange()."""
    replies = await send(operations) if operations else []
    if not [each for each in replies if isinstance(each, Exception)]:
        return replies
    if unknown := _find_unknown(replies):
        again = await send(_with_source(operations, unknown))
        replies = _insert(again, unknown, replies)
    _raise_errors(operations, replies)
    return replies


def _find_unknown(replies: list[Any]) -> list[int]:
    """Return the positions of scripts that the server does not have."""
    return [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]


def _with_source(operations: list[Operation], numbers: list[int]) -> list[Operation]:
    """Return the operations at these positions, to be sent with their source."""
    return [replace(operations[i], with_source=True) for i in numbers]


def _insert(again: list[Any], numbers: list[int], replies: list[Any]) -> list[Any]:
    """Return the replies with new ones at these positions.

    They are Unconfirmed if either list is.
    """
    for i, reply in zip(numbers, again, strict=True):
        replies[i] = reply
    if type(again) is Unconfirmed:
        again[:] = replies
        return again
    return replies


def _raise_errors(operations: list[Operation], replies: list[Any]) -> None:
    """Raise the first error among the replies that its operation does not allow."""
    for operation, reply in zip(operations, replies, strict=True):
        if isinstance(reply, Exception) and not _is_allowed(reply, operation):
            raise reply


def _parse(step: Operation | list[Operation], replies: list[Any]) -> Any:
    """Return the answer of an operation, or the answers of several."""
    if isinstance(step, Operation):
        return step.parse(replies[0])
    return [each.parse(reply) for each, reply in zip(step, replies, strict=True)]


def _is_allowed(error: Exception, operation: Operation) -> bool:
    """Return whether the refusal of an optional operation is its reply."""
    return isinstance(error, ResponseError) and isinstance(operation.parse, OrNone)
