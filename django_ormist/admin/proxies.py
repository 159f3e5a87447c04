"""Proxy models: unmanaged Django models that the admin works on.

Django's admin works on classes of ``django.db.models``. A proxy model has the app label
of its model, but no table and no migration. Its instances wrap one object each,
``proxy.ormist``, and read and write that object's attributes.

A proxy model is ``auto_created`` for Django, as the model of a ManyToManyField is:
``apps.get_model()`` finds it, so its content type is never stale; ``get_models()`` does
not list it, so ``makemigrations``, ``dumpdata`` and ``shell`` do not see it. Its
permissions are therefore created by ``permissions.py``.
"""

import re
from collections.abc import Iterable
from functools import wraps
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.base import ModelState

from ..exceptions import ImproperlyConfigured
from ..fields import Reference
from ..flows.clean import call_clean
from ..models import Model
from .fields import (
    AttributeField,
    CounterField,
    DeclaredField,
    ExpireField,
    IdField,
    ProxyField,
    TagsField,
    build_counter,
    build_field,
)
from .querysets import ProxyManager
from .references import build_reference, known

APP_LABEL = "django_ormist"
OWN_FIELDS = frozenset({"id", "pk", "tags", "expire", "attrs", "__str__"})

_proxies: dict[type[Model], type[models.Model]] = known


