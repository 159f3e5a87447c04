"""The session engine, and Django's cache engine over two Redis caches, in one run.

Django's cache engine is the fastest that Django has for Redis. It runs over
django-redis and over Django's own RedisCache; the faster one of the two in each row
counts. All have hiredis. Each call makes an engine as a request does. The cache engines
pickle, and do less: a save overwrites what another request changed meanwhile.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.cache import caches

from django_ormist.sessions import SessionStore

from .contest import Contest
from .figure import Figure
from .server import Measured
from .timing import Clock, Contestant

SLOWEST = 0.9
"""The engine is to be faster than the one that it takes the place of."""

DJANGO_CACHE = "django"
"""The alias of Django's own RedisCache; the default one is django-redis."""

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
                [
                    _contestant("cache engine, django-redis", CacheStore, work),
                    _contestant("cache engine, RedisCache", DjangoCacheStore, work),
                ],
            )


def _contestant(name: str, engine: Any, work: Any) -> Contestant:
    return Contestant(name, work, partial(_stored, engine), _contents)


class DjangoCacheStore(CacheStore):
    """Django's cache engine over Django's own RedisCache."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache = caches[DJANGO_CACHE]


def _contents(result: Any) -> Any:
    """Return what load() returned, or what the other works stored."""
    return result if isinstance(result, dict) else load(result)


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


def change(stored: Any) -> Any:
    engine, key = stored
    session = engine(key)
    session["visits"] = session["visits"] + 1
    session.save()
    return stored


async def achange(stored: Any) -> Any:
    engine, key = stored
    session = engine(key)
    await session.aset("visits", await session.aget("visits") + 1)
    await session.asave()
    return stored


def create(stored: Any) -> Any:
    session = stored[0]()
    session.update(HELD)
    session.create()
    return stored[0], session.session_key


async def acreate(stored: Any) -> Any:
    session = stored[0]()
    await session.aupdate(HELD)
    await session.acreate()
    return stored[0], session.session_key


def renew(stored: Any) -> Any:
    engine, key = stored
    session = engine(key)
    session.get("visits")
    session.save()
    return stored


async def arenew(stored: Any) -> Any:
    engine, key = stored
    session = engine(key)
    await session.aget("visits")
    await session.asave()
    return stored


WORK: dict[str, dict[str, Any]] = {
    "": {"load": load, "load, change, save": change, "create": create, "renew": renew},
    "async ": {
        "load": aload,
        "load, change, save": achange,
        "create": acreate,
        "renew": arenew,
    },
}
