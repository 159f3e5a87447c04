"""Conversion and validation of declared attributes, before an object is written."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..codecs import pack_value
from ..exceptions import ValidationError
from ..keys import object_key
from .pending import current
from .record import Record
from .types import Instance


def clean_changes(instance: Instance, using: str | None) -> None:
    """Convert and validate the declared attributes that a save on *using* writes.

    Attributes equal to the bytes loaded from it are not validated; if it is None, all
    are. Raises ValidationError by attribute.
    """
    changed = changed_fields(instance, using)
    for reference in instance._meta.references.values():
        if reference.attname in changed:
            _refuse_unsaved(instance, reference)
    clean_fields(instance, changed)


def _refuse_unsaved(instance: Instance, reference: Any) -> None:
    """Raise ValueError, as Django, if a reference is to an object without a save.

    A save that waits for the end of an atomic() block counts.
    """
    related = reference.loaded(instance)
    if related is None or reference.is_to_django:
        return
    state = related._state
    is_unsaved = state.packed is None and state.is_id_random
    is_current = instance.attrs.get(reference.attname) == related.id
    if is_unsaved and is_current and current(related._alias(None)) is None:
        raise ValueError(
            "save() prohibited to prevent data loss due to unsaved related object "
            f"{reference.name!r} of {instance._meta.object_name}. Save it first."
        )


def full_clean(instance: Instance, exclude: Iterable[str] | None = None) -> None:
    """Validate all declared attributes, and call validate().

    Raises one ValidationError of both.
    """
    errors: dict[str, Any] = {}
    try:
        clean_fields(instance, fields_without(instance, exclude))
    except ValidationError as error:
        errors = error.update_error_dict(errors)
    try:
        instance.validate()
    except ValidationError as error:
        errors = error.update_error_dict(errors)
    if errors:
        raise ValidationError(errors)


def fields_without(instance: Instance, exclude: Iterable[str] | None) -> set[str]:
    """Return the declared attributes but for these names."""
    meta = instance._meta
    return meta.fields_by_name.keys() - set(map(meta.stored_name, exclude or ()))


def changed_fields(instance: Instance, using: str | None) -> list[str]:
    """Return the declared attributes that a save on this alias validates.

    All of an object that is not loaded from it, else those that changed since.
    """
    fields, attrs = instance._meta.fields_by_name, instance._contents().attrs
    packed = None if using is None else instance._packed_on(using)
    if using is None or packed is None:
        return list(fields)
    key = object_key(instance._meta.space(using), instance.id)
    loaded = Record.of(packed, key).attrs
    assigned = instance._state.assigned
    return [n for n in fields if n in assigned or _is_changed(n, attrs, loaded)]


def _is_changed(name: str, attrs: Mapping[str, Any], loaded: Mapping[str, Any]) -> bool:
    if name not in attrs or name not in loaded:
        return name in attrs or name in loaded
    new, old = attrs[name], loaded[name]
    if new is None or type(new) in (str, int, bool):
        return type(new) is not type(old) or bool(new != old)
    try:
        return pack_value(name, new) != pack_value(name, old)
    except (TypeError, ValueError):  # an error that the declaration words
        return True


def clean_fields(instance: Instance, names: Iterable[str]) -> None:
    """Convert and validate these declared attributes and counters.

    Raises ValidationError by attribute, and changes nothing then.
    """
    meta, attrs = instance._meta, instance._contents().attrs
    errors: dict[str, ValidationError] = {}
    cleaned: dict[str, Any] = {}
    for name in names:
        field = meta.fields_by_name[name]
        try:
            if name in meta.counters:
                field.clean(instance._state.counters.get(name, 0))
            elif name in attrs:
                cleaned[name] = field.clean(attrs[name])
            elif not field.has_default():
                raise field.required_error()
        except ValidationError as error:
            errors[field.name] = error
    if errors:
        raise ValidationError(errors)
    for name, value in cleaned.items():
        if value is not attrs[name]:
            attrs[name] = value


def clean_value(meta: Any, name: str, value: Any) -> Any:
    """Return the stored form of a value for this attribute of any object.

    Raises ValidationError by attribute if it is declared otherwise.
    """
    field = meta.fields_by_name.get(name)
    if field is None:
        return value
    try:
        return field.clean(value)
    except ValidationError as error:
        raise ValidationError({field.name: error}) from error
