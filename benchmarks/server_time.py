"""Microseconds of the server for one call: ours, and a bare script of the same writes.

The server measures its own time, without sockets: see ``INFO commandstats``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.keys import Space
from django_ormist.sessions import SessionStore

from .bare import COMPARE_AND_SET, CREATE, DELETE, new_pk
from .figure import Figure
from .server import PREFIXES, Measured
from .timing import Contestant, Times

TURN = 40
"""Calls of one side in a row. The server counts in microseconds."""

STORED = 20_000
"""The most objects to read. A tenth has the second term of the pages and counts."""

PAGE = 20
DAY_MS = 86_400_000

MOST_RATIO = 1.3
"""Our promise for writes."""

FRAMES = ("eval", "evalsha", "eval_ro", "evalsha_ro", "exec")
"""Commands whose time includes that of others, which are also counted themselves."""

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


def figures(
    server: Measured, calls: int, show: Callable[[str], None]
) -> Iterator[Figure]:
    """Yield the server's time of each call, and of the bare way to do the same.

    calls: of each side, for each row. The sides take turns of TURN calls.
    """
    with server.client() as client:
        bare = BareSide(client)
        for row in writes(bare):
            show(f"server time: {row.name}")
            yield _measure(client, row, calls)
            server.clear()  # or the memory of a long run holds all of its objects
        for row in reads(bare, min(STORED, 50 * calls)):
            show(f"server time: {row.name}")
            yield _measure(client, row, calls)
    server.clear()


def _measure(client: redis.Redis, row: Row, calls: int) -> Figure:
    """Return the figure of a row, from about *calls* calls of each side."""
    sides = (row.ours, row.bare)
    times = [Times(each.name) for each in sides]
    for number in range(max(calls // TURN, 1)):
        for place in range(len(sides)):
            turn = (number + place) % len(sides)
            things = list(sides[turn].prepare(min(TURN, calls)))
            before = _spent_us(client)
            for thing in things:
                sides[turn].work(thing)
            spent_us = max(_difference(before, _spent_us(client)), 1) / len(things)
            times[turn].rounds_us.append(spent_us)
    ours, bare = times
    return Figure(
        f"server time, {row.name}",
        "us",
        ours.median_us,
        bare.name,
        bare.median_us,
        ours.ratio_to(bare),
        row.target,
        {each.name: {"rounds_us": each.rounds_us} for each in times},
    )


def _spent_us(client: redis.Redis) -> dict[str, float]:
    """Return the microseconds that each command has taken since the server's start."""
    found: Any = client.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): facts["usec"] for name, facts in found.items()
    }


def _difference(before: dict[str, float], after: dict[str, float]) -> float:
    """Return the time in between: of scripts and transactions, or of all commands."""
    spent = {name: us - before.get(name, 0) for name, us in after.items()}
    of_frames = sum(spent.get(name, 0) for name in FRAMES)
    return of_frames or sum(us for name, us in spent.items() if name != "info")


# ------------------------------------------------------------------ the bare side


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


# ------------------------------------------------------------------ writes


def writes(bare: BareSide) -> Iterator[Row]:
    """Yield the writes of one object."""
    yield from _creations(bare)
    yield from _changes(bare)
    yield _increments(bare)
    yield _session_saves(bare)


def _numbers(first: int = 0) -> Callable[[int], Iterable[int]]:
    """Return a function that returns the next *count* numbers."""
    numbers = iter(range(first, 10**9))
    return lambda count: [next(numbers) for _ in range(count)]


def _row(name: str, ours: Any, bare: Any, *prepare: Any) -> Row:
    mine, theirs = prepare if len(prepare) == 2 else prepare * 2 or (_numbers(),) * 2
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
    mine, theirs = _numbers(), _numbers()

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
        _numbers(),
    )


# ------------------------------------------------------------------ reads


class Read(ormist.TaggedModel):
    """The objects to read: all have one tag, and a tenth another."""


def reads(bare: BareSide, total: int) -> Iterator[Row]:
    """Store *total* objects, and yield the reads. The bare side reads the same keys."""
    pks = []
    for first in range(0, total, 10_000):
        many = [
            Read("one", *(["two"] if number % 10 == 0 else []), **attributes(number))
            for number in range(first, min(first + 10_000, total))
        ]
        pks += [each.id for each in Read.objects.bulk_create(many)]
    space = Read._meta.space("default")
    client, one, two = bare.client, space.base + b"t:one", space.base + b"t:two"

    def some(count: int) -> list[str]:
        return [pks[number * 37 % total] for number in range(count)]

    def page(start: int) -> list[Any]:
        ids = client.zrange(one, start, start + PAGE - 1)
        found: list[Any] = client.mget([space.objects + pk for pk in ids])
        return found

    def meet(_: Any) -> list[Any]:
        ids = client.zinter([one, two], aggregate="MIN")[:PAGE]
        found: list[Any] = client.mget([space.objects + pk for pk in ids])
        return found

    def count_both(_: Any) -> int:
        try:
            return int(client.zintercard(2, [one, two]))
        except redis.ResponseError:  # it came with Redis 7.0
            return len(client.zinter([one, two]))

    objects: Any = Read.objects
    deep = total // 2
    for name, ours, theirs, things in (
        (
            "get",
            lambda pk: objects.get(pk),
            lambda pk: client.get(space.objects + pk.encode()),
            some,
        ),
        (
            "page of 20, first",
            lambda _: list(objects.find("one")[:PAGE]),
            lambda _: page(0),
            _numbers(),
        ),
        (
            "page of 20, deep",
            lambda _: list(objects.find("one")[deep : deep + PAGE]),
            lambda _: page(deep),
            _numbers(),
        ),
        (
            "page of 20, two terms",
            lambda _: list(objects.find("one", "two")[:PAGE]),
            meet,
            _numbers(),
        ),
        (
            "count of one term",
            lambda _: objects.find("one").count(),
            lambda _: client.zcard(one),
            _numbers(),
        ),
        (
            "count of two terms",
            lambda _: objects.find("one", "two").count(),
            count_both,
            _numbers(),
        ),
    ):
        yield Row(
            name,
            Contestant("django_ormist", ours, things),
            Contestant("plain commands", theirs, things),
            target=None,
        )
