"""Index terms of attributes and tags, and the key suffix of a term.

A term is a tag, or ``name:text`` of an indexed attribute. Two kinds of terms begin with
a mark, so that a tag cannot forge an attribute: a tag that reads like the term of an
indexed attribute, and the text ``"None"``, since ``None`` has the plain term. Valid
text cannot contain a mark: it is a lone surrogate here, and not UTF-8 in a key.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from .sortkeys import decimal_of
from .storable import unwrap

LONGEST = 64
"""The longest term in bytes that is a part of a key as it is."""

TAG_MARK, TEXT_MARK = "\udcff", "\udcfe"
_MARKS = {TAG_MARK: b"\xff", TEXT_MARK: b"\xfe"}

_LONG = 1 << 2048
"""An int of 617 digits: Python's limit may be set as low as 640."""


def text(value: Any) -> str | None:
    """Return the text of a value for comparisons. Bytes and containers have no text.

    It is ``str()`` of str, int, float, bool, ``None``, Decimal and UUID, and
    ``isoformat()`` of dates and times, aware ones in UTC. A subclass has the text of
    its plain base.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return repr(value) if -_LONG < value < _LONG else _digits(value)
    if kind is bool or kind is float or value is None:
        return str(value)
    real = unwrap(value)
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
    """Return all digits. Python refuses more than 4300, or takes minutes."""
    if -_LONG < value < _LONG:
        return int.__repr__(value)
    return str(decimal_of(value))


def _moment(value: datetime) -> datetime:
    """Return an aware datetime in UTC, or as it is outside the years 1 to 9999."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value


def attribute_text(name: str, value: Any) -> str | None:
    """Return ``name:text`` of an attribute, if the value has a text and is not null."""
    plain = text(value)
    return None if plain is None or _is_none(plain, value) else f"{name}:{plain}"


def attribute_term(name: str, value: Any) -> str | None:
    """Return the term of an indexed attribute, if the value has a text."""
    kind = type(value)  # the common types need no call of text()
    if (kind is str and value != "None") or (kind is int and -_LONG < value < _LONG):
        return f"{name}:{value}"
    plain = text(value)
    if plain is None:
        return None
    if plain == "None" and not _is_none(plain, value):
        return f"{TEXT_MARK}{name}:None"
    return f"{name}:{plain}"


def _is_none(plain: str, value: Any) -> bool:
    """Return whether the value of this text is ``None``, or a lazy ``None``."""
    return plain == "None" and unwrap(value) is None


def tag_term(tag: str, indexed: Callable[[str], bool]) -> str:
    """Return the term of a tag. indexed: returns whether an attribute is indexed."""
    return TAG_MARK + tag if reads_like_attribute(tag, indexed) else tag


def reads_like_attribute(tag: str, indexed: Callable[[str], bool]) -> bool:
    """Return whether *tag* could be the term of an indexed attribute."""
    name, colon, _ = tag.partition(":")
    return bool(colon) and indexed(name)


def is_marked(term: str) -> bool:
    """Return whether *term* begins with a mark."""
    return term[:1] in _MARKS


def any_marked(terms: Iterable[str]) -> bool:
    """Return whether any term begins with a mark. Marks are only at the start."""
    joined = "".join(terms)
    return TAG_MARK in joined or TEXT_MARK in joined


def unmark(term: str) -> str:
    """Return the text of a term without its mark, as release 0.1.0 stored it."""
    return term[1:] if is_marked(term) else term


def encode_text(plain: str) -> bytes:
    """Return a text in UTF-8. Raises ValueError for a lone surrogate."""
    try:
        return plain.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The tag {plain!r} holds a lone surrogate, which no text can carry. "
            "Use valid Unicode."
        ) from error


def term_suffix(term: str) -> bytes:
    """Return the last part of the key of *term*: the term, or its digest.

    Two terms never share a suffix: those of a digest begin differently. Raises
    ValueError for a term with a lone surrogate, and names it.
    """
    try:
        plain = term.encode()
    except UnicodeEncodeError:  # for a mark, or for another surrogate
        plain = _MARKS.get(term[:1], b"") + encode_text(unmark(term))
    return b"t:" + plain if len(plain) <= LONGEST else _suffix(plain)


