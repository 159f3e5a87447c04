"""The form fields of declared attributes, which have no column for the type."""

import math
from collections.abc import Iterable
from datetime import datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import capfirst

from ..codecs import pack_value
from ..fields import Field
from ..fields.types import AnyType, Scalar, inner_type
from .formfields import OneAttributeField
from .value_text import normalize_newlines, to_text

LINE = 80
"""Characters that a line of a text area shows, about."""

MOST_LINES = 12


class TextWidget(AdminTextareaWidget):
    """A text area with as many lines as the text has."""

    class Media:
        css = {"all": ["django_ormist/admin.css"]}  # noqa: RUF012

    def __init__(self, attrs: Any = None) -> None:
        given = {"class": "vLargeTextField ormist-text", **(attrs or {})}
        super().__init__(given)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["rows"] = count_lines(value or "")
        return context


def count_lines(text: str) -> int:
    """Return the lines that a text area shows of a text: 1 to 12."""
    lines = text.split("\n")
    number = sum(max(1, math.ceil(len(line) / LINE)) for line in lines)
    return min(number, MOST_LINES)


class TextField(forms.CharField):
    """A field for texts that keeps line breaks and outer spaces of unchanged ones."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self._plain(initial) != self._plain(data)

    def show(self, stored: Any) -> None:
        """Use more than one line for a stored text that has line breaks."""
        is_long = isinstance(stored, str) and "\n" in normalize_newlines(stored)
        if is_long and isinstance(self.widget, forms.TextInput):
            self.widget = TextWidget()

    def _plain(self, value: Any) -> str:
        text = normalize_newlines("" if value is None else str(value))
        return text.strip() if self.strip else text

    def to_python(self, value: Any) -> Any:
        return super().to_python(
            normalize_newlines(value) if isinstance(value, str) else value
        )


def build_formfield(declared: Field, options: dict[str, Any]) -> Any:
    """Return the form field of a declared attribute.

    A value of any type, and bytes, have the editor of undeclared attributes.

    options: the arguments that ModelAdmin passes to Field.formfield() of Django.
    """
    own = declared.formfield()
    if own is None or isinstance(inner_type(declared.type), AnyType):
        return OneAttributeField(
            declared.name,
            label=capfirst(declared.verbose_name),
            help_text=declared.help_text,
        )
    given: dict[str, Any] = {"show_hidden_initial": False, **options}
    if type(own) is forms.CharField:
        given.setdefault("form_class", TextField)
        if given.get("widget") is AdminTextareaWidget:
            given["widget"] = TextWidget
    elif isinstance(own, forms.JSONField):
        given.setdefault("widget", TextWidget)
    elif given.get("widget") is AdminTextareaWidget:  # of a union
        given["widget"] = AdminTextInputWidget
    return declared.formfield(**given)


def can_show(declared: Field, form_field: Any, stored: Any) -> bool:
    """Return whether a form field shows a stored value, and gives the same back.

    Otherwise the value does not fit the declaration, or a browser would change it.
    """
    if stored is None:
        return declared.null
    if declared.choices is not None:
        return _is_chosen_by_text(stored, (value for value, _ in declared.flatchoices))
    kind = inner_type(declared.type)
    if isinstance(kind, Scalar):
        is_exact = isinstance(form_field, TextField) or not isinstance(stored, str)
        is_kept = is_exact or stored == "".join(stored.split())
        return type(stored) is kind.kind and is_kept and _is_typeable(stored)
    try:
        read = declared.to_python(stored)
        if hasattr(form_field, "can_edit"):
            return bool(form_field.can_edit(read))
        shown = form_field.prepare_value(read)
        text = _sent(form_field, shown) if isinstance(shown, list) else str(shown)
        cleaned = declared.type.to_stored(form_field.clean(text))
        return pack_value("", cleaned) == pack_value("", stored)
    except (TypeError, ValueError, ValidationError):
        return False


def has_choices(declared: Field) -> bool:
    """Return whether the values are declared choices, or yes and no."""
    kind = inner_type(declared.type)
    is_bool = isinstance(kind, Scalar) and kind.kind is bool
    return declared.choices is not None or is_bool


def _is_chosen_by_text(stored: Any, values: Iterable[Any]) -> bool:
    """Return whether it is one of the values, and the first one with its text."""
    first = next((value for value in values if str(value) == str(stored)), None)
    return type(first) is type(stored) and first == stored


def _sent(form_field: Any, shown: list[Any]) -> list[Any]:
    """Return what a browser sends for a list of choices."""
    texts = [str(each) for each in shown]
    return form_field.in_order(texts) if hasattr(form_field, "in_order") else shown


def _is_typeable(stored: Any) -> bool:
    """Return whether an input of this type accepts the value."""
    if isinstance(stored, datetime):
        return bool(settings.USE_TZ) is timezone.is_aware(stored)
    if isinstance(stored, time):
        return stored.tzinfo is None
    if isinstance(stored, str | int):
        return not to_text(stored).is_readonly
    if hasattr(stored, "is_finite"):
        return bool(stored.is_finite())
    return not isinstance(stored, float) or math.isfinite(stored)
