"""Where a user is signed in, and how to end it. Of one's own sessions alone."""

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

from ..models import Collection
from . import settings
from .devices import device_name
from .logout import log_out_everywhere, user_text
from .model import Session, private_id

BARE = "django_ormist/sessions/base.html"
"""What the page extends in a site without the template that BASE_TEMPLATE names."""


@dataclass(frozen=True)
class Device:
    """One session, as the page shows it. name: "" if its User-Agent says nothing."""

    pk: str
    name: str
    address: str | None
    seen: datetime | None
    since: datetime | None
    is_this: bool

    @classmethod
    def of(cls, session: Session, this: str | None) -> "Device":
        """this: the private id of the session that asks."""
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
    """Every session of the user: this one first, then the one used last."""
    this = _this(request)
    found = [Device.of(session, this) for session in _own(request)]
    found.sort(key=_last_used, reverse=True)
    found.sort(key=lambda each: not each.is_this)
    base = select_template([settings.current().base_template, BARE])
    return render(
        request,
        "django_ormist/sessions/devices.html",
        {"devices": found, "has_others": len(found) > 1, "base_template": base},
    )


@require_POST
@login_required
def end(request: HttpRequest, pk: str) -> HttpResponse:
    """End one session of the user. 404 for another's, and for one that is gone."""
    if pk == _this(request):
        logout(request)
        after = django_settings.LOGOUT_REDIRECT_URL or django_settings.LOGIN_URL
        return redirect(resolve_url(after))
    number, _label = _own(request).find(pk=pk).delete()
    if not number:
        raise Http404("No such session.")
    _say(request, _("That device is signed out."))
    return redirect("ormist_sessions:devices")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """End every session of the user but this one."""
    number = log_out_everywhere(request.user, request.session.session_key)
    text = ngettext(
        "%d other device is signed out.", "%d other devices are signed out.", number
    )
    _say(request, text % number)
    return redirect("ormist_sessions:devices")


def _own(request: HttpRequest) -> "Collection[Session]":
    return Session.objects.find(user_id=user_text(request.user))


def _this(request: HttpRequest) -> str | None:
    key = request.session.session_key
    return private_id(key) if key else None


def _last_used(device: Device) -> float:
    moment = device.seen or device.since
    return moment.timestamp() if moment else 0


def _say(request: HttpRequest, text: str) -> None:
    """As a message, in a site that has django.contrib.messages."""
    messages.success(request, text, fail_silently=True)
