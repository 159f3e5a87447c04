"""Methods that write many objects, or after a read, and the same by hand.

By hand, redis-py reads and decodes, and writes each object by an EVALSHA that compares
the bytes, in pipelines of 100. Django's ORM on SQLite computes in place.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import F

import django_ormist as ormist
from django_ormist.keys import Space

from . import native
from .bare import COMPARE_AND_SET, DELETE, Bare, new_pk
from .contest import Contest
from .figure import Figure
from .server import PREFIXES, Measured
from .timing import Clock, Contestant

MANY = 1000
LOT = 100

CREATE_UNIQUE = """
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then
  return redis.call('HGET', KEYS[2], ARGV[1])
end
redis.call('SET', KEYS[1], ARGV[3])
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
for i = 3, #KEYS do
  redis.call('ZADD', KEYS[i], created, ARGV[2])
end
return 0
"""


class Account(ormist.TaggedModel):
    """A model with a unique address and a group of many."""

    class Meta:
        index_attrs = ("group",)
        unique = ("email",)


def values(number: int, group: str) -> dict[str, Any]:
    """Return the attributes that every side stores."""
    email = f"{group}-{number:06}@example.org"
    return {"email": email, "group": group, "name": f"account-{number}", "visits": 7}


@dataclass(frozen=True)
class Side:
    """One implementation of all methods. store: stores *count* accounts of a group."""

    name: str
    store: Callable[[str, int], None]
    update: Callable[[str], int]
    delete: Callable[[str], int]
    get_or_create: Callable[[dict[str, Any]], bool]
    update_or_create: Callable[[dict[str, Any]], bool]


def figures(server: Measured, clock: Clock) -> Iterator[Figure]:
    """Yield each of our methods, compared with each other side."""
    with _sqlite() as table:
        sides = [_ours(), ByHand(server).side(), _django("SQLite", table)]
        for name, method, count, prepare in _methods():
            contestants = [
                Contestant(each.name, getattr(each, method), prepare(each), _as_it_is)
                for each in sides
            ]
            contest = Contest(
                f"write: {name}",
                None,
                contestants[0],
                contestants[1:2],
                contestants[2:],
                rounds=min(clock.rounds, 11),
                calls=count,
            )
            yield contest.held(clock)
    server.clear()


Prepare = Callable[[Side], Callable[[int], list[Any]]]


def _methods() -> Iterator[tuple[str, str, int, Prepare]]:
    """A timed operation: its name, the method, calls per turn, the data before it."""
    groups = iter(range(10**9))

    def many(side: Side) -> Callable[[int], list[str]]:
        return lambda count: [_filled(side, f"g{next(groups)}") for _ in range(count)]

    def there(side: Side) -> Callable[[int], list[dict[str, Any]]]:
        def prepare(count: int) -> list[dict[str, Any]]:
            group = _filled(side, f"g{next(groups)}")
            return [values(number, group) for number in range(count)]

        return prepare

    def absent(side: Side) -> Callable[[int], list[dict[str, Any]]]:
        return lambda count: [values(n, f"g{next(groups)}") for n in range(count)]

    yield f"update({MANY} of them)", "update", 1, many
    yield f"delete({MANY} of them)", "delete", 1, many
    yield "get_or_create, there", "get_or_create", 100, there
    yield "get_or_create, new", "get_or_create", 100, absent
    yield "update_or_create, there", "update_or_create", 100, there


def _filled(side: Side, group: str) -> str:
    side.store(group, MANY)
    return group


def _as_it_is(result: Any) -> Any:
    return result


# ---------------------------------------------------------------- ours and Django's


def _ours() -> Side:
    accounts: Any = Account.objects

    def store(group: str, count: int) -> None:
        accounts.bulk_create(Account(**values(n, group)) for n in range(count))

    return Side(
        "django_ormist",
        store,
        lambda group: accounts.find(group=group).update(visits=F("visits") + 1),
        lambda group: accounts.find(group=group).delete()[0],
        lambda given: accounts.get_or_create(given, email=given["email"])[1],
        lambda given: accounts.update_or_create(_seen(given), email=given["email"])[1],
    )


def _seen(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "visits": 8}


@contextmanager
def _sqlite() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="ormist-") as folder:
        name = str(Path(folder) / "db.sqlite3")
        with _database({"ENGINE": "django.db.backends.sqlite3", "NAME": name}):
            from django.db import connection, models

            class Account(models.Model):  # noqa: DJ008
                email = models.CharField(max_length=100, unique=True)
                group = models.CharField(max_length=100, db_index=True)
                name = models.CharField(max_length=100)
                visits = models.IntegerField()

                class Meta:
                    app_label = "benchmarks"

            with connection.schema_editor() as editor:
                editor.create_model(Account)
            yield Account


@contextmanager
def _database(setting: dict[str, Any]) -> Iterator[None]:
    """Use this setting as Django's default database."""
    from django.db import connections

    connections.settings = connections.configure_settings({"default": setting})
    try:
        yield
    finally:
        connections["default"].close()
        del connections["default"]


