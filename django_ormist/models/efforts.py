"""One save under way."""

from typing import TYPE_CHECKING, Any

from ..connections import connections
from ..exceptions import ConflictError, IntegrityError
from ..keys import object_key
from ..operations import objects
from ..operations.healing import forget
from ..operations.objects import NOTHING
from ..operations.operation import Flow, Operation
from ..operations.replies import Holder, Outcome
from .contents import Contents

if TYPE_CHECKING:
    from .base import Model


class Effort:
    """One save under way: what must be stored now, and what is to be."""

    def __init__(
        self,
        instance: "Model",
        using: str,
        force_insert: bool = False,
        force_update: bool = False,
        strict: bool = False,
    ) -> None:
        self.instance = instance
        self.using = using
        self.force_insert = force_insert
        self.force_update = force_update
        self.strict = strict
        self.meta = instance._meta
        self.space = self.meta.space(using)
        self.codec = connections[using].codec
        is_loaded = instance._using == using and not force_insert
        self.loaded = instance._packed if is_loaded else None
        self.contents = self.mine = instance._contents()
        self.expect(self.loaded)

    def expect(self, stored: bytes | None) -> None:
        """*stored* is what is there: plan the write that goes on top of it."""
        self.stored = stored
        self.contents = self.mine
        self.old = NOTHING
        if stored is not None:
            found = self._read(stored)
            self.old = found.stored_image(stored, self.meta)
            if self.loaded is not None and stored != self.loaded:
                self.contents = self.mine.rebased(self._read(self.loaded), found)
        self.new = self.contents.image(self.meta, self.codec)

    def operation(self) -> Operation:
        """The write, refused by the server if something else is stored."""
        return objects.save(
            self.space,
            self.instance.id,
            self.old,
            self.new,
            self._counters(),
            self.meta.is_indexed,
        )

    def removal(self) -> Operation:
        """In place of the write, when the deadline is past: of these bytes alone."""
        pk, is_indexed = self.instance.id, self.meta.is_indexed
        return objects.delete(self.space, pk, self.old, is_indexed)

    def forgetting(self) -> Flow:
        """Flow: remove index entries of an object that is not there."""
        meta = self.meta
        return forget(self.space, self.instance.id, meta.ordered, meta.unique)

    def settle(self, reply: tuple[Outcome, Any]) -> Flow:
        """Flow: from the first reply to the end; False if its deadline was past."""
        while True:
            code, stored = reply
            if code is Outcome.DONE:
                self.instance._take(self.contents, self.new.packed, self.using)
                return True
            if code is Outcome.DUE:
                code, stored = yield self.removal()
                if code is not Outcome.REFUSED:
                    if code is Outcome.UNEXPLAINED and stored:
                        yield from self.forgetting()
                    self.instance._forget()
                    return False
            if code is Outcome.TAKEN:
                raise held_by_another(self.instance, stored)
            if code is Outcome.UNEXPLAINED:
                yield from self.forgetting()
            elif self.force_insert:
                raise self.taken()
            elif stored is None and self.force_update:
                raise self.not_updated()
            elif self.strict:
                raise self.conflict()
            else:
                self.expect(stored)
            reply = yield self.operation()

    def taken(self) -> IntegrityError:
        return IntegrityError(
            f"Cannot insert {self.meta.object_name} {self.instance.id!r}: the id is "
            "taken. Save without force_insert to replace it, or choose another id."
        )

    def conflict(self) -> ConflictError:
        return ConflictError(
            f"Cannot save {self.meta.object_name} {self.instance.id!r}: it is not the "
            "object that was loaded. Call refresh_from_db() and try again."
        )

    def not_updated(self) -> Exception:
        return type(self.instance).NotUpdated(
            f"Cannot update {self.meta.object_name} {self.instance.id!r}: there is no "
            "such object. Save without force_update to write it anew."
        )

    def _counters(self) -> dict[str, int] | None:
        """The counters to set: of a new or replaced object all, else the assigned."""
        if not self.meta.counters:
            return None
        values = self.instance._counters
        if self.stored is None:
            return {name: value for name, value in values.items() if value}
        if self.loaded is None:
            return {name: values.get(name, 0) for name in sorted(self.meta.counters)}
        return {name: values[name] for name in sorted(self.instance._assigned)}

    def _read(self, packed: bytes) -> Contents:
        return Contents.of(packed, object_key(self.space, self.instance.id))


def held_by_another(
    instance: "Model", holder: Holder, attrs: dict[str, Any] | None = None
) -> IntegrityError:
    """The error for a unique value that another holds. attrs: in place of its own."""
    values = instance.attrs if attrs is None else attrs
    pairs = ", ".join(f"{name}={values.get(name)!r}" for name in holder.names)
    model = instance._meta.object_name
    return IntegrityError(
        f"Cannot save {model} {instance.id!r}: {pairs} is taken by {model} "
        f"{holder.pk.decode(errors='replace')!r}. Choose another value, or change that "
        "object first."
    )
