"""The form fields of declared types. Imported on first use: it imports django.forms."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import (
    DecimalValidator,
    EmailValidator,
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
    URLValidator,
    validate_slug,
)
from django.db.models import utils
from django.db.models.fields import BLANK_CHOICE_DASH
from django.utils.choices import flatten_choices
from django.utils.text import capfirst

from ..codecs import pack_value
from .containers import ListType
from .types import (
    LiteralType,
    Scalar,
    UnionType,
    Validated,
    ValueType,
    inner_type,
)

_CLASSES: dict[type, type[forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: forms.FloatField,
    bool: forms.BooleanField,
    Decimal: forms.DecimalField,
    datetime: forms.DateTimeField,
    date: forms.DateField,
    time: forms.TimeField,
    timedelta: forms.DurationField,
    UUID: forms.UUIDField,
}
_NUMBERS = (int, float, Decimal)
_CHOICE_OPTIONS = {
    *("coerce", "empty_value", "choices", "required", "widget", "label", "initial"),
    *("help_text", "error_messages", "show_hidden_initial", "disabled"),
}

Options = dict[str, Any]


def build_formfield(field: Any, form_class: Any, options: Options) -> Any:
    """Return the form field of a declared attribute, or None if it has none.

    options: arguments that replace those of the declaration. A field with choices takes
    those of TypedChoiceField only, as in Django.
    """
    found: Options = {
        "required": not field.blank,
        "label": capfirst(field.verbose_name),
        "help_text": field.help_text,
    }
    kind = inner_type(field.type)
    if field.choices is not None:
        given = {key: options[key] for key in options if key in _CHOICE_OPTIONS}
        return _build_choice(field, {**found, **given})
    if isinstance(kind, ListType) and kind.item.choices is not None:
        return _build_multiple_choice(kind, form_class, {**found, **options})
    if isinstance(kind, Scalar):
        if kind.kind is bytes:
            return None
        own_class, own = _scalar_options(field, kind.kind)
    elif isinstance(kind, UnionType) and _is_text(kind):
        own_class, own = UnionField, {"value_type": field.type}
        own |= {"empty_value": None} if field.null else {}
    else:
        own_class = ValueField
        own = {"value_type": field.type, "make_empty": _make_empty(field, kind)}
    if own_class is forms.URLField and form_class is None:
        own["assume_scheme"] = "https"  # which is the default since Django 6.0
    base = forms.CharField if getattr(kind, "kind", None) is str else own_class
    if form_class is not None and not issubclass(form_class, base):
        own = {}  # arguments that it may not take
    return (form_class or own_class)(**{**found, **own, **options})


def build_reference(field: Any, form_class: Any, options: Options) -> Any:
    """Return the form field of a reference: a choice of one object, as in Django."""
    own: Options = {
        "queryset": field.related_model._default_manager,
        "required": not field.blank,
        "label": capfirst(field.verbose_name),
        "help_text": field.help_text,
        "blank": field.blank,
    }
    return (form_class or forms.ModelChoiceField)(**{**own, **options})


def _is_text(kind: UnionType) -> bool:
    """Return whether a line of text can express each member of the union."""
    members = map(inner_type, kind.others)
    return all(
        isinstance(each, LiteralType)
        or (isinstance(each, Scalar) and each.kind is not bytes)
        for each in members
    )


def _make_empty(field: Any, kind: ValueType) -> Callable[[], Any]:
    """Return a function that returns the value of an attribute that is left empty."""
    if field.null:
        return lambda: None
    return kind.kind if isinstance(kind, ListType) else dict


def _validators(field: Any) -> list[Any]:
    """Return the validators, those of ``Annotated[X, ...] | None`` too."""
    found, kind = list(field.validators), field.type
    while True:
        if isinstance(kind, Validated):
            found += kind.validators
            kind = kind.inner
        elif isinstance(kind, UnionType) and len(kind.others) == 1:
            kind = kind.others[0]
        else:
            return found


def _limit(validators: list[Any], kind: Any, choose: Callable[..., Any]) -> Any:
    """Return the strictest constant limit of the validators of this class, or None."""
    limits = [each.limit_value for each in validators if type(each) is kind]
    return choose((each for each in limits if not callable(each)), default=None)


def _scalar_options(field: Any, kind: type) -> tuple[Any, Options]:
    """Return the form field's class for a type, and its arguments."""
    validators, own = _validators(field), {}
    if kind is bool:
        form_class = forms.NullBooleanField if field.null else forms.BooleanField
        return form_class, {"required": False}
    if kind is str:
        own["max_length"] = _limit(validators, MaxLengthValidator, min)
        own["min_length"] = _limit(validators, MinLengthValidator, max)
    elif kind in _NUMBERS:
        own["max_value"] = _limit(validators, MaxValueValidator, min)
        own["min_value"] = _limit(validators, MinValueValidator, max)
    for each in validators:
        if kind is Decimal and isinstance(each, DecimalValidator):
            own["max_digits"] = each.max_digits
            own["decimal_places"] = each.decimal_places
    own = {name: limit for name, limit in own.items() if limit is not None}
    if kind is not str:
        return _CLASSES[kind], own
    if field.null:
        own["empty_value"] = None
    return _text_class(validators), own


def _text_class(validators: list[Any]) -> type[forms.CharField]:
    for each in validators:
        if isinstance(each, EmailValidator):
            return forms.EmailField
        if isinstance(each, URLValidator):
            return forms.URLField
        if each is validate_slug:
            return forms.SlugField
    return forms.CharField


# ---------------------------------------------------------------- choices


