"""Attributes and tags -> index terms, and the key suffix of a term."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from .sortkeys import decimal_of
from .storable import unwrapped

LONGEST = 64
"""Bytes of UTF-8 that a term may have to stand in a key as it is."""

_LONG = 1 << 2048
"""An int of 617 digits: Python's limit may be set as low as 640."""


def text(value: Any) -> str | None:
    """The text that equality compares; None for bytes and containers.

    ``str()`` of str, int, float, bool, None, Decimal and UUID; ``isoformat()`` of
    dates and times, aware ones in UTC. A subclass has the text of its plain base.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return _digits(value)
    if kind is bool or kind is float or value is None:
        return str(value)
    real = unwrapped(value)
    if real is not value:
        return text(real)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, datetime):
        return _moment(value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | Decimal | UUID):
        return str(value)
    return None


def _digits(value: int) -> str:
    """Return all of them: Python refuses more than 4300, or takes minutes for them."""
    if -_LONG < value < _LONG:
        return int.__repr__(value)
    return str(decimal_of(value))


def _moment(value: datetime) -> datetime:
    """In UTC if it is aware; as it is where that lies beyond the years 1 to 9999."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value


def attribute_term(name: str, value: Any) -> str | None:
    """The term of an indexed attribute, ``name:text``; None if it has no text."""
    plain = text(value)
    return None if plain is None else f"{name}:{plain}"


def term_suffix(term: str) -> bytes:
    """What stands for *term* in the name of its key: the term, or its digest.

    Both kinds begin differently, and SHA-256 is not made to collide: two terms never
    share a suffix. Raises ValueError that names a term with a lone surrogate.
    """
    try:
        plain = term.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The tag {term!r} holds a lone surrogate, which no text can carry. "
            "Use valid Unicode."
        ) from error
    if len(plain) <= LONGEST:
        return b"t:" + plain
    return b"h:" + sha256(plain).digest()


def unique_value(values: Sequence[Any]) -> bytes | None:
    """What stands for values that are unique together: their texts, or a digest.

    None where one of them is None or has no text: those are not kept unique.
    """
    texts = [None if value is None else text(value) for value in values]
    if len(texts) == 1:
        return None if texts[0] is None else term_suffix(texts[0])
    if None in texts:
        return None
    return term_suffix("".join([f"{len(str(each))}:{each}" for each in texts]))


def object_terms(
    attrs: Mapping[str, Any], tags: Iterable[str], indexed: Callable[[str], bool]
) -> list[str]:
    """The given tags, then the terms of indexed attributes, without duplicates."""
    terms = dict.fromkeys(tags)
    for name, value in attrs.items():
        if indexed(name):
            term = attribute_term(name, value)
            if term is not None:
                terms[term] = None
    return list(terms)
