"""Import of another engine's sessions, with their keys and deadlines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.utils import timezone
from django.utils.module_loading import import_string

from ..batching import batched
from ..codecs import Deadline, Lifetime
from ..connections.cache_pools import client_of, decoder_of
from ..connections.executor import run
from ..deadlines import moment_ms, now_ms, to_deadline
from ..exceptions import IntegrityError, NotSupportedError
from ..operations import objects
from ..operations.keyspace import escape_glob
from ..operations.operation import Flow
from . import serialization, settings
from .model import Session, private_id

CHUNK = 500


@dataclass(frozen=True, slots=True)
class ForeignSession:
    """A session of another engine: its public key, its data, its deadline."""

    key: str
    data: dict[Any, Any]
    deadline: Deadline | None


class DatabaseSessions:
    """The sessions of an engine with a table: db, cached_db, and derived engines."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine()
        self.live = engine.get_model_class().objects.filter(
            expire_date__gt=timezone.now()
        )

    def count(self) -> int | None:
        number: int = self.live.count()
        return number

    def __iter__(self) -> Iterator[ForeignSession]:
        for row in self.live.order_by("pk").iterator(chunk_size=CHUNK):
            data = self.engine.decode(row.session_data)
            yield ForeignSession(row.session_key, data, moment_ms(row.expire_date))


class RedisScan:
    """The sessions of an engine that stores each under a Redis key.

    client: a redis-py client. prefix: the prefix of the Redis keys, which the public
    key follows.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.prefix = prefix

    def count(self) -> int | None:
        return None

    def __iter__(self) -> Iterator[ForeignSession]:
        names = self.client.scan_iter(
            match=escape_glob(self.prefix.encode()) + b"*", count=1000
        )
        for batch in batched(map(_text, names), CHUNK):
            with self.client.pipeline(transaction=False) as pipe:
                for name in batch:
                    pipe.pttl(name)
                ttls = pipe.execute()
            keys = [name[len(self.prefix) :] for name in batch]
            found = self.read(keys)
            for key, ttl_ms in zip(keys, ttls, strict=True):
                if key in found and ttl_ms != -2:
                    lifetime = Lifetime(ttl_ms) if ttl_ms >= 0 else None
                    yield ForeignSession(key, found[key], lifetime)

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        """Return the data of the existing sessions by their public keys."""
        raise NotImplementedError  # pragma: no cover


class CacheSessions(RedisScan):
    """The sessions of Django's cache engine, in a cache with a redis-py client."""

    def __init__(self, engine: Any) -> None:
        alias = django_settings.SESSION_CACHE_ALIAS
        cache: Any = caches[alias]
        # A replica may be behind, and the cursor of a scan belongs to one server.
        client = client_of(cache, write=True)
        if client is None:
            raise NotSupportedError(
                f"The cache {alias!r} cannot list its keys: it is a "
                f"{type(cache).__name__}. Sessions are carried over from django-redis "
                "and from Django's RedisCache."
            )
        self.cache, self.cache_key_prefix = cache, engine.cache_key_prefix
        super().__init__(client, str(cache.make_key(self.cache_key_prefix)))

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        decode = decoder_of(self.cache)
        if decode is None:
            found = self.cache.get_many([self.cache_key_prefix + key for key in keys])
            return {
                name[len(self.cache_key_prefix) :]: data for name, data in found.items()
            }
        # One by one: in a Cluster they are in many slots, which MGET refuses.
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(self.prefix + key)
            stored = pipe.execute()
        pairs = zip(keys, stored, strict=True)
        return {key: decode(packed) for key, packed in pairs if packed is not None}


class RedisSessions(RedisScan):
    """The sessions of django-redis-sessions, on the server of its settings."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine("")
        super().__init__(self.engine.server, self.engine.get_real_stored_key(""))

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        # One by one: without a prefix, keys of other types may be among them.
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(self.prefix + key)
            stored = pipe.execute(raise_on_error=False)
        found = {
            key: self.engine.decode(_text(packed))
            for key, packed in zip(keys, stored, strict=True)
            if isinstance(packed, bytes | str)
        }
        return {key: data for key, data in found.items() if data}


Source = DatabaseSessions | RedisScan


def find_source(path: str) -> Source:
    """Return the live sessions of the engine at *path*, a value of SESSION_ENGINE.

    Raises ImportError, NotSupportedError.
    """
    if not path or path.startswith("."):
        raise ImportError("it is not the full name of a module")
    engine: type[SessionBase] = import_module(path).SessionStore
    if hasattr(engine, "get_model_class"):
        return DatabaseSessions(engine)
    if hasattr(engine, "cache_key_prefix"):
        return CacheSessions(engine)
    if hasattr(engine, "get_real_stored_key"):
        return RedisSessions(engine)
    raise NotSupportedError(
        f"The session engine {path!r} cannot list its sessions. They are carried over "
        "from django.contrib.sessions.backends.db, cached_db and cache, and from "
        "redis_sessions.session."
    )


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


BATCH = 500


@dataclass
class ImportProgress:
    """The progress of an import. refused: pairs of a private id and a reason."""

    imported: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.imported + self.present + len(self.refused)


def import_sessions(found: Iterable[ForeignSession]) -> Iterator[ImportProgress]:
    """Store each session that is not stored yet. Yield the progress after every 500.

    After an interruption, a new call continues: stored sessions are skipped, never
    replaced. A session with values that SESSION_SERIALIZER refuses is left out.
    """
    progress = ImportProgress()
    for batch in batched(found, BATCH):
        sessions = [_to_session(each, progress) for each in batch]
        new = [session for session in sessions if session is not None]
        while True:
            stored = run(_stored_ids(new), settings.using())
            missing = [each for each in new if each.id not in stored]
            try:
                Session.objects.bulk_create(missing)
            except IntegrityError:
                continue  # one of them was stored concurrently
            break
        progress.imported += len(missing)
        progress.present += len(new) - len(missing)
        yield progress


def _to_session(found: ForeignSession, progress: ImportProgress) -> Session | None:
    """Return an unsaved Session, or None if it is refused, noted in *progress*."""
    session = Session(id=private_id(found.key))
    serializer = import_string(django_settings.SESSION_SERIALIZER)
    own = {"created_ms": now_ms()}
    try:
        session.attrs.update(serialization.encode_session(found.data, serializer, own))
    except Exception as error:  # whatever a serializer raises
        progress.refused.append((session.id, str(error)))
        return None
    age = django_settings.SESSION_COOKIE_AGE
    session._state.expire_at_ms = found.deadline or to_deadline(age)
    return session


def _stored_ids(sessions: list[Session]) -> Flow[Any]:
    """Flow that returns the ids of the stored sessions. One round trip."""
    space = Session._meta.space(settings.using())
    found = yield [objects.exists(space, each.id) for each in sessions]
    return {each.id for each, is_there in zip(sessions, found, strict=True) if is_there}
