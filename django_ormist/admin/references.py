"""References in the admin to both kinds of model: popups, raw ids and filters."""

from typing import Any

from django import forms
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.widgets import (
    AdminTextInputWidget,
    AutocompleteSelect,
    ForeignKeyRawIdWidget,
    RelatedFieldWidgetWrapper,
)
from django.db import models
from django.utils.text import capfirst

from .. import fields as declarations
from .. import terms
from ..connections.executor import run
from ..flows import delete
from .fields import DeclaredField, describe
from .filters import AttributeFilter
from .samples import get_sample

known: dict[Any, Any] = {}
"""The proxy models, by their models."""


class Remote:
    """The other end of a reference, as Django's widgets and views ask for it.

    model: the model of Django, or the proxy model of one of this package.
    """

    limit_choices_to: dict[str, Any] = {}  # noqa: RUF012
    multiple = False
    parent_link = False

    def __init__(self, field: "ReferenceField") -> None:
        self.field = field

    @property
    def model(self) -> Any:
        target = self.field.reference.related_model
        return known.get(target, target)

    @property
    def on_delete(self) -> Any:
        return getattr(models, self.field.reference.on_delete.name)

    @property
    def field_name(self) -> str:
        return str(self.get_related_field().name)

    def get_related_field(self) -> Any:
        """Return the primary key that a reference holds."""
        return self.model._meta.pk


class ReferenceField(DeclaredField):
    """A declared reference. Its form field is a choice of one object."""

    remote_field: Any
    reference: declarations.Reference

    def get_attname(self) -> str:
        return str(self.declared.attname)

    def get_value(self, ormist: Any) -> Any:
        return getattr(ormist, self.attname, None)

    def set_value(self, ormist: Any, value: Any) -> None:
        setattr(ormist, self.attname, value)

    def get_limit_choices_to(self) -> dict[str, Any]:
        return {}

    def formfield(self, **kwargs: Any) -> Any:
        model = self.remote_field.model
        options = {"queryset": model._default_manager.all(), **kwargs}
        return self.declared.formfield(form_class=ReferenceChoiceField, **options)


def build_reference(declared: declarations.Reference) -> ReferenceField:
    """Return the field of a declared reference."""
    field = ReferenceField(
        **describe(declared),
        blank=declared.blank,
        null=declared.null,
        editable=declared.editable,
    )
    field.declared = field.reference = declared
    field.remote_field = Remote(field)
    return field


class ReferenceChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """The choice of an object. The cleaned value is the object, not its proxy."""

    def to_python(self, value: Any) -> Any:
        found: Any = super().to_python(value)
        return getattr(found, "ormist", found)


def build_widget(model_admin: Any, request: Any, field: ReferenceField) -> forms.Widget:
    """Return the control of a reference.

    A popup of the list for raw_id_fields, else a search popup if the other model is
    registered and can be searched, else the primary key.
    """
    remote, site = field.remote_field, model_admin.admin_site
    if field.name in model_admin.raw_id_fields:
        return ForeignKeyRawIdWidget(remote, site)
    other = find_admin(site, remote.model)
    if other is None or not other.get_search_fields(request):
        return AdminTextInputWidget()
    return RelatedFieldWidgetWrapper(
        AutocompleteSelect(field, site),
        remote,
        site,
        can_add_related=other.has_add_permission(request),
        can_change_related=other.has_change_permission(request),
        can_delete_related=other.has_delete_permission(request),
        can_view_related=other.has_view_permission(request),
    )


def find_admin(site: Any, model: Any) -> Any:
    """Return the admin of a model on a site, or None."""
    try:
        return site.get_model_admin(model)
    except NotRegistered:
        return None


class ReferenceFilter(AttributeFilter):
    """A filter by the objects that a sample refers to, in one round trip or query."""

    def find_choices(self) -> list[tuple[str, dict[str, Any]]]:
        declared = self.ormist_model._meta.references[self.name]
        sample = get_sample(self.request, self.ormist_model)
        name = declared.attname
        keys = {
            terms.text(each[name]): each[name]
            for each in sample.attrs
            if each.get(name) is not None and declared.is_valid_key(each[name])
        }
        texts = [text for text in self._find_texts(sample, name) if text in keys]
        found = declared.related_model._default_manager.in_bulk(
            [keys[text] for text in texts]
        )
        choices: list[tuple[str, dict[str, Any]]] = [
            (str(found.get(keys[text], text)), {self.name: text}) for text in texts
        ]
        choices.sort(key=lambda choice: choice[0])
        return [*choices, *self._find_none(sample, name)]


class Related:
    """The objects that a deletion deletes too, or that prevent it.

    shown: a line for each model or protected object. counts: deleted objects by the
    name of their model. needed: names of models whose objects the user may not delete.
    """

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.counts: dict[str, int] = {}
        self.needed: set[str] = set()
        self.protected: list[str] = []


def find_related(model_admin: Any, request: Any, objs: Any) -> Related:
    """Return the effects of on_delete. No round trip for a model without references.

    objs: a list of proxies, or a queryset.
    """
    found, model = Related(), model_admin.model.ormist_model
    if not delete.referring(model):
        return found
    is_list = isinstance(objs, list)
    using = model._meta.using if is_list else objs.collection.db
    keys = [each.pk for each in objs] if is_list else list(objs.collection.ids())
    try:
        effects = run(delete.find_effects(model, keys, using), using)
    except models.ProtectedError as error:
        found.protected = sorted(
            f"{capfirst(each._meta.verbose_name)}: {each}"
            for each in error.protected_objects
        )
        return found
    for (other, _alias), pks in effects.deletions.items():
        meta = other._meta
        found.counts[meta.verbose_name_plural] = len(pks)
        found.shown.append(f"{capfirst(meta.verbose_name_plural)}: {len(pks)}")
        proxy = known.get(other)
        own = None if proxy is None else find_admin(model_admin.admin_site, proxy)
        if own is not None and not own.has_delete_permission(request):
            found.needed.add(meta.verbose_name)
    return found
