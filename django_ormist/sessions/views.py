"""Views of the devices page: users see and end their own sessions."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.template.loader import select_template
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ..connections.replica_reads import from_primary
from ..models import Collection
from . import settings
from .devices import device_name
from .logout import log_out_everywhere, user_text
from .model import Session, private_id

DEFAULT_BASE_TEMPLATE = "django_ormist/sessions/base.html"
"""Extended by the page if the template that BASE_TEMPLATE names does not exist."""


@dataclass(frozen=True)
class Device:
    """One session on the devices page. name: "" if the User-Agent is unknown."""

    pk: str
    name: str
    address: str | None
    seen: datetime | None
    since: datetime | None
    is_this: bool

    @classmethod
    def of(cls, session: Session, this: str | None) -> "Device":
        """Return the device of a session. this: the private id of the current one."""
        return cls(
            session.id,
            device_name(session.attrs.get("agent")),
            session.attrs.get("address"),
            session.seen and localtime(session.seen),
            session.created and localtime(session.created),
            session.id == this,
        )


@require_safe
@login_required
@never_cache
def devices(request: HttpRequest) -> HttpResponse:
    """Show every session of the user: this one first, then the one used last."""
    this = _current_id(request)
    with from_primary():  # an ended session is not shown
        found = [Device.of(session, this) for session in _sessions_of_user(request)]
    found.sort(key=_get_last_use, reverse=True)
    found.sort(key=lambda each: not each.is_this)
    base = select_template([settings.current().base_template, DEFAULT_BASE_TEMPLATE])
    return render(
        request,
        "django_ormist/sessions/devices.html",
        {"devices": found, "has_others": len(found) > 1, "base_template": base},
    )


@require_POST
@login_required
def end(request: HttpRequest, pk: str) -> HttpResponse:
    """End one session of the user. 404 if it is another user's, or missing."""
    if pk == _current_id(request):
        logout(request)
        after = django_settings.LOGOUT_REDIRECT_URL or django_settings.LOGIN_URL
        return redirect(resolve_url(after))
    number, _label = _sessions_of_user(request).find(pk=pk).delete()
    if not number:
        raise Http404("No such session.")
    _add_message(request, _("That device is signed out."))
    return redirect("ormist_sessions:devices")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """End every session of the user but this one."""
    number = log_out_everywhere(request.user, request.session.session_key)
    text = ngettext(
        "%d other device is signed out.", "%d other devices are signed out.", number
    )
    _add_message(request, text % number)
    return redirect("ormist_sessions:devices")


def _sessions_of_user(request: HttpRequest) -> "Collection[Session]":
    return Session.objects.find(user_id=user_text(request.user))


def _current_id(request: HttpRequest) -> str | None:
    key = request.session.session_key
    return private_id(key) if key else None


def _get_last_use(device: Device) -> float:
    moment = device.seen or device.since
    return moment.timestamp() if moment else 0


def _add_message(request: HttpRequest, text: str) -> None:
    """Add a message, if django.contrib.messages is installed."""
    messages.success(request, text, fail_silently=True)
