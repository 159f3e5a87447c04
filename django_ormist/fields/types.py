"""Declared types: what an attribute can hold, and how it is stored and read.

A value has a stored form, which ``attrs`` and the codecs hold, and a Python form, which
reading the attribute returns. They differ for members of an Enum, which are stored as
their values, for dataclasses, which are stored as dicts, and for containers of these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EMPTY_VALUES
from django.utils.translation import gettext_lazy as _

from ..storable import unwrap
from .conversions import CONVERSIONS

REQUIRED = _("This field is required.")
_NULL = _("This field cannot be null.")
_CHOICE = _("Value %(value)r is not a valid choice.")

Validator = Callable[[Any], object]
Choices = Sequence[tuple[Any, Any]]


class ValueType:
    """A declared type.

    text: the type as it is written. is_converted: whether the Python form differs from
    the stored one. is_mutable: whether it differs and can be changed in place.
    """

    text: str
    is_converted = False
    is_mutable = False

    def clean(self, value: Any) -> Any:
        """Return the stored form of a valid value. Raises ValidationError.

        A value that is stored as it is is returned itself, not a copy.
        """
        raise NotImplementedError  # pragma: no cover

    def to_stored(self, value: Any) -> Any:
        """Return the stored form of a Python form, and any other value itself."""
        return value

    def to_python(self, stored: Any) -> Any:
        """Return the Python form of a stored value, or the value if it has none."""
        return stored

    def to_lookup(self, value: Any) -> Any:
        """Return the value that a lookup compares with. Raises ValidationError."""
        return self.clean(value)

    @property
    def choices(self) -> Choices | None:
        """The stored values and their labels, if there is only a choice of them."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.text}>"


class AnyType(ValueType):
    """Any value that can be stored."""

    text = "Any"

    def clean(self, value: Any) -> Any:
        return value


class NoneType(ValueType):
    """None, as a member of a union."""

    text = "None"

    def clean(self, value: Any) -> None:
        if value is not None:
            raise _choice_error(value)


class Scalar(ValueType):
    """A single value of a type that is stored."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.text = kind.__name__
        self._convert, self._message = CONVERSIONS[kind]
        self._is_checked = kind in (datetime, Decimal)  # some values are not valid

    def clean(self, value: Any) -> Any:
        if type(value) is self.kind and not self._is_checked:
            return value
        value = unwrap(value)
        if value is None:
            raise ValidationError(_NULL, code="null")
        try:
            return self._convert(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValidationError(
                self._message, code="invalid", params={"value": value}
            ) from error


class LiteralType(ValueType):
    """One of some values."""

    def __init__(self, values: Sequence[Any], text: str) -> None:
        self.text = text
        self._python = tuple(values)
        self.values = tuple(_value_of(each) for each in values)
        self.is_converted = self._python != self.values or any(
            isinstance(each, Enum) for each in values
        )
        kinds = dict.fromkeys(map(type, self.values))
        self._scalars = [Scalar(kind) for kind in kinds if kind in CONVERSIONS]

    @property
    def choices(self) -> Choices:
        return [(each, str(each)) for each in self.values]

    def clean(self, value: Any) -> Any:
        value = _value_of(unwrap(value))
        converted = (value, *_conversions(self._scalars, value))
        for found in converted:
            for each in self.values:
                if type(each) is type(found) and each == found:
                    return each
        raise _choice_error(value)

    def to_stored(self, value: Any) -> Any:
        return _value_of(value)

    def to_python(self, stored: Any) -> Any:
        for value, found in zip(self.values, self._python, strict=True):
            if type(value) is type(stored) and value == stored:
                return found
        return stored

    def to_lookup(self, value: Any) -> Any:
        return _or_itself(self.clean, value)


class EnumType(ValueType):
    """A member of an Enum, stored as its value."""

    is_converted = True

    def __init__(self, kind: type[Enum]) -> None:
        self.kind = kind
        self.text = kind.__qualname__
        self._members: Mapping[Any, Enum] = kind._value2member_map_
        kinds = dict.fromkeys(type(each.value) for each in kind)
        self._scalars = [Scalar(each) for each in kinds if each in CONVERSIONS]

    @property
    def choices(self) -> Choices:
        """The values and labels: those of Django's Choices, or names in plain words."""
        labelled = getattr(self.kind, "choices", None)
        if labelled is not None:
            return [(value, label) for value, label in labelled if value is not None]
        return [
            (each.value, each.name.replace("_", " ").capitalize()) for each in self.kind
        ]

    def clean(self, value: Any) -> Any:
        value = _value_of(unwrap(value))
        for found in (value, *_conversions(self._scalars, value)):
            with suppress(ValueError, TypeError, LookupError):  # of _missing_() too
                return self.kind(found).value
        raise _choice_error(value)

    def to_stored(self, value: Any) -> Any:
        return _value_of(value)

    def to_python(self, stored: Any) -> Any:
        try:
            return self._members[stored]
        except (KeyError, TypeError):
            return self._slowly(stored)

    def _slowly(self, stored: Any) -> Any:
        """Return a combination of flags, or the member that ``_missing_()`` finds."""
        try:
            return self.kind(stored)
        except Exception:  # _missing_() is the user's, and reading never raises
            return stored

    def to_lookup(self, value: Any) -> Any:
        return _or_itself(self.clean, value)


