"""atomic(): the saves and deletions of a block, applied in one step or not at all."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from redis.exceptions import ClusterCrossSlotError

from .. import signals
from ..connections import connections
from ..connections.executor import arun, run
from ..exceptions import NotSupportedError
from ..keys import object_key, slot_of
from ..operations import commit as commit_operations
from ..operations import objects
from ..operations.objects import NOTHING, Image
from ..operations.operation import Flow, Operation, SignalEvent
from ..operations.repair import purge_index
from ..operations.replies import Reply
from .pending import (
    Entry,
    PendingDelete,
    PendingSave,
    Transaction,
    begin,
    current,
    innermost,
)
from .record import Record
from .save import delete_facts, save_facts

MOST_OBJECTS = 10_000
"""Objects that a block may write. They hold the server for 0.5 s."""

F = TypeVar("F", bound=Callable[..., Any])


class Atomic:
    """The context manager, sync and async, and decorator of atomic()."""

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
        block = self._leave(is_failed=kind is not None)
        if block is not None:
            self._check_slots(block)
            with _explain_cross_slot(block):
                run(commit(block), self.using)

    def _leave(self, is_failed: bool) -> Transaction | None:
        """Leave the block. Return it if its writes are to be committed now."""
        block = innermost(self.using)
        if is_failed:
            block.discard()
            return None
        return block if block.end() else None

    def _check_slots(self, block: Transaction) -> None:
        """Raise NotSupportedError if a Cluster keeps the objects in several slots."""
        metas = {entry.instance._meta for entry in block.entries}
        if len(metas) < 2 or not connections[self.using].is_cluster:
            return
        if len({slot_of(meta.space(self.using).base) for meta in metas}) > 1:
            raise _several_slots(block)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._leave(is_failed=kind is not None)
        if block is not None:
            self._check_slots(block)
            with _explain_cross_slot(block):
                await arun(commit(block), self.using)

    def __call__(self, function: F) -> F:
        """Return the function, sync or async, wrapped in a block of its own."""
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
    """Return a context manager or decorator that applies several writes in one step.

    In the block, save(), delete(), create(), bulk_create() and bulk_save() only collect
    their writes. At its end all are applied in one round trip. If one is refused,
    nothing is applied and its error is raised. An exception discards the writes. Reads
    see the data from before the block. Signals post_* are sent after the step. An inner
    block joins the outer one; a durable block must be the outermost.

    using: an alias, by default "default". Blocks of two aliases are two steps.
    """
    if callable(using):
        return Atomic("default")(using)
    return Atomic(using or "default", durable)


def commit(block: Transaction) -> Flow[None]:
    """Flow that applies the writes of a block. One round trip without a conflict."""
    groups = group_by_object(block.entries)
    if len(groups) > MOST_OBJECTS:
        raise NotSupportedError(
            f"An atomic() block writes at most {MOST_OBJECTS} objects, not "
            f"{len(groups)}: the server does nothing else meanwhile. Write fewer, or "
            "use bulk_create() outside a block."
        )
    is_applied, now_ms = not groups, b""
    while not is_applied:
        unknown = [writes for writes in groups if not writes.plan()]
        found = yield [
            objects.load(writes.schema.space, writes.pk) for writes in unknown
        ]
        for writes, stored in zip(unknown, found, strict=True):
            writes.set_stored(stored)
            writes.plan()
        groups.sort(key=lambda writes: writes.position)  # objects are new in this order
        parts = [(writes, writes.operation()) for writes in groups]
        parts += [(writes, guard) for writes in groups for guard in writes.guards()]
        step = commit_operations.commit([part for _, part in parts])
        is_applied, answers, now_ms = yield step
        for position, (code, fact) in answers.items():
            yield from parts[position][0].handle_reply(code, fact)
    for writes in groups:
        writes.apply(now_ms)
    for entry in block.entries:
        event = _post_signal(entry)
        if event is not None:
            yield event


def _post_signal(entry: PendingSave | PendingDelete) -> SignalEvent | None:
    model = type(entry.instance)
    if isinstance(entry, PendingDelete):
        arguments = delete_facts(entry.instance, entry.using)
        if signals.are_heard(signals.post_delete, model):
            return SignalEvent(signals.post_delete, model, arguments)
    elif entry.is_stored and not entry.is_silent:
        is_new = entry.stored is None
        arguments = save_facts(entry.instance, entry.using, created=is_new)
        if signals.are_heard(signals.post_save, model):
            return SignalEvent(signals.post_save, model, arguments)
    return None


@contextmanager
def _explain_cross_slot(block: Transaction) -> Iterator[None]:
    """Raise NotSupportedError if a node of a Cluster refuses several slots."""
    try:
        yield
    except ClusterCrossSlotError as error:
        raise _several_slots(block) from error


def _several_slots(block: Transaction) -> NotSupportedError:
    labels = sorted({entry.instance._meta.label for entry in block.entries})
    return NotSupportedError(
        f"Cannot write {', '.join(labels)} in one atomic() block: their keys are "
        "in several slots of this Cluster. Nothing was written. Give these models "
        "the same Meta.slot, or use a block for each."
    )


class ObjectWrites:
    """The saves and deletions of one object in a block, in order.

    stored: the bytes that are assumed to be stored. is_known: whether the server
    confirmed them. position: that of the save that creates the object, among all
    entries of the block.
    """

    def __init__(self, first: Entry) -> None:
        self.pk, self.schema = first.pk, first.schema
        self.meta = first.instance._meta
        self.stored = first.loaded
        self.is_known = False
        self.is_planned = False
        self.position = 0
        self.entries: list[Entry] = []
        self.positions: list[int] = []
        self.latest: dict[int, Entry] = {}
        """By instance: the one that says what is stored of it in the end."""

    def add(self, entry: Entry, position: int) -> None:
        """Add an entry, the *position*-th of the block."""
        before = self.latest.get(id(entry.instance))
        if isinstance(entry, PendingSave) and before is not None:
            entry.follow(before)
        self.latest[id(entry.instance)] = entry
        self.entries.append(entry)
        self.positions.append(position)

    def plan(self) -> bool:
        """Plan each entry on top of the one before. Return False if *stored* is needed.

        Expiration is decided by the local clock, for the last save by the server's.
        Raises the errors of save(): IntegrityError, NotUpdated, ConflictError.
        """
        if self.is_planned:
            return True
        stored, found, last = self.stored, None, self.entries[-1]
        for entry, position in zip(self.entries, self.positions, strict=True):
            if not isinstance(entry, PendingSave):
                stored = found = None
                continue
            if stored is None:
                self.position = position
            error = entry.error_for(stored)
            if error is not None and not self.is_known:
                return False
            if error is not None:
                raise error
            entry.rebase_on(stored, found)
            entry.is_stored = entry is last or not entry.is_expired()
            stored = entry.new.packed if entry.is_stored else None
            found = entry.contents
        self.is_planned = True
        return True

    def operation(self) -> Operation:
        """Return all entries as one save or one deletion."""
        last, old = self.entries[-1], self._stored_image()
        if isinstance(last, PendingSave) and last.is_stored:
            is_same = all(entry.is_stored for entry in self.entries)
            save = objects.save if is_same else commit_operations.save_anew
            counters = self._counters()
            return save(self.schema, self.pk, old, last.new, counters)
        # An earlier save was planned on top of the bytes that are assumed to be stored.
        is_strict = self.stored is not None and isinstance(self.entries[0], PendingSave)
        delete = commit_operations.delete_strict if is_strict else objects.delete
        return delete(self.schema, self.pk, old)

    def guards(self) -> list[Operation]:
        """Return the further conditions of the step, see Guard."""
        conditions = [
            entry.condition()
            for entry in self.entries
            if isinstance(entry, PendingSave)
        ]
        space = self.schema.space
        return [commit_operations.absent(space, each) for each in conditions if each]

    def handle_reply(self, code: Reply, fact: Any) -> Flow[None]:
        """Flow that handles the reply to operation(). Raises IntegrityError."""
        last = self.entries[-1]
        if code is Reply.REFUSED:
            self.set_stored(fact)
        elif code is Reply.GUARD_FAILED:
            for entry in self.entries:
                if isinstance(entry, PendingSave) and entry.guard is not None:
                    raise entry.guard.refuse(entry.instance)
        elif code is Reply.EXPIRED and isinstance(last, PendingSave):
            last.is_stored = False
        elif code is Reply.UNIQUE_TAKEN and isinstance(last, PendingSave):
            raise last.unique_error(fact)
        elif code is Reply.ORPHAN_INDEX and (fact or last.is_stored):
            yield from purge_index(self.schema, self.pk)

    def set_stored(self, stored: bytes | None) -> None:
        """Set the stored bytes, as the server reported them."""
        self.stored, self.is_known, self.is_planned = stored, True, False

    def apply(self, now_ms: bytes) -> None:
        """Set the stored state on the instances. now_ms: the time of the server."""
        for entry in self.latest.values():
            entry.apply(now_ms)

    def _stored_image(self) -> Image:
        if self.stored is None:
            return NOTHING
        contents = Record.of(self.stored, object_key(self.schema.space, self.pk))
        return contents.stored_image(self.stored, self.meta)

    def _counters(self) -> Mapping[str, int]:
        """Return the counters to set after all entries: all if it was deleted."""
        counters: dict[str, int] = {}
        for entry in self.entries:
            if isinstance(entry, PendingSave) and entry.is_stored:
                counters |= entry.counters()
            else:
                counters = dict.fromkeys(sorted(self.meta.counters), 0)
        return counters


def group_by_object(entries: Iterable[Entry]) -> list[ObjectWrites]:
    """Return the entries grouped by object, in order of their first entry."""
    groups: dict[tuple[bytes, str], ObjectWrites] = {}
    for position, entry in enumerate(entries):
        key = (entry.schema.space.base, entry.pk)
        if key not in groups:
            groups[key] = ObjectWrites(entry)
        groups[key].add(entry, position)
    return list(groups.values())
