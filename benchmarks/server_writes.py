"""Writes to measure the server with: our way, and a bare script of the same writes."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.sessions import SessionStore

from .bare import COMPARE_AND_SET, CREATE
from .server_sides import (
    CREATE_EXPIRING,
    CREATE_ORDERED,
    CREATE_UNIQUE,
    DELETE,
    INCREMENT,
    MOVE,
    RENEW,
    BareSide,
    Request,
    Row,
    numbers,
)

DAY_MS = 86_400_000


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


def _creations(bare: BareSide) -> Iterator[Row]:
    create, terms = bare.script(CREATE), _terms(bare)

    def plainly(number: int) -> Request:
        pk, key, packed = bare.new(number, attributes(number))
        return create((key, bare.all), packed, pk)

    def with_terms(number: int) -> Request:
        pk, key, packed = bare.new(number, attributes(number))
        return create((key, bare.all, *terms(number)), packed, pk)

    yield bare.row(
        "create",
        lambda number: Plain.objects.create(**attributes(number)),
        plainly,
    )
    yield bare.row(
        "create with two terms",
        lambda number: Place.objects.create(**attributes(number)),
        with_terms,
    )
    create_expiring = bare.script(CREATE_EXPIRING)
    expires, memos = bare.key("expires"), bare.key("idx")
    memo = b"".join(b"%c%b" % (len(each), each) for each in (b"t:city:City00", b"t:18"))

    def expiring(number: int) -> Request:
        pk, key, packed = bare.new(number, attributes(number))
        keys = (key, expires, memos, bare.all, *terms(number))
        return create_expiring(keys, packed, pk, DAY_MS, memo)

    yield bare.row(
        "create with two terms, expiring",
        lambda number: Place.objects.create(
            **attributes(number), expire=timedelta(days=1)
        ),
        expiring,
    )
    create_ordered = bare.script(CREATE_ORDERED)
    entries, sort_keys = bare.key("by:price"), bare.key("of:price")

    def ordered(number: int) -> Request:
        pk, key, packed = bare.new(number, {**attributes(number), "price": number})
        sort_key = b"\x21" + number.to_bytes(8, "big")
        return create_ordered((key, bare.all, entries, sort_keys), packed, pk, sort_key)

    yield bare.row(
        "create with an order",
        lambda number: Priced.objects.create(**attributes(number), price=number),
        ordered,
    )
    create_unique = bare.script(CREATE_UNIQUE)
    values = bare.key("u:email")

    def unique(number: int) -> Request:
        email = f"{number:08}@example.org"
        pk, key, packed = bare.new(number, {**attributes(number), "email": email})
        return create_unique((key, bare.all, values), packed, pk, email)

    yield bare.row(
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
            bare.send(create((key, bare.all, *terms(number)), packed, pk))
            found.append((number, pk, key, packed))
        return found

    def ours_saved(place: Place) -> None:
        place.visits += 1
        place.save()

    def ours_moved(place: Place) -> None:
        place.age += 1
        place.save()

    save, move, delete = map(bare.script, (COMPARE_AND_SET, MOVE, DELETE))

    def saved(stored: Stored) -> Request:
        number, _, key, packed = stored
        attrs = attributes(number)
        return save((key,), packed, pack({**attrs, "visits": attrs["visits"] + 1}, ()))

    def moved(stored: Stored) -> Request:
        number, pk, key, packed = stored
        attrs = attributes(number)
        age = attrs["age"] + 1
        keys = (key, bare.all, terms(number)[1], bare.key(f"t:age:{age}"))
        return move(keys, packed, pack({**attrs, "age": age}, ()), pk)

    def deleted(stored: Stored) -> Request:
        number, pk, key, packed = stored
        return delete((key, bare.all, *terms(number)), packed, pk)

    both = (ours_stored, bare_stored)
    yield bare.row("save that moves no entry", ours_saved, saved, *both)
    yield bare.row("save that moves one entry", ours_moved, moved, *both)
    yield bare.row(
        "delete with two terms", lambda place: place.delete(), deleted, *both
    )


def _increments(bare: BareSide) -> Row:
    mine = Counted.objects.create(name="counted")
    increment = bare.script(INCREMENT)
    pk, key, packed = bare.new(0, {"name": "counted"})
    bare.client.set(key, packed)
    counters = bare.key(f"c:{pk}")
    return bare.row(
        "increment",
        lambda _: mine.increment("views"),
        lambda _: increment((key, counters, bare.key("expires")), "views", pk),
    )


def _session_saves(bare: BareSide) -> Row:
    """Return the save of a session, without the load before it."""
    renew, expires = bare.script(RENEW), bare.key("expires")
    data = {**attributes(0), "_auth_user_id": "12345", "_auth_user_hash": "0d" * 32}

    def ours_stored(count: int) -> list[SessionStore]:
        found = []
        for number in range(count):
            session = SessionStore()
            session.update(data)
            session.save()
            session["visits"] = number
            found.append(session)
        return found

    def bare_stored(count: int) -> list[Stored]:
        found = []
        for number in range(count):
            pk, key, packed = bare.new(number, data)
            bare.client.set(key, packed, px=DAY_MS)
            bare.client.zadd(expires, {pk: time.time_ns() // 1_000_000 + DAY_MS})
            found.append((number, pk, key, packed))
        return found

    def renewed(stored: Stored) -> Request:
        number, pk, key, packed = stored
        changed = pack({**data, "visits": number}, ())
        return renew((key, expires), packed, changed, pk, DAY_MS)

    return bare.row(
        "session save",
        lambda session: session.save(),
        renewed,
        ours_stored,
        bare_stored,
    )