def _django(name: str, table: Any) -> Side:
    rows = table.objects

    def store(group: str, count: int) -> None:
        rows.bulk_create(table(**values(n, group)) for n in range(count))

    return Side(
        name,
        store,
        lambda group: rows.filter(group=group).update(visits=F("visits") + 1),
        lambda group: rows.filter(group=group).delete()[0],
        lambda given: rows.get_or_create(given, email=given["email"])[1],
        lambda given: rows.update_or_create(_seen(given), email=given["email"])[1],
    )


# ---------------------------------------------------------------- by hand


class ByHand:
    """The same by redis-py: the same bytes and index entries."""

    def __init__(self, server: Measured) -> None:
        bare = Bare(server.url, Space(PREFIXES[1], Account._meta.label), native.PLAIN)
        self.client, self.keys = bare.client, bare.keys
        self.pack, self.unpack = bare.pack, bare.unpack
        self.unique = self.keys.base + "u:email"
        self.shas = {
            script: str(self.client.script_load(script))
            for script in (COMPARE_AND_SET, CREATE_UNIQUE, DELETE)
        }

    def side(self) -> Side:
        return Side(
            "by hand",
            self.store,
            self.update,
            self.delete,
            self.get_or_create,
            self.update_or_create,
        )

    def store(self, group: str, count: int) -> None:
        with self.client.pipeline(transaction=False) as pipe:
            for number in range(count):
                pk, attrs = new_pk(), values(number, group)
                pipe.set(self.keys.objects + pk, self.pack(attrs, []))
                for key in self._entries(group):
                    pipe.zadd(key, {pk: number})
                pipe.hset(self.unique, attrs["email"], pk)
            pipe.execute()

    def _entries(self, group: str) -> list[str]:
        return [self.keys.everything, f"{self.keys.terms}group:{group}"]

    def update(self, group: str) -> int:
        """ZRANGE, MGET, then EVALSHAs that compare and set."""

        def write(pipe: Any, key: str, pk: str, packed: bytes, attrs: Any) -> None:
            attrs["visits"] += 1
            sha = self.shas[COMPARE_AND_SET]
            pipe.evalsha(sha, 1, key, packed, self.pack(attrs, []))

        return self._each(group, write)

    def delete(self, group: str) -> int:
        """ZRANGE, MGET, then EVALSHAs that delete, and HDELs."""

        def write(pipe: Any, key: str, pk: str, packed: bytes, attrs: Any) -> None:
            keys = (key, *self._entries(attrs["group"]))
            pipe.evalsha(self.shas[DELETE], len(keys), *keys, pk)
            pipe.hdel(self.unique, attrs["email"])

        return self._each(group, write)

    def _each(self, group: str, write: Any) -> int:
        pks = self.client.zrange(f"{self.keys.terms}group:{group}", 0, -1)
        keys = [self.keys.objects + pk.decode() for pk in pks]
        found = self.client.mget(keys)
        for start in range(0, len(keys), LOT):
            with self.client.pipeline(transaction=False) as pipe:
                for key, pk, packed in list(zip(keys, pks, found, strict=True))[
                    start : start + LOT
                ]:
                    write(pipe, key, pk, packed, self.unpack(packed))
                pipe.execute()
        return len(keys)

    def get_or_create(self, given: dict[str, Any]) -> bool:
        """HGET, then GET or an EVALSHA that claims the address."""
        pk = self.client.hget(self.unique, given["email"])
        if pk is not None:
            self.unpack(self.client.get(self.keys.objects + pk.decode()))
            return False
        self._create(given)
        return True

    def _create(self, given: dict[str, Any]) -> None:
        new = new_pk()
        keys = (self.keys.objects + new, self.unique, *self._entries(given["group"]))
        words = (given["email"], new, self.pack(given, []))
        self.client.evalsha(self.shas[CREATE_UNIQUE], len(keys), *keys, *words)

    def update_or_create(self, given: dict[str, Any]) -> bool:
        """HGET, GET, then an EVALSHA that compares and sets."""
        pk = self.client.hget(self.unique, given["email"])
        if pk is None:
            self._create(_seen(given))
            return True
        key = self.keys.objects + pk.decode()
        packed = self.client.get(key)
        attrs = self.unpack(packed) | _seen(given)
        sha = self.shas[COMPARE_AND_SET]
        self.client.evalsha(sha, 1, key, packed, self.pack(attrs, []))
        return False
