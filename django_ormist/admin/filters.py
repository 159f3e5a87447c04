"""List filters: by an indexed attribute, by tag, by range."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.contrib.admin.filters import FieldListFilter
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import terms
from .samples import (
    Sample,
    compute_quartiles,
    count_each,
    find_tags,
    find_values,
    get_sample,
    has_none,
)
from .value_text import to_text


class AttributeFilter(FieldListFilter):
    """A filter by the values of an indexed attribute that occur in a sample.

    The chosen value is always offered. With facets, each value has its count within the
    other filters: one round trip for all counts.
    """

    def __init__(self, field: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.name = kwargs["field_path"]
        self.request = request
        _params, proxy, _model_admin = args
        self.ormist_model = proxy.ormist_model
        super().__init__(field, request, *args, **kwargs)
        given: dict[str, Any] = self.used_parameters
        self.chosen = {name: values[-1] for name, values in given.items() if values}

    def expected_parameters(self) -> list[str | None]:
        return [self.name, self.null]

    @property
    def null(self) -> str:
        """The query parameter of a filter by None."""
        return f"{self.name}__isnull"

    def queryset(self, request: Any, queryset: Any) -> Any:
        return queryset.filter(**self.build_lookups(self.chosen))

    def build_lookups(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the lookups of these query parameters."""
        if parameters.get(self.null) is not True:
            return dict(parameters)
        others = {k: v for k, v in parameters.items() if k != self.null}
        return {self.name: None, **others}

    def find_choices(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the choices: pairs of a text and its query parameters."""
        sample = get_sample(self.request, self.ormist_model)
        found: list[tuple[str, dict[str, Any]]] = [
            (value or _("(empty)"), {self.name: value})
            for value in self._find_texts(sample, self.name)
        ]
        return [*found, *self._find_none(sample, self.name)]

    def _find_texts(self, sample: Sample, name: str) -> list[str]:
        return find_values(sample, name)

    def _find_none(self, sample: Sample, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the choice of None, if an object of the sample has it."""
        return [(_("None"), {self.null: True})] if has_none(sample, name) else []

    def choices(self, changelist: Any) -> Iterator[Any]:
        offered = self.find_choices()
        if self.chosen and self.chosen not in [chosen for _, chosen in offered]:
            offered.append((", ".join(map(str, self.chosen.values())), self.chosen))
        numbers = (
            self._count_choices(changelist, offered) if changelist.add_facets else None
        )
        names = self.expected_parameters()
        yield {
            "selected": not self.chosen,
            "query_string": changelist.get_query_string(remove=names),
            "display": gettext_lazy("All"),
        }
        for index, (text, chosen) in enumerate(offered):
            parameters: dict[Any, str | None] = {**dict.fromkeys(names), **chosen}
            yield {
                "selected": chosen == self.chosen,
                "query_string": changelist.get_query_string(parameters),
                "display": text if numbers is None else f"{text} ({numbers[index]})",
            }

    def _count_choices(self, changelist: Any, offered: list[Any]) -> list[int]:
        others = changelist.get_queryset(
            self.request, exclude_parameters=self.expected_parameters()
        )
        return count_each(
            [
                others.filter(**self.build_lookups(each)).collection
                for _, each in offered
            ]
        )


class ChoicesFilter(AttributeFilter):
    """A filter by the declared choices of an indexed attribute, or by yes and no."""

    def find_choices(self) -> list[tuple[str, dict[str, Any]]]:
        declared = self.ormist_model._meta.fields_by_name[self.name]
        pairs = [(True, _("Yes")), (False, _("No"))]
        if declared.choices is not None:
            pairs = declared.flatchoices
        found: list[tuple[str, dict[str, Any]]] = [
            (str(label), {self.name: terms.text(value)})
            for value, label in pairs
            if value is not None
        ]
        if declared.null:
            found.append((_("None"), {self.null: True}))
        return found


class TagFilter(AttributeFilter):
    """A filter by an explicit tag."""

    def expected_parameters(self) -> list[str | None]:
        return [self.name]

    def find_choices(self) -> list[tuple[str, dict[str, Any]]]:
        sample = get_sample(self.request, self.ormist_model)
        tags = find_tags(sample)
        return [(tag or _("(empty)"), {self.name: tag}) for tag in tags]


class RangeFilter(AttributeFilter):
    """A filter by ranges of an attribute in Meta.ordered: quarters of a sample."""

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.name}__gte", f"{self.name}__lt"]

    def build_lookups(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the lookups with the values of the sample instead of their texts.

        A text that is not in the sample may have several types, which take longer to
        count.
        """
        known = {to_text(value).text: value for value in self._find_bounds()}
        return {name: known.get(text, text) for name, text in parameters.items()}

    def find_choices(self) -> list[tuple[str, dict[str, Any]]]:
        texts = [to_text(value).text for value in self._find_bounds()]
        low, high = f"{self.name}__gte", f"{self.name}__lt"
        if not texts:
            return []
        return [
            (_("below %(bound)s") % {"bound": texts[0]}, {high: texts[0]}),
            *(
                (_("%(a)s to %(b)s") % {"a": a, "b": b}, {low: a, high: b})
                for a, b in pairwise(texts)
            ),
            (_("from %(bound)s") % {"bound": texts[-1]}, {low: texts[-1]}),
        ]

    def _find_bounds(self) -> list[Any]:
        return compute_quartiles(get_sample(self.request, self.ormist_model), self.name)
