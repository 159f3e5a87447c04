"""System checks that refuse unsupported options of an OrmistAdmin, with a hint."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.checks import ModelAdminChecks
from django.core.checks import CheckMessage, Error

from ..exceptions import FieldError
from .lookups import lookup
from .querysets import ProxyQuerySet

REFUSED = {
    "date_hierarchy": "No index answers it. Remove it.",
    "inlines": "An object has no related rows. Remove it.",
    "list_select_related": "There is nothing to join. Remove it.",
    "raw_id_fields": "An object has no foreign keys. Remove it.",
    "autocomplete_fields": "An object has no foreign keys. Remove it.",
    "filter_horizontal": "An object has no many-to-many fields. Remove it.",
    "filter_vertical": "An object has no many-to-many fields. Remove it.",
    "radio_fields": "An attribute has no choices. Remove it.",
    "prepopulated_fields": "Attributes share one editor. Remove it.",
    "save_as": "Values that a form cannot show would be lost. Remove it.",
}


class OrmistAdminChecks(ModelAdminChecks):
    """Django's checks of an admin class, and those of django_ormist."""

    def _check_ordering_item(
        self, obj: Any, field_name: Any, label: str
    ) -> list[CheckMessage]:
        """Return nothing: unanswered_orders() checks the ordering."""
        return []

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        return [
            *super().check(admin_obj, **kwargs),
            *refused_options(admin_obj),
            *wrong_form(admin_obj),
            *unanswered_lookups(admin_obj),
            *unanswered_orders(admin_obj),
        ]


def refused_options(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each option of Django's that is not supported."""
    for option, mend in REFUSED.items():
        if getattr(admin_obj, option, None):
            yield Error(
                f"An OrmistAdmin has no {option!r}.",
                hint=mend,
                obj=type(admin_obj),
                id="ormist.E201",
            )


def wrong_form(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error if the form does not derive from OrmistForm."""
    from .forms import OrmistForm

    if not issubclass(admin_obj.form, OrmistForm):
        yield Error(
            "The value of 'form' must inherit from 'OrmistForm'.",
            hint="Import it from django_ormist.admin.",
            obj=type(admin_obj),
            id="ormist.E202",
        )


def unanswered_lookups(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each filter and search field without an index."""
    meta = admin_obj.model.ormist_model._meta
    for option in ("list_filter", "search_fields"):
        given = getattr(admin_obj, option)
        if not isinstance(given, list | tuple):
            continue  # Django's own check says so
        for name in given:
            if not isinstance(name, str) or (option, name) in _ALWAYS:
                continue
            lookups = lookup(name, "x")
            is_range = meta.has_index(name) and not meta.indexes(name)
            if option == "list_filter" and is_range:
                lookups = {f"{name}__gte": "x"}
            try:
                ProxyQuerySet(admin_obj.model).filter(**lookups)
            except FieldError as error:
                yield _unanswered(admin_obj, option, name, str(error))


# Searched by id always; by tag where there are tags.
_ALWAYS = {("search_fields", name) for name in ("id", "tags")}


def unanswered_orders(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each name in ordering without a sorted index."""
    given = admin_obj.ordering
    if not isinstance(given, list | tuple):
        return
    for word in given:
        try:
            ProxyQuerySet(admin_obj.model).order_by(word)
        except (FieldError, TypeError) as error:
            yield _unanswered(admin_obj, "ordering", str(word), str(error))


def _unanswered(admin_obj: Any, option: str, name: str, why: str) -> CheckMessage:
    return Error(
        f"The value of {option!r} has {name!r}, which no index answers.",
        hint=why,
        obj=type(admin_obj),
        id="ormist.E203",
    )
