"""Filters of a list: by an indexed attribute, by tag, by range."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.contrib.admin.filters import FieldListFilter
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .samples import bounds_of, counts, has_none, sample_of, tags_of, values_of
from .value_text import written


class AttributeFilter(FieldListFilter):
    """By the values of an indexed attribute that a sample of the objects has.

    The value that is chosen is always among them. With facets each has its number,
    within the other filters: one round trip for all.
    """

    def __init__(self, field: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.name = kwargs["field_path"]
        self.request = request
        _params, stub, _model_admin = args
        self.ormist_model = stub.ormist_model
        super().__init__(field, request, *args, **kwargs)
        given: dict[str, Any] = self.used_parameters
        self.chosen = {name: values[-1] for name, values in given.items() if values}

    def expected_parameters(self) -> list[str | None]:
        return [self.name, self.null]

    @property
    def null(self) -> str:
        """The parameter that asks for None, which no text stands for."""
        return f"{self.name}__isnull"

    def queryset(self, request: Any, queryset: Any) -> Any:
        return queryset.filter(**self.lookups(self.chosen))

    def lookups(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What these parameters of the address ask a collection."""
        if parameters.get(self.null) is not True:
            return dict(parameters)
        others = {k: v for k, v in parameters.items() if k != self.null}
        return {self.name: None, **others}

    def offered(self) -> list[tuple[str, dict[str, Any]]]:
        """What there is to choose from: a text, and the parameters it stands for."""
        sample = sample_of(self.request, self.ormist_model)
        found: list[tuple[str, dict[str, Any]]] = [
            (value or _("(empty)"), {self.name: value})
            for value in values_of(sample, self.name)
        ]
        if has_none(sample, self.name):
            found.append((_("None"), {self.null: True}))
        return found

    def choices(self, changelist: Any) -> Iterator[Any]:
        offered = self.offered()
        if self.chosen and self.chosen not in [chosen for _, chosen in offered]:
            offered.append((", ".join(map(str, self.chosen.values())), self.chosen))
        numbers = self._numbers(changelist, offered) if changelist.add_facets else None
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

    def _numbers(self, changelist: Any, offered: list[Any]) -> list[int]:
        others = changelist.get_queryset(
            self.request, exclude_parameters=self.expected_parameters()
        )
        asked = [others.filter(**self.lookups(chosen)).asked for _, chosen in offered]
        return counts(asked)


class TagFilter(AttributeFilter):
    """By a given tag."""

    def expected_parameters(self) -> list[str | None]:
        return [self.name]

    def offered(self) -> list[tuple[str, dict[str, Any]]]:
        sample = sample_of(self.request, self.ormist_model)
        tags = tags_of(sample)
        return [(tag or _("(empty)"), {self.name: tag}) for tag in tags]


class RangeFilter(AttributeFilter):
    """By ranges of an attribute of Meta.ordered: quarters of a sample."""

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.name}__gte", f"{self.name}__lt"]

    def lookups(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """With the values of the sample in place of their texts: one kind, one range.

        A text that the sample did not offer may mean values of several kinds, which
        takes longer to count.
        """
        known = {written(value).text: value for value in self._bounds()}
        return {name: known.get(text, text) for name, text in parameters.items()}

    def offered(self) -> list[tuple[str, dict[str, Any]]]:
        texts = [written(value).text for value in self._bounds()]
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

    def _bounds(self) -> list[Any]:
        return bounds_of(sample_of(self.request, self.ormist_model), self.name)
