"""Given tags in a form: one in each line."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms

from .editors import plain_newlines

# What a line cannot carry, or nobody would see in it.
_UNTYPEABLE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufffe\uffff]|^\s|\s$|^$")


class GivenTagsField(forms.Field):
    """The given tags of an object. Cleaned, it is a list of all of them.

    A tag that a line cannot carry (it has a newline, or begins with a space) is not
    shown and stays. show() tells it which tags there are.
    """

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)
        self.shown: list[str] = []
        self.kept: list[str] = []

    def show(self, tags: Iterable[str]) -> None:
        given = list(tags)
        self.kept = [tag for tag in given if _UNTYPEABLE.search(tag)]
        self.shown = [tag for tag in given if not _UNTYPEABLE.search(tag)]

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else "\n".join(self.shown)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self._lines(data) != self.shown

    def clean(self, value: Any) -> list[str]:
        return [*self._lines(value), *self.kept]

    def _lines(self, value: Any) -> list[str]:
        lines = (line.strip() for line in plain_newlines(value or "").split("\n"))
        return list(dict.fromkeys(line for line in lines if line))
