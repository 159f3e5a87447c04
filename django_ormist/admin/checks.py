"""System checks that refuse unsupported options of an OrmistAdmin, with a hint."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.checks import ModelAdminChecks
from django.core.checks import CheckMessage, Error

from ..exceptions import FieldError, ImproperlyConfigured
from .lookups import build_lookup
from .querysets import ProxyQuerySet

REFUSED = {
    "date_hierarchy": "It has no index. Remove it.",
    "inlines": "An object has no related rows. Remove it.",
    "list_select_related": "An object has no relations. Remove it.",
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
        """Return []: check_ordering() checks it."""
        return []

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        found = [
            *super().check(admin_obj, **kwargs),
            *check_options(admin_obj),
            *check_form(admin_obj),
        ]
        try:
            _ = admin_obj.model.ormist_model._meta.using
        except ImproperlyConfigured:  # checks.check_models() reports it
            return found
        return [*found, *check_lookups(admin_obj), *check_ordering(admin_obj)]


def check_options(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each option of Django's that is not supported."""
    for option, hint in REFUSED.items():
        if getattr(admin_obj, option, None):
            yield Error(
                f"An OrmistAdmin has no {option!r}.",
                hint=hint,
                obj=type(admin_obj),
                id="ormist.E201",
            )


def check_form(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error if the form does not derive from OrmistForm."""
    from .forms import OrmistForm

    if not issubclass(admin_obj.form, OrmistForm):
        yield Error(
            "The value of 'form' must inherit from 'OrmistForm'.",
            hint="Import it from django_ormist.admin.",
            obj=type(admin_obj),
            id="ormist.E202",
        )


def check_lookups(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each filter and search field without an index."""
    meta = admin_obj.model.ormist_model._meta
    for option in ("list_filter", "search_fields"):
        given = getattr(admin_obj, option)
        if not isinstance(given, list | tuple):
            continue  # Django's own check reports it
        for name in given:
            if not isinstance(name, str) or (option, name) in _ALWAYS:
                continue
            lookups = build_lookup(name, "x")
            is_range = meta.has_index(name) and not meta.indexes(name)
            if option == "list_filter" and is_range:
                lookups = {f"{name}__isnull": True}
            elif name.removeprefix("=") in meta.fields_by_name:
                lookups = {name.removeprefix("="): None}  # of each declared type
            try:
                ProxyQuerySet(admin_obj.model).filter(**lookups)
            except FieldError as error:
                yield _no_index_error(admin_obj, option, name, str(error))


# "id" is always searched, and "tags" if the model is tagged.
_ALWAYS = {("search_fields", name) for name in ("id", "tags")}


def check_ordering(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each name in ordering without a sorted index."""
    given = admin_obj.ordering
    if not isinstance(given, list | tuple):
        return
    for word in given:
        try:
            ProxyQuerySet(admin_obj.model).order_by(word)
        except (FieldError, TypeError) as error:
            yield _no_index_error(admin_obj, "ordering", str(word), str(error))


def _no_index_error(admin_obj: Any, option: str, name: str, why: str) -> CheckMessage:
    return Error(
        f"The value of {option!r} has {name!r}, which has no index.",
        hint=why,
        obj=type(admin_obj),
        id="ormist.E203",
    )
