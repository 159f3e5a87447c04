"""atomic(): the saves and deletions of a block in one step, or none of them."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from redis.exceptions import ClusterCrossSlotError

from .. import signals
from ..connections.executor import arun, run
from ..exceptions import NotSupportedError
from ..operations import objects
from ..operations.operation import Flow, Notice
from .blocks import Block, Pending, Removal, begin, current, innermost

MOST_OBJECTS = 10_000
"""So many objects a block may write: they hold the server for 0.5 s."""

F = TypeVar("F", bound=Callable[..., Any])


class Atomic:
    """What ``with`` and ``async with`` enter, and what decorates a function."""

    def __init__(self, using: str, durable: bool = False) -> None:
        self.using = using
        self.durable = durable

    def __enter__(self) -> None:
        if self.durable and current(self.using) is not None:
            raise RuntimeError(
                "A durable atomic block cannot be nested within another atomic block."
            )
        begin(self.using)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = innermost(self.using)
        if kind is not None:
            block.discard()
        elif block.end():
            with _explained(block):
                run(commit(block), self.using)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = innermost(self.using)
        if kind is not None:
            block.discard()
        elif block.end():
            with _explained(block):
                await arun(commit(block), self.using)

    def __call__(self, function: F) -> F:
        """The function, sync or async, within a block of its own."""
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def around(*args: Any, **kwargs: Any) -> Any:
                async with self:
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def around(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return cast(F, around)


@overload
def atomic(using: F) -> F: ...
@overload
def atomic(using: str | None = None, durable: bool = False) -> Atomic: ...
def atomic(using: Any = None, durable: bool = False) -> Any:
    """Save and delete several objects in one step, or none: with, async with, @atomic.

    Within the block save(), delete(), create(), bulk_create() and bulk_save() only
    collect; on leaving it all of it is applied in one round trip, or nothing where one
    is refused: then the error of that one is raised. An exception discards it. Reads
    see what was stored before the block. Signals post_* follow the step. An inner block
    joins the outer one; durable: it must not have one.

    using: an alias, "default" if not given; blocks of two aliases are two steps.
    """
    if callable(using):
        return Atomic("default")(using)
    return Atomic(using or "default", durable)


def commit(block: Block) -> Flow:
    """Flow: apply what a block has collected. One round trip without a conflict."""
    from ..operations import commits  # here: most processes have no block
    from .chains import chains_of

    chains = chains_of(block.entries)
    if len(chains) > MOST_OBJECTS:
        raise NotSupportedError(
            f"An atomic() block writes at most {MOST_OBJECTS} objects, not "
            f"{len(chains)}: the server does nothing else meanwhile. Write fewer, or "
            "use bulk_create() outside a block."
        )
    is_applied, now_ms = not chains, b""
    while not is_applied:
        doubtful = [chain for chain in chains if not chain.is_planned()]
        found = yield [objects.load(chain.space, chain.pk) for chain in doubtful]
        for chain, stored in zip(doubtful, found, strict=True):
            chain.know(stored)
            chain.is_planned()
        chains.sort(key=lambda chain: chain.place)  # objects are new in this order
        parts = [(chain, chain.part()) for chain in chains]
        parts += [(chain, guard) for chain in chains for guard in chain.guards()]
        step = commits.commit([part for _, part in parts])
        is_applied, answers, now_ms = yield step
        for place, (code, fact) in answers.items():
            yield from parts[place][0].take(code, fact)
    for chain in chains:
        chain.applied(now_ms)
    for entry in block.entries:
        notice = _notice(entry)
        if notice is not None:
            yield notice


def _notice(entry: Pending | Removal) -> Notice | None:
    model = type(entry.instance)
    arguments: dict[str, Any] = {"instance": entry.instance, "using": entry.using}
    if isinstance(entry, Removal):
        if signals.are_heard(signals.post_delete, model):
            return Notice(signals.post_delete, model, arguments)
    elif entry.is_stored and not entry.is_silent:
        arguments["created"] = entry.stored is None
        if signals.are_heard(signals.post_save, model):
            return Notice(signals.post_save, model, arguments)
    return None


@contextmanager
def _explained(block: Block) -> Iterator[None]:
    """Say in our words that a Cluster keeps these objects in several slots."""
    try:
        yield
    except ClusterCrossSlotError as error:
        labels = sorted({entry.instance._meta.label for entry in block.entries})
        raise NotSupportedError(
            f"Cannot write {', '.join(labels)} in one atomic() block: each model lives "
            "in a slot of its own of this Cluster. Nothing was written. Use a block "
            "for each model, or a standalone server."
        ) from error
