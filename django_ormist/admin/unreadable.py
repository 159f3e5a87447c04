"""The page that stands for one that could not be read: why, and what to do."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from ..exceptions import CorruptDataError

STATUS = 503


def telling(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view of an OrmistAdmin that says why the store could not be read.

    Damaged bytes and a server that does not answer are a page with status 503, which
    names the key or the alias.
    """

    @wraps(view)
    def told(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(self, request, *args, **kwargs)
        except (CorruptDataError, RedisError) as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            request.current_app = self.admin_site.name
            context = {
                **self.admin_site.each_context(request),
                "title": _("The store cannot be read"),
                "opts": self.opts,
                "error": f"{error}{notes}",
                "is_damaged": isinstance(error, CorruptDataError),
            }
            template = "django_ormist/admin/unreadable.html"
            return TemplateResponse(request, template, context, status=STATUS)

    return told
