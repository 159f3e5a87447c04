"""The writes that an atomic() block has collected, and the open block.

A block belongs to a context of contextvars: threads and tasks do not share one, but a
task started within a block adds to it. A task that outlives its block writes at once.
"""

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Union, cast

from ..connections.replica_reads import blocks
from ..deadlines import remaining_ms
from ..exceptions import NotSupportedError
from ..schema import Schema
from .attempt import SaveAttempt
from .record import Record
from .types import Instance


@dataclass(eq=False)
class Transaction:
    """The saves and deletions of one alias, in order of the calls.

    outer: the block that receives them when this one succeeds, if nested.
    """

    using: str
    outer: "Transaction | None" = None
    entries: "list[Entry]" = field(default_factory=list)
    is_open: bool = True
    views: dict[tuple[type[Any], str], Any] = field(default_factory=dict)
    """Of references, by model and attribute: see waiting.py."""

    _latest: "dict[int, Entry]" = field(default_factory=dict)
    _by_object: "dict[tuple[type[Any], str], Entry]" = field(default_factory=dict)

    def add(self, entry: "Entry") -> None:
        """Collect a save or a deletion."""
        instance = entry.instance
        if isinstance(entry, PendingSave) and entry.before is None:
            entry.preceding = self.latest(instance)
        self.entries.append(entry)
        self._by_object[type(instance), entry.pk] = entry
        if entry.pk == instance.id:
            self._latest[id(instance)] = entry  # which keeps the instance alive

    def latest(self, instance: Instance) -> "Entry | None":
        """Return what this block, or one around it, has collected last of it.

        Under its present id.
        """
        found, around = self._latest.get(id(instance)), self.around()
        if found is None and around is not None:
            found = around.latest(instance)
        return None if found is None or found.pk != instance.id else found

    def latest_of(self, model: type[Any], pk: str) -> "Entry | None":
        """Return what was collected last of the object of this id."""
        found, around = self._by_object.get((model, pk)), self.around()
        if found is None and around is not None:
            return around.latest_of(model, pk)
        return found

    def around(self) -> "Transaction | None":
        """Return the nearest open block around this one."""
        return None if self.outer is None else self.outer.open_block()

    def open_block(self) -> "Transaction | None":
        """Return this block, or the nearest one around it, that is open."""
        block: Transaction | None = self
        while block is not None and not block.is_open:
            block = block.outer
        return block

    def end(self) -> bool:
        """Leave the block. Return whether its writes are to be committed now."""
        self.is_open = False
        around = dict(blocks.get())
        del around[self.using]
        if self.outer is not None:
            around[self.using] = self.outer
        blocks.set(around)
        if self.outer is None or not self.outer.is_open:
            return True
        self.outer.entries += self.entries
        self.outer._latest |= self._latest
        self.outer._by_object |= self._by_object
        return False

    def discard(self) -> None:
        """Leave the block and discard its writes."""
        self.entries, self.views = [], {}
        self._latest, self._by_object = {}, {}
        self.end()


def begin(using: str) -> Transaction:
    """Enter a block of this alias, within the open one if there is one."""
    block = Transaction(using, current(using))
    blocks.set({**blocks.get({}), using: block})
    return block


def current(using: str) -> Transaction | None:
    """Return the open block of this alias and context, if any."""
    found: Any = blocks.get(None)
    if found is None:
        return None
    block: Transaction | None = found.get(using)
    return None if block is None else block.open_block()


def waiting_entry(instance: Instance) -> "Entry | None":
    """Return what an open block of any alias will do to this instance at its end."""
    open_blocks = [block for block in map(current, blocks.get({})) if block is not None]
    found = (block.latest(instance) for block in open_blocks)
    return next((entry for entry in found if entry is not None), None)


def innermost(using: str) -> Transaction:
    """Return the block that was entered last in this context."""
    return cast(Transaction, blocks.get()[using])


def refuse(using: str, verb: str) -> None:
    """Raise NotSupportedError if a block is open: *verb* cannot wait for its end."""
    if current(using) is not None:
        raise NotSupportedError(
            f"{verb} acts at once, and cannot be taken back with an atomic() block. "
            "Call it outside the block, or save() and delete() the objects one by one."
        )


def refuse_refresh(instance: Instance, using: str) -> None:
    """Raise NotSupportedError if an open block holds a save of this instance.

    The data read would be older than that save, and would look like later changes.
    """
    block = current(using)
    while block is not None:
        for entry in block.entries:
            if isinstance(entry, PendingSave) and entry.instance is instance:
                raise NotSupportedError(
                    f"Cannot refresh {instance._meta.object_name} {instance.id!r}: its "
                    "save waits for the end of the atomic() block. Refresh it after "
                    "the block."
                )
        block = block.outer


