"""The same work by bare redis-py in an event loop: see bare.py."""

from typing import Any

import redis.asyncio

from django_ormist.codecs import pack, unpack

from .bare import Bare, Held, new_pk, now_us, rows


class AsyncBare:
    """redis.asyncio with hiredis, RESP2, bytes, its own pool."""

    def __init__(self, url: str, bare: Bare) -> None:
        self.client: Any = redis.asyncio.Redis.from_url(url, protocol=2)
        self.bare = bare
        self.keys = bare.keys

    async def create(self, held: Held) -> None:
        pk, packed = new_pk(), pack(held.attrs, held.tags)
        keys = (self.keys.objects + pk, *self.keys.entries(held))
        await self.client.evalsha(self.bare.create_sha, len(keys), *keys, packed, pk)
        held.pk, held.packed = pk, packed

    async def save(self, held: Held) -> None:
        held.attrs["visits"] += 1
        packed = pack(held.attrs, held.tags)
        key = self.keys.objects + held.pk
        await self.client.evalsha(self.bare.save_sha, 1, key, held.packed, packed)
        held.packed = packed

    async def get(self, pk: str) -> dict[str, Any]:
        packed = await self.client.get(self.keys.objects + pk)
        return unpack(packed)[0]

    async def delete(self, held: Held) -> None:
        keys = (self.keys.objects + held.pk, *self.keys.entries(held))
        await self.client.evalsha(self.bare.delete_sha, len(keys), *keys, held.pk)

    async def list_by_sort(self, tag: str) -> Any:
        return rows(await self.client.execute_command(*self.keys.sort(tag)))

    async def list_by_mget(self, tag: str) -> Any:
        return await self._fetched(
            await self.client.zrange(self.keys.terms + tag, 0, -1)
        )

    async def page_by_sort(self, tag: str, start: int, count: int) -> Any:
        sort = self.keys.sort(tag, start, count)
        return rows(await self.client.execute_command(*sort))

    async def page_by_mget(self, tag: str, start: int, count: int) -> Any:
        key = self.keys.terms + tag
        return await self._fetched(
            await self.client.zrange(key, start, start + count - 1)
        )

    async def meet(self, tags: tuple[str, ...]) -> Any:
        keys = [self.keys.terms + tag for tag in tags]
        return await self._fetched(await self.client.zinter(keys, aggregate="MIN"))

    async def _fetched(self, pks: Any) -> Any:
        objects = self.keys.objects.encode()
        found = await self.client.mget([objects + pk for pk in pks])
        return [(pk, unpack(packed)[0]) for pk, packed in zip(pks, found, strict=True)]

    async def count(self, tag: str) -> int:
        number: int = await self.client.zcard(self.keys.terms + tag)
        return number

    async def bulk_create(self, many: list[Held]) -> None:
        for start in range(0, len(many), 1000):
            async with self.client.pipeline(transaction=False) as pipe:
                created = now_us()
                for number, held in enumerate(many[start : start + 1000]):
                    pk = new_pk()
                    packed = pack(held.attrs, held.tags)
                    pipe.execute_command("SET", self.keys.objects + pk, packed)
                    for key in self.keys.entries(held):
                        pipe.execute_command("ZADD", key, created + number, pk)
                await pipe.execute()
