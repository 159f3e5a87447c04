"""Jobs of many requests for one session. First arguments: a barrier and a number."""

import asyncio
from contextlib import suppress
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from django_ormist.sessions import SessionStore, log_out_everywhere
from tests.sessions.users import User


def change_different_keys(barrier: Any, number: int, keys: list[str]) -> None:
    """Load, wait until the other has loaded, then change and save."""
    for key in keys:
        session = SessionStore(key)
        assert session["shared"] == "old"
        barrier.wait()
        session[f"of{number}"]["n"].append(number)
        session[f"new{number}"] = True
        session.save()


def log_out_or_save(barrier: Any, number: int, keys: list[str]) -> int:
    """End each session in the first worker, save in others; return successful saves."""
    done = 0
    for key in keys:
        session = SessionStore(key)
        session["n"] = session["n"] + number
        barrier.wait()
        if number == 0:
            session.flush()
        else:
            with suppress(UpdateError):
                session.save()  # a change
                session.save()  # a renewal
                session.clear()
                session.save()  # a replacement
                done += 1
        barrier.wait()
        assert not SessionStore().exists(key)
        assert SessionStore(key).load() == {}
    return done


def log_in_or_save(barrier: Any, number: int, keys: list[str]) -> list[Any]:
    """Cycle the key in the first worker; save another session key in the others.

    Returns the new keys of the first, or whether each save of the others succeeded.
    """
    answers: list[Any] = []
    for key in keys:
        session = SessionStore(key)
        assert session["shared"] == "old"
        barrier.wait()
        if number == 0:
            session.cycle_key()
            session["_auth_user_id"] = "1"
            session.save()
            answers.append(session.session_key)
        else:
            session[f"of{number}"] = number
            try:
                session.save()
            except UpdateError:
                answers.append(False)
            else:
                answers.append(True)
    return answers


async def alog_in_or_save(number: int, key: str, start: asyncio.Event) -> Any:
    """Run one turn of log_in_or_save() as one of many tasks of a loop."""
    session = SessionStore(key)
    assert await session.aget("shared") == "old"
    await start.wait()
    if number == 0:
        await session.acycle_key()
        await session.aset("_auth_user_id", "1")
        await session.asave()
        return session.session_key
    await session.aset(f"of{number}", number)
    try:
        await session.asave()
    except UpdateError:
        return False
    return True


def log_out_everywhere_or_cycle(
    barrier: Any, number: int, keys: list[str], is_async: bool
) -> list[bool]:
    """End all sessions of a user in the first; cycle the key and save in the other.

    The user of each session is its position in *keys*. Returns whether each request
    of the other succeeded.
    """
    answers: list[bool] = []
    for user, key in enumerate(keys):
        session = SessionStore(key)
        assert session["_auth_user_id"] == str(user)
        cycle = async_to_sync(session.acycle_key) if is_async else session.cycle_key
        barrier.wait()
        if number == 0:
            log_out_everywhere(User(user))
            continue
        try:
            cycle()
            session["n"] = number
            session.save()
        except (SessionInterrupted, UpdateError):
            answers.append(False)
        else:
            answers.append(True)
    return answers
