"""Ending the sessions of a user: all of them, or all but one."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from ..connections.executor import arun, run
from ..flows import fetch, update
from ..operations.operation import Flow
from . import settings
from .flows import ended_by_password
from .model import Session, private_id


def user_text(user: Any) -> str:
    """The user's pk as ``login()`` writes it into a session."""
    text: str = user._meta.pk.value_to_string(user)
    return text


def log_out_everywhere(user: Any, except_key: str | None = None) -> int:
    """End every session of *user*; how many.

    except_key: the public key of one to keep, as ``request.session.session_key``.
    """
    kept = except_key and private_id(except_key)
    number: int = run(_end(user_text(user), kept), settings.using())
    return number


async def alog_out_everywhere(user: Any, except_key: str | None = None) -> int:
    """See log_out_everywhere()."""
    kept = except_key and private_id(except_key)
    number: int = await arun(_end(user_text(user), kept), settings.using())
    return number


def _end(user_id: str, kept: str | None) -> Flow:
    """Flow that deletes the sessions of a user but for one id; how many.

    It looks again until it finds none that it has not tried: a request may have moved
    a session to a new key meanwhile.
    """
    total, tried = 0, {kept}
    while True:
        pks = yield from fetch.ids(Session.objects.find(user_id=user_id))
        untried = [pk for pk in pks if pk not in tried]
        if not untried:
            return total
        total += yield from _delete(user_id, untried)
        tried.update(untried)


def _delete(user_id: str, pks: list[str]) -> Flow:
    """Flow: delete those of *pks* that are the user's; how many."""
    found = Session.objects.find(user_id=user_id, pk__in=pks)
    number, _ = yield from update.delete(found)
    return number


# ------------------------------------------------------ what Django's signals tell

_ENDING = "_ormist_ends_sessions"
"""Attribute of a user whose save, once it is through, ends sessions."""


def follow_users() -> None:
    """End sessions with a password, an activation or a user, if the setting says so.

    Connects to the models of users alone, so that the rows of others are deleted as
    fast as before. Idempotent; called by ``apps.ready()``.
    """
    uid = "django_ormist.sessions"
    for model in apps.get_models():
        if hasattr(model, "get_session_auth_hash"):
            pre_save.connect(_before_saving, sender=model, dispatch_uid=uid)
            post_save.connect(_after_saving, sender=model, dispatch_uid=uid)
            post_delete.connect(_after_deleting, sender=model, dispatch_uid=uid)


def _before_saving(
    *,
    sender: Any,
    instance: Any,
    using: str,
    raw: bool = False,
    update_fields: Iterable[str] | None = None,
    **kwargs: Any,
) -> None:
    """Compare the user with the stored row. One SQL query, if the setting is on."""
    vars(instance).pop(_ENDING, None)
    columns = {field.attname for field in sender._meta.concrete_fields}
    saved = columns.intersection(("password", "is_active"))
    if update_fields is not None:
        saved.intersection_update(update_fields)
    if (
        raw
        or not saved
        or instance._state.adding
        or not settings.current().end_others_on_password_change
    ):
        return
    rows = sender._base_manager.using(using).filter(pk=instance.pk)
    stored = rows.values(*saved).first() or {}
    if (
        (stored.get("is_active") and not instance.is_active)
        or stored.get("password", instance.password) != instance.password
    ) and not _is_rehash(instance, update_fields):
        vars(instance)[_ENDING] = True


def _is_rehash(instance: Any, update_fields: Iterable[str] | None) -> bool:
    """Whether the same password is saved under a newer hash, by check_password()."""
    return (
        update_fields is not None
        and set(update_fields) == {"password"}
        and getattr(instance, "_password", None) is None
        and instance.has_usable_password()
    )


def _after_saving(*, instance: Any, using: str, **kwargs: Any) -> None:
    """End the sessions that were open before the user was saved.

    The request that changed the password goes on in a new session: see
    ``update_session_auth_hash()``. What it opens before its transaction ends is kept.
    """
    if vars(instance).pop(_ENDING, False):
        user_id, alias = user_text(instance), settings.using()
        pks = run(fetch.ids(Session.objects.find(user_id=user_id)), alias)
        ended_by_password.set(frozenset(pks))
        transaction.on_commit(lambda: run(_delete(user_id, pks), alias), using=using)


def _after_deleting(*, instance: Any, using: str, **kwargs: Any) -> None:
    """End every session of a user who was deleted."""
    if settings.current().end_others_on_password_change:
        user_id, alias = user_text(instance), settings.using()
        transaction.on_commit(lambda: run(_end(user_id, None), alias), using=using)
