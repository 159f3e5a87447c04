"""Many stored objects changed, each as it is stored and in a step of its own."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from ..exceptions import IntegrityError
from ..keys import Space, object_key
from ..operations import objects
from ..operations.deletions import delete_many
from ..operations.objects import Image
from ..operations.operation import Flow, Operation
from ..operations.replies import Outcome
from ..operations.searches import Row
from .contents import Contents
from .efforts import held_by_another
from .options import Options

CHANGED_A_TRIP = 100
"""So many objects are written in one trip: 2 to 4 ms of the server's time, between
which it serves others."""


class Verdict(Enum):
    """What is to become of one object."""

    LEAVE = auto()
    WRITE = auto()
    DELETE = auto()


@dataclass(slots=True)
class Found:
    """One object as it is stored: a Rewrite changes *contents* and *assigned*.

    counters: as they are stored. counted: those that must not have changed when it is
    written. assigned: those to set. new: what was written in the end.
    """

    pk: str
    packed: bytes
    contents: Contents
    counters: dict[str, int]
    old: Image
    counted: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    new: Image | None = None


Rewrite = Callable[[Found], Verdict]
"""Called again with what is stored then, if somebody wrote the object meanwhile."""


@dataclass
class Changes:
    """The changes of some objects of one model.

    has_counters: whether *rewrite* reads counters. done: called with each that was
    written, *new* being what is stored. moves: whether it may change index entries.
    size: so many objects a trip.
    """

    space: Space
    meta: Options
    codec: str
    rewrite: Rewrite
    has_counters: bool = False
    done: Callable[[Found], None] | None = None
    moves: bool = True
    size: int = CHANGED_A_TRIP
    changed: int = 0
    error: Exception | None = None
    _overdue: set[str] = field(default_factory=set)

    def made(self, pks: Iterable[bytes], known: Iterable[Row] = ()) -> Flow:
        """Flow: change those of these ids that are stored; how many.

        known: more objects, as they were read before.
        1 + ceil(N / size) round trips: each writes what the one before it has read.
        Raises IntegrityError for a taken value: what was changed before it stays.
        """
        rest, waiting = deque(pks), list(known)
        while rest or waiting:
            planned = [each for each in map(self._planned, waiting) if each]
            some = [rest.popleft() for _ in range(min(len(rest), self.size))]
            writing, written = self._writing(planned)
            replies = yield writing + self._reading(some)
            answers = _flat(replies[: len(writing)])
            refused = list(map(self._settled, written, answers))
            if self.error is not None:
                told = f" {self.changed} others were changed." if self.changed else ""
                raise IntegrityError(f"{self.error}{told}")
            again = [row for row in refused if row is not None]
            waiting = _rows(some, replies[len(writing) :])
            if self.has_counters:  # which the refusal does not tell
                rest.extendleft(pk for pk, _, _ in again)
            else:
                waiting += again
        return self.changed

    def _writing(
        self, planned: list[tuple[Found, Operation | None]]
    ) -> tuple[list[Operation], list[Found]]:
        """What writes all that is planned, and what it is of, in the order of answers.

        Deletions are one step together: half the work of as many steps.
        """
        saved = [(found, write) for found, write in planned if write is not None]
        gone = [found for found, write in planned if write is None]
        writing = [write for _, write in saved]
        if gone:
            meta = self.meta
            stored = [(found.pk, found.old) for found in gone]
            indexes = (bool(meta.counters), meta.ordered, meta.unique)
            writing.append(delete_many(self.space, stored, *indexes))
        return writing, [*(found for found, _ in saved), *gone]

    def _reading(self, pks: list[bytes]) -> list[Operation]:
        """What reads these objects: their bytes, and their counters if asked for."""
        counters = [
            objects.load_counters(self.space, pk) for pk in pks if self.has_counters
        ]
        return [objects.load_many(self.space, pks), *counters] if pks else []

    def _planned(self, row: Row) -> tuple[Found, Operation | None] | None:
        """What is to be written of one object: None to delete it. None for nothing."""
        pk = objects.pk_of(row[0], self.space)
        packed, counters = row[1], row[2] or {}
        contents = Contents.of(packed, object_key(self.space, pk))
        old = contents.stored_image(packed, self.meta)
        found = Found(pk, packed, contents, counters, old)
        verdict = self.rewrite(found)
        if verdict is Verdict.LEAVE:
            return None
        if verdict is Verdict.DELETE or pk in self._overdue:
            return found, None
        if self.moves:
            found.new = contents.image(self.meta, self.codec)
        else:
            found.new = contents.image_like(old, self.codec)
        assigned = found.assigned if self.meta.counters else None
        is_indexed, counted = self.meta.is_indexed, found.counted
        return found, objects.rewrite(
            self.space, pk, old, found.new, assigned, is_indexed, counted
        )

    def _settled(self, found: Found, answer: tuple[Outcome, Any]) -> Row | None:
        """Take one answer; the object as it is to be planned anew, or None."""
        code, fact = answer
        if code is Outcome.DONE:
            self.changed += 1
            if found.new is not None:
                found.new = found.new.written_at(fact)
                found.contents.expire_at_ms = found.new.expire_at_ms
            if self.done is not None:
                self.done(found)
        elif code is Outcome.DUE:
            self._overdue.add(found.pk)
        elif code is Outcome.TAKEN and self.error is None:
            attrs, model = found.contents.attrs, self.meta.object_name
            taken = held_by_another(model, found.pk, attrs, fact)
            self.error = IntegrityError(taken)
        elif code is Outcome.REFUSED:
            self._overdue.discard(found.pk)
        is_again = code is Outcome.REFUSED and fact is not None
        if is_again or code in (Outcome.DUE, Outcome.COUNTED):
            return (found.pk.encode(), fact or found.packed, None)
        return None


def _flat(replies: list[Any]) -> list[tuple[Outcome, Any]]:
    """The answers to single writes, and those to many, in one list."""
    answers: list[tuple[Outcome, Any]] = []
    for reply in replies:
        answers += reply if isinstance(reply, list) else [reply]
    return answers


def _rows(pks: list[bytes], replies: list[Any]) -> list[Row]:
    """A Row for each of these ids that is stored."""
    if not pks:
        return []
    packed, *counters = replies
    rows = zip(pks, packed, counters or [None] * len(pks), strict=True)
    return [row for row in rows if row[1] is not None]
