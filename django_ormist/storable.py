"""Values of Django and Python that are stored as others, or cannot be stored."""

from collections.abc import Iterable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.utils.functional import LazyObject, Promise, empty

_CONTAINERS = (list, tuple, dict, set, frozenset)
_EXOTIC = (datetime, date, time, timedelta, Decimal, UUID)
_STORED = (str, int, float, bool, bytes, *_CONTAINERS, *_EXOTIC)
_PLAIN = frozenset((*_STORED, type(None)))


def unwrap(value: Any) -> Any:
    """Return the value of a lazy object, and any other value as it is.

    Lazy objects are those of gettext_lazy(), reverse_lazy(), lazy() and
    SimpleLazyObject, such as request.user.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, Promise):
        return unwrap(value._proxy____cast())
    if issubclass(kind, LazyObject):
        if value._wrapped is empty:
            value._setup()
        return unwrap(value._wrapped)
    return value


def replacement(value: Any) -> str:
    """Return a description of a storable replacement for a value."""
    if hasattr(type(value), "_meta"):
        return "its primary key, .pk"
    if hasattr(value, "model") and hasattr(value, "values_list"):
        return "a list, list(queryset.values_list('pk', flat=True))"
    if hasattr(value, "resolve_expression"):
        return "a value; update(name=F(...)) of a collection computes expressions"
    if isinstance(value, Enum):
        return "its .value"
    if is_dataclass(value) and not isinstance(value, type):
        return "dataclasses.asdict() of it"
    if isinstance(value, bytearray | memoryview):
        return "bytes() of it"
    if hasattr(value, "tolist"):  # of numpy
        return "its .tolist()"
    if hasattr(value, "read"):
        return "its name, or the bytes of read()"
    if isinstance(value, Iterable) and not isinstance(value, type):
        return "list() of it"
    if callable(value) and not isinstance(value, type):
        return "what it returns, by calling it"
    return f"a {', '.join(kind.__name__ for kind in _STORED)} or None"
