"""The flow of increment()."""

from decimal import Decimal
from typing import Any

from ..connections import connections
from ..exceptions import ValidationError
from ..keys import object_key
from ..operations import objects
from ..operations.operation import Flow
from ..operations.replies import Reply
from .attempt import unique_conflict_error
from .clean import clean_value
from .pending import refuse
from .record import Record
from .save import does_not_exist, rebase
from .types import Instance


def increment(instance: Instance, using: str, name: str, by: Any) -> Flow[Any]:
    """Flow that adds *by* to a stored counter or attribute. Returns the new value."""
    refuse(using, "increment()")
    if name not in instance._meta.counters:
        why = instance._meta.refusal(name)
        if why is not None:
            raise AttributeError(f"Cannot increment {name!r}. {why}")
        return (yield from _increment_attribute(instance, using, name, by))
    if not isinstance(by, int) or isinstance(by, bool):
        raise TypeError(f"A counter takes an int: cannot add {by!r} to {name!r}.")
    by = int(by)  # of a member of an IntEnum
    space = instance._meta.space(using)
    field = instance._meta.fields_by_name.get(name)
    while True:
        bounds = (None, None) if field is None else field.bounds
        value = yield objects.increment(space, instance.id, name, by, bounds)
        if not isinstance(value, objects.OutOfBounds):
            break
        # Raises ValidationError, unless a bound is a function and has changed.
        clean_value(instance._meta, name, value.value + by)
    if value is None:
        raise does_not_exist(instance)
    instance._state.counters[name] = value
    instance._state.assigned.discard(name)
    return value


def _increment_attribute(
    instance: Instance, using: str, name: str, by: Any
) -> Flow[Any]:
    meta, schema = instance._meta, instance._meta.schema(using)
    space = schema.space
    key, codec = object_key(space, instance.id), connections[using].codec
    stored = instance._packed_on(using)
    if stored is None:
        stored = yield objects.load(space, instance.id)
    while stored is not None:
        found = Record.of(stored, key)
        held = meta.converted_value(name, found.attrs)
        added = _add(meta.object_name, name, 0 if held is None else held, by)
        try:
            value = clean_value(meta, name, added)
        except ValidationError:  # by what was loaded: it may have changed since
            seen = yield objects.load(space, instance.id)
            if seen == stored:
                raise
            stored = seen
            continue
        old = found.stored_image(stored, meta)
        new = Record({**found.attrs, name: value}, found.tags, found.expire_at_ms)
        image = new.image(meta, codec)
        code, seen = yield objects.rewrite(schema, instance.id, old, image)
        if code is Reply.DONE:
            rebase(instance, new, image.packed, key, using, {name})
            return value
        if code is Reply.UNIQUE_TAKEN:
            raise unique_conflict_error(meta.object_name, instance.id, new.attrs, seen)
        stored = seen if code is Reply.REFUSED else None
    raise does_not_exist(instance)


def _add(model: str, name: str, value: Any, by: Any) -> Any:
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
