"""Validation of unique values before a save, for forms."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext_lazy as _

from ..exceptions import ValidationError
from ..keys import object_key
from ..operations import counts
from ..operations.operation import Flow
from ..queries.conditions import Holds, Ids, negate
from ..queries.query import Query
from ..schema import BaseOptions
from ..terms import unique_value
from .record import Record
from .types import Instance

ID = ("id",)


def validate_unique(
    instance: Instance, using: str, exclude: Iterable[str] | None = None
) -> Flow[None]:
    """Flow that raises ValidationError for unique values that another object has.

    Constraints with a name in *exclude* are not checked, and values that are stored for
    this object neither. One round trip, or none if nothing is to be checked.
    """
    taken = yield from taken_names(instance, using, exclude)
    if taken:
        raise ValidationError(unique_errors(instance, taken))


def taken_names(
    instance: Instance, using: str, exclude: Iterable[str] | None = None
) -> Flow[list[tuple[str, ...]]]:
    """Flow that returns the entries of Meta.unique that another object has.

    ``("id",)`` is among them if the object is new and its id is taken.
    """
    meta = instance._meta
    excluded = {meta.stored_name(name) for name in exclude or ()}
    packed = instance._packed_on(using)
    conditions: dict[tuple[str, ...], Holds | Ids] = {
        names: Holds(names, value)
        for names, value in _new_values(instance, using, packed).items()
        if excluded.isdisjoint(names)
    }
    query = Query()
    if packed is not None:
        query = query.where(negate(Ids(frozenset({instance.id}))))
    elif not instance._state.is_id_random and excluded.isdisjoint(ID):
        conditions[ID] = Ids(frozenset({instance.id}))
    others = [Query().where(each) for each in conditions.values()]
    numbers = yield from counts.counts(meta.space(using), query, others)
    return [
        names for names, number in zip(conditions, numbers, strict=True) if number > 0
    ]


def _new_values(
    instance: Instance, using: str, packed: bytes | None
) -> Mapping[tuple[str, ...], bytes]:
    """Return the unique values of this object that are not stored for it yet."""
    meta = instance._meta
    if not meta.unique:
        return {}
    stored: Mapping[str, Any] = {}
    if packed is not None:
        key = object_key(meta.space(using), instance.id)
        stored = Record.of(packed, key).attrs
    attrs = instance._contents().attrs
    found = {}
    for names in meta.unique:
        value = unique_value([attrs.get(name) for name in names])
        if value is not None and value != unique_value(
            [stored.get(name) for name in names]
        ):
            found[names] = value
    return found


def unique_errors(
    instance: Instance, taken: Iterable[tuple[str, ...]]
) -> dict[str, list[ValidationError]]:
    """Return Django's errors by attribute, for these entries of Meta.unique."""
    errors: dict[str, list[ValidationError]] = {}
    for names in taken:
        names = field_names(instance._meta, names)
        name = names[0] if len(names) == 1 else NON_FIELD_ERRORS
        error = instance.unique_error_message(type(instance), names)
        errors.setdefault(name, []).append(error)
    return errors


def unique_error(instance: Instance, names: tuple[str, ...]) -> ValidationError:
    """Return Django's error about a unique value that is taken."""
    meta: Any = instance._meta
    labels = [_label(meta, name) for name in names]
    params = {
        "model": type(instance),
        "model_class": type(instance),
        "model_name": capfirst(meta.verbose_name),
        "unique_check": names,
        "field_label": labels[0],
        "field_labels": get_text_list(labels, _("and")),
    }
    if len(names) == 1:
        message = _("%(model_name)s with this %(field_label)s already exists.")
        return ValidationError(message, code="unique", params=params)
    message = _("%(model_name)s with this %(field_labels)s already exists.")
    return ValidationError(message, code="unique_together", params=params)


def field_names(meta: BaseOptions, names: Iterable[str]) -> tuple[str, ...]:
    """Return stored names as those of fields: ``author`` for ``author_id``."""
    fields = {each.attname: each.name for each in meta.references.values()}
    return tuple(fields.get(name, name) for name in names)


def _label(meta: Any, name: str) -> Any:
    """Return the label of an attribute, declared or not."""
    if name == "id":
        return "ID"
    field = meta.fields_by_name.get(meta.stored_name(name))
    return capfirst(field.verbose_name if field else name.replace("_", " "))
