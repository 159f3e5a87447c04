"""The queries whose stalls are measured."""

from collections.abc import Callable
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q, Sum

from .stock import BATCH, COLORS, PRICES, Stock


def queries() -> dict[str, Callable[[int], Any]]:
    """Return the queries by name. Each gets the number of stored objects."""
    items = Stock.objects.all()
    middle = {"price__gte": PRICES // 10, "price__lt": PRICES * 9 // 10}
    return {
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
