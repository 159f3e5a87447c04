"""What an atomic() block does to one object, folded into one part of its step."""

from collections.abc import Iterable
from typing import Any

from ..keys import object_key
from ..operations import commits, objects
from ..operations.healing import forget
from ..operations.objects import NOTHING, Image
from ..operations.operation import Flow, Operation
from ..operations.replies import Outcome
from .blocks import Entry, Pending
from .contents import Contents


class Chain:
    """The saves and deletions of one object, one upon the other.

    stored: the bytes that are taken to be there now. is_known: whether the server
    said so, and not only an instance. place: of the save, among all entries, that makes
    the object anew.
    """

    def __init__(self, first: Entry) -> None:
        self.pk, self.space = first.pk, first.space
        self.meta = first.instance._meta
        self.stored = first.loaded
        self.is_known = False
        self.is_folded = False
        self.place = 0
        self.entries: list[Entry] = []
        self.places: list[int] = []
        self.latest: dict[int, Entry] = {}
        """By instance: the one that says what is stored of it in the end."""

    def add(self, entry: Entry, place: int) -> None:
        """One entry more, which is the *place*-th of the block."""
        before = self.latest.get(id(entry.instance))
        if isinstance(entry, Pending) and before is not None:
            entry.follow(before)
        self.latest[id(entry.instance)] = entry
        self.entries.append(entry)
        self.places.append(place)

    def is_planned(self) -> bool:
        """Plan each entry upon the one before it; False if *stored* must be known.

        A deadline is past by this machine's clock; of the last save by the server's.
        Raises what the save of an entry would: IntegrityError, NotUpdated,
        ConflictError.
        """
        if self.is_folded:
            return True
        stored, found, last = self.stored, None, self.entries[-1]
        for entry, place in zip(self.entries, self.places, strict=True):
            if not isinstance(entry, Pending):
                stored = found = None
                continue
            if stored is None:
                self.place = place
            refusal = entry.refusal(stored)
            if refusal is not None and not self.is_known:
                return False
            if refusal is not None:
                raise refusal
            entry.expect(stored, found)
            entry.is_stored = entry is last or not entry.is_due()
            stored = entry.new.packed if entry.is_stored else None
            found = entry.contents
        self.is_folded = True
        return True

    def part(self) -> Operation:
        """All of it as one save or one deletion."""
        last, old, meta = self.entries[-1], self._old(), self.meta
        if isinstance(last, Pending) and last.is_stored:
            is_same = all(entry.is_stored for entry in self.entries)
            save = objects.save if is_same else commits.save_anew
            counters = self._counters()
            return save(self.space, self.pk, old, last.new, counters, meta.is_indexed)
        # A save that goes before was planned upon what is taken to be there.
        is_strict = self.stored is not None and isinstance(self.entries[0], Pending)
        delete = commits.delete_strict if is_strict else objects.delete
        return delete(self.space, self.pk, old, meta.is_indexed)

    def guards(self) -> list[Operation]:
        """Return what else must hold: see Guard."""
        conditions = [
            entry.condition() for entry in self.entries if isinstance(entry, Pending)
        ]
        return [commits.absent(self.space, each) for each in conditions if each]

    def take(self, code: Outcome, fact: Any) -> Flow:
        """Flow: go by the answer to the part. Raises IntegrityError."""
        last = self.entries[-1]
        if code is Outcome.REFUSED:
            self.know(fact)
        elif code is Outcome.MATCHED:
            for entry in self.entries:
                if isinstance(entry, Pending) and entry.guard is not None:
                    raise entry.guard.overtaken(entry.instance)
        elif code is Outcome.DUE and isinstance(last, Pending):
            last.is_stored = False
        elif code is Outcome.TAKEN and isinstance(last, Pending):
            raise last.held_by(fact)
        elif code is Outcome.UNEXPLAINED and (fact or last.is_stored):
            meta = self.meta
            yield from forget(self.space, self.pk, meta.ordered, meta.unique)

    def know(self, stored: bytes | None) -> None:
        """The server says that this is stored."""
        self.stored, self.is_known, self.is_folded = stored, True, False

    def applied(self, now_ms: bytes) -> None:
        """Tell the instances what is stored of them since *now_ms* of the server."""
        for entry in self.latest.values():
            entry.applied(now_ms)

    def _old(self) -> Image:
        if self.stored is None:
            return NOTHING
        contents = Contents.of(self.stored, object_key(self.space, self.pk))
        return contents.stored_image(self.stored, self.meta)

    def _counters(self) -> dict[str, int] | None:
        """Those to set after all entries; of an object that was removed all."""
        counters: dict[str, int] = {}
        for entry in self.entries:
            if isinstance(entry, Pending) and entry.is_stored:
                counters |= entry.counters() or {}
            else:
                counters = dict.fromkeys(sorted(self.meta.counters), 0)
        return counters if self.meta.counters else None


def chains_of(entries: Iterable[Entry]) -> list[Chain]:
    """The entries by the object that they write, in the order of the first of each."""
    chains: dict[tuple[bytes, str], Chain] = {}
    for place, entry in enumerate(entries):
        key = (entry.space.base, entry.pk)
        if key not in chains:
            chains[key] = Chain(entry)
        chains[key].add(entry, place)
    return list(chains.values())
