"""The queries and commands whose stalls are measured, and the stored objects."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db.models import Avg, Count, F, Max, Min, Q, Sum

import django_ormist as ormist
from django_ormist.batching import batched
from django_ormist.connections import connections
from django_ormist.connections.executor import run
from django_ormist.keys import expires_key
from django_ormist.operations import stats

BATCH = 10_000
COLORS = 10
PRICES = 10_000
WEEK_S = 7 * 24 * 3600
NEW = count(10_000_000, 2 * BATCH)
"""The first numbers of objects that are added to the others, or replace them."""

USERS_SESSIONS = 20_000


class Stock(ormist.TaggedModel):
    """The stored objects. Half of them expire in a week."""

    class Meta:
        index_attrs = ("kind", "color")
        ordered = ("price",)
        unique = ("number",)


@dataclass(frozen=True)
class Work:
    """A query or command whose stalls are measured.

    do: runs it; gets the number of stored objects. prepare: runs before each *do*,
    with the same argument, and is not measured. at_least, at_most: how often it is
    measured; more than *at_least* only while a stall is too long.
    """

    name: str
    do: Callable[[int], Any]
    at_least: int = 1
    at_most: int = 1
    prepare: Callable[[int], Any] | None = None


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


def all_of(folder: Path) -> Iterator[Work]:
    """Yield all works, in this order. folder: for the files that they write."""
    asked = queries()
    yield from asked
    yield from commands(folder)
    yield from writes()
    for work in asked:
        if work.name in OVER_EXPIRED:
            yield replace(
                work, name=f"{work.name}, over expired", prepare=expire_three_tenths
            )
    yield from removals()


def queries() -> list[Work]:
    """Return the queries, which can be done again and again."""
    items = Stock.objects.all()
    middle = {"price__gte": PRICES // 10, "price__lt": PRICES * 9 // 10}
    works: dict[str, Callable[[int], Any]] = {
        "count": lambda n: items.count(),
        "count, a tag": lambda n: items.find("half").count(),
        "count, two tags": lambda n: items.find("every", "half").count(),
        "count, a range": lambda n: items.find(**middle).count(),
        "count, a tag and a range": lambda n: items.find("half", **middle).count(),
        "count, or": lambda n: items.find(Q("half") | Q(color=3)).count(),
        "count, a tag or a range": lambda n: items.find(
            Q("half") | Q(price__lt=PRICES // 2)
        ).count(),
        "count, xor": lambda n: items.find(Q("half") ^ Q(color=3)).count(),
        "count, in": lambda n: items.find(kind__in=range(500)).count(),
        "count, in 100": lambda n: items.find(kind__in=range(100)).count(),
        "count, in 1000": lambda n: items.find(kind__in=range(1000)).count(),
        "count, not in 300": lambda n: items.exclude(kind__in=range(300)).count(),
        "count, exclude": lambda n: items.find("half").exclude(color=3).count(),
        "count, exclude a range": lambda n: items.exclude(**middle).count(),
        "exists, none": lambda n: items.find("every", "none", **middle).exists(),
        "exists, late": lambda n: items.find(
            "every", price__gte=PRICES - 1, kind=999
        ).exists(),
        "first": lambda n: items.first(),
        "last, by price": lambda n: items.order_by("price").last(),
        "page": lambda n: items[:20].list(),
        "page, deep": lambda n: items[n // 2 : n // 2 + 20].list(),
        "page, two tags": lambda n: items.find("half", "tenth")[:20].list(),
        "page, deep, two tags": lambda n: items.find("half", "tenth")[
            n // 15 : n // 15 + 20
        ].list(),
        "page by price": lambda n: items.order_by("price")[:20].list(),
        "page by price, deep": lambda n: items.order_by("price")[
            n // 2 : n // 2 + 20
        ].list(),
        "page by price, a tag": lambda n: (
            items.find("half").order_by("price")[:20].list()
        ),
        "page by price, a tag, deep": lambda n: (
            items.find("half").order_by("price")[n // 4 : n // 4 + 20].list()
        ),
        "page by creation, a range": lambda n: items.find(**middle)[:20].list(),
        "page, or": lambda n: items.find(Q("half") | Q(color=3))[:20].list(),
        "page, or, deep": lambda n: items.find(Q("half") | Q(color=3))[
            n // 2 : n // 2 + 20
        ].list(),
        "page, in": lambda n: items.find(kind__in=range(500))[:20].list(),
        "page, in 100": lambda n: items.find(kind__in=range(100))[:20].list(),
        "page, in 300 prices, a tag": lambda n: items.find(
            "half", price__in=range(300)
        )[:20].list(),
        "page, a rare match": lambda n: items.find(
            "every", color=3, kind=999, price__lt=5
        )[:20].list(),
        "ids": lambda n: items.all().ids(),
        "ids, a tag and a range": lambda n: items.find("half", **middle).ids(),
        "ids by price": lambda n: items.order_by("price").ids(),
        "ids by price, a tag": lambda n: items.find("half").order_by("price").ids(),
        "ids, or": lambda n: items.find(Q("half") | Q(color=3)).ids(),
        "ids, in 300": lambda n: items.find(kind__in=range(300)).ids(),
        "list, one in ten": lambda n: items.find("tenth").list(),
        "list, one in ten by price": lambda n: (
            items.find("tenth").order_by("price").list()
        ),
        "list, half of one in ten": lambda n: items.find(
            "tenth", price__lt=PRICES // 2
        ).list(),
        "iterator, the first 20 000": lambda n: list(
            items.find("half")[:20_000].iterator()
        ),
        "values, one color": lambda n: list(
            items.find(color=3, price__lt=PRICES // 2).values_list("kind", "price")
        ),
        "distinct colors, one in ten": lambda n: list(
            items.find("tenth").values_list("color", flat=True).distinct()
        ),
        "facets of price": lambda n: items.facets("price"),
        "facets of price, a tag": lambda n: items.find("half").facets("price"),
        "facets of color": lambda n: items.facets("color", range(COLORS)),
        "facets of color, a tag": lambda n: items.find("half").facets(
            "color", range(COLORS)
        ),
        "facets of color, in 200": lambda n: items.find(kind__in=range(200)).facets(
            "color", range(COLORS)
        ),
        "facets of 100 kinds, a tag": lambda n: items.find("half").facets(
            "kind", range(100)
        ),
        "facets of tags, a range": lambda n: items.find(**middle).facets(
            "tags", ["every", "half", "tenth"]
        ),
        "sum and average": lambda n: items.aggregate(Sum("price"), Avg("price")),
        "sum, a tag": lambda n: items.find("half").aggregate(
            Sum("price"), Count("price")
        ),
        "sum, in 300": lambda n: items.find(kind__in=range(300)).aggregate(
            Sum("price")
        ),
        "largest, a tag": lambda n: items.find("half").aggregate(
            Min("price"), Max("price")
        ),
        "a union, count": lambda n: (items.find("half") | items.find(color=3)).count(),
        "a difference, ids": lambda n: (items.find("half") - items.find(color=3)).ids(),
        "get, unique": lambda n: items.get(number=n // 2),
        "in_bulk of 10 000": lambda n: items.in_bulk([f"{i:08}" for i in range(BATCH)]),
        "explain": lambda n: items.find("half", **middle).explain(),
    }
    return [Work(name, do, at_least=3, at_most=10) for name, do in works.items()]


OVER_EXPIRED = (
    "count",
    "count, a tag",
    "count, a tag and a range",
    "count, xor",
    "count, in 100",
    "count, not in 300",
    "count, exclude a range",
    "exists, none",
    "page",
    "page, deep",
    "page by price",
    "page by price, a tag",
    "ids",
    "list, one in ten",
    "facets of price",
    "facets of color",
    "facets of 100 kinds, a tag",
    "sum, a tag",
)
"""Queries that are measured again over objects that have expired."""


def commands(folder: Path) -> list[Work]:
    """Return the commands that change nothing. folder: for the files they write."""
    works: dict[str, Callable[[int], Any]] = {
        "ormist_inspect": lambda n: command("inspect"),
        "ormist_inspect ID": lambda n: command("inspect", "Stock", "00000000"),
        "ormist_inspect --schema": lambda n: command("inspect", schema=True),
        "ormist_inspect --verify": lambda n: command("inspect", verify=True),
        "ormist_inspect --repair": lambda n: command("inspect", repair=True),
        "ormist_reindex": lambda n: command("reindex", "Stock"),
        "ormist_reindex --fill": lambda n: command("reindex", "Stock", fill=True),
        "ormist_dump": lambda n: dump(folder / "stock"),
        "ormist_load": lambda n: command(
            "load", str(folder / "stock"), existing="skip"
        ),
        "the admin's overview": overview,
    }
    return [Work(name, do, at_most=2) for name, do in works.items()]


def dump(path: Path) -> None:
    """Write all objects to a file."""
    path.unlink(missing_ok=True)
    command("dump", "Stock", output=str(path))


def writes() -> list[Work]:
    """Return what changes the stored objects, in this order."""
    items = Stock.objects
    tenth = items.find("tenth")
    return [
        Work("bulk_create of 20 000", create_many, at_most=5),
        Work("bulk_update of 20 000", bulk_update, at_most=5),
        Work("bulk_save of 20 000", bulk_save, at_most=5),
        Work(
            "update, one in ten",
            lambda n: tenth.update(color=F("color") + 1),
            at_most=3,
        ),
        Work("set_expire, one in ten", lambda n: tenth.set_expire(WEEK_S), at_most=3),
        Work("delete, one in ten", lambda n: tenth.delete()),
        Work("log_out_everywhere", lambda n: log_out(), at_most=3),
    ]


def removals() -> list[Work]:
    """Return what removes the expired objects, then all."""
    return [
        Work(
            "ormist_inspect, over expired",
            lambda n: command("inspect"),
            at_most=2,
            prepare=expire_three_tenths,
        ),
        Work("a save that sweeps", create_some, at_most=5),
        Work("bulk_create of 20 000, over expired", create_many, at_most=5),
        Work("bulk_save of 20 000, over expired", bulk_save, at_most=5),
        Work("ormist_sweep", lambda n: command("sweep", "Stock")),
        Work(
            "ormist_sweep --batch-size 500",
            lambda n: command("sweep", "Stock", batch_size=500),
            at_most=5,
            prepare=lambda n: let_expire(n // 20),
        ),
        Work(
            "ormist_flush --tag",
            lambda n: command("flush", "Stock", tags=["flush"], interactive=False),
            at_most=3,
            prepare=tag_some,
        ),
        Work(
            "ormist_flush Stock",
            lambda n: command("flush", "Stock", interactive=False),
            at_most=3,
            prepare=fill_up,
        ),
        Work(
            "ormist_flush",
            lambda n: command("flush", interactive=False),
            at_most=3,
            prepare=lambda n: fill_up(n // 10),
        ),
    ]


def command(name: str, *args: str, **options: Any) -> str:
    """Run a management command of ours. Return its output."""
    module = __import__(
        f"django_ormist.management.commands.ormist_{name}", fromlist=["Command"]
    )
    output = StringIO()
    call_command(module.Command(), *args, stdout=output, **options)
    return output.getvalue()


def overview(total: int) -> None:
    """Run the queries of the overview page."""
    meta = Stock._meta
    space = meta.space("default")
    run(stats.model_counts(space), "default")
    seen = run(stats.sample(space, meta.indexes), "default")
    run(stats.size_bytes(meta.schema("default"), seen), "default")


def bulk_update(total: int) -> None:
    """Change every index entry of 20 000 objects."""
    objs = Stock.objects.all()[: 2 * BATCH].list()
    for each in objs:
        each.color, each.price, each.kind = each.color + 1, each.price + 1, 7
    Stock.objects.bulk_update(objs, ["color", "price", "kind"])


def bulk_save(total: int) -> None:
    """Save 20 000 loaded objects, with their tags and index entries changed."""
    objs = Stock.objects.all()[: 2 * BATCH].list()
    for each in objs:
        each.color, each.kind = each.color + 1, 8
        each.tags += ["saved"]
    Stock.objects.bulk_save(objs)


def create_some(total: int) -> None:
    """Create objects one by one. Each sweeps some that have expired."""
    first = next(NEW)
    for number in range(first, first + 100):
        Stock.objects.create(kind=1, color=1, price=1, number=number)


def create_many(total: int) -> None:
    """Insert objects in batches. Each batch sweeps some that have expired."""
    fill(2 * BATCH, silent, first=next(NEW))


def tag_some(total: int) -> None:
    """Give one in twenty of the objects a tag."""
    for some in batched(Stock.objects.all()[: total // 20].ids(), BATCH):
        objs = Stock.objects.in_bulk(some).values()
        for each in objs:
            each.tags.append("flush")
        Stock.objects.bulk_save(objs)


def log_out() -> None:
    """End all sessions of a user with many."""
    from django_ormist.sessions.logout import _end_sessions
    from django_ormist.sessions.model import Session

    Session.objects.bulk_create(
        [Session(user_id="1", **{"k:a": "b"}) for _ in range(USERS_SESSIONS)]
    )
    run(_end_sessions("1", None), "default")


def fill_up(total: int) -> None:
    """Store the objects, unless there are as many."""
    if Stock.objects.count() < total:
        fill(total, silent, first=next(NEW))


def silent(text: str) -> None:
    """Show nothing."""