def term_suffixes(terms: Iterable[str]) -> tuple[tuple[bytes, ...], bool]:
    """Return the term_suffix() of each term, and whether any has a mark."""
    terms = list(terms)
    try:  # all at once, in half of the time
        suffixes = "\0t:".join(("", *terms)).encode().split(b"\0")[1:]
    except UnicodeEncodeError:
        return tuple(map(term_suffix, terms)), any_marked(terms)
    has_null = len(suffixes) > len(terms)
    if has_null or (suffixes and max(map(len, suffixes)) > LONGEST + len(b"t:")):
        suffixes = [*map(term_suffix, terms)]
    return tuple(suffixes), False


MOST_KNOWN = 10_000
"""Suffixes that KnownSuffixes keeps at once, of tags and of values."""


class KnownSuffixes:
    """The suffixes of the terms of many objects. Each is made once, since most recur.

    This takes a third of the time of making all suffixes of each object.
    """

    def __init__(self) -> None:
        self._by_tag: dict[str, bytes] = {}
        self._by_value: dict[tuple[str, str | int], bytes] = {}

    def of(
        self, attrs: Mapping[str, Any], tags: Sequence[str]
    ) -> tuple[bytes, ...] | None:
        """Return the suffixes of the terms of an object, as object_terms() has them.

        attrs: indexed attributes only. None: a term has a mark, or is of a type other
        than str and int.
        """
        found = []
        for tag in tags:
            suffix = self._by_tag.get(tag)
            if suffix is None:
                if ":" in tag:
                    return None
                suffix = _keep(self._by_tag, tag, tag)
            found.append(suffix)
        for name, value in attrs.items():
            kind = type(value)
            if kind is not str and kind is not int:
                return None
            suffix = self._by_value.get((name, value))
            if suffix is None:
                term = attribute_term(name, value)
                if term is None or is_marked(term):
                    return None
                suffix = _keep(self._by_value, (name, value), term)
            found.append(suffix)
        return tuple(found)


def _keep(known: dict[Any, bytes], key: Any, term: str) -> bytes:
    if len(known) >= MOST_KNOWN:
        known.clear()
    suffix = known[key] = term_suffix(term)
    return suffix


def _suffix(plain: bytes) -> bytes:
    if len(plain) <= LONGEST:
        return b"t:" + plain
    return b"h:" + sha256(plain).digest()


def unique_value(values: Sequence[Any]) -> bytes | None:
    """Return the stored form of unique values: their texts, or a digest.

    Values are not kept unique if one of them is null or has no text. Then there is no
    stored form.
    """
    texts = [None if value is None else text(value) for value in values]
    if len(texts) == 1:
        return None if texts[0] is None else _suffix(encode_text(texts[0]))
    if None in texts:
        return None
    return _suffix(encode_text("".join([f"{len(str(each))}:{each}" for each in texts])))


def object_terms(
    attrs: Mapping[str, Any], tags: Sequence[str], indexed: Callable[[str], bool]
) -> list[str]:
    """Return the terms of the given tags, then those of the attributes, each once.

    attrs: indexed attributes only. indexed: returns whether an attribute is indexed.
    The texts must be valid Unicode: packing checks that.
    """
    if ":" in "".join(tags):  # most tags have none
        tags = [tag_term(tag, indexed) for tag in tags]
    terms = dict.fromkeys(tags)
    for name, value in attrs.items():
        term = attribute_term(name, value)
        if term is not None:
            terms[term] = None
    return list(terms)


def object_tags(attrs: Mapping[str, Any], tags: Iterable[str]) -> list[str]:
    """Return the given tags, then ``name:text`` of the attributes, each once.

    attrs: indexed attributes only.
    """
    shown = dict.fromkeys(tags)
    for name, value in attrs.items():
        plain = attribute_text(name, value)
        if plain is not None:
            shown[plain] = None
    return list(shown)
