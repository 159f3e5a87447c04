"""The attempt to save one object by compare-and-swap."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from ..codecs import unpack_plain
from ..connections import connections
from ..exceptions import ConflictError, CorruptDataError, IntegrityError
from ..keys import object_key
from ..operations import commit, objects
from ..operations.objects import NO_COUNTERS, NOTHING, Image
from ..operations.operation import Flow, Operation
from ..operations.repair import purge_index
from ..operations.repeatable import RepeatableSave, RepeatableWrite
from ..operations.replies import Holder, Reply
from ..queries.conditions import Condition
from ..schema import BaseOptions
from ..storable import unwrap
from ..terms import text
from .guards import guard_of
from .record import Record
from .types import Instance


class SaveOptions(NamedTuple):
    """The options of save(): which stored object it accepts.

    force_insert: the id must be free. force_update: any object. strict: the object that
    was loaded. Without any of them it merges with a stored object, or inserts.
    """

    force_insert: bool = False
    force_update: bool = False
    strict: bool = False


UPSERT = SaveOptions()
INSERT = SaveOptions(force_insert=True)
UPDATE = SaveOptions(force_update=True)
STRICT_UPDATE = SaveOptions(force_update=True, strict=True)


class CorruptionGuard:
    """The mismatches between indexes and objects in one call.

    A concurrent write causes a mismatch once. The same mismatch again is damage.
    """

    def __init__(self, meta: BaseOptions) -> None:
        self.meta = meta
        self.seen: Counter[tuple[bytes, bytes | None]] = Counter()

    def note(self, key: bytes, packed: bytes | None) -> None:
        """Note that an object with these bytes does not match its index entries.

        Raises CorruptDataError at the third identical mismatch.
        """
        self.seen[key, packed] += 1
        if self.seen[key, packed] == 3:
            raise CorruptDataError(
                f"The key {key!r} holds another object than the indexes say. Run "
                f"ormist_inspect {self.meta.label} --repair."
            )


class SaveAttempt:
    """One attempt to save an object: the expected bytes and the new ones.

    guard: a further condition; StaleMatch is raised if it fails. sent: the assigned
    counters that the write sets. merged: the attributes of the instance after merging.
    PendingSave derives from it for saves in a block.
    """

    may_leave_index: ClassVar[bool] = True
    """Whether a write that changes no index entry may leave them out."""

    def __init__(
        self,
        instance: Instance,
        using: str,
        options: SaveOptions = UPSERT,
    ) -> None:
        self.instance = instance
        self.using = using
        self.options = options
        self.guard = guard_of(instance, using)
        self.sent: Mapping[str, int] = {}
        self.merged: dict[str, Any] = {}
        self.pk = instance.id
        self.meta = instance._meta
        self.schema = self.meta.schema(using)
        self.space = self.schema.space
        self.codec = connections[using].codec
        state = instance._state
        self.loaded = None if options.force_insert else instance._packed_on(using)
        self.contents = self.mine = instance._contents()
        self.values, self.assigned = state.counters, state.assigned
        self.rebase_on(self.loaded)

    def rebase_on(self, stored: bytes | None, found: Record | None = None) -> None:
        """Plan the write on top of the bytes *stored*.

        found: the contents of these bytes, if known.
        """
        self.stored = stored
        self.contents = self.mine
        if stored is not None:
            if found is None and self.is_base(stored) and not self.meta.indexes_all:
                plain = Record(*unpack_plain(stored, self.key))
                images = self._images_without_entries(stored, plain)
                if images is not None:
                    self.old, self.new = images
                    return
            found = found or self.read(stored)
            base = None if self.is_base(stored) else self.base()
            if base is not None:
                self.contents = self.mine.rebase_on(base, found)
                self.merged = dict(self.mine.attrs)
        if self.assigned:
            self._leave_out(self.assigned & self.contents.attrs.keys())
        if stored is None or found is None:
            self.old, self.new = NOTHING, self.contents.image(self.meta, self.codec)
        else:
            self.old, self.new = self._build_images(stored, found)

    def _leave_out(self, names: set[str]) -> None:
        """Leave stored attributes out that are counters now."""
        for name in names:
            self.contents = replace(self.contents, attrs=dict(self.contents.attrs))
            del self.contents.attrs[name]

    def _build_images(self, stored: bytes, found: Record) -> tuple[Image, Image]:
        """Return the images of the stored object, and of the new one."""
        images = self._images_without_entries(stored, found)
        if images is not None:
            return images
        meta = self.meta
        return found.stored_image(stored, meta), self.contents.image(meta, self.codec)

    def _images_without_entries(
        self, stored: bytes, found: Record
    ) -> tuple[Image, Image] | None:
        """Return both images if the index entries stay, for update.lua. Else None."""
        new, meta = self.contents, self.meta
        if (
            not self.may_leave_index
            or (new.expire_at_ms is None) is not (found.expire_at_ms is None)
            or meta.counters
            or not new.has_entries_of(found, meta)
        ):
            return None
        packed = new.pack(self.codec)
        return (
            Image(stored, expire_at_ms=found.expire_at_ms),
            Image(packed, expire_at_ms=new.expire_at_ms),
        )

    def operation(self) -> Operation:
        """Return the write, which the server refuses if other bytes are stored."""
        if self.assigned:
            self.sent = {name: self.values[name] for name in self.assigned}
        counters, options, guard = self.counters(), self.options, self.guard
        kind: type[Operation] = RepeatableSave
        if counters:
            kind = Operation
        elif (
            options.strict
            or (options.force_insert and not self.instance._state.is_id_random)
            or (guard is not None and not guard.is_insert)
        ):
            # Another client may write the same bytes, and only one may succeed.
            kind = RepeatableWrite
        write = objects.rewrite(
            self.schema, self.pk, self.old, self.new, counters, kind=kind
        )
        condition = None if self.guard is None else self.condition()
        if condition is None:
            return write
        return commit.unless(commit.absent(self.space, condition), write)

    def condition(self) -> Condition | None:
        """Return the condition that live objects must fail at the write, if any."""
        guard = self.guard
        if guard is None or not guard.is_insert:
            return None
        if guard.is_arbitrated(self.instance, self.options.force_insert):
            return None
        return guard.query.condition

    def delete_operation(self) -> Operation:
        """Return the deletion that replaces a write whose expiration time is past."""
        old = self._image(self.stored) or NOTHING
        return objects.delete(self.schema, self.pk, old)

    def purge_index(self) -> Flow[None]:
        """Flow that removes index entries of an object that does not exist."""
        return purge_index(self.schema, self.pk)

    def resolve(self, reply: tuple[Reply, Any]) -> Flow[bool]:
        """Flow that handles the reply to operation(), and retries until it is written.

        Returns False if it was expired.
        """
        while True:
            code, stored = reply
            if code is Reply.DONE:
                self.apply(stored)
                return True
            if code is Reply.EXPIRED:
                code, stored = yield self.delete_operation()
                if code is not Reply.REFUSED:
                    if code is Reply.ORPHAN_INDEX and stored:
                        yield from self.purge_index()
                    self.instance._state.mark_unsaved()
                    return False
            if code is Reply.UNIQUE_TAKEN:
                raise self.unique_error(stored)
            if code is Reply.GUARD_FAILED and self.guard is not None:
                raise self.guard.refuse(self.instance)
            if code is Reply.ORPHAN_INDEX:
                yield from self.purge_index()
            elif error := self.error_for(stored):
                raise error
            else:
                self.rebase_on(stored)
            reply = yield self.operation()

    def apply(self, now_ms: int | bytes | None) -> None:
        """Set the stored state on the instance, which keeps later assignments.

        now_ms: see Image.resolve_deadline().
        """
        if now_ms is not None:
            self.new = self.new.resolve_deadline(now_ms)
        if self.guard is not None:
            self.guard.is_met = True
        instance, contents, mine = self.instance, self.contents, self.mine
        state = instance._state
        if instance.id != self.pk:
            return
        if self.stored is None:  # created now, though it may have been loaded
            state.forget_creation()
        if contents is mine and now_ms is None and not state.assigned:
            # The instance has the contents that were stored, and later assignments.
            state.mark_stored(self.new.packed, self.using)
            return
        attrs, tags, expire_at_ms = contents.attrs, contents.tags, self.new.expire_at_ms
        if contents is not mine:  # else the attributes are the instance's own
            now, old = instance.attrs, self.merged
            given = {n: now[n] for n in now if n not in old or now[n] is not old[n]}
            attrs = attrs | given
            for name in old.keys() - now.keys():
                attrs.pop(name, None)
        if state.tags is not mine.tags:
            tags = state.tags
        if state.expire_at_ms != mine.expire_at_ms:
            expire_at_ms = state.expire_at_ms
        late: set[str] = set()
        if state.assigned:
            sent = self.sent
            same = {name for name in sent if self.values[name] == sent[name]}
            late = state.assigned - same
        contents = Record(attrs, tags, expire_at_ms)
        instance._mark_stored(contents, self.new.packed, self.using)
        if late:
            state.assigned.update(late)

    def error_for(self, stored: bytes | None) -> Exception | None:
        """Return the error of a save on top of these bytes, if it is refused."""
        if self.options.force_insert and stored is not None:
            return self.id_taken_error()
        if self.guard is not None and not self.guard.admits(
            self.pk, self._image(stored)
        ):
            return self.guard.refuse(self.instance)
        if self.options.force_update and stored is None:
            return self.not_updated_error()
        if self.options.strict and stored != self.expected_bytes():
            return self.conflict_error()
        return None

    def _image(self, stored: bytes | None) -> Image | None:
        if stored is None:
            return None
        return self.read(stored).stored_image(stored, self.meta)

    def id_taken_error(self) -> IntegrityError:
        return IntegrityError(
            f"Cannot insert {self.meta.object_name} {self.pk!r}: the id is "
            "taken. Save without force_insert to replace it, or choose another id.",
            names=("id",),
        )

    def unique_error(self, holder: Holder) -> IntegrityError:
        model = self.meta.object_name
        return unique_conflict_error(model, self.pk, self.contents.attrs, holder)

    def conflict_error(self) -> ConflictError:
        return ConflictError(
            f"Cannot save {self.meta.object_name} {self.pk!r}: it was changed or "
            "deleted since it was loaded. Load it again, and repeat the change."
        )

    def not_updated_error(self) -> Exception:
        return self.instance.NotUpdated(
            f"Cannot update {self.meta.object_name} {self.pk!r}: there is no "
            "such object. Save without force_update to insert it."
        )

    @property
    def key(self) -> bytes:
        """The key of the object."""
        return object_key(self.space, self.pk)

    @property
    def is_loaded(self) -> bool:
        """Whether the save merges with the stored object. Otherwise it replaces it."""
        return self.loaded is not None

    def base(self) -> Record | None:
        """Return the contents that its changes refer to, unless it replaces all."""
        return None if self.loaded is None else self.read(self.loaded)

    def is_base(self, stored: bytes) -> bool:
        """Whether its changes refer to exactly these bytes."""
        return stored == self.loaded

    def expected_bytes(self) -> bytes | None:
        """Return the bytes that are stored unless another client wrote the object."""
        return self.loaded

    def counters(self) -> Mapping[str, int]:
        """Return the counters to set: all if new or replaced, else assigned ones."""
        if not self.meta.counters:
            return NO_COUNTERS
        if self.stored is None:
            return {name: value for name, value in self.values.items() if value}
        if not self.is_loaded:
            return {
                name: self.values.get(name, 0) for name in sorted(self.meta.counters)
            }
        return {name: self.values[name] for name in sorted(self.assigned)}

    def read(self, packed: bytes) -> Record:
        """Return the contents of these bytes."""
        return Record.of(packed, self.key)


def unique_conflict_error(
    model: str, pk: str, attrs: Mapping[str, Any], holder: Holder
) -> IntegrityError:
    """Return the error for a unique value in *attrs* that another object has."""
    pairs = ", ".join(
        f"{name}={_format_value(attrs.get(name))}" for name in holder.names
    )
    return IntegrityError(
        f"Cannot save {model} {pk!r}: {pairs} is taken by {model} "
        f"{holder.pk.decode(errors='replace')!r}. Choose another value, or change that "
        "object first.",
        names=holder.names,
    )


def _format_value(value: Any) -> str | None:
    # The repr() of an int has 4300 digits at most.
    value = unwrap(value)
    return text(value) if isinstance(value, int) else repr(value)


def with_sentence(error: Exception, sentence: str) -> Exception:
    """Return the error with one more sentence, or with a note if it is not ours."""
    if isinstance(error, IntegrityError):
        return IntegrityError(f"{error} {sentence}")
    error.add_note(sentence)
    return error
