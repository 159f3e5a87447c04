"""SessionAdmin: view and end sessions. They cannot be changed.

The project registers it, so that the admin does not import the session engine:

    from django_ormist import admin as ormist_admin
    from django_ormist.sessions import Session

    ormist_admin.register(Session)(ormist_admin.SessionAdmin)
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.auth import HASH_SESSION_KEY, get_user_model
from django.core.exceptions import ValidationError
from django.middleware.csrf import CSRF_SESSION_KEY
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy, ngettext
from django.views.debug import get_default_exception_reporter_filter

from .options import OrmistAdmin
from .value_text import to_text

MASK = "••••••••"

SHOWN = 16
"""Characters of a private id in a list."""

MASKED = frozenset({HASH_SESSION_KEY, CSRF_SESSION_KEY, "_password_reset_token"})
"""Django's own keys of a session whose values sign a user in."""


class SessionAdmin(OrmistAdmin):
    """Sessions by private id and user: "end session", "end all of this user".

    The session key of the cookie is not stored, so it is not shown.
    """

    list_display = ("session", "user", "device", "address", "seen", "expire")
    search_fields = ("id", "user_id")
    search_help_text = gettext_lazy(
        "A private id or its beginning, a user's name or primary key."
    )
    fields = (
        *("id", "user", "device", "agent", "address", "created", "seen", "expire"),
        "values",
    )
    readonly_fields = fields
    actions = ("delete_selected", "end_all_of_user")

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: Any, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Search by the user's name as well."""
        model: Any = get_user_model()
        names = {model.USERNAME_FIELD: search_term.strip()}
        user = model._default_manager.filter(**names).first() if search_term else None
        if user is not None:
            return queryset.filter(user_id=format_user_pk(user)), False
        return super().get_search_results(request, queryset, search_term)

    @admin.action(
        description=gettext_lazy("End selected sessions"), permissions=["delete"]
    )
    def delete_selected(self, request: Any, queryset: Any) -> Any:
        """End the selected sessions, with Django's confirmation page."""
        return delete_selected(self, request, queryset)

    @admin.action(
        description=gettext_lazy("End all sessions of these users"),
        permissions=["delete"],
    )
    def end_all_of_user(self, request: Any, queryset: Any) -> None:
        users = {obj.ormist.attrs.get("user_id") for obj in queryset.iterator()}
        number = 0
        for user_id in sorted(users - {None}):
            ended = self.model._default_manager.filter(user_id=user_id)
            self.log_deletions(request, ended)
            number += ended.delete()[0]
        text = ngettext(
            "%(number)s session ended.", "%(number)s sessions ended.", number
        )
        self.message_user(request, text % {"number": number}, messages.SUCCESS)

    def get_changelist_instance(self, request: Any) -> Any:
        """Return the changelist with the names of the users. One SQL query per page."""
        changelist = super().get_changelist_instance(request)
        shown = list(changelist.result_list)
        names = load_user_names({obj.ormist.attrs.get("user_id") for obj in shown})
        for obj in shown:
            vars(obj)["user_name"] = names.get(obj.ormist.attrs.get("user_id"))
        return changelist

    # ------------------------------------------------------------ columns

    @admin.display(description=gettext_lazy("session"), ordering="id")
    def session(self, obj: Any) -> str:
        """Return the beginning of the private id, which identifies the session."""
        return Truncator(obj.pk).chars(SHOWN)

    @admin.display(description=gettext_lazy("user"), empty_value="-")
    def user(self, obj: Any) -> Any:
        user_id = obj.ormist.attrs.get("user_id")
        meta = get_user_model()._meta
        try:
            address = reverse(
                f"admin:{meta.app_label}_{meta.model_name}_change",
                args=(user_id,),
                current_app=self.admin_site.name,
            )
        except NoReverseMatch:
            return vars(obj).get("user_name") or user_id
        return format_html(
            '<a href="{}">{}</a>', address, vars(obj).get("user_name") or user_id
        )

    @admin.display(description=gettext_lazy("device"))
    def device(self, obj: Any) -> Any:
        return obj.ormist.device

    @admin.display(description=gettext_lazy("user agent"))
    def agent(self, obj: Any) -> Any:
        return obj.ormist.attrs.get("agent")

    @admin.display(description=gettext_lazy("address"))
    def address(self, obj: Any) -> Any:
        return obj.ormist.attrs.get("address")

    @admin.display(description=gettext_lazy("created"))
    def created(self, obj: Any) -> Any:
        return obj.ormist.created

    @admin.display(description=gettext_lazy("last activity"))
    def seen(self, obj: Any) -> Any:
        return obj.ormist.seen

    @admin.display(description=gettext_lazy("values"))
    def values(self, obj: Any) -> Any:
        """Return the session's own keys and values as a list.

        Values that sign a user in are masked, and values that Django's error pages
        would mask by name, also within dicts and lists.
        """
        mask = get_default_exception_reporter_filter().cleanse_setting
        rows = (
            (name, MASK if name in MASKED else to_text(mask(name, value)).text or "-")
            for name, value in sorted(obj.ormist.data().items(), key=str)
        )
        items = format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
        return format_html('<dl class="ormist-attrs">{}</dl>', items)


def load_user_names(user_ids: set[str | None]) -> dict[str, str]:
    """Return ``{text of a primary key: name}`` of existing users.

    An id that no row can have, such as of an earlier user model, is left out.
    """
    users: Any = get_user_model()._default_manager
    possible = {text for text in user_ids if text is not None and _is_pk(text)}
    return {format_user_pk(user): str(user) for user in users.filter(pk__in=possible)}


def _is_pk(text: str) -> bool:
    """Return whether a text is a possible primary key of a user."""
    field: Any = get_user_model()._meta.pk
    while field.remote_field:  # a user model whose key is another model's
        field = field.target_field
    try:
        field.run_validators(field.to_python(text))
    except ValidationError:
        return False
    return "\0" not in text


def format_user_pk(user: Any) -> str:
    """Return the user's primary key as a session stores it."""
    text: str = user._meta.pk.value_to_string(user)
    return text
