"""The same work by bare redis-py in an event loop: see bare.py."""

from typing import Any

import redis.asyncio

from .bare import Bare, Held, batches, new_pk


class AsyncBare:
    """redis.asyncio with hiredis, RESP2, bytes, its own pool."""

    def __init__(self, url: str, bare: Bare) -> None:
        self.client: Any = redis.asyncio.Redis.from_url(url, protocol=2)
        self.bare = bare
        self.keys = bare.keys
        self.pack, self.unpack = bare.pack, bare.unpack

    async def create(self, held: Held) -> str:
        pk, packed = new_pk(), self.pack(held.attrs, held.tags)
        keys = (self.keys.objects + pk, *self.keys.entries(held))
        words = (self.bare.create_sha, len(keys), *keys, packed, pk)
        await self.client.execute_command("EVALSHA", *words)
        held.pk, held.packed = pk, packed
        return pk

    async def save(self, held: Held) -> str:
        held.attrs["visits"] += 1
        packed = self.pack(held.attrs, held.tags)
        key = self.keys.objects + held.pk
        words = (self.bare.save_sha, 1, key, held.packed, packed)
        await self.client.execute_command("EVALSHA", *words)
        held.packed = packed
        return held.pk

    async def get(self, pk: str) -> dict[str, Any]:
        key = self.keys.objects + pk
        return self.unpack(await self.client.execute_command("GET", key))

    async def delete(self, held: Held) -> str:
        keys = (self.keys.objects + held.pk, *self.keys.entries(held))
        words = (self.bare.delete_sha, len(keys), *keys, held.pk)
        await self.client.execute_command("EVALSHA", *words)
        return held.pk

    async def list_by_sort(self, tag: str) -> Any:
        sort = self.keys.sort(tag)
        return self.bare.rows(await self.client.execute_command(*sort))

    async def list_by_mget(self, tag: str) -> Any:
        words = (self.keys.terms + tag, 0, -1)
        return await self._fetched(await self.client.execute_command("ZRANGE", *words))

    async def page_by_sort(self, tag: str, start: int, count: int) -> Any:
        sort = self.keys.sort(tag, start, count)
        return self.bare.rows(await self.client.execute_command(*sort))

    async def page_by_mget(self, tag: str, start: int, count: int) -> Any:
        words = (self.keys.terms + tag, start, start + count - 1)
        return await self._fetched(await self.client.execute_command("ZRANGE", *words))

    async def meet(self, tags: tuple[str, ...]) -> Any:
        keys = [self.keys.terms + tag for tag in tags]
        words = (len(keys), *keys, "AGGREGATE", "MIN")
        return await self._fetched(await self.client.execute_command("ZINTER", *words))

    async def _fetched(self, pks: Any) -> Any:
        objects = self.keys.objects.encode()
        keys = [objects + pk for pk in pks]
        found = await self.client.execute_command("MGET", *keys)
        unpack = self.unpack
        return [(pk, unpack(packed)) for pk, packed in zip(pks, found, strict=True)]

    async def count(self, tag: str) -> int:
        key = self.keys.terms + tag
        number: int = await self.client.execute_command("ZCARD", key)
        return number

    async def bulk_create(self, many: list[Held]) -> None:
        for some in batches(many):
            async with self.client.pipeline(transaction=False) as pipe:
                self.bare.queue(pipe, some)
                await pipe.execute()
