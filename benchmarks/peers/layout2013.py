"""The keys and commands of ormist, the object mapper that Doist published in 2013.

That package runs on no current redis-py: saving an object that expires calls ZADD with
the arguments of redis-py 2. This module sends the same commands to the same keys for
its TaggedAttrsModel, with that call corrected. The keys, after ``ormist:<model>:``:

* ``__all__``: a set of all ids;
* ``object:<id>``: the attributes, pickled;
* ``object:<id>:tags``: a set of the tags, among them ``name:value`` of each attribute;
* ``tags:<tag>``: a set of the ids that have the tag;
* ``object:<id>:expire`` and the sorted set ``__expire__``: the expiration time. No key
  has a TTL. One read in a hundred removes what has expired, but leaves its tags.
"""

import pickle
import random
import string
import time
from collections.abc import Iterator
from typing import Any

CHARACTERS = string.ascii_letters + string.digits
SWEEPS = 0.01
"""The share of reads that remove expired objects first."""


class Item:
    """An object: its attributes and their tags."""

    def __init__(self, pk: str | None, attrs: dict[str, Any], expire: Any) -> None:
        self.id, self.attrs, self.expire = pk, attrs, expire
        self.tags: list[str] = []
        self.saved_tags: list[str] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return self.attrs[name]
        except KeyError as error:
            raise AttributeError(name) from error


class Manager:
    """The methods of ``Model.objects``, and those of instances."""

    def __init__(self, client: Any, name: str, exclude_attrs: tuple[str, ...]) -> None:
        self.client, self.prefix = client, f"ormist:{name}:"
        self.exclude_attrs = exclude_attrs

    def key(self, *parts: Any) -> str:
        """Return a key of the model."""
        return self.prefix + ":".join(map(str, parts))

    def tags_of(self, attrs: dict[str, Any]) -> list[str]:
        """Return the tag of each attribute that is not excluded."""
        return [f"{k}:{v}" for k, v in attrs.items() if k not in self.exclude_attrs]

    def create(self, expire: float | None = None, **attrs: Any) -> Item:
        """Store a new object, for *expire* seconds. Three round trips."""
        deadline = None if expire is None else time.time() + expire
        item = Item(None, attrs, deadline)
        self.save(item)
        return item

    def save(self, item: Item) -> None:
        """Store an object. Two transactions; one command more for a new id."""
        if item.id is None:
            item.id = self._reserve_id()
        item.tags = self.tags_of(item.attrs)
        pipe = self.client.pipeline()
        pipe.sadd(self.key("__all__"), item.id)
        pipe.set(self.key("object", item.id), pickle.dumps(item.attrs))
        if item.expire is not None:
            pipe.set(self.key("object", item.id, "expire"), item.expire)
            pipe.zadd(self.key("__expire__"), {item.id: item.expire})
        pipe.execute()
        pipe = self.client.pipeline()
        pipe.sadd(self.key("object", item.id, "tags"), *item.tags)
        for tag in item.tags:
            pipe.sadd(self.key("tags", tag), item.id)
        for tag in set(item.saved_tags) - set(item.tags):
            pipe.srem(self.key("tags", tag), item.id)
        pipe.execute()
        item.saved_tags = item.tags

    def get(self, pk: str) -> Item | None:
        """Return the object, or None. Three round trips."""
        if random.random() < SWEEPS:
            self.expire()
        packed = self.client.get(self.key("object", pk))
        if packed is None:
            return None
        deadline = self.client.get(self.key("object", pk, "expire"))
        expire = None if deadline is None else float(deadline)
        if expire is not None and expire < time.time():
            return None
        item = Item(pk, pickle.loads(packed), expire)  # noqa: S301 - as it did
        tags = self.client.smembers(self.key("object", pk, "tags"))
        item.tags = item.saved_tags = [tag.decode() for tag in tags]
        return item

    def find(self, **attrs: Any) -> "Found":
        """Return the objects with these attributes. One round trip for their ids."""
        keys = [self.key("tags", tag) for tag in self.tags_of(attrs)]
        return Found(self, self.client.sinter(*keys))

    def delete(self, item: Item) -> None:
        """Delete an object. Three round trips, among them KEYS."""
        tags = self.client.smembers(self.key("object", item.id, "tags"))
        pipe = self.client.pipeline()
        for tag in tags:
            pipe.srem(self.key("tags", tag.decode()), item.id)
        self._remove(pipe, item.id)
        pipe.execute()

    def expire(self) -> None:
        """Remove the objects that have expired, without their tags."""
        key = self.key("__expire__")
        if pks := self.client.zrangebyscore(key, 0, time.time()):
            pipe = self.client.pipeline()
            for pk in pks:
                self._remove(pipe, pk.decode())
            pipe.execute()

    def _remove(self, pipe: Any, pk: Any) -> None:
        more = self.client.keys(self.key("object", pk, "*"))
        pipe.srem(self.key("__all__"), pk)
        pipe.zrem(self.key("__expire__"), pk)
        pipe.delete(self.key("object", pk), *more)

    def _reserve_id(self) -> str:
        while True:
            pk = "".join(random.choice(CHARACTERS) for _ in range(16))
            if self.client.sadd(self.key("__all__"), pk):
                return pk


class Found:
    """The ids of a query, whose objects are loaded one by one."""

    def __init__(self, manager: Manager, pks: Any) -> None:
        self.manager, self.pks = manager, pks

    def __iter__(self) -> Iterator[Item]:
        for pk in self.pks:
            if item := self.manager.get(pk.decode()):
                yield item

    def list(self) -> list[Item]:
        """Return all objects."""
        return [*self]

    def count(self) -> int:
        """Return their number, by loading them all."""
        return len(self.list())
