"""Values of attributes as editable texts, and back.

A value is editable if its text gives the same value of the same type. Other values
(bytes, sets, a list that contains a date) are shown read-only.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from ..codecs import pack_value

READ_ONLY = "read-only"
"""The kind of a value without an editor."""

LONGEST = 50_000
"""Characters of a text that a form accepts. A longer one is read-only."""

SHOWN = 300
"""Characters that are shown of a read-only value."""

# A browser cannot send them back: it drops or replaces them.
_UNTYPEABLE = re.compile("[\0-\x08\x0b-\x1f\x7f\ufffe\uffff]")
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")


@dataclass(frozen=True)
class ValueType:
    """One editable type. read raises ValueError for a wrong text.

    hint: the right form of the text.
    """

    kind: str
    label: Any
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    hint: Any


def _write_text(value: str) -> str:
    """Return a text with LF as line breaks."""
    return value.replace("\r\n", "\n")


def _read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _read_boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _read_none(text: str) -> None:
    if text:
        raise ValueError(text)


def _read_json(text: str) -> Any:
    value = json.loads(text)
    if not isinstance(value, list | dict):
        raise ValueError(text)
    return value


def _write_json(value: Any) -> str:
    plain = json.dumps(value, ensure_ascii=False)
    return (
        plain if len(plain) <= 60 else json.dumps(value, ensure_ascii=False, indent=2)
    )


_EDITORS = (
    ValueType("text", _("text"), _write_text, str, _("Enter a text.")),
    ValueType("integer", _("integer"), str, _read_integer, _("Enter a whole number.")),
    ValueType("number", _("number"), repr, float, _("Enter a number such as 1.5.")),
    ValueType(
        "decimal", _("decimal"), str, Decimal, _("Enter a decimal such as 9.90.")
    ),
    ValueType(
        "boolean",
        _("yes/no"),
        lambda value: "true" if value else "false",
        _read_boolean,
        _("Choose yes or no."),
    ),
    ValueType("none", _("none"), lambda value: "", _read_none, _("None has no value.")),
    ValueType(
        "date",
        _("date"),
        date.isoformat,
        date.fromisoformat,
        _("Enter a date such as 2030-12-31."),
    ),
    ValueType(
        "datetime",
        _("date and time"),
        datetime.isoformat,
        datetime.fromisoformat,
        _("Enter 2030-12-31T23:59:59, followed by +00:00 if it has a zone."),
    ),
    ValueType(
        "time",
        _("time"),
        time.isoformat,
        time.fromisoformat,
        _("Enter a time such as 23:59:59."),
    ),
    ValueType("uuid", _("UUID"), str, UUID, _("Enter a UUID: 32 hexadecimal digits.")),
    ValueType(
        "json", "JSON", _write_json, _read_json, _("Enter a list or an object in JSON.")
    ),
)
EDITORS = {editor.kind: editor for editor in _EDITORS}
KINDS = [(editor.kind, editor.label) for editor in _EDITORS]

_KIND_OF: dict[type, str] = {
    str: "text",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    bool: "boolean",
    type(None): "none",
    date: "date",
    datetime: "datetime",
    time: "time",
    UUID: "uuid",
    list: "json",
    dict: "json",
}


@dataclass(frozen=True)
class ValueText:
    """A value in a form: its type, and its text with LF as line breaks."""

    kind: str
    text: str

    @property
    def is_readonly(self) -> bool:
        """Whether the form shows the value read-only."""
        return self.kind == READ_ONLY


def to_text(value: Any) -> ValueText:
    """Return the type and text of a value for a form."""
    editor = EDITORS.get(_KIND_OF.get(type(value), READ_ONLY))
    if editor is not None:
        text = _write_or_none(editor, value)
        if text is not None:
            return ValueText(editor.kind, text)
    return ValueText(READ_ONLY, _shorten(value))


def _write_or_none(editor: ValueType, value: Any) -> str | None:
    """Return the text of a value, or None if the text would give another value."""
    try:
        text = editor.write(value)
        if len(text) > LONGEST or _UNTYPEABLE.search(text):
            return None
        is_same = is_equal(from_text(editor.kind, text, value), value)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None
    return text if is_same else None


def _shorten(value: Any) -> str:
    """Return the first characters of the repr. Large values are shortened before."""
    if isinstance(value, bytes | str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value)})"
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # an int of more than 4300 digits
        return f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)})"


def is_equal(one: Any, other: Any) -> bool:
    """Return whether both are stored as the same bytes: equal, with equal types."""
    return type(one) is type(other) and pack_value("", one) == pack_value("", other)


def from_text(kind: str, text: str, stored: Any = None) -> Any:
    """Return the value of a text. Raises ValueError with the hint of the type.

    stored: the value that it replaces. A stored text with CR LF line breaks keeps them.
    """
    editor = EDITORS.get(kind)
    if editor is None:
        raise ValueError(_("Choose a type."))
    if len(text) > LONGEST:
        raise ValueError(_("That is too long for this form."))
    if kind == "text":
        has_crlf = isinstance(stored, str) and "\r\n" in stored
        return text.replace("\n", "\r\n") if has_crlf else text
    try:
        return editor.read(text.strip())
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as e:
        raise ValueError(editor.hint) from e


def normalize_newlines(text: str) -> str:
    """Return a submitted text with LF as line breaks: browsers send CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
