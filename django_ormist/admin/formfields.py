"""The form fields of attributes and tags."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .value_text import KINDS, ValueText, from_text, normalize_newlines, to_text

# Characters that a line cannot contain, or that are invisible in it.
_UNTYPEABLE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufffe\uffff]|^\s|\s$|^$")


class GivenTagsField(forms.Field):
    """The explicit tags of an object, one per line. The cleaned value is a list.

    A tag that does not fit in a line (it has a newline or begins with a space) is not
    shown, and stays. show() sets the stored tags.
    """

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)
        self.shown: list[str] = []
        self.hidden: list[str] = []

    def show(self, tags: Iterable[str]) -> None:
        given = list(tags)
        self.hidden = [tag for tag in given if _UNTYPEABLE.search(tag)]
        self.shown = [tag for tag in given if not _UNTYPEABLE.search(tag)]

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else "\n".join(self.shown)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self._lines(data) != self.shown

    def clean(self, value: Any) -> list[str]:
        return [*self._lines(value), *self.hidden]

    def _lines(self, value: Any) -> list[str]:
        lines = (line.strip() for line in normalize_newlines(value or "").split("\n"))
        return list(dict.fromkeys(line for line in lines if line))


MOST = 200
"""Attributes that one form edits: Django takes 1000 values from a form."""

BLANK_ROWS = 2


def row_key(name: str) -> str:
    """Return the key of an attribute's name in a form: browsers change newlines."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True)
class Row:
    """One row of the form. key: of a stored attribute, or "" for a new one."""

    key: str
    name: str
    kind: str
    text: str
    is_removed: bool = False

    @property
    def is_blank(self) -> bool:
        return not (self.key or self.name or self.text)


@dataclass
class Changes:
    """The changes of a form: attributes to set, and names to remove."""

    values: dict[str, Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.values or self.removed)

    @property
    def names(self) -> list[str]:
        return [*self.values, *self.removed]


class AttributesWidget(forms.Widget):
    """The rows as a table. stored: the stored attributes."""

    template_name = "django_ormist/admin/attributes.html"
    stored: Mapping[str, Any] = {}
    use_fieldset = True

    class Media:
        css = {"all": ["django_ormist/admin.css"]}  # noqa: RUF012
        js = ("django_ormist/admin.js",)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        rows = []
        for index in _find_row_numbers(data, name):
            part = f"{name}-{index}"
            rows.append(
                Row(
                    data.get(f"{part}-key", ""),
                    data.get(f"{part}-name", ""),
                    data.get(f"{part}-kind", "text"),
                    normalize_newlines(data.get(f"{part}-value", "")),
                    f"{part}-remove" in data,
                )
            )
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return not _find_row_numbers(data, name)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        typed = value if isinstance(value, list) else []
        context["widget"].update(
            rows=self._rows(name, typed), kinds=KINDS, blank=Row("", "", "text", "")
        )
        return context

    def _rows(self, name: str, typed: Iterable[Row]) -> list[dict[str, Any]]:
        """Return the stored attributes with submitted texts, then the new ones."""
        by_key = {row.key: row for row in typed if row.key}
        new = [row for row in typed if not row.key and not row.is_blank]
        lines: list[dict[str, Any]] = []
        for attribute in sorted(self.stored):
            now = to_text(self.stored[attribute])
            row = by_key.get(row_key(attribute))
            lines.append(
                {
                    "key": row_key(attribute),
                    "name": attribute,
                    "kind": row.kind if row and not now.is_readonly else now.kind,
                    "text": row.text if row and not now.is_readonly else now.text,
                    "is_readonly": now.is_readonly,
                    "is_removed": bool(row and row.is_removed),
                }
            )
        lines = lines[:MOST]
        blank = [Row("", "", "text", "")] * BLANK_ROWS
        lines += [
            {"key": "", "name": row.name, "kind": row.kind, "text": row.text}
            for row in [*new, *blank]
        ]
        return [{**line, "part": f"{name}-{i}"} for i, line in enumerate(lines)]


def _find_row_numbers(data: Any, name: str) -> list[int]:
    """Return the numbers of the submitted rows, in order."""
    found = {
        int(number)
        for each in data
        if each.startswith(f"{name}-")
        for number, _, _ in [each.removeprefix(f"{name}-").partition("-")]
        if number.isascii() and number.isdigit() and len(number) < 6
    }
    return sorted(found)


def _allow_any(name: str) -> str | None:
    """Return None: every name is allowed."""
    return None


