"""The server's time of queries by ranges, tags and orders."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import or_, xor
from statistics import median
from typing import Any, NamedTuple

from django.db.models import Q

import django_ormist as ormist
from django_ormist.connections import connections

from .figure import Figure

PAGE = 20
COLORS = 10
DEAREST = 10_000_000
SERVER_CALLS = 60
UNION_CALLS = 5
MANY = 100


class Item(ormist.TaggedModel):
    """The stored objects: a thousand of each kind, two tags on a tenth each."""

    class Meta:
        index_attrs = ("kind", "color")
        ordered = ("price", "stamp")


class Row(NamedTuple):
    """The values of one item."""

    kind: int
    color: int
    price: int
    stamp: float
    left: bool
    right: bool


def rows(total: int) -> Iterator[Row]:
    """Return *total* items, always the same ones."""
    generator = random.Random(total)
    prices = generator.sample(range(DEAREST), total)
    for price in prices:
        yield Row(
            generator.randrange(max(total // 1000, 1)),
            generator.randrange(COLORS),
            price,
            generator.random(),
            generator.random() < 0.1,
            generator.random() < 0.1,
        )


@dataclass(frozen=True)
class Query:
    """A query. ours: takes the number of the call.

    most_us: the largest server time in our promise, or None.
    """

    name: str
    ours: Callable[[int], Any]
    most_us: int | None = None


def build_queries(kinds: int) -> list[Query]:
    """Return the queries, with our method for each."""
    items = Item.objects

    def found(number: int) -> Any:
        return items.find(
            kind=kind_of(number, kinds),
            color=number % COLORS,
            price__lte=DEAREST * 9 // 10,
        )

    def page(found: Any) -> list[float]:
        return [item.stamp for item in found[:PAGE]]

    return [
        Query("by stamp", lambda n: page(found(n).order_by("-stamp")), 2000),
        Query("by price", lambda n: page(found(n).order_by("price")), 2000),
        Query("by creation", lambda n: page(found(n)), 2000),
        Query("two tags", lambda n: page(items.find("left", "right")), 1000),
        Query("all by price", lambda n: page(items.order_by("price"))),
        Query("count", lambda n: found(n).count()),
    ]


def unions(kinds: int) -> list[tuple[Query, int]]:
    """Return queries of many values with another condition, and their number of ids."""
    items, values = Item.objects, min(kinds, MANY)
    dear = Q(price__gte=DEAREST // 2)
    some = [Q(kind=kind) for kind in range(values)]
    held = items.find(kind__in=range(values)).count() + items.find(dear).count()
    collections = {
        "in": items.find(dear, kind__in=range(values)),
        "not in": items.find(dear).exclude(kind__in=range(values)),
        "or": items.find(dear, reduce(or_, some)),
        "xor": items.find(dear, reduce(xor, some)),
    }
    return [
        (Query(f"{name} of {values}, {method}, an id held", ask), held)
        for name, found in collections.items()
        for method, ask in (
            ("count", lambda n, found=found: found.count()),
            ("a page", lambda n, found=found: found[:PAGE].ids()),
            ("by price", lambda n, found=found: found.order_by("-price")[:PAGE].ids()),
        )
    ]


def kind_of(number: int, kinds: int) -> int:
    """Return another kind for each call, so that no answer is from a warm cache."""
    return number * 37 % kinds


def figures(total: int, show: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the server time of each query."""
    source = rows(total)
    stored = 0
    while some := list(islice(source, 10_000)):
        Item.objects.bulk_create(map(_item, some))
        stored += len(some)
        show(f"query: storing {stored * 100 // total} %")
    built = build_queries(max(total // 1000, 1))
    for query in built:
        spent_us = _server_us(query)
        yield Figure(
            f"query {total} {query.name}, server time",
            "us",
            spent_us,
            target=query.most_us,
        )
    for query, held in unions(max(total // 1000, 1)):
        yield Figure(
            f"query {total} {query.name}, server time",
            "us",
            _server_us(query, UNION_CALLS) / held,
        )


def _item(row: Row) -> Item:
    tags = [name for name in ("left", "right") if getattr(row, name)]
    item: Item = Item(
        *tags, kind=row.kind, color=row.color, price=row.price, stamp=row.stamp
    )
    return item


def _server_us(query: Query, calls: int = SERVER_CALLS) -> float:
    """Return the median of the server's own times of the script."""
    client = connections["default"].client

    def spent_us() -> int:
        said: Any = client.info("commandstats")
        return sum(
            said.get(f"cmdstat_{command}", {"usec": 0})["usec"] for command in COMMANDS
        )

    query.ours(0)
    times = []
    for number in range(calls):
        before = spent_us()
        query.ours(number)
        times.append(spent_us() - before)
    return median(times)


COMMANDS = ("eval", "evalsha")
