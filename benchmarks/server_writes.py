"""Writes to measure the server with: our way, and a bare script of the same writes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.keys import Space
from django_ormist.sessions import SessionStore

from .bare import COMPARE_AND_SET, CREATE, DELETE, new_pk
from .server import PREFIXES
from .timing import Contestant

MOST_RATIO = 1.3
"""Our promise for writes."""

DAY_MS = 86_400_000

CREATE_EXPIRING = """
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
local deadline = string.format('%.0f', time[1] * 1000 + ARGV[3])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', deadline) then
  return 0
end
redis.call('ZADD', KEYS[2], deadline, ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
for i = 4, #KEYS do
  redis.call('ZADD', KEYS[i], created, ARGV[2])
end
return 1
"""
"""The deadline, and the index entries to remove after it, are written, too."""

CREATE_ORDERED = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  return 0
end
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('ZADD', KEYS[2], created, ARGV[2])
redis.call('ZADD', KEYS[3], 0, ARGV[3] .. created .. ARGV[2])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3])
return 1
"""

CREATE_UNIQUE = """
if redis.call('HSETNX', KEYS[3], ARGV[3], ARGV[2]) == 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('ZADD', KEYS[2], created, ARGV[2])
return 1
"""

MOVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[4], redis.call('ZSCORE', KEYS[2], ARGV[3]), ARGV[3])
return 1
"""

RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local deadline = string.format('%.0f', time[1] * 1000 + ARGV[4])
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', deadline)
redis.call('ZADD', KEYS[2], deadline, ARGV[3])
return 1
"""

INCREMENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
return redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
"""


class Plain(ormist.Model):
    """A model without index entries, but those of creation and expiration."""


class Place(ormist.Model):
    """A model with two terms for each object."""

    class Meta:
        index_attrs = ("city", "age")


class Priced(ormist.Model):
    """A model with an order."""

    class Meta:
        ordered = ("price",)


class Owned(ormist.Model):
    """A model with a unique attribute."""

    class Meta:
        unique = ("email",)


class Counted(ormist.Model):
    """A model with a counter."""

    class Meta:
        counters = ("views",)


@dataclass(frozen=True)
class Row:
    """Our way and a bare way to do the same work, to compare the server's time.

    target: the largest allowed ratio.
    """

    name: str
    ours: Contestant
    bare: Contestant
    target: float | None = MOST_RATIO


class BareSide:
    """The same bytes and entries by scripts without any check but the compare."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.space = Space(PREFIXES[1], Place._meta.label)
        self.all = self.space.base + b"all"

    def key(self, rest: str) -> bytes:
        return self.space.base + rest.encode()

    def script(self, source: str) -> Callable[..., Any]:
        """Return a function of (keys, *arguments) that runs a loaded script."""
        sha = self.client.script_load(source)
        return lambda keys, *words: self.client.evalsha(sha, len(keys), *keys, *words)

    def new(self, number: int, attrs: dict[str, Any]) -> tuple[str, bytes, bytes]:
        """Return a new id, the key of its object, and the packed attributes."""
        pk = new_pk()
        return pk, self.space.objects + pk.encode(), pack(attrs, ())


def attributes(number: int) -> dict[str, Any]:
    """Return the six attributes of object *number*."""
    return {
        "name": f"visitor-{number % 1_000_000:06}",
        "city": f"City{number % 50:02}",
        "age": 18 + number % 80,
        "visits": 1000 + number % 60_000,
        "score": number % 997 / 997,
        "active": number % 3 == 0,
    }


def writes(bare: BareSide) -> Iterator[Row]:
    """Yield the writes of one object."""
    yield from _creations(bare)
    yield from _changes(bare)
    yield _increments(bare)
    yield _session_saves(bare)


def numbers(first: int = 0) -> Callable[[int], Iterable[int]]:
    """Return a function that returns the next *count* numbers."""
    numbers = iter(range(first, 10**9))
    return lambda count: [next(numbers) for _ in range(count)]


def _row(name: str, ours: Any, bare: Any, *prepare: Any) -> Row:
    mine, theirs = prepare if len(prepare) == 2 else prepare * 2 or (numbers(),) * 2
    return Row(
        name,
        Contestant("django_ormist", ours, mine),
        Contestant("bare script", bare, theirs),
    )


