"""The only code that waits: carries the steps of a flow, in either colour."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from ..operations.operation import Call, Flow, Operation, SignalEvent
from . import connections, instrumentation
from .instrumentation import has_listeners

T = TypeVar("T")

Batch = list[Operation] | SignalEvent | Call


def run(flow: Flow[T], using: str) -> T:
    """The answer of *flow*, carried over the connection *using*."""
    connection, dialogue = connections[using], _dialogue(flow)
    replies: list[Any] | Exception | None = None
    try:
        while True:
            parcel = dialogue.send(replies)
            if isinstance(parcel, list):
                if has_listeners():
                    replies = instrumentation.send(connection, parcel)
                else:
                    replies = connection.send(parcel)
            elif isinstance(parcel, Call):
                replies = _raised_by(parcel)
            else:
                parcel.signal.send(parcel.sender, **parcel.arguments)
                replies = None
    except StopIteration as done:
        answer: T = done.value
        return answer
    finally:
        dialogue.close()


async def arun(flow: Flow[T], using: str) -> T:
    """See run()."""
    connection, dialogue = connections[using], _dialogue(flow)
    replies: list[Any] | Exception | None = None
    try:
        while True:
            parcel = dialogue.send(replies)
            if isinstance(parcel, list):
                if has_listeners():
                    replies = await instrumentation.asend(connection, parcel)
                else:
                    replies = await connection.asend(parcel)
            elif isinstance(parcel, Call):
                replies = await _araised_by(parcel)
            else:
                await parcel.signal.asend(parcel.sender, **parcel.arguments)
                replies = None
    except StopIteration as done:
        answer: T = done.value
        return answer
    finally:
        dialogue.close()


def _raised_by(call: Call) -> Exception | None:
    """Make the call, and return what it raised, which the flow is to meet."""
    try:
        getattr(call.target, call.method)(**call.arguments)
    except Exception as error:
        return error
    return None


async def _araised_by(call: Call) -> Exception | None:
    """See _raised_by()."""
    try:
        await getattr(call.target, f"a{call.method}")(**call.arguments)
    except Exception as error:
        return error
    return None


def _dialogue(flow: Flow[T]) -> Generator[Batch, Any, T]:
    """What *flow* wants sent, one parcel at a time; takes the raw replies."""
    answer: Any = None
    raised: Exception | None = None
    try:
        while True:
            step = flow.send(answer) if raised is None else flow.throw(raised)
            raised = None
            if isinstance(step, Operation):
                replies = yield [step]
                if isinstance(replies[0], Exception):
                    replies = yield from _settled([step], replies)
                answer = step.parse(replies[0])
            elif isinstance(step, SignalEvent):
                answer = yield step
            elif isinstance(step, Call):
                raised, answer = (yield step), None
            elif step:
                replies = yield from _settled(step, (yield step))
                answer = [each.parse(r) for each, r in zip(step, replies, strict=True)]
            else:
                answer = []
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        flow.close()


def _settled(
    operations: list[Operation], replies: list[Any]
) -> Generator[Batch, Any, list[Any]]:
    """The replies, after one trip more if the server did not know a script.

    Operations sent together do not depend on each other, and one that met
    NOSCRIPT did nothing: only those are sent again, with the script's source.
    """
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = yield [replace(operations[i], with_source=True) for i in unknown]
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
