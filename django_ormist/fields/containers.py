"""Declared types of containers: lists, tuples, dicts, dataclasses.

With members of an Enum or dataclasses in them, their Python form is a copy.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ..storable import unwrap
from .types import ValueType, kind_error


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
        if self.kind in _SETS and _has_duplicates(items):  # {1, "1"}
            raise _duplicate_error(value)
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
            raise kind_error(value, "dict")
        keys = _clean_items((each, self.key) for each in value)
        items = _clean_items(((each, self.value) for each in value.values()), value)
        is_same = _are_same(value, keys) and _are_same(value.values(), items)
        if type(value) is dict and is_same:
            return value
        if _has_duplicates(keys):  # {1: "a", "1": "b"}
            raise _duplicate_error(value)
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
    class may refer to itself. is_searched: whether that is being called.
    """

    is_searched = False

    def __init__(
        self, kind: Any, find: Callable[[], tuple[dict[str, ValueType], frozenset[str]]]
    ) -> None:
        self.kind, self._find = kind, find
        self.text = kind.__qualname__

    @cached_property
    def _found(self) -> tuple[dict[str, ValueType], frozenset[str]]:
        self.is_searched = True
        try:
            return self._find()
        finally:
            self.is_searched = False

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
            raise kind_error(value, self.text)
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
        if self.is_searched:  # it contains itself, and is mapped to be sure
            return True
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


_SEQUENCES, _SETS = (list, tuple), (set, frozenset)


def _items(value: Any, kind: type) -> Any:
    """Return the items of a container that can be converted to *kind*."""
    allowed = _SEQUENCES if kind in _SEQUENCES else (*_SETS, *_SEQUENCES)
    if not isinstance(value, allowed):
        raise kind_error(value, kind.__name__)
    if kind in _SETS and isinstance(value, _SEQUENCES) and _has_duplicates(value):
        raise _duplicate_error(value)
    return value


def _duplicate_error(value: Any) -> ValidationError:
    return ValidationError(
        _("“%(value)s” has an item twice."), code="invalid", params={"value": value}
    )


def _has_duplicates(value: Sequence[Any]) -> bool:
    try:
        return len(set(value)) < len(value)
    except TypeError as error:
        raise kind_error(value, "set") from error


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
