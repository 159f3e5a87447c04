"""Conversion and validation of declared attributes, before an object is written."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.validators import MaxValueValidator, MinValueValidator

from ..codecs import pack_value
from ..exceptions import ValidationError
from ..fields.references import loaded_objects
from ..fields.types import Scalar, run_validators
from ..keys import object_key
from ..queries.expressions import is_expression
from ..storable import unwrap
from ..validators import HIGHEST_COUNTER, LOWEST_COUNTER, validate_counter
from .pending import PendingDelete, waiting_entry
from .record import Record
from .types import Instance

_INT = Scalar(int)
_BOUNDS = (MinValueValidator(LOWEST_COUNTER), MaxValueValidator(HIGHEST_COUNTER))


def clean_changes(instance: Instance, using: str | None) -> None:
    """Convert and validate the declared attributes that a save on *using* writes.

    Attributes equal to the bytes loaded from it are not validated; if it is None, all
    are. Raises ValidationError by attribute.
    """
    clean_given(instance, changed_fields(instance, using))


def clean_given(
    instance: Instance, names: Collection[str], verb: str = "save()"
) -> None:
    """Convert and validate these declared attributes, which *verb* writes.

    Raises ValidationError by attribute, and ValueError for a reference to an unsaved
    object, as Django does.
    """
    for reference in instance._meta.references.values():
        if reference.attname not in names:
            continue
        if _refers_to_unsaved(instance, reference):
            raise ValueError(
                f"{verb} prohibited to prevent data loss due to unsaved related object "
                f"{reference.name!r} of {instance._meta.object_name}. Save it first."
            )
    clean_fields(instance, names)


def _refers_to_unsaved(instance: Instance, reference: Any) -> bool:
    """Return whether a reference has an unsaved object as its value.

    The object was assigned to the reference or to the attribute of its key.
    """
    key = unwrap(instance.attrs.get(reference.attname))
    if reference.is_object(key):
        return _is_unsaved(reference, key)
    known_key, related = loaded_objects(instance).get(reference.attname, (None, None))
    return related is not None and known_key == key and _is_unsaved(reference, related)


def _is_unsaved(reference: Any, related: Any) -> bool:
    """Return whether an object is not stored.

    Saves and deletions of an open atomic() block count as done.
    """
    if reference.is_to_django:
        return related.pk is None
    entry = waiting_entry(related)
    if entry is not None:
        return isinstance(entry, PendingDelete)
    state = related._state
    return state.packed is None and state.is_id_random


def full_clean(
    instance: Instance,
    exclude: Iterable[str] | None = None,
    validate_constraints: bool = True,
) -> None:
    """Validate all declared attributes, and call clean() and validate().

    Then validate_constraints(), without the names that have errors. Raises one
    ValidationError of all.
    """
    errors: dict[str, Any] = {}
    excluded = set(exclude or ())

    def check_fields() -> None:
        clean_fields(instance, fields_without(instance, excluded))

    def check_constraints() -> None:
        if validate_constraints:
            instance.validate_constraints(excluded | errors.keys() - {NON_FIELD_ERRORS})

    own_clean = partial(call_clean, instance)
    for check in (check_fields, own_clean, instance.validate, check_constraints):
        try:
            check()
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        except AttributeError as error:  # of what is missing, which is told already
            if error.obj is not instance or error.name not in errors:
                raise
    if errors:
        raise ValidationError(errors)


def call_clean(instance: Any) -> None:
    """Call the clean() of the model if it has one, as Django's full_clean() does."""
    if callable(getattr(type(instance), "clean", None)):
        instance.clean()


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


def clean_counter(meta: Any, name: str, value: Any) -> int:
    """Return the value of a counter, a plain int. Raises TypeError, OverflowError.

    That of a declared counter is converted if nothing is lost: "5" to 5. Otherwise
    raises ValidationError by attribute.
    """
    field = meta.fields_by_name.get(name)
    if field is not None and not is_expression(value):
        try:
            value = _INT.clean(value)
            run_validators(_BOUNDS, value)
        except ValidationError as error:
            raise ValidationError({field.name: error}) from error
    return validate_counter(meta.object_name, name, value)


def _refuse_unsaved(reference: Any, value: Any) -> None:
    """Raise ValueError if a value is an unsaved object of the related model."""
    if reference.is_object(value) and _is_unsaved(reference, value):
        raise ValueError(
            f"Unsaved model instance {value!r} cannot be used as "
            f"{reference.model._meta.object_name}.{reference.name}. Save it first."
        )


def clean_value(meta: Any, name: str, value: Any) -> Any:
    """Return the stored form of a value of the attribute *name*.

    Raises ValidationError by attribute if it does not fit the declared type, and
    ValueError for an unsaved object.
    """
    field = meta.fields_by_name.get(name)
    if field is None:
        return value
    if field.is_relation:
        _refuse_unsaved(field, unwrap(value))
    try:
        return field.clean(value)
    except ValidationError as error:
        raise ValidationError({field.name: error}) from error