class PendingSave(SaveAttempt):
    """A save that waits for the end of its block, with the contents at its call.

    preceding: the entry before it of the same instance in the block, if any. before:
    the same, if it is a save, once the block ends. known: the counters assigned then,
    whichever save sets them. is_silent: sends no signals.
    is_stored: False if its expiration time is past.
    """

    may_leave_index = False  # another entry of the block may change it
    before: "PendingSave | None" = None
    preceding: "Entry | None" = None

    def __init__(self, *args: Any, is_silent: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_silent = is_silent
        self.is_stored = True
        expire_at_ms = self.new.expire_at_ms
        held = replace(self.read(self.new.packed), expire_at_ms=expire_at_ms)
        self.mine = self.contents = held
        state = self.instance._state
        self.values = dict(state.counters)
        self.known = self.assigned = set(state.assigned)

    def changes(self, name: str) -> bool:
        """Return whether it sets or removes this attribute, in an open block."""
        old, new = self._old_attrs(), self.mine.attrs
        if old is None or (name in old) is not (name in new):
            return True
        return bool(old.get(name) != new.get(name))

    def _old_attrs(self) -> "dict[str, Any] | None":
        before = self.before or self.preceding
        if isinstance(before, PendingDelete):
            return None
        base = self.base() if before is None else before.mine
        return None if base is None else base.attrs

    def cleared(self, name: str) -> "PendingSave":
        """Return a later save of the same object that sets this attribute to None."""
        contents = replace(self.mine, attrs={**self.mine.attrs, name: None})
        after = PendingSave(self.copy_instance(contents), self.using, is_silent=True)
        after.mine, after.before = contents, self
        after.known = after.assigned = set()
        return after

    def copy_instance(self, contents: Record) -> Any:
        """Return a copy of the instance with the id of this save, and these contents.

        The instance itself may have got others since.
        """
        other: Any = copy(self.instance)
        other.__dict__.update(id=self.pk, attrs=dict(contents.attrs))
        other._state.tags = list(contents.tags)
        other._state.expire_at_ms = contents.expire_at_ms
        return other

    def follow(self, before: "Entry") -> None:
        """Follow another entry of the same instance.

        Counters of that save are not set again; after a deletion nothing is loaded.
        """
        if isinstance(before, PendingDelete):
            self.loaded = None
            return
        self.before = before
        if before.guard is self.guard:
            self.guard = None  # it is met by the first write
        known = {name: before.values.get(name) for name in before.known}
        self.assigned = {n for n in self.assigned if known.get(n) != self.values[n]}

    @property
    def is_loaded(self) -> bool:
        if self.before is not None:
            return self.before.is_stored
        return self.loaded is not None

    def base(self) -> Record | None:
        if self.before is None:
            return super().base()
        return self.before.mine if self.before.is_stored else None

    def is_base(self, stored: bytes) -> bool:
        if self.before is None:
            return super().is_base(stored)
        is_merged = self.before.contents is not self.before.mine
        return stored == self.before.new.packed and not is_merged

    def expected_bytes(self) -> bytes | None:
        """Return the bytes that a strict save expects."""
        if self.before is None:
            return self.loaded
        return self.before.new.packed if self.before.is_stored else None

    def is_expired(self) -> bool:
        """Whether its expiration time is past. It then deletes the object."""
        deadline = self.contents.expire_at_ms
        return deadline is not None and remaining_ms(deadline) <= 0

    def apply(self, now_ms: int | bytes | None) -> None:
        """Set the stored state on the instance, which keeps its later changes.

        now_ms: see Image.resolve_deadline().
        """
        instance = self.instance
        if self.guard is not None and self.is_stored:
            self.guard.is_met = True
        if instance.id != self.pk:
            return
        if not self.is_stored:
            instance._state.mark_unsaved()
            return
        new = self.new.resolve_deadline(now_ms)
        stored = replace(self.contents, expire_at_ms=new.expire_at_ms)
        state = instance._state
        now, assigned = instance._contents(), set(state.assigned)
        if self.contents is not self.mine or new is not self.new:
            now = now.rebase_on(self.mine, stored)
        if self.stored is None:
            state.forget_creation()
        instance._mark_stored(now, new.packed, self.using)
        for name in assigned:
            if state.counters[name] != self.values.get(name):
                state.assigned.add(name)


@dataclass(eq=False)
class PendingDelete:
    """A deletion that waits for the end of its block."""

    is_stored: ClassVar[bool] = False
    instance: Instance
    using: str
    pk: str
    schema: Schema
    loaded: bytes | None

    @classmethod
    def of(cls, instance: Instance, using: str) -> "PendingDelete":
        """Return the deletion of this instance by its present id."""
        loaded = instance._packed_on(using)
        schema = instance._meta.schema(using)
        return cls(instance, using, instance.id, schema, loaded)

    def changes(self, name: str) -> bool:
        """Return True: it removes every attribute."""
        return True

    def apply(self, now_ms: bytes) -> None:
        """Mark the instance as not stored."""
        if self.instance.id == self.pk:
            self.instance._state.mark_unsaved()


Entry = Union[PendingSave, PendingDelete]  # noqa: UP007  (one names the other)