class _Members:
    """Mix-in: shows a member of an Enum as its value, which is that of its choice."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list | tuple | set | frozenset):
            return [_value_of(each) for each in value]
        return _value_of(value)


class _ChoiceField(_Members, forms.TypedChoiceField):
    """A choice, as the value that the attribute reads."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether another text was chosen. Two values may have the same text."""
        shown = self.prepare_value(initial)
        if not self.disabled and shown is not None and str(shown) == data:
            return False
        return super().has_changed(initial, data)


class _MultipleChoiceField(_Members, forms.TypedMultipleChoiceField):
    """A list, tuple or set of choices."""

    def __init__(self, *, kind: type, **options: Any) -> None:
        self.kind = kind
        super().__init__(**options)

    def clean(self, value: Any) -> Any:
        return self.kind(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other choices were sent than a browser sends for *initial*.

        It sends each of them once, in the order of the choices.
        """
        if self.disabled:
            return False
        shown = [str(each) for each in self.prepare_value(initial) or ()]
        sent = [str(each) for each in data or ()]
        if issubclass(self.kind, set | frozenset):
            return {*shown} != {*sent}
        return sent not in (shown, self.in_order(shown))

    def in_order(self, shown: list[str]) -> list[str]:
        """Return what a browser sends for these texts."""
        choices: Any = self.choices
        texts = (str(value) for value, _ in flatten_choices(choices))
        return [text for text in texts if text in shown]


def _value_of(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _build_choice(field: Any, options: Options) -> Any:
    choices, kind = list(field.choices), field.type
    inner = inner_type(kind)
    is_bool = isinstance(inner, Scalar) and inner.kind is bool
    may_be_empty = "initial" not in options or (field.blank and not is_bool)
    if may_be_empty and not any(value in ("", None) for value, _ in field.flatchoices):
        choices = [("", _blank_label()), *choices]
    own: Options = {
        "choices": choices,
        "coerce": lambda value: kind.to_python(kind.clean(value)),
    }
    if field.null:
        own["empty_value"] = None
    return _ChoiceField(**{**own, **options})


def _blank_label() -> Any:
    """Return the label of the empty choice, which is a setting since Django 6.1."""
    find = getattr(utils, "get_blank_choice_label", None)
    return BLANK_CHOICE_DASH[0][1] if find is None else find()


def _build_multiple_choice(kind: ListType, form_class: Any, options: Options) -> Any:
    item = kind.item
    own: Options = {
        "choices": list(item.choices or ()),
        "coerce": lambda value: item.to_python(item.clean(value)),
    }
    if form_class is None:
        own["kind"] = kind.kind
    return (form_class or _MultipleChoiceField)(**{**own, **options})


# ---------------------------------------------------------------- values


class UnionField(forms.CharField):
    """One of several types, as a line of text. ``str`` is the last that is tried."""

    def __init__(self, *, value_type: ValueType, **options: Any) -> None:
        self.value_type = value_type
        kind = inner_type(value_type)
        members = kind.others if isinstance(kind, UnionType) else [kind]
        self._members = sorted(members, key=lambda each: each.text == "str")
        super().__init__(**options)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return text
        for each in self._members:
            with suppress(ValidationError):
                return each.to_python(each.clean(text))
        return self.value_type.clean(text)  # raises the error about all of the types

    def prepare_value(self, value: Any) -> Any:
        value = _value_of(value)
        if isinstance(value, date | time):
            return value.isoformat()
        return value if value is None else str(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        shown = self.prepare_value(initial) or ""
        return bool(shown.strip() != (data or "").strip())


class _Encoder(DjangoJSONEncoder):
    """The encoder of sets as lists too."""

    def default(self, value: Any) -> Any:
        if isinstance(value, set | frozenset):
            return sorted(value, key=repr)
        return super().default(value)


class ValueField(forms.JSONField):
    """A list, a dict or another value as JSON. Its items are converted.

    The cleaned value is that which the attribute reads: an instance of a dataclass for
    example. make_empty: a function that returns the value of an empty text.
    """

    def __init__(
        self, *, value_type: ValueType, make_empty: Callable[[], Any], **options: Any
    ) -> None:
        self.value_type, self.make_empty = value_type, make_empty
        super().__init__(encoder=_Encoder, **options)

    def to_python(self, value: Any) -> Any:
        if self.disabled:
            return value
        text = "" if value is None else str(value)
        if not text.strip():
            return self.make_empty()
        try:
            found = json.loads(text)
            pack_value("value", found)  # a lone surrogate, for example, is not stored
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": text}
            ) from error
        return self.value_type.to_python(self.value_type.clean(found))

    def validate(self, value: Any) -> None:
        if self.required and value in (*self.empty_values, set(), frozenset()):
            raise ValidationError(self.error_messages["required"], code="required")

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial if self.disabled else forms.fields.InvalidJSONInput(data or "")

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, forms.fields.InvalidJSONInput):
            return value  # the text as it was sent
        if value is None:
            return ""
        stored = self.value_type.to_stored(value)
        try:
            return json.dumps(stored, ensure_ascii=False, cls=_Encoder)
        except (TypeError, ValueError, RecursionError):  # only shown: see can_edit()
            return repr(stored)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        try:
            found = self.to_python(data)
        except ValidationError:
            return True
        return bool(found != (self.make_empty() if initial is None else initial))

    def can_edit(self, value: Any) -> bool:
        """Return whether the JSON of a value gives the same value again."""
        try:
            return not self.has_changed(value, self.prepare_value(value))
        except (TypeError, ValueError):  # of __eq__() of a dataclass
            return False