def _creations(bare: BareSide) -> Iterator[Row]:
    create, terms = bare.script(CREATE), _terms(bare)

    def plainly(number: int) -> None:
        pk, key, packed = bare.new(number, attributes(number))
        create((key, bare.all), packed, pk)

    def with_terms(number: int) -> None:
        pk, key, packed = bare.new(number, attributes(number))
        create((key, bare.all, *terms(number)), packed, pk)

    yield _row(
        "create",
        lambda number: Plain.objects.create(**attributes(number)),
        plainly,
    )
    yield _row(
        "create with two terms",
        lambda number: Place.objects.create(**attributes(number)),
        with_terms,
    )
    create_expiring = bare.script(CREATE_EXPIRING)
    expires, memos = bare.key("expires"), bare.key("idx")
    memo = b"".join(b"%c%b" % (len(each), each) for each in (b"t:city:City00", b"t:18"))

    def expiring(number: int) -> None:
        pk, key, packed = bare.new(number, attributes(number))
        keys = (key, expires, memos, bare.all, *terms(number))
        create_expiring(keys, packed, pk, DAY_MS, memo)

    yield _row(
        "create with two terms, expiring",
        lambda number: Place.objects.create(
            **attributes(number), expire=timedelta(days=1)
        ),
        expiring,
    )
    create_ordered = bare.script(CREATE_ORDERED)
    entries, sort_keys = bare.key("by:price"), bare.key("of:price")

    def ordered(number: int) -> None:
        pk, key, packed = bare.new(number, {**attributes(number), "price": number})
        sort_key = b"\x21" + number.to_bytes(8, "big")
        create_ordered((key, bare.all, entries, sort_keys), packed, pk, sort_key)

    yield _row(
        "create with an order",
        lambda number: Priced.objects.create(**attributes(number), price=number),
        ordered,
    )
    create_unique = bare.script(CREATE_UNIQUE)
    values = bare.key("u:email")

    def unique(number: int) -> None:
        email = f"{number:08}@example.org"
        pk, key, packed = bare.new(number, {**attributes(number), "email": email})
        create_unique((key, bare.all, values), packed, pk, email)

    yield _row(
        "create with a unique attribute",
        lambda number: Owned.objects.create(
            **attributes(number), email=f"{number:08}@example.org"
        ),
        unique,
    )


def _terms(bare: BareSide) -> Callable[[int], tuple[bytes, bytes]]:
    def terms(number: int) -> tuple[bytes, bytes]:
        attrs = attributes(number)
        return bare.key(f"t:city:{attrs['city']}"), bare.key(f"t:age:{attrs['age']}")

    return terms


Stored = tuple[int, str, bytes, bytes]
"""An object of the bare side: its number, its id, its key and its bytes."""


def _changes(bare: BareSide) -> Iterator[Row]:
    """Yield the saves and the deletion of objects with two terms."""
    create, terms = bare.script(CREATE), _terms(bare)
    mine, theirs = numbers(), numbers()

    def ours_stored(count: int) -> list[Place]:
        many = [Place(**attributes(number)) for number in mine(count)]
        return Place.objects.bulk_create(many)

    def bare_stored(count: int) -> list[Stored]:
        found = []
        for number in theirs(count):
            pk, key, packed = bare.new(number, attributes(number))
            create((key, bare.all, *terms(number)), packed, pk)
            found.append((number, pk, key, packed))
        return found

    def ours_saved(place: Place) -> None:
        place.visits += 1
        place.save()

    def ours_moved(place: Place) -> None:
        place.age += 1
        place.save()

    save, move, delete = map(bare.script, (COMPARE_AND_SET, MOVE, DELETE))

    def saved(stored: Stored) -> None:
        number, _, key, packed = stored
        attrs = attributes(number)
        save((key,), packed, pack({**attrs, "visits": attrs["visits"] + 1}, ()))

    def moved(stored: Stored) -> None:
        number, pk, key, packed = stored
        attrs = attributes(number)
        age = attrs["age"] + 1
        keys = (key, bare.all, terms(number)[1], bare.key(f"t:age:{age}"))
        move(keys, packed, pack({**attrs, "age": age}, ()), pk)

    def deleted(stored: Stored) -> None:
        number, pk, key, _ = stored
        delete((key, bare.all, *terms(number)), pk)

    both = (ours_stored, bare_stored)
    yield _row("save that moves no entry", ours_saved, saved, *both)
    yield _row("save that moves one entry", ours_moved, moved, *both)
    yield _row("delete with two terms", lambda place: place.delete(), deleted, *both)


def _increments(bare: BareSide) -> Row:
    mine = Counted.objects.create(name="counted")
    increment = bare.script(INCREMENT)
    pk, key, packed = bare.new(0, {"name": "counted"})
    bare.client.set(key, packed)
    counters = bare.key(f"c:{pk}")
    return _row(
        "increment",
        lambda _: mine.increment("views"),
        lambda _: increment((key, counters), "views"),
    )


def _session_saves(bare: BareSide) -> Row:
    """Return the save of a session, without the load before it."""
    renew, expires = bare.script(RENEW), bare.key("expires")
    data = {**attributes(0), "_auth_user_id": "12345", "_auth_user_hash": "0d" * 32}
    pk, key, packed = bare.new(0, data)
    bare.client.set(key, packed)

    def stored(count: int) -> list[SessionStore]:
        found = []
        for number in range(count):
            session = SessionStore()
            session.update(data)
            session.save()
            session["visits"] = number
            found.append(session)
        return found

    return _row(
        "session save",
        lambda session: session.save(),
        lambda _: renew((key, expires), packed, packed, pk, DAY_MS),
        stored,
        numbers(),
    )
