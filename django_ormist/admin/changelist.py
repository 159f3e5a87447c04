"""Django's changelist over a collection."""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList

from ..exceptions import OrmistError
from .lookups import sortable_names


class OrmistChangeList(ChangeList):
    """A changelist that loads one page, counts the rest and orders by indexes only."""

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        model_admin: Any = self.model_admin
        if self.date_hierarchy in model_admin.excluded_names(request):
            self.date_hierarchy = None

    def get_queryset(self, request: Any, exclude_parameters: Any = None) -> Any:
        try:
            return super().get_queryset(request, exclude_parameters)
        except (OrmistError, OverflowError, TypeError, ValueError) as error:
            raise IncorrectLookupParameters(error) from error

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return the attribute if it has a sorted index. "id" orders by creation."""
        word = super().get_ordering_field(field_name)
        can = sortable_names(self.model.ormist_model._meta)  # type: ignore[attr-defined]
        return word if isinstance(word, str) and word.lstrip("-") in can else None

    def get_ordering(self, request: Any, queryset: Any) -> list[Any]:
        """Return the chosen columns, else those of the admin, else the newest first."""
        if self.params.get(ORDER_VAR):
            words = [word for word in self._chosen_columns() if word]
        else:
            given: Any = self.model_admin.get_ordering(request)
            words = list(given)
        return words or ["-id"]

    def _chosen_columns(self) -> list[str]:
        words = []
        for part in str(self.params[ORDER_VAR]).split("."):
            minus, number = part[:1] == "-", part.lstrip("-")
            if not number.isdecimal() or int(number) >= len(self.list_display):
                continue
            word = self.get_ordering_field(self.list_display[int(number)])
            if word:
                is_down = minus != word.startswith("-")
                words.append(("-" if is_down else "") + word.lstrip("-"))
        return words

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        shown: Any = self.result_list
        if not shown.collection.query.is_sliced:
            # One page. A slice takes one round trip, a list takes two.
            shown = shown[: max(self.list_per_page, self.list_max_show_all)]
        self.result_list = shown.evaluate()
        model_admin: Any = self.model_admin
        model_admin.withhold(request, None, self.result_list)
        # "3 results (1000 total)", if a filter or a search excluded any.
        root: Any = self.root_queryset
        queryset: Any = self.queryset
        everything = root.collection.query.condition
        is_all = queryset.collection.query.condition == everything
        self.full_result_count = self.result_count if is_all else root.count()
        self.show_full_result_count = True
        self.show_admin_actions = bool(self.full_result_count)
