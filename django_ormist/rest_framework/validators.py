"""Validators of unique values, in one round trip each, and of the expiration time."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Field as DjangoField
from rest_framework import validators
from rest_framework.exceptions import ValidationError
from rest_framework.fields import DateTimeField

from ..deadlines import remaining_ms, to_deadline
from ..forms.errors import past_message
from ..models import Collection
from ..queries.conditions import Holds
from ..terms import unique_value


class UniqueValidator(validators.UniqueValidator):
    """The validator of an attribute that Meta.unique has alone."""

    def filter_queryset(self, value: Any, queryset: Any, field_name: str) -> Any:
        return find_holder(queryset, (field_name,), [value])


class UniqueTogetherValidator(validators.UniqueTogetherValidator):
    """The validator of attributes that are unique together."""

    def filter_queryset(self, attrs: Any, queryset: Any, serializer: Any) -> Any:
        names = [serializer.fields[name].source for name in self.fields]
        instance = serializer.instance
        if instance is not None:
            for name in names:
                if name not in attrs:
                    attrs[name] = getattr(instance, name, None)
        return find_holder(queryset, tuple(names), [attrs[name] for name in names])


def validate_expire(expire: Any) -> None:
    """Raise ValidationError for a time that is past or is too late to be stored."""
    try:
        deadline = to_deadline(expire)
    except ValueError as error:
        message = DateTimeField.default_error_messages["overflow"]
        raise ValidationError(message, code="overflow") from error
    if deadline is not None and remaining_ms(deadline) <= 0:
        raise ValidationError(past_message())


def find_holder(
    manager: Any, names: tuple[str, ...], values: Sequence[Any]
) -> Collection[Any]:
    """Return the collection of the object that has these unique values.

    It is empty if the values are not kept unique, or if their index is being built:
    then only the save refuses them.
    """
    collection: Collection[Any] = manager.all()
    meta = manager.model._meta
    names = tuple(map(meta.stored_name, names))
    stored = [
        meta.fields_by_name[name].type.to_stored(value)
        if name in meta.fields_by_name
        else value
        for name, value in zip(names, values, strict=True)
    ]
    found = unique_value(stored)
    if found is None or not meta.pending_indexes.isdisjoint(names):
        return collection.none()
    query = collection.query.narrow((), None, (Holds(names, found),))
    return type(collection)(collection.model, query, collection.db)


def unique_message(meta: Any, names: Sequence[str]) -> str:
    """Return Django's message about a unique value, or values together."""
    if len(names) > 1:
        message: Any = UniqueTogetherValidator.message
        shown = ", ".join(field_name(meta, name) for name in names)
        return str(message).format(field_names=shown)
    field = meta.fields_by_name.get(names[0])
    message = DjangoField.default_error_messages["unique"]
    return str(
        message
        % {
            "model_name": meta.verbose_name,
            "field_label": names[0] if field is None else field.verbose_name,
        }
    )


def field_name(meta: Any, stored_name: str) -> str:
    """Return the name of the field that is stored under a name."""
    field = meta.fields_by_name.get(stored_name)
    return stored_name if field is None else str(field.name)
