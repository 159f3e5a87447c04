"""Bound fields, which the forms of the browsable API show."""

from datetime import datetime
from typing import Any

from rest_framework import ISO_8601, serializers
from rest_framework.settings import api_settings
from rest_framework.utils.serializer_helpers import NestedBoundField

_INPUT = "datetime-local"


class RecordBoundField(NestedBoundField):
    """The bound field of a nested serializer, whose values may not fit."""

    def __getitem__(self, key: str) -> Any:
        return accept_misfit(super().__getitem__(key))


def accept_misfit(bound: Any) -> Any:
    """Return a bound field whose form field can show the value.

    REST framework parses the values of a DateTimeField for its input. One that does not
    fit is shown in an input of text.
    """
    if isinstance(bound, NestedBoundField):
        return RecordBoundField(
            bound._field, bound.value, bound.errors, prefix=bound._prefix
        )
    if _has_moment_input(bound._field) and not _is_moment(bound._field, bound.value):
        bound.style = {**bound._field.style, "input_type": "text"}
    return bound


def _has_moment_input(field: Any) -> bool:
    is_default = field.style.get("input_type", _INPUT) == _INPUT
    return is_default and isinstance(field, serializers.DateTimeField)


def _is_moment(field: Any, shown: Any) -> bool:
    """Return whether REST framework can parse a value that the field has shown."""
    written = getattr(field, "format", api_settings.DATETIME_FORMAT)
    if shown in (None, ""):
        return True
    if written is None:
        return isinstance(shown, datetime)
    try:
        if written == ISO_8601:
            datetime.fromisoformat(shown)
        else:
            datetime.strptime(shown, written)
    except (TypeError, ValueError):
        return False
    return True
