"""The move of models to the slot in Meta.slot: ``ormist_reindex --move``."""

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from django.core.management.base import CommandError

from ..batching import batched
from ..codecs import is_later
from ..connections import connections
from ..connections.executor import repeat_scan, run
from ..crypto import get_random_string
from ..keys import Space, find_kind
from ..models import Model, registry
from ..operations import keyspace, move, scan
from ..operations.expiry import sweep
from ..operations.move import MovedObject
from ..operations.objects import Image
from ..operations.repair import Fault
from ..operations.replies import Reply
from .command import OrmistCommand, Progress, Rate, pluralize, printable
from .verification import build_checked_model

OBJECTS_PER_STEP = 100
ATTEMPTS = 3
"""How often an object is moved that others change under its former keys."""


@dataclass
class MoveResult:
    """Numbers of a move from one key space.

    Of objects, of quarantined keys, of objects and keys that were left.
    """

    former: Space
    objects: int = 0
    quarantined: int = 0
    left: int = 0


def move_model(
    model: type[Model],
    using: str,
    former: Sequence[Space],
    progress: Progress,
    report: Callable[[Fault], None],
) -> Iterator[MoveResult]:
    """Move a model from its former key spaces. Yield the result of each.

    Without any, remove the journal that a killed run has left. report: called with each
    object or key that is left. Raises CommandError if another run begins meanwhile.
    """
    token = get_random_string(string.ascii_letters, 16)
    space = model._meta.space(using)
    if not former and not run(move.has_journal(space), using):
        return
    run(move.begin(space, token), using)
    for each in former:
        work = Move(model, using, each, token, progress, report)
        work.settle()
        yield work.run()
    done = run(move.find_finished(space, former), using)
    code, _ = run(move.finish(space, done, token, is_last=True), using)
    stop_if_taken_over(code, space)


def stop_if_taken_over(code: Reply, space: Space) -> None:
    """Raise CommandError if a later run of the move has begun."""
    if code is Reply.TAKEN_OVER:
        raise CommandError(
            f"Another ormist_reindex --move of {printable(space.model)} has begun, so "
            "this one stops. Objects that it moved are complete."
        )


