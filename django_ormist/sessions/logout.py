"""Logging a user out: of all sessions, or of all but one."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from ..connections.executor import arun, run
from ..flows import delete, fetch
from ..operations.operation import Flow
from . import settings
from .flows import ended_by_password
from .model import Session, private_id


def user_text(user: Any) -> str:
    """Return the user's pk as ``login()`` writes it into a session."""
    text: str = user._meta.pk.value_to_string(user)
    return text


def log_out_everywhere(user: Any, except_key: str | None = None) -> int:
    """End every session of *user*. Return their number.

    except_key: the public key of a session to keep, such as
    ``request.session.session_key``.
    """
    except_pk = except_key and private_id(except_key)
    number: int = run(_end_sessions(user_text(user), except_pk), settings.using())
    return number


async def alog_out_everywhere(user: Any, except_key: str | None = None) -> int:
    """See log_out_everywhere()."""
    except_pk = except_key and private_id(except_key)
    number: int = await arun(
        _end_sessions(user_text(user), except_pk), settings.using()
    )
    return number


def _end_sessions(user_id: str, except_pk: str | None) -> Flow[Any]:
    """Flow that deletes the other sessions of a user, and returns their number.

    It repeats the query until no new session is found, since a concurrent request may
    move a session to a new key.
    """
    total, tried = 0, {except_pk}
    while True:
        pks = yield from fetch.ids(Session.objects.find(user_id=user_id))
        untried = [pk for pk in pks if pk not in tried]
        if not untried:
            return total
        total += yield from _delete_sessions(user_id, untried)
        tried.update(untried)


def _delete_sessions(user_id: str, pks: list[str]) -> Flow[Any]:
    """Flow that deletes the user's sessions among *pks*. It returns their number."""
    found = Session.objects.find(user_id=user_id, pk__in=pks)
    number, _ = yield from delete.delete(found)
    return number


# ---------------------------------------------------------------- Django's signals

_ENDS_SESSIONS = "_ormist_ends_sessions"
"""Attribute of a user whose sessions are ended after the save."""


def follow_users() -> None:
    """End sessions when a password changes, or a user is deactivated or deleted.

    Only if END_OTHERS_ON_PASSWORD_CHANGE is set. The signals are connected for user
    models alone, so that deleting rows of other models is not slower. Idempotent;
    called by ``AppConfig.ready()``.
    """
    uid = "django_ormist.sessions"
    for model in apps.get_models():
        if hasattr(model, "get_session_auth_hash"):
            pre_save.connect(_before_save, sender=model, dispatch_uid=uid)
            post_save.connect(_after_save, sender=model, dispatch_uid=uid)
            post_delete.connect(_after_delete, sender=model, dispatch_uid=uid)


def _before_save(
    *,
    sender: Any,
    instance: Any,
    using: str,
    raw: bool = False,
    update_fields: Iterable[str] | None = None,
    **kwargs: Any,
) -> None:
    """Compare the user with the stored row. One SQL query if the setting is on."""
    vars(instance).pop(_ENDS_SESSIONS, None)
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
        vars(instance)[_ENDS_SESSIONS] = True


def _is_rehash(instance: Any, update_fields: Iterable[str] | None) -> bool:
    """Return whether check_password() saves the same password with a newer hash."""
    return (
        update_fields is not None
        and set(update_fields) == {"password"}
        and getattr(instance, "_password", None) is None
        and instance.has_usable_password()
    )


def _after_save(*, instance: Any, using: str, **kwargs: Any) -> None:
    """End the sessions that were open before the user was saved.

    The request that changed the password continues in a new session, see
    ``update_session_auth_hash()``. Sessions that it opens before the end of its
    transaction are kept.
    """
    if vars(instance).pop(_ENDS_SESSIONS, False):
        user_id, alias = user_text(instance), settings.using()
        pks = run(fetch.ids(Session.objects.find(user_id=user_id)), alias)
        ended_by_password.set(frozenset(pks))
        transaction.on_commit(
            lambda: run(_delete_sessions(user_id, pks), alias), using=using
        )


def _after_delete(*, instance: Any, using: str, **kwargs: Any) -> None:
    """End every session of a user who was deleted."""
    if settings.current().end_others_on_password_change:
        user_id, alias = user_text(instance), settings.using()
        transaction.on_commit(
            lambda: run(_end_sessions(user_id, None), alias), using=using
        )
