"""Serializer fields for what REST framework has no field for."""

import math
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty, get_error_detail

from ..fields.types import ValueType
from .json_values import sort_items, to_json

_MOST_DIGITS = 4300
"""The digits of an int that Python reads from a text by default."""


class ValueField(serializers.JSONField):
    """Any JSON value that the declared type accepts."""

    def __init__(self, *, declared: ValueType, **options: Any) -> None:
        self.declared = declared
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        return clean_by(self.declared, super().to_internal_value(data))

    def to_representation(self, value: Any) -> Any:
        return to_json(value)


class BytesField(serializers.CharField):
    """Bytes as base64, as Django's serializers write a BinaryField."""

    default_error_messages: ClassVar[Mapping[str, Any]] = {
        "base64": _("This is not valid base64.")
    }

    def run_validation(self, data: Any = empty) -> Any:
        """Return the bytes. CharField returns an empty text as it is."""
        found = super().run_validation(data)
        return b"" if found == "" else found

    def to_internal_value(self, data: Any) -> bytes:
        text = super().to_internal_value(data)
        try:
            return b64decode(text, validate=True)
        except ValueError:
            self.fail("base64")
            raise  # pragma: no cover (fail() has raised)

    def to_representation(self, value: Any) -> Any:
        return to_json(value)


class IntegerField(serializers.IntegerField):
    """An int. Showing a number that is not whole, or is huge, raises ValueError."""

    def to_representation(self, value: Any) -> Any:
        if isinstance(value, Decimal) and value.adjusted() > _MOST_DIGITS:
            raise ValueError(value)  # int() takes minutes
        found = super().to_representation(value)
        if isinstance(value, float | Decimal) and found != value:
            raise ValueError(value)
        return found


class BooleanField(serializers.BooleanField):
    """A bool. Showing another value raises ValueError or TypeError."""

    def to_representation(self, value: Any) -> Any:
        if value not in self.TRUE_VALUES | self.FALSE_VALUES:
            raise ValueError(value)
        return super().to_representation(value)


class FloatField(serializers.FloatField):
    """A float. Infinity and NaN, which JSON does not have, are shown as texts."""

    def to_representation(self, value: Any) -> Any:
        found = super().to_representation(value)
        return found if math.isfinite(found) else str(found)


class ItemsField(serializers.ListField):
    """A list, tuple, set or frozenset as a list. A set is sorted."""

    default_error_messages: ClassVar[Mapping[str, Any]] = {
        "duplicates": _("Items may not be repeated."),
    }

    def __init__(self, *, kind: type, **options: Any) -> None:
        self.kind = kind
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        items = super().to_internal_value(data)
        if self.kind in (list, tuple):
            return self.kind(items)
        try:
            found = self.kind(items)
        except (
            TypeError
        ):  # of items that cannot be hashed: the declaration refuses them
            return items
        if len(found) < len(items):
            self.fail("duplicates")
        return found

    def to_representation(self, data: Any) -> Any:
        """Return the list. Raises TypeError for a value that is none of these."""
        if not isinstance(data, list | tuple | set | frozenset):
            raise TypeError(data)
        is_set = isinstance(data, set | frozenset)
        return super().to_representation(sort_items(data) if is_set else data)


class MappingField(serializers.DictField):
    """A dict whose keys are converted to the declared type."""

    def __init__(self, *, key: ValueType, **options: Any) -> None:
        self.key = key
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        found, errors = {}, {}
        for name, value in super().to_internal_value(data).items():
            try:
                found[clean_by(self.key, name)] = value
            except serializers.ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return found


def clean_by(declared: ValueType, value: Any) -> Any:
    """Return the stored form of a value. Raises REST framework's ValidationError."""
    try:
        return declared.clean(value)
    except DjangoValidationError as error:
        raise serializers.ValidationError(get_error_detail(error)) from error