class AdminModel:
    """The methods of proxy models, which use Redis instead of SQL.

    Other attributes are those of the wrapped object.
    """

    ormist: Model
    ormist_model: type[Model]
    _meta: Any

    def __init__(self, ormist: Model | None = None) -> None:
        is_new = ormist is None
        self.__dict__["ormist"] = self.ormist_model() if ormist is None else ormist
        self._state = ModelState()
        self._state.adding = is_new
        self._state.db = None if is_new else DEFAULT_DB_ALIAS

    def __getattr__(self, name: str) -> Any:
        if name == "ormist" or name.startswith(("_prefetched", "__")):
            raise AttributeError(name)
        return getattr(self.ormist, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            setattr(self.ormist, name, value)

    def __str__(self) -> str:
        return str(self.ormist)

    def __repr__(self) -> str:
        return f"<Proxy of {self.ormist!r}>"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.ormist == other.ormist

    def __hash__(self) -> int:
        return hash(self.ormist)

    def __reduce__(self) -> Any:
        return (unpickle, (self.ormist,))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.ormist.save(*args, **kwargs)
        self._state.adding = False

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        return self.ormist.delete(*args, **kwargs)

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.ormist.refresh_from_db()

    def serializable_value(self, field_name: str) -> Any:
        return getattr(self, field_name)

    def full_clean(self, *args: Any, **kwargs: Any) -> None:
        call_clean(self.ormist)
        self.ormist.validate()

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Return []: it has no table, and Meta was checked with the class."""
        return []


def unpickle(ormist: Model) -> Any:
    """Return the proxy of an object, for pickle and copy."""
    return admin_model_for(type(ormist))(ormist)


def admin_model_for(model: type[Model]) -> type[models.Model]:
    """Return the proxy model of a model. It is created at the first call."""
    proxy = _proxies.get(model)
    if proxy is None:
        proxy = _proxies[model] = _create_proxy(model)
    return proxy


def all_admin_models() -> list[tuple[type[Model], type[models.Model]]]:
    """Return the models that have a proxy model: pairs of both."""
    return list(_proxies.items())


def admin_model_name(text: str) -> str:
    """Return a class name that Django accepts: ``shop.Cart`` -> ``shop_Cart``."""
    return re.sub("_+", "_", text.replace(".", "_")).strip("_")


def choose_label(model: type[Model]) -> tuple[str, str]:
    """Return the app label and the name of a model's proxy model.

    They are those of the model. Outside any installed app, or if a Django model has
    this name, they are ``django_ormist`` and a name built from the model's label.
    """
    label = model._meta.label
    app_label, _, name = label.rpartition(".")
    if app_label in apps.app_configs:
        name = admin_model_name(name)
        existing = apps.all_models[app_label].get(name.lower())
        if existing is None or issubclass(existing, AdminModel):
            return app_label, name
    return APP_LABEL, admin_model_name(label)


def _create_proxy(model: type[Model]) -> type[models.Model]:
    app_label, name = choose_label(model)
    for other, existing in _proxies.items():
        if existing._meta.label_lower == f"{app_label}.{name}".lower():
            if other._meta.label == model._meta.label:  # declared again
                continue
            raise ImproperlyConfigured(
                f"{model._meta.label} and {other._meta.label} are both {name!r} in the "
                "admin. Give one of them another Meta.model_name."
            )
    body: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": name,
        "__doc__": model.__doc__,
        "Meta": type("Meta", (), _options(model, app_label)),
        "objects": ProxyManager(),
        "ormist_model": model,
        "id": IdField(primary_key=True),
        "expire": ExpireField(null=True, blank=True),
    }
    if model.is_tagged:
        body["tags"] = TagsField(blank=True)
    proxy: type[models.Model] = type(name, (AdminModel, models.Model), body)
    add_declared_fields(proxy)
    names = {*model._meta.ordered, *(n for each in model._meta.unique for n in each)}
    add_fields(proxy, sorted({*names, *(model._meta.index_attrs or ())}))
    for counter in sorted(model._meta.counters):
        if _can_be_field(proxy, counter):
            CounterField(blank=True).contribute_to_class(proxy, counter)
    return proxy


def add_declared_fields(proxy: Any) -> None:
    """Add a field for each declared attribute, but for names that no field can have."""
    meta = proxy.ormist_model._meta
    for declared in meta.fields:
        names = {declared.name, declared.attname}
        if all(_can_be_field(proxy, name) for name in names):
            field: ProxyField
            if isinstance(declared, Reference):
                field = build_reference(declared)
            elif declared.name in meta.counters:
                field = build_counter(declared)
            else:
                field = build_field(declared)
            field.contribute_to_class(proxy, declared.name)


def declared_names(proxy: Any) -> list[str]:
    """Return the declared attributes that have a field, without counters."""
    return [each.name for each in proxy._meta.fields if isinstance(each, DeclaredField)]


def _options(model: type[Model], app_label: str) -> dict[str, Any]:
    """Return the options of a proxy model's Meta."""
    return {
        "app_label": app_label,
        "managed": False,
        "auto_created": True,
        "base_manager_name": "objects",
        "verbose_name": model._meta.verbose_name,
        "verbose_name_plural": model._meta.verbose_name_plural,
    }


def has_undeclared_names(proxy: Any) -> bool:
    """Return whether objects may have attributes without a field of their own."""
    meta = proxy.ormist_model._meta
    declared = {name for name in meta.fields_by_name if name not in meta.counters}
    fields = [each for each in proxy._meta.fields if isinstance(each, DeclaredField)]
    has_all = declared.issubset(each.attname for each in fields)
    return not (meta.declared_only and has_all)


def add_fields(proxy: Any, names: Iterable[str]) -> None:
    """Add a field for each attribute that Django's admin uses.

    Methods and properties of the model become those of the proxy model. Other names are
    left out, and Django's checks report them.
    """
    model = proxy.ormist_model
    for name in names:
        if name in OWN_FIELDS or hasattr(proxy, name) or name in model._meta.references:
            continue
        is_allowed = not model._meta.is_undeclared(name)
        if name in model._meta.own_names:
            setattr(proxy, name, _forward(name, getattr(model, name, None)))
        elif is_allowed and _can_be_field(proxy, name):
            AttributeField(blank=True, null=True).contribute_to_class(proxy, name)


def _can_be_field(proxy: Any, name: str) -> bool:
    """Return whether a Django model can have a field of this name."""
    return (
        name.isidentifier()
        and "__" not in name
        and not name.startswith("_")
        and not name.endswith("_")
        and name not in OWN_FIELDS
        and not hasattr(proxy, name)
    )


def _forward(name: str, own: Any) -> Any:
    """Return a method or property that calls the object's, with its description."""
    if isinstance(own, property):
        return property(lambda proxy: getattr(proxy.ormist, name))
    if not callable(own):
        return own

    @wraps(own)
    def forward(proxy: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(proxy.ormist, name)(*args, **kwargs)

    return forward
