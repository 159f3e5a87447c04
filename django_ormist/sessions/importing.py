"""Sessions of another engine, stored as ours: keys and deadlines kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.utils import timezone
from django.utils.module_loading import import_string

from ..codecs import Deadline, Lifetime
from ..connections.cache_pools import client_of
from ..connections.executor import run
from ..deadlines import moment_ms, now_ms, to_deadline
from ..exceptions import IntegrityError, NotSupportedError
from ..operations import objects
from ..operations.operation import Flow
from ..operations.stats import glob_escaped
from . import serialization, settings
from .model import Session, private_id

CHUNK = 500


@dataclass(frozen=True, slots=True)
class ForeignSession:
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

    def __iter__(self) -> Iterator[ForeignSession]:
        for row in self.live.order_by("pk").iterator(chunk_size=CHUNK):
            data = self.engine.decode(row.session_data)
            yield ForeignSession(row.session_key, data, moment_ms(row.expire_date))


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

    def __iter__(self) -> Iterator[ForeignSession]:
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
                    yield ForeignSession(key, held[key], lifetime)

    def read(self, keys: list[str]) -> dict[str, dict[Any, Any]]:
        """What the sessions of these public keys hold, less those that are gone."""
        raise NotImplementedError  # pragma: no cover


class Cached(Scanned):
    """Those of Django's cache engine, over a cache with one redis-py client."""

    def __init__(self, engine: Any) -> None:
        alias = django_settings.SESSION_CACHE_ALIAS
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


BATCH = 500


@dataclass
class ImportProgress:
    """How far an import has come. refused: private id and reason, of each."""

    carried: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.carried + self.present + len(self.refused)


def carried_over(found: Iterable[ForeignSession]) -> Iterator[ImportProgress]:
    """Store each session that is not there yet; the tally after every 500.

    Begun again after an interruption, it goes on: what is stored is passed over, and
    never replaced. A session whose values SESSION_SERIALIZER refuses is left out.
    """
    tally, rest = ImportProgress(), iter(found)
    while some := list(islice(rest, BATCH)):
        made = [_made(each, tally) for each in some]
        new = [session for session in made if session is not None]
        while True:
            there = run(_there(new), settings.using())
            missing = [each for each in new if each.id not in there]
            try:
                Session.objects.bulk_create(missing)
            except IntegrityError:
                continue  # somebody else stored one of them at this moment
            break
        tally.carried += len(missing)
        tally.present += len(new) - len(missing)
        yield tally


def _made(found: ForeignSession, tally: ImportProgress) -> Session | None:
    """The session as ours, not stored; None if it cannot be, which is tallied."""
    session = Session(id=private_id(found.key))
    serializer = import_string(django_settings.SESSION_SERIALIZER)
    own = {"created_ms": now_ms()}
    try:
        session.attrs.update(serialization.attributes(found.data, serializer, own))
    except Exception as error:  # whatever a serializer raises
        tally.refused.append((session.id, str(error)))
        return None
    age = django_settings.SESSION_COOKIE_AGE
    session.__dict__["_expire_at_ms"] = found.deadline or to_deadline(age)
    return session


def _there(sessions: list[Session]) -> Flow:
    """Flow: the ids of those that are stored. One round trip."""
    space = Session._meta.space(settings.using())
    found = yield [objects.exists(space, each.id) for each in sessions]
    return {each.id for each, is_there in zip(sessions, found, strict=True) if is_there}
