"""Declared types: what an attribute can hold, and how it is stored and read.

A value has a stored form, which ``attrs`` and the codecs hold, and a Python form, which
reading the attribute returns. They differ for members of an Enum, which are stored as
their values, for dataclasses, which are stored as dicts, and for containers of these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from enum import Enum
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
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
        self._is_moment = self.text in ("datetime", "time")

    def clean(self, value: Any) -> Any:
        if type(value) is self.kind and not self._is_moment:
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
            with suppress(ValueError, TypeError):
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


class ListType(ValueType):
    """A list, tuple, set or frozenset with items of one type."""

    def __init__(self, kind: type, item: ValueType) -> None:
        self.kind, self.item = kind, item
        rest = ", ..." if kind is tuple else ""
        self.text = f"{kind.__name__}[{item.text}{rest}]"
        self.is_converted = self.is_mutable = item.is_converted

    def clean(self, value: Any) -> Any:
        value = unwrap(value)
        given = _items(value, self.kind)
        items = _clean_items((each, self.item) for each in given)
        if type(value) is self.kind and _are_same(given, items):
            return value
        return self.kind(items)

    def to_stored(self, value: Any) -> Any:
        return _map(self.item.to_stored, value, self.kind)

    def to_python(self, stored: Any) -> Any:
        return _map(self.item.to_python, stored, self.kind)


class TupleType(ValueType):
    """A tuple with a type for each item."""

    def __init__(self, items: Sequence[ValueType]) -> None:
        self.items = tuple(items)
        self.text = f"tuple[{', '.join(each.text for each in items) or '()'}]"
        self.is_converted = self.is_mutable = any(each.is_converted for each in items)

    def clean(self, value: Any) -> Any:
        value = unwrap(value)
        given = _items(value, tuple)
        if len(given) != len(self.items):
            raise ValidationError(
                _("“%(value)s” must have %(number)d items."),
                code="invalid",
                params={"value": value, "number": len(self.items)},
            )
        items = _clean_items(zip(given, self.items, strict=True))
        return value if type(value) is tuple and _are_same(given, items) else (*items,)

    def to_stored(self, value: Any) -> Any:
        return self._map("to_stored", value)

    def to_python(self, stored: Any) -> Any:
        return self._map("to_python", stored)

    def _map(self, method: str, value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(self.items):
            return value
        pairs = zip(self.items, value, strict=True)
        found = tuple(getattr(kind, method)(each) for kind, each in pairs)
        return value if _are_same(value, found) else found


class DictType(ValueType):
    """A dict with keys of one type, and values of another."""

    def __init__(self, key: ValueType, value: ValueType) -> None:
        self.key, self.value = key, value
        self.text = f"dict[{key.text}, {value.text}]"
        self.is_converted = self.is_mutable = key.is_converted or value.is_converted

    def clean(self, value: Any) -> Any:
        value = unwrap(value)
        if not isinstance(value, dict):
            raise _kind_error(value, "dict")
        keys = _clean_items((each, self.key) for each in value)
        items = _clean_items(((each, self.value) for each in value.values()), value)
        is_same = _are_same(value, keys) and _are_same(value.values(), items)
        if type(value) is dict and is_same:
            return value
        return dict(zip(keys, items, strict=True))

    def to_stored(self, value: Any) -> Any:
        return self._map(self.key.to_stored, self.value.to_stored, value)

    def to_python(self, stored: Any) -> Any:
        return self._map(self.key.to_python, self.value.to_python, stored)

    def _map(self, key: Any, item: Any, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found = {key(name): item(each) for name, each in value.items()}
        is_same = _are_same(value, found) and _are_same(value.values(), found.values())
        return value if is_same else found


class RecordType(ValueType):
    """A dict with a type for each key, which TypedDict and dataclasses are.

    find: a function that returns the type of each key, called on first use, because a
    class may refer to itself.
    """

    def __init__(
        self, kind: Any, find: Callable[[], tuple[dict[str, ValueType], frozenset[str]]]
    ) -> None:
        self.kind, self._find = kind, find
        self.text = kind.__qualname__

    @cached_property
    def _found(self) -> tuple[dict[str, ValueType], frozenset[str]]:
        return self._find()

    @property
    def members(self) -> dict[str, ValueType]:
        """The type of each key."""
        return self._found[0]

    @property
    def required(self) -> frozenset[str]:
        """The keys that cannot be absent."""
        return self._found[1]

    def clean(self, value: Any) -> Any:
        value = unwrap(value)
        if not isinstance(value, dict):
            raise _kind_error(value, self.text)
        for name in sorted(self.required - value.keys()):
            raise self._key_error(_("The key “%(key)s” of %(type)s is required."), name)
        for name in value:
            if name not in self.members:
                raise self._key_error(_("%(type)s has no key “%(key)s”."), name)
        items = _clean_items(
            ((each, self.members[name]) for name, each in value.items()), value
        )
        if type(value) is dict and _are_same(value.values(), items):
            return value
        return dict(zip(value, items, strict=True))

    def _key_error(self, message: Any, name: Any) -> ValidationError:
        params = {"key": name, "type": self.text}
        return ValidationError(message, code="invalid", params=params)

    def _map(self, method: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found = {
            name: getattr(self.members[name], method)(each)
            if name in self.members
            else each
            for name, each in value.items()
        }
        return value if _are_same(value.values(), found.values()) else found


class TypedDictType(RecordType):
    """A TypedDict, which is stored and read as a dict."""

    @cached_property
    def is_converted(self) -> bool:  # type: ignore[override]
        return any(each.is_converted for each in self.members.values())

    @property
    def is_mutable(self) -> bool:  # type: ignore[override]
        return self.is_converted

    def to_stored(self, value: Any) -> Any:
        return self._map("to_stored", value)

    def to_python(self, stored: Any) -> Any:
        return self._map("to_python", stored)


class DataclassType(RecordType):
    """A dataclass, stored as a dict and read as an instance."""

    is_converted = is_mutable = True

    def clean(self, value: Any) -> Any:
        return super().clean(self.to_stored(unwrap(value)))

    def to_stored(self, value: Any) -> Any:
        if type(value) is not self.kind:
            return self._map("to_stored", value)
        return {
            each.name: self.members[each.name].to_stored(getattr(value, each.name))
            for each in fields(self.kind)
        }

    def to_python(self, stored: Any) -> Any:
        """Return an instance. A dict with other keys is returned as it is.

        So it is if the class refuses it.
        """
        if not isinstance(stored, dict) or not stored.keys() <= self.members.keys():
            return stored
        try:
            return self.kind(**self._map("to_python", stored))
        except Exception:  # of __post_init__(), or a key is absent: never raises
            return stored


def required_fields(kind: Any) -> frozenset[str]:
    """Return the names of the fields of a dataclass without a default."""
    return frozenset(
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    )


# ---------------------------------------------------------------- parts


def run_validators(validators: Iterable[Validator], value: Any) -> None:
    """Call each of them, and raise one ValidationError with all of their messages."""
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


def _kind_error(value: Any, kind: str) -> ValidationError:
    if value is None:
        return ValidationError(_NULL, code="null")
    return ValidationError(
        _("“%(value)s” value must be a %(kind)s."),
        code="invalid",
        params={"value": value, "kind": kind},
    )


_SEQUENCES, _SETS = (list, tuple), (set, frozenset)


def _items(value: Any, kind: type) -> Any:
    """Return the items of a container that can be converted to *kind*."""
    allowed = _SEQUENCES if kind in _SEQUENCES else (*_SETS, *_SEQUENCES)
    if not isinstance(value, allowed):
        raise _kind_error(value, kind.__name__)
    if kind in _SETS and isinstance(value, _SEQUENCES) and _has_duplicates(value):
        raise ValidationError(
            _("“%(value)s” has an item twice."), code="invalid", params={"value": value}
        )
    return value


def _has_duplicates(value: Sequence[Any]) -> bool:
    try:
        return len(set(value)) < len(value)
    except TypeError as error:
        raise _kind_error(value, "set") from error


def _clean_items(
    pairs: Iterable[tuple[Any, ValueType]], names: Iterable[Any] = ()
) -> list[Any]:
    """Return each value cleaned. The error names the item by its number or key."""
    found, keys = [], list(names)
    for i, (value, kind) in enumerate(pairs):
        try:
            found.append(kind.clean(value))
        except ValidationError as error:
            where = repr(keys[i]) if keys else str(i)
            raise ValidationError(
                [
                    ValidationError(
                        _("Item %(where)s: %(message)s"),
                        code=each.code,
                        params={"where": where, "message": each.messages[0]},
                    )
                    for each in error.error_list
                ]
            ) from error
    return found


def _are_same(given: Iterable[Any], found: Iterable[Any]) -> bool:
    return all(map(_is_same, given, found))


def _is_same(one: Any, other: Any) -> bool:
    return one is other


def _map(convert: Callable[[Any], Any], value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        return value
    found = [convert(each) for each in value]
    return value if _are_same(value, found) else kind(found)
