"""System checks that refuse unsupported options of an OrmistAdmin, with a hint."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import flatten, flatten_fieldsets
from django.core.checks import CheckMessage, Error

from ..exceptions import FieldError, ImproperlyConfigured, InvalidLookupValue
from .lookups import build_lookup
from .proxies import OWN_FIELDS
from .querysets import ProxyQuerySet
from .references import find_admin

REFUSED = {
    "inlines": "An object has no related rows. Remove it.",
    "list_select_related": "What a page refers to is loaded at once. Remove it.",
    "filter_horizontal": "An object has no many-to-many fields. Remove it.",
    "filter_vertical": "An object has no many-to-many fields. Remove it.",
    "save_as": "Values that a form cannot show would be lost. Remove it.",
}


class OrmistAdminChecks(ModelAdminChecks):
    """Django's checks of an admin class, and those of django_ormist."""

    def _check_ordering_item(
        self, obj: Any, field_name: Any, label: str
    ) -> list[CheckMessage]:
        """Return []: check_ordering() checks it."""
        return []

    def _check_raw_id_fields_item(
        self, obj: Any, field_name: str, label: str
    ) -> list[CheckMessage]:
        return list(check_reference(obj, field_name, label))

    def _check_autocomplete_fields_item(
        self, obj: Any, field_name: str, label: str
    ) -> list[CheckMessage]:
        return list(check_reference(obj, field_name, label, is_searched=True))

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        found = [
            *super().check(admin_obj, **kwargs),
            *check_options(admin_obj),
            *check_form(admin_obj),
            *check_names(admin_obj),
            *check_prepopulated(admin_obj),
            *check_list_editable(admin_obj),
            *check_date_hierarchy(admin_obj),
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


def check_names(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each name in the form that a model does not allow.

    A model without Meta.declared_only allows all.
    """
    meta = admin_obj.model.ormist_model._meta
    if not meta.declared_only:
        return
    known = {each.name for each in admin_obj.model._meta.get_fields()} | OWN_FIELDS
    known.update(map(str, admin_obj.readonly_fields))  # Django checks those
    given = {
        "fields": flatten(admin_obj.fields or ()),
        "fieldsets": flatten_fieldsets(admin_obj.fieldsets or ()),
    }
    for option, names in given.items():
        for name in names:
            if name not in known and name not in admin_obj.form.base_fields:
                yield Error(
                    f"The value of {option!r} has {name!r}, which is not declared.",
                    hint=meta.refusal(name),
                    obj=type(admin_obj),
                    id="ormist.E204",
                )


def check_reference(
    admin_obj: Any, name: str, label: str, is_searched: bool = False
) -> Iterator[CheckMessage]:
    """Return an error if a name is not a reference, or its objects have no search."""
    meta = admin_obj.model.ormist_model._meta
    what, hint = "not a reference", ""
    if name not in meta.references:
        hint = f"Declare it in {meta.object_name} by ormist.Ref or ormist.ref()."
    elif is_searched:
        field = admin_obj.model._meta.get_field(name)
        other = find_admin(admin_obj.admin_site, field.remote_field.model)
        if other is None or not other.search_fields:
            target = meta.references[name].target_label
            what = "a reference to a model without search"
            hint = f"Register {target} on this site, with search_fields."
    if hint:
        yield Error(
            f"The value of {label!r} refers to {name!r}, which is {what}.",
            hint=hint,
            obj=type(admin_obj),
            id="ormist.E205",
        )


def check_list_editable(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each reference in list_editable."""
    meta = admin_obj.model.ormist_model._meta
    for name in admin_obj.list_editable:
        if name in meta.references:
            yield Error(
                f"The value of 'list_editable' has {name!r}, which is a reference.",
                hint="Edit it in the form: each row would take a round trip.",
                obj=type(admin_obj),
                id="ormist.E206",
            )


def check_prepopulated(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error for each name in prepopulated_fields that is not declared."""
    given = admin_obj.prepopulated_fields
    if not isinstance(given, dict):
        return  # Django's own check reports it
    meta = admin_obj.model.ormist_model._meta
    for name in {*given, *(each for names in given.values() for each in names)}:
        if name not in meta.fields_by_name:
            yield Error(
                f"The value of 'prepopulated_fields' has {name!r}, which is not "
                "declared.",
                hint=f"Declare it in {meta.object_name}: its editor has a column for "
                "the type otherwise.",
                obj=type(admin_obj),
                id="ormist.E204",
            )


def check_date_hierarchy(admin_obj: Any) -> Iterator[CheckMessage]:
    """Return an error if date_hierarchy names an attribute without a sorted index."""
    name, meta = admin_obj.date_hierarchy, admin_obj.model.ormist_model._meta
    if name and name not in meta.ordered:
        why = meta.advice_for_order(name)
        yield _no_index_error(admin_obj, "date_hierarchy", name, why)


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
            stored = meta.stored_name(name)
            is_range = meta.has_index(stored) and not meta.indexes(stored)
            is_range = is_range and option == "list_filter"
            for text in _EXAMPLES:
                lookups = (
                    {f"{name}__gte": text} if is_range else build_lookup(name, text)
                )
                try:
                    ProxyQuerySet(admin_obj.model).filter(**lookups)
                except InvalidLookupValue:  # another one suits the declared type
                    continue
                except FieldError as error:
                    yield _no_index_error(admin_obj, option, name, str(error))
                break


_EXAMPLES = ("x", "1", "2000-01-01", "00:00", f"{0:032}")
"""A value of each declared type."""

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
