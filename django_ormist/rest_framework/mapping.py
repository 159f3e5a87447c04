"""Translation of declared types into serializer fields."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.core import validators as checks
from django.utils.text import capfirst
from rest_framework import serializers
from rest_framework.utils.field_mapping import needs_label

from ..fields import CounterField, Field
from ..fields.containers import DictType, ListType, RecordType, TupleType
from ..fields.types import AnyType, Scalar, UnionType, Validated, ValueType
from ..validators import HIGHEST_COUNTER, LOWEST_COUNTER
from .fields import (
    BooleanField,
    BytesField,
    FloatField,
    IntegerField,
    ItemsField,
    MappingField,
    ValueField,
)

FIELDS: dict[type, type[Any]] = {
    str: serializers.CharField,
    int: IntegerField,
    float: FloatField,
    bool: BooleanField,
    bytes: BytesField,
    Decimal: serializers.DecimalField,
    datetime: serializers.DateTimeField,
    date: serializers.DateField,
    time: serializers.TimeField,
    timedelta: serializers.DurationField,
    UUID: serializers.UUIDField,
}
"""The serializer field of each type of a single value."""

_NUMBERS = (int, float, Decimal, timedelta)
_ARGUMENTS = {
    checks.MaxValueValidator: "max_value",
    checks.MinValueValidator: "min_value",
    checks.MaxLengthValidator: "max_length",
    checks.MinLengthValidator: "min_length",
}
"""Validators that are arguments of a serializer field, which then words the error."""

_BY_VALIDATOR = {
    checks.EmailValidator: serializers.EmailField,
    checks.URLValidator: serializers.URLField,
}

COUNTER_BOUNDS = {"min_value": LOWEST_COUNTER, "max_value": HIGHEST_COUNTER}
"""Arguments of the serializer field of a counter."""

Built = tuple[type[Any], dict[str, Any]]
"""The class of a serializer field, and its arguments."""


def build_attribute(
    field: Field, name: str, fields: Mapping[type, type[Any]], choice_field: type[Any]
) -> Built:
    """Return the serializer field of a declared attribute.

    name: that of the serializer field, whose label need not repeat it. fields: as
    FIELDS.
    """
    kind, kwargs = build_type(field.type, fields, choice_field, field)
    if needs_label(field, name):
        kwargs["label"] = capfirst(field.verbose_name)
    if field.help_text:
        kwargs["help_text"] = field.help_text
    kwargs["required"] = not field.has_default()
    if isinstance(field, CounterField):
        kwargs = {**COUNTER_BOUNDS, **kwargs}
    if field.blank and issubclass(
        kind, serializers.CharField | serializers.ChoiceField
    ):
        has_blank = kind is not choice_field or "" in dict(field.flatchoices)
        kwargs["allow_blank"] = has_blank
    return kind, kwargs


def build_member(kind: ValueType, *, is_required: bool = True) -> Any:
    """Return the serializer field of an item, or of a key of a record."""
    found, kwargs = build_type(kind, FIELDS, serializers.ChoiceField)
    if issubclass(found, serializers.CharField):
        kwargs["allow_blank"] = True  # as the declared type does
    return found(required=is_required, **kwargs)


def build_type(
    kind: ValueType,
    fields: Mapping[type, type[Any]],
    choice_field: type[Any],
    field: Field | None = None,
) -> Built:
    """Return the serializer field of a declared type, or of an attribute of it."""
    plain, validators, has_none = _unwrap(kind)
    if field is not None:
        validators = [*validators, *field.validators]
    kwargs: dict[str, Any] = {"allow_null": True} if has_none else {}
    choices = plain.choices if field is None else field.choices
    found, more = _find_field(plain, fields, choices, choice_field)
    if isinstance(plain, Scalar) and not choices:
        for each in validators:
            found = _BY_VALIDATOR.get(type(each), found)
    kwargs |= more | _arguments(plain, found, validators, bool(choices))
    return found, kwargs


def _unwrap(kind: ValueType) -> tuple[ValueType, list[Any], bool]:
    """Return the type without Annotated and None, its validators, if None is valid."""
    validators: list[Any] = []
    has_none = False
    while True:
        if isinstance(kind, Validated):
            validators += kind.validators
            kind = kind.inner
        elif isinstance(kind, UnionType) and len(kind.others) == 1:
            has_none |= kind.has_none
            kind = kind.others[0]
        else:
            break
    has_none |= isinstance(kind, AnyType)
    has_none |= isinstance(kind, UnionType) and kind.has_none
    return kind, validators, has_none


def _find_field(
    kind: ValueType,
    fields: Mapping[type, type[Any]],
    choices: Any,
    choice_field: type[Any],
) -> Built:
    if choices:
        return choice_field, {"choices": list(choices)}
    if isinstance(kind, Scalar):
        return fields[kind.kind], {}
    if isinstance(kind, ListType):
        return ItemsField, {"kind": kind.kind, "child": build_member(kind.item)}
    if isinstance(kind, DictType):
        return MappingField, {"key": kind.key, "child": build_member(kind.value)}
    if isinstance(kind, RecordType) and not _refers_to_itself(kind, ()):
        return _record_serializer(kind), {}
    return ValueField, {"declared": kind}


def _arguments(
    kind: ValueType, found: type[Any], validators: Sequence[Any], has_choices: bool
) -> dict[str, Any]:
    """Return the arguments that say what these validators do, and the others."""
    kwargs: dict[str, Any] = {}
    rest: list[Any] = []
    is_scalar = isinstance(kind, Scalar)
    is_number = is_scalar and kind.kind in _NUMBERS  # type: ignore[attr-defined]
    has_length = is_scalar and issubclass(found, serializers.CharField)
    has_length |= isinstance(kind, ListType)
    for each in validators:
        name = _ARGUMENTS.get(type(each), "")
        is_argument = is_number if name.endswith("value") else has_length
        if has_choices or name in kwargs or not name or not is_argument:
            if type(each) not in _BY_VALIDATOR or has_choices:
                rest.append(each)
        elif callable(each.limit_value):
            rest.append(each)
        else:
            kwargs[name] = each.limit_value
    if issubclass(found, serializers.DecimalField):
        kwargs |= {"max_digits": None, "decimal_places": None}
        for each in validators:
            if type(each) is checks.DecimalValidator:
                kwargs["max_digits"] = each.max_digits
                kwargs["decimal_places"] = each.decimal_places
                rest.remove(each)
    if rest:
        kwargs["validators"] = rest
    return kwargs


def _refers_to_itself(kind: ValueType, path: tuple[Any, ...]) -> bool:
    """Return whether a record contains records of its own class, at any depth."""
    if isinstance(kind, RecordType):
        if kind.kind in path:
            return True
        path = (*path, kind.kind)
    return any(_refers_to_itself(each, path) for each in _parts(kind))


def _parts(kind: ValueType) -> Sequence[ValueType]:
    """Return the types that a type is made of."""
    match kind:
        case Validated():
            return [kind.inner]
        case UnionType():
            return kind.others
        case ListType():
            return [kind.item]
        case TupleType():
            return kind.items
        case DictType():
            return [kind.key, kind.value]
        case RecordType():
            return list(kind.members.values())
    return []


class RecordSerializer(serializers.Serializer):
    """The nested serializer of a TypedDict or a dataclass, as of RECORD.

    A record is replaced as a whole: a partial update of the object does not make one
    without its required keys valid.
    """

    record: ClassVar[RecordType]

    def get_fields(self) -> dict[str, Any]:
        required = self.record.required
        return {
            name: build_member(kind, is_required=name in required)
            for name, kind in self.record.members.items()
        }

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        missing = [name for name in self.record.members if name not in found]
        errors = {
            name: [self.fields[name].error_messages["required"]]
            for name in missing
            if name in self.record.required
        }
        if errors:
            raise serializers.ValidationError(errors, code="required")
        return found

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the record as a dict. Raises TypeError for a value that is none."""
        if isinstance(instance, Mapping):
            is_record = instance.keys() <= self.record.members.keys()
        else:
            is_record = type(instance) is self.record.kind
        if not is_record:
            raise TypeError(instance)
        found: dict[str, Any] = super().to_representation(instance)
        return found


_SERIALIZERS: dict[Any, type[RecordSerializer]] = {}


def _record_serializer(kind: RecordType) -> type[RecordSerializer]:
    """Return the serializer of a record, the same for the same class.

    drf-spectacular names the component by it.
    """
    found = _SERIALIZERS.get(kind.kind)
    if found is None:
        name = f"{kind.kind.__name__}Serializer"
        found = type(name, (RecordSerializer,), {"record": kind, "__doc__": None})
        _SERIALIZERS[kind.kind] = found
    return found
