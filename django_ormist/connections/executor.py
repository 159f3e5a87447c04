"""The only code that waits: carries the steps of a flow, in either colour."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from redis.exceptions import NoScriptError

from ..operations.operation import Flow, Notice, Operation
from . import connections

Parcel = list[Operation] | Notice


def run(flow: Flow, using: str) -> Any:
    """The answer of *flow*, carried over the connection *using*."""
    connection, replies = connections[using], None
    with closing(_dialogue(flow)) as dialogue:
        try:
            while True:
                parcel = dialogue.send(replies)
                if isinstance(parcel, Notice):
                    parcel.signal.send(parcel.sender, **parcel.arguments)
                    replies = None
                else:
                    replies = connection.send(parcel)
        except StopIteration as done:
            return done.value


async def arun(flow: Flow, using: str) -> Any:
    """See run()."""
    connection, replies = connections[using], None
    with closing(_dialogue(flow)) as dialogue:
        try:
            while True:
                parcel = dialogue.send(replies)
                if isinstance(parcel, Notice):
                    await parcel.signal.asend(parcel.sender, **parcel.arguments)
                    replies = None
                else:
                    replies = await connection.asend(parcel)
        except StopIteration as done:
            return done.value


def _dialogue(flow: Flow) -> Generator[Parcel, Any, Any]:
    """What *flow* wants sent, one parcel at a time; takes the raw replies."""
    answer: Any = None
    with closing(flow):
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Operation):
                    (answer,) = yield from _exchange([step])
                elif isinstance(step, Notice):
                    answer = yield step
                elif step:
                    answer = yield from _exchange(step)
                else:
                    answer = []
        except StopIteration as done:
            return done.value


def _exchange(operations: list[Operation]) -> Generator[Parcel, Any, list[Any]]:
    """One trip, and one more if the server did not know a script.

    Operations sent together do not depend on each other, and one that met
    NOSCRIPT did nothing: only those are sent again, with the script's source.
    """
    replies: list[Any] = yield operations
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = yield [replace(operations[i], is_spelled_out=True) for i in unknown]
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return [
        operation.parse(reply)
        for operation, reply in zip(operations, replies, strict=True)
    ]