class Move:
    """The move of one model from one key space. Each object takes two atomic steps.

    token: that of the run.
    """

    def __init__(
        self,
        model: type[Model],
        using: str,
        former: Space,
        token: str,
        progress: Progress,
        report: Callable[[Fault], None],
    ) -> None:
        self.using = using
        self.progress = progress
        self.report = report
        self.former = former
        self.token = token
        self.new = model._meta.schema(using)
        self.old = replace(self.new, space=former)
        # Bytes are read as those of the former keys, which errors name.
        checked = build_checked_model(model, using, False, True)
        self.reader = replace(checked, schema=self.old)
        self.result = MoveResult(former)
        self.left: set[bytes] = set()

    def run(self) -> MoveResult:
        """Move everything."""
        while run(sweep(self.former, 500), self.using):
            pass
        self.move_listed()
        rest = self.scan_rest()
        unlisted = [key for key in rest if key.startswith(self.former.objects)]
        self.move_unlisted(unlisted)
        while run(sweep(self.former, 500), self.using):
            pass
        self.remove_index()
        self.move_quarantined()
        return self.result

    def settle(self) -> None:
        """Finish a move in the other direction that was killed.

        It wrote objects under the former keys, and did not remove them here. So the
        former ones are newer, or were deleted since.
        """
        if not run(move.has_journal(self.former), self.using):
            return
        run(move.begin(self.former, self.token), self.using)
        journal = run(move.load_journal(self.former), self.using)
        for pks in batched(journal, OBJECTS_PER_STEP):
            flow = move.load_moved(self.new.space, [(pk, None) for pk in pks])
            same = [e for e in run(flow, self.using) if e.digest == journal[e.pk]]
            able = [(each, self.read(each)) for each in same]
            run(
                [move.move_out(self.new, e, image) for e, image in able if image],
                self.using,
            )
        done = move.finish(self.former, journal, self.token, is_last=True)
        code, _ = run(done, self.using)
        stop_if_taken_over(code, self.former)

    # Objects

    def move_listed(self) -> None:
        """Move the objects in ``all``, in order of creation."""
        rate = Rate(run(scan.count_ids(self.former), self.using))
        after = -1.0
        while page := run(
            scan.ids_by_creation(self.former, after, OBJECTS_PER_STEP), self.using
        ):
            self.move_page(page)
            after = page[-1][1]
            rate.count(len(page))
            label = printable(self.former.model)
            self.progress.show(f"{label}: moving, {rate.text('objects')}")

    def move_unlisted(self, keys: Sequence[bytes]) -> None:
        """Move objects that damage removed from ``all``, as the newest ones."""
        pks = [key.removeprefix(self.former.objects) for key in keys]
        for start in range(0, len(pks), OBJECTS_PER_STEP):
            some = pks[start : start + OBJECTS_PER_STEP]
            created = run(scan.creation_times(self.former, some), self.using)
            pairs = zip(some, created, strict=True)
            self.move_page([(pk, None) for pk, score in pairs if score is None])

    def move_page(
        self, page: Sequence[tuple[bytes, float | None]], attempts: int = ATTEMPTS
    ) -> None:
        """Move these objects: write, remove, and forget them."""
        loaded = run(move.load_moved(self.former, page), self.using) if page else []
        read = [(each, self.read(each)) for each in loaded]
        able = [(each, image) for each, image in read if image is not None]
        replies = run(
            [move.move_in(self.new, each, image, self.token) for each, image in able],
            self.using,
        )
        arrived = []
        for (each, image), (code, fact) in zip(able, replies, strict=True):
            stop_if_taken_over(code, self.former)
            if code in (Reply.DONE, Reply.MOVED_BEFORE, Reply.EXPIRED):
                arrived.append((each, image))
            elif code is Reply.REFUSED:
                self.leave("taken-id", each)
            elif code is Reply.UNIQUE_TAKEN:
                self.leave("taken-value", each, fact.pk)
            elif code is Reply.ORPHAN_INDEX:
                self.leave("missing-object", each, b"under its new keys")
        replies = run(
            [move.move_out(self.old, each, image) for each, image in arrived],
            self.using,
        )
        gone, changed = [], []
        for (each, image), (code, _) in zip(arrived, replies, strict=True):
            if code in (Reply.REFUSED, Reply.COUNTER_CHANGED):
                changed.append((each, image))
            else:
                gone.append(each.pk)
        self.result.objects += len(gone)
        if gone:
            code, _ = run(move.finish(self.new.space, gone, self.token), self.using)
            stop_if_taken_over(code, self.former)
        if changed:
            self.move_again(changed, attempts - 1)

    def move_again(
        self, changed: Sequence[tuple[MovedObject, Image]], attempts: int
    ) -> None:
        """Move objects again that were changed under their former keys meanwhile.

        Those that were changed or deleted under the new keys, too, are left.
        """
        writes = [move.move_out(self.new, each, image) for each, image in changed]
        replies = run(writes, self.using) if attempts else [(None, None)] * len(changed)
        again = []
        for (each, _), (code, _) in zip(changed, replies, strict=True):
            if code is Reply.DONE:
                again.append((each.pk, each.created))
            else:
                self.leave("changed-meanwhile", each)
        if again:
            self.move_page(again, attempts)

    def read(self, each: MovedObject) -> Image | None:
        """Return the image of an object. Report it if it is unreadable."""
        try:
            image, _ = self.reader.read(each.pk, each.packed)
            if image is not None:
                _ = image.memo
                return image
        except ValueError as error:
            self.leave("unindexable-object", each, str(error).encode())
            return None
        kind = "later-format" if is_later(each.packed) else "unreadable-object"
        self.leave(kind, each)
        return None

    def leave(self, kind: str, each: MovedObject, detail: bytes = b"") -> None:
        self.leave_key(kind, self.former.objects + each.pk, each.pk, detail)

    def leave_key(
        self, kind: str, key: bytes, pk: bytes = b"", detail: bytes = b""
    ) -> None:
        self.left.add(key)
        self.result.left += 1
        self.report(Fault(kind, key, pk, detail))

    # Other keys

    def scan_rest(self) -> list[bytes]:
        """Return all keys that are left under the former name, each once."""
        start = self.former.base
        return repeat_scan(
            lambda: run(keyspace.list_keys(start, start), self.using),
            connections[self.using],
        )

    def remove_index(self) -> None:
        """Remove the index of the former keys, unless objects are left there."""
        index = []
        has_objects = False
        for key in self.scan_rest():
            kind = find_kind(key.removeprefix(self.former.base))
            if kind is None:
                self.leave_key("foreign-key", key)
            elif kind != b"o:":
                index.append(key)
            else:
                has_objects = True
                if key not in self.left:
                    self.leave_key("written-meanwhile", key)
        if not has_objects:
            self.unlink(index)

    def unlink(self, removed: Sequence[bytes]) -> None:
        for start in range(0, len(removed), 500):
            run(keyspace.unlink(*removed[start : start + 500]), self.using)

    def move_quarantined(self) -> None:
        start, prefix = self.former.base, self.former.prefix
        found = repeat_scan(
            lambda: run(keyspace.list_quarantined(start, prefix, start), self.using),
            connections[self.using],
        )
        for key in found:
            flow = move.move_quarantined(self.new.space, self.former, key)
            if run(flow, self.using):
                self.result.quarantined += 1
            else:
                self.leave_key("quarantined-key", key)


def count_elsewhere(model: type[Model], using: str) -> dict[Space, int]:
    """Return {key space: objects} of a model in other slots. One round trip.

    Only its own slot and those of other models are read. ``ormist_reindex --move`` and
    ``ormist_inspect --verify`` find all.
    """
    space = model._meta.space(using)
    found: dict[Space, int] = run(move.count_elsewhere(space, registry.slots()), using)
    return found


def describe_elsewhere(
    model: type[Model], using: str, former: Space, number: int
) -> str:
    """Return a sentence about objects in another slot, and the fix."""
    label = printable(model._meta.label)
    alias = "" if using == model._meta.using else f" --using {using}"
    return (
        f"{label}: {pluralize(number, 'object')} under "
        f"{printable(former.name)}, where the model does not look. Move with "
        f"ormist_reindex {label}{alias} --move."
    )


def warn_of_other_slots(
    command: OrmistCommand, model: type[Model], using: str
) -> dict[Space, int]:
    """Write a line for each other slot that has objects of this model. Return them."""
    found = count_elsewhere(model, using)
    for former, number in found.items():
        command.stderr.write(describe_elsewhere(model, using, former, number))
    return found
