"""The work by django_ormist, as in its manual: each sync and async."""

from typing import Any

from .bare import Held
from .subjects import Arrival, Visitor


def create(held: Held) -> None:
    Arrival.objects.create(*held.tags, **held.attrs)


async def acreate(held: Held) -> None:
    await Arrival.objects.acreate(*held.tags, **held.attrs)


def save(visitor: Arrival) -> None:
    visitor.visits += 1
    visitor.save()


async def asave(visitor: Arrival) -> None:
    visitor.visits += 1
    await visitor.asave()


def get(pk: str) -> Visitor:
    return Visitor.objects.get(pk)


async def aget(pk: str) -> Visitor:
    return await Visitor.objects.aget(pk)


def delete(visitor: Arrival) -> None:
    visitor.delete()


async def adelete(visitor: Arrival) -> None:
    await visitor.adelete()


def listed(tag: str) -> list[Visitor]:
    return Visitor.objects.find(tag).list()


async def alisted(tag: str) -> list[Visitor]:
    return await Visitor.objects.find(tag).alist()


def page(tag: str, start: int, count: int) -> Any:
    found: Any = Visitor.objects.find(tag)[start : start + count]
    return found.list()


async def apage(tag: str, start: int, count: int) -> Any:
    found: Any = Visitor.objects.find(tag)[start : start + count]
    return await found.alist()


def meet(tags: tuple[str, ...]) -> list[Visitor]:
    return Visitor.objects.find(*tags).list()


async def ameet(tags: tuple[str, ...]) -> list[Visitor]:
    return await Visitor.objects.find(*tags).alist()


def count(tag: str) -> int:
    return Visitor.objects.find(tag).count()


async def acount(tag: str) -> int:
    return await Visitor.objects.find(tag).acount()


def bulk_create(many: list[Held]) -> None:
    Arrival.objects.bulk_create([Arrival(*h.tags, **h.attrs) for h in many])


async def abulk_create(many: list[Held]) -> None:
    await Arrival.objects.abulk_create([Arrival(*h.tags, **h.attrs) for h in many])
