"""The session engine and Django's cache engine over django-redis, in one run."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.sessions.backends.cache import SessionStore as CacheStore

from django_ormist.sessions import SessionStore

from .contests import Contest
from .figure import Figure
from .server import Measured
from .timing import Clock, Contestant

BESIDE = "cache engine, django-redis"
SLOWEST = 1.0
"""The engine is to be no slower than what it takes the place of."""

HELD = {
    "_auth_user_id": "12345",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "0d" * 32,
    "language": "en",
    "theme": "dark",
    "visits": 17,
    "is_new": False,
    "cart": [101, 202, 303],
    "filters": {"color": "red", "size": 42},
    "last": 1764000000.5,
    "referrer": None,
    "step": "address",
}
"""Twelve small keys."""


def figures(server: Measured, clock: Clock) -> Iterator[Figure]:
    """Yield load, change, create and renew, the sync ones first."""
    for contest in all_of():
        yield contest.held(clock)
    server.clear()


def all_of() -> Iterator[Contest]:
    for mode in ("", "async "):
        for name, work in WORK[mode].items():
            # The cache engine cannot only renew: it saves everything.
            yield Contest(
                f"session {mode}{name}",
                SLOWEST,
                _contestant("django_ormist", SessionStore, work),
                [_contestant(BESIDE, CacheStore, work)],
                is_settled=True,
            )


def _contestant(name: str, engine: Any, work: Any) -> Contestant:
    return Contestant(name, work, partial(_stored, engine), lambda result: result)


def _stored(engine: Any, count: int) -> list[tuple[Any, str]]:
    """Return the engine and the key of a stored session."""
    session = engine()
    session.update(HELD)
    session.save()
    return [(engine, session.session_key)] * count


def load(stored: Any) -> Any:
    engine, key = stored
    return engine(key).load()


async def aload(stored: Any) -> Any:
    engine, key = stored
    return await engine(key).aload()


def change(stored: Any) -> None:
    engine, key = stored
    session = engine(key)
    session["visits"] = session["visits"] + 1
    session.save()


async def achange(stored: Any) -> None:
    engine, key = stored
    session = engine(key)
    await session.aset("visits", await session.aget("visits") + 1)
    await session.asave()


def create(stored: Any) -> None:
    session = stored[0]()
    session.update(HELD)
    session.create()


async def acreate(stored: Any) -> None:
    session = stored[0]()
    await session.aupdate(HELD)
    await session.acreate()


def renew(stored: Any) -> None:
    engine, key = stored
    session = engine(key)
    session.get("visits")
    session.save()


async def arenew(stored: Any) -> None:
    engine, key = stored
    session = engine(key)
    await session.aget("visits")
    await session.asave()


WORK: dict[str, dict[str, Any]] = {
    "": {"load": load, "load, change, save": change, "create": create, "renew": renew},
    "async ": {
        "load": aload,
        "load, change, save": achange,
        "create": acreate,
        "renew": arenew,
    },
}
