"""Ending the sessions of a user: all of them, or all but one."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save

from ..connections.executor import arun, run
from ..models import fetching, updates
from ..operations.operation import Flow
from . import settings
from .keys import private_id
from .model import Session


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
        pks = yield from fetching.ids(Session.objects.find(user_id=user_id))
        untried = [pk for pk in pks if pk not in tried]
        if not untried:
            return total
        total += yield from _delete(user_id, untried)
        tried.update(untried)


def _delete(user_id: str, pks: list[str]) -> Flow:
    """Flow: delete those of *pks* that are the user's; how many."""
    found = Session.objects.find(user_id=user_id, pk__in=pks)
    number, _ = yield from updates.delete(found)
    return number


# ---------------------------------------------------------------- password changes


def follow_password_changes() -> None:
    """End a user's sessions when the password changes, if the setting says so.

    Idempotent; called by ``apps.ready()``.
    """
    uid = "django_ormist.sessions.password"
    post_save.connect(_end_if_changed, dispatch_uid=uid)


def _end_if_changed(
    *, instance: Any, created: bool, using: str, raw: bool = False, **kwargs: Any
) -> None:
    """End what was open before the password was saved.

    ``_password`` is what ``set_password()`` was given, until the save is through: it
    is not there for other saves, nor when a hash is made anew. The request that
    changed the password goes on in a new session: ``update_session_auth_hash()``.
    """
    if (
        created
        or raw
        or getattr(instance, "_password", None) is None
        or not hasattr(instance, "get_session_auth_hash")
        or not settings.current().end_others_on_password_change
    ):
        return
    user_id = user_text(instance)
    # Those of now: what the request opens before its transaction ends is not theirs.
    pks = run(fetching.ids(Session.objects.find(user_id=user_id)), settings.using())
    transaction.on_commit(
        lambda: run(_delete(user_id, pks), settings.using()), using=using
    )
