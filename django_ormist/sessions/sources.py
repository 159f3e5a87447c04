"""Live sessions of other engines, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.utils import timezone

from ..codecs import Deadline, Lifetime
from ..connections.borrowed import client_of
from ..exceptions import NotSupportedError
from ..models.deadlines import moment_ms
from ..operations.inspection import glob_escaped

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A session of another engine: its public key, what it holds, when it ends."""

    key: str
    data: dict[Any, Any]
    deadline: Deadline | None


class Rows:
    """Those of an engine with a table: db, cached_db, and what derives from them."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine()
        self.live = engine.get_model_class().objects.filter(
            expire_date__gt=timezone.now()
        )

    def count(self) -> int | None:
        number: int = self.live.count()
        return number

    def __iter__(self) -> Iterator[Found]:
        for row in self.live.order_by("pk").iterator(chunk_size=CHUNK):
            data = self.engine.decode(row.session_data)
            yield Found(row.session_key, data, moment_ms(row.expire_date))


class Scanned:
    """Those of an engine that keeps each under a key of Redis: names, TTLs, values.

    client: a redis-py client. head: what the Redis keys begin with; the public key is
    the rest.
    """

    def __init__(self, client: Any, head: str) -> None:
        self.client = client
        self.head = head

    def count(self) -> int | None:
        return None

    def __iter__(self) -> Iterator[Found]:
        names = self.client.scan_iter(
            match=glob_escaped(self.head.encode()) + b"*", count=1000
        )
        while some := [_text(name) for name in islice(names, CHUNK)]:
            with self.client.pipeline(transaction=False) as pipe:
                for name in some:
                    pipe.pttl(name)
                ttls = pipe.execute()
            keys = [name[len(self.head) :] for name in some]
            held = self.read(keys)
            for key, ttl_ms in zip(keys, ttls, strict=True):
                if key in held and ttl_ms != -2:
                    lifetime = Lifetime(ttl_ms) if ttl_ms >= 0 else None
                    yield Found(key, held[key], lifetime)

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        """What the sessions of these public keys hold, less those that are gone."""
        raise NotImplementedError  # pragma: no cover


class Cached(Scanned):
    """Those of Django's cache engine, over a cache with one redis-py client."""

    def __init__(self, engine: Any) -> None:
        alias = settings.SESSION_CACHE_ALIAS
        cache: Any = caches[alias]
        client = client_of(cache, write=False)
        if client is None:
            raise NotSupportedError(
                f"The cache {alias!r} cannot list its keys: it is a "
                f"{type(cache).__name__}. Sessions are carried over from django-redis "
                "and from Django's RedisCache."
            )
        self.cache, self.prefix = cache, engine.cache_key_prefix
        super().__init__(client, str(cache.make_key(self.prefix)))

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        found = self.cache.get_many([self.prefix + key for key in keys])
        return {name[len(self.prefix) :]: data for name, data in found.items()}


class RedisSessions(Scanned):
    """Those of django-redis-sessions, on the server that its settings name."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine("")
        super().__init__(self.engine.server, self.engine.get_real_stored_key(""))

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        # One by one: without a prefix of its own, keys of other types are among them.
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(self.head + key)
            stored = pipe.execute(raise_on_error=False)
        found = {
            key: self.engine.decode(_text(packed))
            for key, packed in zip(keys, stored, strict=True)
            if isinstance(packed, bytes | str)
        }
        return {key: data for key, data in found.items() if data}


Source = Rows | Scanned


def source(path: str) -> Source:
    """The live sessions of the engine at *path*, as SESSION_ENGINE names it.

    Raises ImportError, NotSupportedError.
    """
    engine: type[SessionBase] = import_module(path).SessionStore
    if hasattr(engine, "get_model_class"):
        return Rows(engine)
    if hasattr(engine, "cache_key_prefix"):
        return Cached(engine)
    if hasattr(engine, "get_real_stored_key"):
        return RedisSessions(engine)
    raise NotSupportedError(
        f"The session engine {path!r} cannot list its sessions. They are carried over "
        "from django.contrib.sessions.backends.db, cached_db and cache, and from "
        "redis_sessions.session."
    )


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