class AttributesField(forms.Field):
    """All attributes of an object. The cleaned value is a Changes.

    show() sets the stored attributes, and the names that other fields edit.
    """

    widget = AttributesWidget

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)
        self.stored: dict[str, Any] = {}
        self.refused: frozenset[str] = frozenset()
        self.refusal: Callable[[str], str | None] = _allow_any

    def show(
        self,
        stored: Mapping[str, Any],
        elsewhere: Iterable[str],
        refusal: Callable[[str], str | None] = _allow_any,
    ) -> None:
        self.refusal = refusal
        self.refused = frozenset(elsewhere)
        self.stored = {k: v for k, v in stored.items() if k not in self.refused}
        self.widget.stored = self.stored

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data))
        except ValidationError:
            return True

    def clean(self, value: Any) -> Changes:
        changes, errors = Changes(), []
        names = {row_key(name): name for name in self.stored}
        for row in value or ():
            if row.is_blank or (row.key and row.key not in names):
                continue
            try:
                self._read(row, names.get(row.key), changes)
            except ValidationError as error:
                errors.append(error)
        if errors:
            raise ValidationError(errors)
        return changes

    def _read(self, row: Row, stored_name: str | None, changes: Changes) -> None:
        """Add the change of one row to *changes*. Raises ValidationError."""
        if stored_name is None:
            if not row.is_removed:
                self._read_new(row, changes)
            return
        if row.is_removed:
            changes.removed.append(stored_name)
            return
        now = to_text(self.stored[stored_name])
        if now.is_readonly or (row.kind, row.text) == (now.kind, now.text):
            return
        value = _parse_value(stored_name, row.kind, row.text, self.stored[stored_name])
        changes.values[stored_name] = value

    def _read_new(self, row: Row, changes: Changes) -> None:
        name = row.name
        if not name:
            raise ValidationError(_("Enter the name of the attribute to add."))
        if name in self.refused:
            raise ValidationError(
                _("“%(name)s” cannot be changed here."), params={"name": name}
            )
        if name in self.stored or name in changes.values:
            raise ValidationError(
                _("The attribute “%(name)s” exists already."), params={"name": name}
            )
        if self.refusal(name) is not None:
            raise ValidationError(
                _("An attribute cannot be named “%(name)s”."), params={"name": name}
            )
        changes.values[name] = _parse_value(name, row.kind, row.text)


def _parse_value(name: str, kind: str, text: str, stored: Any = None) -> Any:
    try:
        return from_text(kind, text, stored)
    except ValueError as error:
        raise ValidationError(f"{name}: {error.args[0]}") from error


class OneAttributeWidget(AttributesWidget):
    """The type and the value of one attribute."""

    template_name = "django_ormist/admin/attribute.html"
    use_fieldset = False

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if f"{name}-kind" not in data:
            return None
        text = normalize_newlines(data.get(f"{name}-value", ""))
        return ValueText(data[f"{name}-kind"], text)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-kind" not in data

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = forms.Widget.get_context(self, name, None, attrs)
        shown = value if isinstance(value, ValueText) else MISSING
        line = {"kind": shown.kind, "text": shown.text, "part": name}
        kinds = [("", gettext_lazy("not set")), *KINDS]
        context["widget"].update(
            row={**line, "is_readonly": shown.is_readonly}, kinds=kinds
        )
        return context


MISSING = ValueText("", "")
"""An attribute that the object does not have."""


class OneAttributeField(forms.Field):
    """One attribute. The cleaned value is a Changes, see AttributesField."""

    widget = OneAttributeWidget

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.name = name
        self.now = MISSING
        self.stored: Any = None

    def show(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored.get(self.name)
        self.now = to_text(self.stored) if self.name in stored else MISSING

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, ValueText) else self.now

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data

    def has_changed(self, initial: Any, data: Any) -> bool:
        return data is not None and not self.now.is_readonly and data != self.now

    def clean(self, value: Any) -> Changes:
        if not self.has_changed(None, value):
            return Changes()
        if value.kind == "":
            return Changes(removed=[self.name])
        try:
            new = from_text(value.kind, value.text, self.stored)
            return Changes({self.name: new})
        except ValueError as error:
            raise ValidationError(error.args[0]) from error


class CellField(forms.Field):
    """One attribute in a cell of a list. The cleaned value is a Changes.

    A value that does not fit in a line is shown read-only. An emptied text becomes the
    empty text. A value for a missing attribute is stored as a text.
    """

    widget: Any = forms.TextInput
    hidden_widget = forms.HiddenInput

    def __init__(self, name: str) -> None:
        super().__init__(required=False, show_hidden_initial=True)
        self.name = name
        self.now = MISSING

    def show(self, stored: Mapping[str, Any]) -> None:
        """Set the stored value of this attribute."""
        self.now = to_text(stored[self.name]) if self.name in stored else MISSING
        is_shown = (
            self.now.is_readonly or self.now.kind == "none" or "\n" in self.now.text
        )
        self.disabled = is_shown
        if self.now.kind == "boolean":
            self.widget = forms.Select(choices=[("true", "yes"), ("false", "no")])
        elif self.now.kind in ("integer", "number", "decimal"):
            self.widget.attrs["size"] = 12

    def to_python(self, value: Any) -> str:
        return normalize_newlines(value or "")

    def was_rendered_from(self, shown: Any) -> bool:
        """Return whether the cell showed the value that is stored now."""
        return self.to_python(shown) == self.now.text

    def clean(self, value: Any) -> Changes:
        text = self.to_python(value)
        if self.disabled or text == self.now.text:
            return Changes()
        try:
            return Changes({self.name: from_text(self.now.kind or "text", text)})
        except ValueError as error:
            raise ValidationError(error.args[0]) from error
