"""The error page for data or a server that cannot be read."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from ..connections.replica_reads import from_primary
from ..exceptions import CorruptDataError

STATUS = 503


def show_store_errors(may: Callable[..., bool]) -> Callable[..., Any]:
    """Decorate a view of an OrmistAdmin to show errors of the store as a page.

    The view reads from the primary.
    Damaged bytes and an unreachable server give a page with status 503 that names the
    key or the alias. A user without permission gets 403 without details. may: called
    with the arguments of the view; returns whether the user may open the page.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                with from_primary():
                    return view(self, request, *args, **kwargs)
            except (CorruptDataError, RedisError) as error:
                if not may(self, request, *args, **kwargs):
                    raise PermissionDenied from error
                return _render_error(self, request, error)

        return wrapper

    return decorate


def may_view(model_admin: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
    """Return whether the user may view objects."""
    return bool(model_admin.has_view_or_change_permission(request))


def may_open_form(
    model_admin: Any, request: Any, object_id: str | None = None, *args: Any, **kw: Any
) -> bool:
    """Return whether the user may view the form of an object, or of a new one."""
    if object_id is None:
        return bool(model_admin.has_add_permission(request))
    return may_view(model_admin, request)


def may_delete(model_admin: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
    """Return whether the user may delete objects."""
    return bool(model_admin.has_delete_permission(request))


def _render_error(model_admin: Any, request: Any, error: Exception) -> TemplateResponse:
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("The store cannot be read"),
        "opts": model_admin.opts,
        "error": f"{error}{notes}",
        "is_damaged": isinstance(error, CorruptDataError),
    }
    template = "django_ormist/admin/unreadable.html"
    return TemplateResponse(request, template, context, status=STATUS)
