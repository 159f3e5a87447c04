"""What the writes of an open atomic() block do to references, for on_delete."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from .pending import Entry, PendingDelete, PendingSave, Transaction


class Effect(Enum):
    """What a block does to a reference of an object."""

    SET = auto()
    KEPT = auto()
    """It saves the object with the key that it was loaded with."""
    DELETED = auto()


class Waiting(NamedTuple):
    """The effect of a block on the reference of one object, and the key it will have.

    entry: the one that has this effect.
    """

    effect: Effect
    key: Any
    entry: Entry


@dataclass
class WaitingReferences:
    """The effects of a block, and of those around it, on one reference of a model."""

    name: str
    around: "WaitingReferences | None" = None
    number_read: int = 0
    _by_pk: dict[str, Waiting] = field(default_factory=dict)
    _pks_by_key: dict[Any, dict[str, None]] = field(default_factory=dict)

    def get(self, pk: str) -> Waiting | None:
        """Return the effect on an object, if there is one."""
        found = self._by_pk.get(pk)
        if found is None and self.around is not None:
            return self.around.get(pk)
        return found

    def of_key(self, key: Any) -> Iterator[tuple[str, Waiting]]:
        """Yield the ids of objects that are saved with this key, and the effects."""
        if self.around is not None:
            for pk, waiting in self.around.of_key(key):
                if pk not in self._by_pk:
                    yield pk, waiting
        for pk in self._pks_by_key.get(key, ()):
            yield pk, self._by_pk[pk]

    def add(self, entry: Entry) -> None:
        """Add a later save or deletion of the model."""
        before, own = self.get(entry.pk), self._by_pk.get(entry.pk)
        if own is not None and own.key is not None:
            self._pks_by_key[own.key].pop(entry.pk, None)
        waiting = self._effect(entry, before)
        self._by_pk[entry.pk] = waiting
        if waiting.key is not None:
            self._pks_by_key.setdefault(waiting.key, {})[entry.pk] = None

    def _effect(self, entry: Entry, before: Waiting | None) -> Waiting:
        if isinstance(entry, PendingDelete) or entry.is_expired():
            return Waiting(Effect.DELETED, None, entry)
        key = entry.mine.attrs.get(self.name)
        if not isinstance(key, Hashable):
            key = None  # stored before it was declared: no key is equal to it
        was_deleted = before is not None and before.effect is Effect.DELETED
        if was_deleted or entry.changes(self.name):
            return Waiting(Effect.SET, key, entry)
        if before is not None and before.effect is Effect.SET:
            return before  # by another instance
        return Waiting(Effect.KEPT, key, entry)


def waiting_references(
    block: Transaction | None, model: type[Any], name: str
) -> WaitingReferences:
    """Return the effects of an open block on the attribute *name* of a model.

    Each entry of the block is read once.
    """
    if block is None:
        return WaitingReferences(name)
    found: WaitingReferences = block.views.setdefault(
        (model, name), WaitingReferences(name)
    )
    around = block.around()
    found.around = None if around is None else waiting_references(around, model, name)
    for entry in block.entries[found.number_read :]:
        if type(entry.instance) is model:
            found.add(entry)
    found.number_read = len(block.entries)
    return found


def saved_instance(entry: PendingSave) -> Any:
    """Return the instance of a save, or a copy with the id under which it was saved."""
    if entry.instance.id == entry.pk:
        return entry.instance
    return entry.copy_instance(entry.mine)
