"""Filters of a list: by an indexed attribute, and by tag."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.filters import FieldListFilter
from django.utils.translation import gettext_lazy as _

from .samples import counts, tags_of, terms_seen, values_of


class AttributeFilter(FieldListFilter):
    """By the values of an indexed attribute that a sample of the objects has.

    The value that is chosen is always among them. With facets each has its number,
    within the other filters: one round trip for all.
    """

    def __init__(self, field: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.parameter = kwargs["field_path"]
        self.request = request
        _params, stub, _model_admin = args
        self.ormist_model = stub.ormist_model
        super().__init__(field, request, *args, **kwargs)
        values: Any = self.used_parameters.get(self.parameter) or [None]
        self.value: str | None = values[-1]

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value is None:
            return queryset
        return queryset.filter(**{self.parameter: self.value})

    def values(self) -> list[str]:
        """What there is to choose from."""
        seen = terms_seen(self.request, self.ormist_model)
        return values_of(seen, self.parameter)

    def choices(self, changelist: Any) -> Iterator[Any]:
        values = self.values()
        if self.value is not None and self.value not in values:
            values = sorted([*values, self.value])
        numbers = self._numbers(changelist, values) if changelist.add_facets else None
        yield {
            "selected": self.value is None,
            "query_string": changelist.get_query_string(remove=[self.parameter]),
            "display": _("All"),
        }
        for index, value in enumerate(values):
            text = value or _("(empty)")
            yield {
                "selected": value == self.value,
                "query_string": changelist.get_query_string({self.parameter: value}),
                "display": text if numbers is None else f"{text} ({numbers[index]})",
            }

    def _numbers(self, changelist: Any, values: list[str]) -> list[int]:
        others = changelist.get_queryset(
            self.request, exclude_parameters=self.expected_parameters()
        )
        return counts(
            [others.filter(**{self.parameter: value}).asked for value in values]
        )


class TagFilter(AttributeFilter):
    """By a given tag."""

    def values(self) -> list[str]:
        seen = terms_seen(self.request, self.ormist_model)
        return tags_of(seen, self.ormist_model)
