"""Scripts without flows: sent as redis-py sends them, with raw replies.

Keys are set and read by hand, so that each script can be run in any state, also in
those that other scripts do not leave.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import redis

from django_ormist.exceptions import CorruptDataError
from django_ormist.keys import Space, journal_key
from django_ormist.operations import commit as commit_module
from django_ormist.operations import counts, expiry, move, objects, repair, search
from django_ormist.operations.batches import (
    Link,
    NewObject,
    delete_many,
    insert_many,
)
from django_ormist.operations.objects import NOTHING, Image
from django_ormist.operations.operation import Operation
from django_ormist.queries.query import Query
from django_ormist.schema import Schema
from django_ormist.terms import term_suffix
from tests.architecture.source import SCRIPTS

FAR = 4_000_000_000_000
"""A deadline in ms that no test lives to see; 1 is one that is past."""

ONE_VARIANT_A_SERVER = pytest.mark.servers(
    "valkey91", "redis82", "redis70", "redis62", "fakeredis"
)
"""A script is the same over every pool and in every protocol."""


def image(*terms: str, packed: bytes = b"old", expire: int | None = None) -> Image:
    """Return the image of an object with these index terms."""
    return Image(packed, tuple(map(term_suffix, terms)), expire)


class Store:
    """The keys of one model, and the scripts that work on them.

    Each script has one caller here, the builder of its operation.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client = client
        self.space = Space(prefix, "tests.Script")
        self.schema = Schema(self.space)

    # The scripts

    def run(self, operation: Operation) -> Any:
        """Return the raw reply of a script."""
        spelled_out = replace(operation, with_source=True)
        return self.client.execute_command(*spelled_out.wire_args())

    def save(
        self,
        pk: str,
        old: Image,
        new: Image,
        counters: dict[str, int] | None = None,
        is_indexed: bool = True,
        **more: Any,
    ) -> Any:
        """counters: those to set, None for a model without counters."""
        schema = replace(
            self.schema,
            is_indexed=is_indexed,
            counters=frozenset() if counters is None else frozenset({"n"}),
        )
        return self.run(objects.save(schema, pk, old, new, counters or {}, **more))

    def delete(self, pk: str, old: Image, is_indexed: bool = True) -> Any:
        schema = replace(self.schema, is_indexed=is_indexed)
        return self.run(objects.delete(schema, pk, old))

    def insert_many(
        self,
        *new: NewObject,
        link: Link | None = None,
        skips_conflicts: bool = False,
        arbiter: tuple[str, ...] | None = None,
        **facts: Any,
    ) -> Any:
        """facts: those of the schema."""
        schema = replace(self.schema, **facts)
        return self.run(insert_many(schema, new, link, skips_conflicts, arbiter))

    def delete_many(self, *stored: tuple[str, Image], **facts: Any) -> Any:
        return self.run(delete_many(replace(self.schema, **facts), stored))

    def commit(self, *parts: Operation) -> Any:
        """Return the reply without its time, which is checked here."""
        code, now_ms, *answers = self.run(commit_module.commit(parts))
        assert abs(int(now_ms) - self.now_ms()) < 60_000
        return [code, *answers]

    def now_ms(self) -> int:
        """Return the server's clock."""
        seconds, micros = self.client.time()
        return seconds * 1000 + micros // 1000

    def increment(self, pk: str, name: str, by: int) -> Any:
        return self.run(objects.increment(self.space, pk, name, by))

    def page(
        self,
        *terms: str,
        start: int = 0,
        size: int = 100,
        want: str = "ids",
        most: int = 1_000_000,
        **query: Any,
    ) -> Any:
        selected = Query(terms=terms, start=start, **query)
        return self.run(search.page(self.space, selected, size, want, most))

    def count(self, *terms: str, most: int = 1_000_000) -> Any:
        return self.run(counts.count(self.space, Query(terms=terms), most))

    def purge_index(self, pk: str, memo: bytes, is_last: bool = False) -> Any:
        return self.run(repair.purge_entries(self.space, pk, memo, is_last))

    def sweep_gone(self, *pks: str) -> Any:
        gone = [pk.encode() for pk in pks]
        return self.run(expiry.sweep_gone(self.space, gone))

    def sweep(self, limit: int = 50) -> Any:
        return self.run(expiry.sweep(self.space, limit))

    def check_object(
        self,
        pk: str,
        found: Image | str | None,
        *seen: repair.IndexEntry,
        is_repairing: bool = False,
    ) -> Any:
        """found: the image of the object, None, or "unreadable"."""
        image = found if isinstance(found, Image) else None
        packed = image.packed if image else found and self.get(pk)

        def read_image(packed: bytes, key: bytes) -> tuple[Image, repair.Findings]:
            if image is None:
                raise CorruptDataError(key)
            return image, repair.NO_FINDINGS

        schema = replace(
            self.schema,
            ordered=("age",),
            unique=(("code",),),
            counters=frozenset({"n"}),
        )
        subject = repair.CheckedModel(schema, read_image, is_repairing)
        suspect = repair.Suspect(pk.encode(), packed or None, list(seen))
        (operation,) = next(repair.check_suspects(subject, [suspect]))
        return self.run(operation)

    def move_in(
        self,
        pk: str,
        image: Image,
        created: float | None = 5,
        counters: tuple[bytes, ...] = (),
        by: str = "run",
        **facts: Any,
    ) -> Any:
        """facts: those of the schema."""
        schema = replace(self.schema, **facts)
        each = move.MovedObject(pk.encode(), image.packed, created, counters)
        return self.run(move.move_in(schema, each, image, by))

    def move_out(self, pk: str, image: Image, counters: tuple[bytes, ...] = ()) -> Any:
        each = move.MovedObject(pk.encode(), image.packed, 5, counters)
        return self.run(move.move_out(self.schema, each, image))

    def move_done(self, *pks: str, by: str = "run", is_last: bool = False) -> Any:
        ids = [pk.encode() for pk in pks]
        return self.run(move.finish(self.space, ids, by, is_last))

    def journal(self) -> dict[bytes, bytes]:
        return self.client.hgetall(journal_key(self.space))

    def quarantine(self, rest: str, kind: bytes) -> Any:
        return self.run(repair.quarantine(self.space, self.key(rest), kind))

    def lost(self, rest: str) -> bytes:
        """Return the name of a key in quarantine."""
        return repair.quarantine_key(self.space, self.key(rest))

    def lua(self, body: str, *keys: str, args: Iterable[Any] = ()) -> Any:
        """Return the result of *body* after the prelude."""
        source = (SCRIPTS / "prelude.lua").read_bytes() + body.encode()
        words = (source, len(keys), *map(self.key, keys), *args)
        return self.client.execute_command("EVAL", *words)

    # The keys

    def key(self, rest: str) -> bytes:
        return self.space.base + rest.encode()

    def get(self, pk: str) -> bytes | None:
        return self.client.get(self.key(f"o:{pk}"))

    def ids(self, rest: str) -> list[str]:
        """Return the members of a sorted set in order."""
        return [pk.decode() for pk in self.client.zrange(self.key(rest), 0, -1)]

    def scores(self, rest: str) -> dict[str, float]:
        pairs = self.client.zrange(self.key(rest), 0, -1, withscores=True)
        return {pk.decode(): score for pk, score in pairs}

    def hash(self, rest: str) -> dict[bytes, bytes]:
        return self.client.hgetall(self.key(rest))

    def names(self) -> list[str]:
        """Return the names of the stored keys, without their common beginning."""
        base = self.space.base
        names = [key.removeprefix(base) for key in self.client.scan_iter(count=1000)]
        return sorted(name.decode(errors="backslashreplace") for name in names)

    def everything(self) -> dict[bytes, Any]:
        """Return everything stored: {key: DUMP}."""
        return {key: self.client.dump(key) for key in self.client.scan_iter()}

    def ttl_ms(self, rest: str) -> int:
        """Return the TTL of a key, -1 without one."""
        return self.client.pttl(self.key(rest))

    def expire_now(self, *pks: str) -> None:
        """Let these objects expire, with their bytes removed by the server's TTL."""
        for pk in pks:
            self.client.delete(self.key(f"o:{pk}"), self.key(f"c:{pk}"))
            self.client.zadd(self.key("expires"), {pk: 1})

    def mistype(self, rest: str) -> bytes:
        """Give a key an unused type; return its full name."""
        self.client.delete(self.key(rest))
        self.client.lpush(self.key(rest), "x")
        return self.key(rest)

    def fill(self, *pks: str, terms: Iterable[str] = (), **facts: Any) -> None:
        """Save objects whose bytes are their ids, in order."""
        for pk in pks:
            new = image(*terms, packed=pk.encode(), **facts)
            assert self.save(pk, NOTHING, new) == 1
