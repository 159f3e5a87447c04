"""The work by django_ormist, as in its manual: each sync and async."""

from typing import Any

from .bare import Held
from .subjects import Payload


class Ours:
    """The synchronous methods, for the models of one payload."""

    def __init__(self, payload: Payload) -> None:
        self.read: Any = payload.read
        self.written: Any = payload.written

    def create(self, held: Held) -> Any:
        return self.written.objects.create(*held.tags, **held.attrs)

    def save(self, visitor: Any) -> Any:
        visitor.visits += 1
        visitor.save()
        return visitor

    def get(self, pk: str) -> Any:
        return self.read.objects.get(pk)

    def delete(self, visitor: Any) -> Any:
        visitor.delete()
        return visitor

    def listed(self, tag: str) -> Any:
        return self.read.objects.find(tag).list()

    def page(self, tag: str, start: int, count: int) -> Any:
        return self.read.objects.find(tag)[start : start + count].list()

    def meet(self, tags: tuple[str, ...]) -> Any:
        return self.read.objects.find(*tags).list()

    def count(self, tag: str) -> int:
        number: int = self.read.objects.find(tag).count()
        return number

    def bulk_create(self, many: list[Held]) -> None:
        model = self.written
        model.objects.bulk_create([model(*h.tags, **h.attrs) for h in many])


class AsyncOurs:
    """The asynchronous methods, for the models of one payload."""

    def __init__(self, payload: Payload) -> None:
        self.read: Any = payload.read
        self.written: Any = payload.written

    async def create(self, held: Held) -> Any:
        return await self.written.objects.acreate(*held.tags, **held.attrs)

    async def save(self, visitor: Any) -> Any:
        visitor.visits += 1
        await visitor.asave()
        return visitor

    async def get(self, pk: str) -> Any:
        return await self.read.objects.aget(pk)

    async def delete(self, visitor: Any) -> Any:
        await visitor.adelete()
        return visitor

    async def listed(self, tag: str) -> Any:
        return await self.read.objects.find(tag).alist()

    async def page(self, tag: str, start: int, count: int) -> Any:
        return await self.read.objects.find(tag)[start : start + count].alist()

    async def meet(self, tags: tuple[str, ...]) -> Any:
        return await self.read.objects.find(*tags).alist()

    async def count(self, tag: str) -> int:
        number: int = await self.read.objects.find(tag).acount()
        return number

    async def bulk_create(self, many: list[Held]) -> None:
        model = self.written
        await model.objects.abulk_create([model(*h.tags, **h.attrs) for h in many])
