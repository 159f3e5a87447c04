"""Validation of ids, tags and counters that users pass."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from .keys import pk_bytes
from .schema import RESERVED
from .storable import unwrap
from .terms import text


def validate_pk(model: str, pk: object) -> str | None:
    """Return *pk*, if given, as a plain str. Raises TypeError or ValueError."""
    if pk is None:
        return None
    plain = clean_pk(model, pk)
    if not plain:
        raise ValueError(
            f"An id of {model} cannot be empty. Pass None to generate one."
        )
    return plain


def validate_set(attrs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of set(). Raise TypeError for a reserved name."""
    for name in attrs.keys() & RESERVED:
        raise TypeError(
            f"set() takes attributes, not {name!r}: assign it. An attribute of that "
            f"name is reached through attrs[{name!r}]."
        )
    return attrs


def clean_pk(model: str, pk: object) -> str:
    """Return *pk* as a plain str for a lookup: an int or a UUID as its text.

    Raises TypeError or ValueError.
    """
    if type(pk) is str:
        pk_bytes(pk)
        return pk
    pk = unwrap(pk)
    if isinstance(pk, bool) or not isinstance(pk, str | int | UUID):
        hint = "Pass a str, an int or a UUID."
        if hasattr(type(pk), "_meta"):
            hint = "Pass its .pk."
        elif isinstance(pk, bytes):
            hint = "Decode it."
        raise TypeError(
            f"An id of {model} is a str, not {type(pk).__name__}: {pk!r}. {hint}"
        )
    plain = str(text(pk))
    pk_bytes(plain)
    return plain


def validate_tags(model: Any, tags: Iterable[str]) -> list[str]:
    """Return the tags without duplicates. Raises TypeError."""
    given = tags if are_plain_tags(tags) else _clean_tags(tags)
    if given and not model.is_tagged:
        raise TypeError(
            f"{model.__name__} takes no tags: it got {next(iter(given))!r}. "
            "Derive it from TaggedModel, or pass attributes by name."
        )
    return list(given)


def are_plain_tags(tags: Any) -> bool:
    """Return whether tags are a tuple or list of different texts."""
    if type(tags) is not tuple and type(tags) is not list:
        return False
    for tag in tags:
        if type(tag) is not str:
            return False
    return len({*tags}) == len(tags)


def _clean_tags(tags: Any) -> dict[str, None]:
    """Return tags of any subclass of str as plain ones. Raises TypeError."""
    tags = unwrap(tags)
    if isinstance(tags, str):
        raise TypeError(
            f"Tags are a list of texts, not the text {tags!r}. Pass [{tags!r}]."
        )
    if isinstance(tags, bytes) or not isinstance(tags, Iterable):
        raise TypeError(f"Tags are a list of texts, not {tags!r}. Pass [] for no tags.")
    given: dict[str, None] = {}
    for tag in map(unwrap, tags):
        if not isinstance(tag, str):
            raise TypeError(f"A tag is a str, not {type(tag).__name__}: {tag!r}.")
        given[str.__str__(tag)] = None
    return given


LOWEST_COUNTER, HIGHEST_COUNTER = -(2**63), 2**63 - 1
"""The bounds of a counter, which has 64 bits on the server."""


def validate_counter(model: str, name: str, value: Any) -> int:
    """Return *value* as a plain int. Raises TypeError or OverflowError."""
    value = unwrap(value)
    if not isinstance(value, int) or isinstance(value, bool):
        hint = ""
        if hasattr(value, "resolve_expression"):
            hint = f" Call increment({name!r}), or update({name}=F(...))."
        raise TypeError(
            f"The counter {name!r} of {model} takes an int, not "
            f"{type(value).__name__}.{hint}"
        )
    if not LOWEST_COUNTER <= value <= HIGHEST_COUNTER:
        raise OverflowError(
            f"The counter {name!r} of {model} holds 64 bits: {value} does not fit."
        )
    return int(value)  # a member of an IntEnum is sent by its name
