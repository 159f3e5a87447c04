"""One attribute in one cell of a list: its value alone, of the type it has."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from .attributes import MISSING, Changes
from .editors import plain_newlines, read, written


class CellField(forms.Field):
    """An attribute by its name. Cleaned, it is the Changes.

    A value that does not fit in a line is shown and cannot be changed. Emptied, a text
    is empty; what the object does not have becomes a text where one is entered.
    """

    widget: Any = forms.TextInput
    hidden_widget = forms.HiddenInput

    def __init__(self, name: str) -> None:
        super().__init__(required=False, show_hidden_initial=True)
        self.name = name
        self.now = MISSING

    def show(self, stored: Mapping[str, Any]) -> None:
        """Stand for this attribute of an object."""
        self.now = written(stored[self.name]) if self.name in stored else MISSING
        is_shown = self.now.is_kept or self.now.kind == "none" or "\n" in self.now.text
        self.disabled = is_shown
        if self.now.kind == "boolean":
            self.widget = forms.Select(choices=[("true", "yes"), ("false", "no")])
        elif self.now.kind in ("integer", "number", "decimal"):
            self.widget.attrs["size"] = 12

    def to_python(self, value: Any) -> str:
        return plain_newlines(value or "")

    def was_rendered_from(self, shown: Any) -> bool:
        """Whether the cell showed what is stored now."""
        return self.to_python(shown) == self.now.text

    def clean(self, value: Any) -> Changes:
        text = self.to_python(value)
        if self.disabled or text == self.now.text:
            return Changes()
        try:
            return Changes({self.name: read(self.now.kind or "text", text)})
        except ValueError as error:
            raise ValidationError(error.args[0]) from error
