"""The flows of one instance: save, delete, refresh, increment."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .. import signals
from ..connections import connections
from ..exceptions import ConflictError, IntegrityError
from ..keys import object_key
from ..operations import objects
from ..operations.healing import forget
from ..operations.objects import NOTHING, Image
from ..operations.operation import Flow, Notice, Operation
from ..operations.replies import Holder, Outcome
from .contents import Contents

if TYPE_CHECKING:
    from .base import Model


def save(
    instance: "Model",
    using: str,
    force_insert: bool = False,
    force_update: bool = False,
    strict: bool = False,
) -> Flow:
    """Flow: write the instance. One round trip where nobody wrote it meanwhile."""
    if force_insert and (force_update or strict):
        raise ValueError("Cannot force both an insert and an update: choose one.")
    model = type(instance)
    instance.validate()
    if signals.are_heard(signals.pre_save, model):
        yield Notice(signals.pre_save, model, {"instance": instance, "using": using})
    effort = Effort(instance, using, force_insert, force_update, strict)
    if force_update and effort.loaded is None:
        effort.expect((yield objects.load(effort.space, instance.id)))
        if effort.stored is None:
            raise effort.not_updated()
    is_stored = yield from effort.settle((yield effort.operation()))
    if is_stored and signals.are_heard(signals.post_save, model):
        is_new = effort.stored is None
        arguments = {"instance": instance, "using": using, "created": is_new}
        yield Notice(signals.post_save, model, arguments)


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
                if self.force_update and self.stored is None:
                    raise self.not_updated()
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


def delete(instance: "Model", using: str) -> Flow:
    """Flow: delete the instance: how many, and of which label. One round trip."""
    model = type(instance)
    arguments = {"instance": instance, "using": using}
    if signals.are_heard(signals.pre_delete, model):
        yield Notice(signals.pre_delete, model, arguments)
    old = NOTHING
    if instance._packed is not None and instance._using == using:
        key = object_key(instance._meta.space(using), instance.id)
        contents = Contents.of(instance._packed, key)
        old = contents.stored_image(instance._packed, instance._meta)
    deleted = yield from delete_stored(instance, using, old)
    if signals.are_heard(signals.post_delete, model):
        yield Notice(signals.post_delete, model, arguments)
    return (1, {instance._meta.label: 1}) if deleted else (0, {})


def delete_stored(instance: "Model", using: str, old: Image) -> Flow:
    """Flow: delete what is stored, whoever wrote it; whether anything was."""
    space = instance._meta.space(using)
    while True:
        is_indexed = instance._meta.is_indexed
        code, stored = yield objects.delete(space, instance.id, old, is_indexed)
        if code is not Outcome.REFUSED:
            break
        contents = Contents.of(stored, object_key(space, instance.id))
        old = contents.stored_image(stored, instance._meta)
    if code is Outcome.UNEXPLAINED and stored:
        meta = instance._meta
        yield from forget(space, instance.id, meta.ordered, meta.unique)
    instance._forget()
    return code is Outcome.DONE


def refresh(instance: "Model", using: str, fields: Iterable[str] | None = None) -> Flow:
    """Flow: read the instance anew. One round trip. Raises DoesNotExist."""
    if isinstance(fields, str):
        raise TypeError(f"fields is a list of names, not the text {fields!r}.")
    space, meta = instance._meta.space(using), instance._meta
    if meta.counters:
        packed, counters = yield [
            objects.load(space, instance.id),
            objects.load_counters(space, instance.id),
        ]
    else:
        packed, counters = (yield objects.load(space, instance.id)), {}
    if packed is None:
        raise _gone(instance)
    key = object_key(space, instance.id)
    contents = Contents.of(packed, key)
    if fields is None:
        instance._take(contents, packed, using)
        renewed = meta.counters
    else:
        names = set(fields)
        _rebase(instance, contents, packed, key, using, names)
        renewed = meta.counters & names
    for name in renewed:
        instance._counters[name] = counters.get(name, 0)
    instance._assigned.difference_update(renewed)


def increment(instance: "Model", using: str, name: str, by: Any) -> Flow:
    """Flow: add *by* to a counter or an attribute as it is stored; the new value."""
    if name not in instance._meta.counters:
        return (yield from _increment_attribute(instance, using, name, by))
    if not isinstance(by, int) or isinstance(by, bool):
        raise TypeError(f"A counter takes an int: cannot add {by!r} to {name!r}.")
    space = instance._meta.space(using)
    value = yield objects.increment(space, instance.id, name, by)
    if value is None:
        raise _gone(instance)
    instance._counters[name] = value
    instance._assigned.discard(name)
    return value


def _increment_attribute(instance: "Model", using: str, name: str, by: Any) -> Flow:
    meta, space = instance._meta, instance._meta.space(using)
    key, codec = object_key(space, instance.id), connections[using].codec
    stored = instance._packed if instance._using == using else None
    if stored is None:
        stored = yield objects.load(space, instance.id)
    while stored is not None:
        found = Contents.of(stored, key)
        value = _sum(meta.object_name, name, found.attrs.get(name, 0), by)
        old = found.stored_image(stored, meta)
        new = Contents({**found.attrs, name: value}, found.tags, found.expire_at_ms)
        image = new.image(meta, codec)
        code, seen = yield objects.save(
            space,
            instance.id,
            old,
            image,
            {} if meta.counters else None,
            meta.is_indexed,
        )
        if code is Outcome.DONE:
            _rebase(instance, new, image.packed, key, using, {name})
            return value
        if code is Outcome.TAKEN:
            raise held_by_another(instance, seen, new.attrs)
        stored = seen if code is Outcome.REFUSED else None
    raise _gone(instance)


def _rebase(
    instance: "Model",
    new: Contents,
    packed: bytes,
    key: bytes,
    using: str,
    fields: set[str],
) -> None:
    """The instance takes what is stored now, and keeps its own unsaved changes.

    fields: attributes, "tags" or "expire", of which it takes what is stored whatever
    it changed.
    """
    base, assigned = Contents({}, [], None), set(instance._assigned)
    if instance._packed is not None and instance._using == using:
        base = Contents.of(instance._packed, key)
    mine = instance._contents().rebased(base, new)
    for name in fields & new.attrs.keys():
        mine.attrs[name] = new.attrs[name]
    for name in fields - new.attrs.keys():
        mine.attrs.pop(name, None)
    if "tags" in fields:
        mine.tags = new.tags
    if "expire" in fields:
        mine.expire_at_ms = new.expire_at_ms
    instance._take(mine, packed, using)
    instance._assigned.update(assigned)


def _sum(model: str, name: str, value: Any, by: Any) -> Any:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number:
        raise TypeError(
            f"Cannot increment {name!r} of {model}: it holds a {type(value).__name__}."
        )
    try:
        return value + by
    except TypeError as error:
        raise TypeError(
            f"Cannot increment {name!r} of {model}, a {type(value).__name__}, by "
            f"{by!r}: {error}."
        ) from error


def _gone(instance: "Model") -> Exception:
    return type(instance).DoesNotExist(
        f"{instance._meta.object_name} {instance.id!r} does not exist."
    )