class Validated(ValueType):
    """A type in Annotated, with validators."""

    def __init__(self, inner: ValueType, validators: Sequence[Validator]) -> None:
        self.inner = inner
        self.validators = tuple(validators)
        self.text = inner.text
        self.is_converted = inner.is_converted
        self.is_mutable = inner.is_mutable

    @property
    def choices(self) -> Choices | None:
        return self.inner.choices

    def clean(self, value: Any) -> Any:
        stored = self.inner.clean(value)
        if stored is not None:  # as Django, which validates no empty value
            run_validators(self.validators, stored)
        return stored

    def to_stored(self, value: Any) -> Any:
        return self.inner.to_stored(value)

    def to_python(self, stored: Any) -> Any:
        return self.inner.to_python(stored)

    def to_lookup(self, value: Any) -> Any:
        return self.inner.to_lookup(value)


class UnionType(ValueType):
    """One of several types. A value of exactly one of them is not converted."""

    def __init__(self, members: Sequence[ValueType]) -> None:
        self.members = tuple(members)
        self.others = [each for each in members if not isinstance(each, NoneType)]
        self.has_none = len(self.others) < len(self.members)
        self.text = " | ".join(each.text for each in members)
        self.is_converted = any(each.is_converted for each in members)
        self.is_mutable = any(each.is_mutable for each in members)

    @property
    def choices(self) -> Choices | None:
        found = [each.choices for each in self.others]
        if any(each is None for each in found):
            return None
        return [pair for each in found for pair in each or ()]

    def clean(self, value: Any) -> Any:
        return self._choose(lambda member: member.clean(value), value)

    def to_lookup(self, value: Any) -> Any:
        return self._choose(lambda member: member.to_lookup(value), value)

    def _choose(self, convert: Callable[[ValueType], Any], value: Any) -> Any:
        """Return the result of the member that keeps the value, or of the first one."""
        if value is None and self.has_none:
            return None
        found, errors = [], []
        for member in self.others:
            try:
                stored = convert(member)
            except ValidationError as error:
                errors.append(error)
                continue
            if type(stored) is type(value) and stored == value:
                return stored
            found.append(stored)
        if found:
            return found[0]
        if len(errors) == 1 or value is None:
            raise errors[0]
        raise ValidationError(
            _("“%(value)s” is none of these types: %(types)s."),
            code="invalid",
            params={"value": value, "types": self.text},
        )

    def to_stored(self, value: Any) -> Any:
        for member in self.others:
            stored = member.to_stored(value)
            if stored is not value:
                return stored
        return value

    def to_python(self, stored: Any) -> Any:
        for member in self.others:
            found = member.to_python(stored)
            if found is not stored:
                return found
        return stored


# ---------------------------------------------------------------- parts


def inner_type(kind: ValueType) -> ValueType:
    """Return a declared type without its validators, and without None."""
    if isinstance(kind, Validated):
        return inner_type(kind.inner)
    if isinstance(kind, UnionType) and len(kind.others) == 1:
        return inner_type(kind.others[0])
    return kind


def run_validators(validators: Iterable[Validator], value: Any) -> None:
    """Call each of them, and raise one ValidationError with all of their messages.

    As in Django, an empty value is not validated.
    """
    if value in EMPTY_VALUES:
        return
    errors: list[ValidationError] = []
    for each in validators:
        try:
            each(value)
        except ValidationError as error:
            errors.extend(error.error_list)
    if errors:
        raise ValidationError(errors)


def _value_of(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _conversions(scalars: Iterable[Scalar], value: Any) -> Iterable[Any]:
    """Yield the value as each of these types that it can be converted to."""
    for scalar in scalars:
        with suppress(ValidationError):
            yield scalar.clean(value)


def _or_itself(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except ValidationError:
        return value


def _choice_error(value: Any) -> ValidationError:
    if value is None:
        return ValidationError(_NULL, code="null")
    return ValidationError(_CHOICE, code="invalid_choice", params={"value": value})


def kind_error(value: Any, kind: str) -> ValidationError:
    """Return the error about a value of another type."""
    if value is None:
        return ValidationError(_NULL, code="null")
    return ValidationError(
        _("“%(value)s” value must be a %(kind)s."),
        code="invalid",
        params={"value": value, "kind": kind},
    )
