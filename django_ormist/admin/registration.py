"""Registration of models with an admin site."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten, flatten_fieldsets
from django.db.models.signals import post_migrate

from ..models import Model
from .options import OrmistAdmin
from .overview import add_overview
from .permissions import create_permissions
from .proxies import APP_LABEL, add_fields, admin_model_for

A = TypeVar("A", bound=type[OrmistAdmin])


def register(
    *models: type[Model], site: admin.AdminSite | None = None
) -> Callable[[A], A]:
    """Register the models with the decorated OrmistAdmin, as Django's decorator does.

    Raises TypeError unless the class is an OrmistAdmin, ValueError without a model.
    """
    if not models:
        raise ValueError("At least one model must be passed to register.")
    for model in models:
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise TypeError(
                f"{model!r} is not a model of django_ormist. Register Django's models "
                "with django.contrib.admin.register()."
            )

    def decorate(admin_class: A) -> A:
        if not issubclass(admin_class, OrmistAdmin):
            raise TypeError(f"{admin_class.__name__} must derive from OrmistAdmin.")
        for model in models:
            proxy = admin_model_for(model)
            add_fields(proxy, names_in_options(admin_class))
            (site or admin.site).register(proxy, admin_class)
        add_overview(site or admin.site)
        sender = apps.get_app_config(APP_LABEL)
        post_migrate.connect(create_permissions, sender=sender, dispatch_uid=__name__)
        return admin_class

    return decorate


def unregister(*models: type[Model], site: admin.AdminSite | None = None) -> None:
    """Unregister models, as Django's AdminSite.unregister().

    Raises django.contrib.admin.exceptions.NotRegistered for one that is not registered.
    """
    for model in models:
        (site or admin.site).unregister(admin_model_for(model))


def names_in_options(admin_class: type[OrmistAdmin]) -> list[str]:
    """Return the names in the options of an admin class, except its own methods."""
    options: Any = admin_class
    filters = [
        each[0] if isinstance(each, list | tuple) else each
        for each in options.list_filter
    ]
    shown = flatten_fieldsets(options.fieldsets or [(None, {"fields": ()})])
    names = [
        *options.list_display,
        *options.list_editable,
        *options.readonly_fields,
        *flatten(options.fields or ()),
        *shown,
        *filters,
    ]
    texts = [name for name in names if isinstance(name, str)]
    return [name for name in texts if not _is_method(admin_class, name)]


def _is_method(admin_class: type[OrmistAdmin], name: str) -> bool:
    """Return whether a name is a column that the class itself defines.

    Names of Django's ModelAdmin ("ordering", "form") may be names of attributes.
    """
    own = getattr(admin_class, name, None)
    return callable(own) and own is not getattr(admin.ModelAdmin, name, None)
