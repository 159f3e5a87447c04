"""The stored objects over which stalls are measured."""

import random
from collections.abc import Callable
from itertools import count
from typing import Any

import django_ormist as ormist
from django_ormist.batching import batched
from django_ormist.connections import connections
from django_ormist.keys import expires_key

BATCH = 10_000
COLORS = 10
PRICES = 10_000
WEEK_S = 7 * 24 * 3600
NEW = count(10_000_000, 2 * BATCH)
"""The first numbers of objects that are added to the others, or replace them."""


class Stock(ormist.TaggedModel):
    """The stored objects. Half of them expire in a week."""

    class Meta:
        index_attrs = ("kind", "color")
        ordered = ("price",)
        unique = ("number",)


def stock(number: int, chance: random.Random) -> Stock:
    """Return object *number*, unsaved: always the same one."""
    given = ["every"]
    given += [name for name, n in (("half", 2), ("tenth", 10)) if number % n == 0]
    one = Stock(
        *given,
        id=f"{number:08}",
        kind=number % 1000,
        color=chance.randrange(COLORS),
        price=chance.randrange(PRICES),
        number=number,
    )
    if number % 4 in (1, 2):
        one.set_expire(WEEK_S)
    return one


def fill(total: int, show: Callable[[str], None], first: int = 0) -> None:
    """Store *total* objects, from number *first* on."""
    chance = random.Random(total)
    for numbers in batched(range(first, first + total), BATCH):
        Stock.objects.bulk_create([stock(number, chance) for number in numbers])
        show(f"stall: storing {(numbers[-1] - first) * 100 // total} %")


def let_expire(number: int) -> None:
    """Let *number* objects expire, as the server leaves them: without their bytes."""
    space = Stock._meta.space("default")
    client = connections["default"].client
    pks: Any = client.zrangebyscore(expires_key(space), "(1", "+inf", 0, number)
    for some in batched(pks, 1000):
        with client.pipeline(transaction=False) as pipe:
            pipe.zadd(expires_key(space), dict.fromkeys(some, 1))
            pipe.unlink(*(space.objects + pk for pk in some))
            pipe.execute()


def expire_three_tenths(total: int) -> None:
    """Let three tenths of the objects expire, unless as many have."""
    expires = expires_key(Stock._meta.space("default"))
    missing = total * 3 // 10 - connections["default"].client.zcount(expires, 1, 1)
    if missing > 0:
        let_expire(missing)
