"""The permissions of proxy models, which Django's ``migrate`` does not create."""

from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.management import _get_all_permissions  # type: ignore
from django.db import router

from .overview import overview_model
from .proxies import APP_LABEL, admin_model_name, all_admin_models


def create_permissions(*, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """Create missing permissions, as Django does after ``migrate``.

    A receiver of post_migrate, which ``flush`` sends without *apps*. Three SQL queries
    if all exist.
    """
    try:
        apps.get_model("auth", "Permission")
        apps.get_model("contenttypes", "ContentType")
    except LookupError:  # migrated back to a state without them
        return
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    if not router.allow_migrate_model(using, Permission):
        return
    _rename(using)
    proxies = [overview_model(), *(proxy for _, proxy in all_admin_models())]
    types = ContentType.objects.db_manager(using).get_for_models(
        *proxies, for_concrete_models=False
    )
    permissions = Permission.objects.using(using)
    known = set(
        permissions.filter(content_type__in=types.values()).values_list(
            "content_type", "codename"
        )
    )
    missing = {  # once for two models of one label, of which one was loaded again
        (kind.pk, codename): name[:255]
        for proxy, kind in types.items()
        for codename, name in _get_all_permissions(proxy._meta)
        if (kind.pk, codename) not in known
    }
    permissions.bulk_create(
        Permission(content_type_id=kind, codename=codename, name=name)
        for (kind, codename), name in missing.items()
    )


def _rename(using: str) -> None:
    """Rename the content types of version 0.1.0, with their permissions.

    They had the app label django_ormist. History and grants are kept.
    """
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType

    proxies = {
        admin_model_name(model._meta.label).lower(): proxy
        for model, proxy in all_admin_models()
    }
    here = {
        proxy._meta.model_name
        for _, proxy in all_admin_models()
        if proxy._meta.app_label == APP_LABEL
    }
    moved = {old: proxy._meta for old, proxy in proxies.items() if old not in here}
    types = ContentType.objects.db_manager(using)
    for kind in types.filter(app_label=APP_LABEL, model__in=moved):
        opts = moved[kind.model]
        new = {"app_label": opts.app_label, "model": opts.model_name}
        if types.filter(**new).exists():  # created by a concurrent visit
            continue
        for permission in Permission.objects.using(using).filter(content_type=kind):
            verb = permission.codename.removesuffix(f"_{kind.model}")
            permission.codename = f"{verb}_{opts.model_name}"
            permission.save(using=using)
        types.filter(pk=kind.pk).update(**new)
        types.clear_cache()
