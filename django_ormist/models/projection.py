"""values() and values_list(): parts of objects, without instances of the model."""

import builtins
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..codecs import unpack
from ..connections.executor import arun, run
from ..operations.operation import Flow
from ..operations.searches import Row
from ..queries.query import Order, Query
from . import fetching, summaries
from .contents import Contents
from .deadlines import to_datetime
from .results import Results
from .shapes import Shape, flat
from .values import Values

if TYPE_CHECKING:
    from .collection import Collection

T = TypeVar("T")


class Projection(Results[T], Values):
    """What a collection's objects hold under some names: lazy as the collection is.

    It is evaluated once and keeps the answer. An attribute that an object has not is
    None. names: None for ``id`` and whatever each object has. Where it is distinct, a
    slice is of the distinct ones.
    """

    def __init__(
        self,
        asked: "Collection[Any]",
        names: tuple[str, ...] | None,
        shape: Shape[T],
        is_distinct: bool = False,
    ) -> None:
        self.asked = asked
        self.model, self.query = asked.model, asked.query
        self.names = names
        self.shape = shape
        self.is_distinct = is_distinct
        self._cache: builtins.list[T] | None = None

    @property
    def db(self) -> str:
        """The alias that is asked."""
        return self.asked.db

    # Chains

    def find(self, /, *tags: Any, **lookups: Any) -> Self:
        """See Collection.find()."""
        return self._of(self.asked.find(*tags, **lookups))

    filter = find

    def exclude(self, /, *tags: Any, **lookups: Any) -> Self:
        """See Collection.exclude()."""
        return self._of(self.asked.exclude(*tags, **lookups))

    def order_by(self, /, *names: Any) -> Self:
        """See Collection.order_by()."""
        return self._of(self.asked.order_by(*names))

    def reverse(self) -> Self:
        """See Collection.reverse()."""
        return self._of(self.asked.reverse())

    def using(self, alias: str) -> Self:
        """See Collection.using()."""
        return self._of(self.asked.using(alias))

    def all(self) -> Self:
        """The same, not evaluated."""
        return self._of(self.asked.all())

    def distinct(self) -> Self:
        """Each once, where the first of the objects with it stands.

        flat, of one ordered attribute, and no order was asked for, or its own: in its
        order, from its index; None, or what has no place in the order, is a last None.
        A slice of others is taken here.
        """
        if self.asked.query.is_sliced:
            raise TypeError(
                "Cannot create distinct fields once a slice has been taken."
            )
        return type(self)(self.asked, self.names, self.shape, is_distinct=True)

    def _projected(
        self, names: tuple[str, ...] | None, shape: Shape[Any]
    ) -> "Projection[Any]":
        return Projection(self.asked, names, shape, self.is_distinct)

    def _of(self, asked: "Collection[Any]") -> Self:
        return type(self)(asked, self.names, self.shape, self.is_distinct)

    def _chained(self, query: Query | None = None) -> Self:
        return self._of(self.asked._chained(query))

    # The answer

    @property
    def _has_counters(self) -> bool:
        return not self.model._meta.counters.isdisjoint(self.names or ())

    def _made(self, rows: Iterable[Row]) -> builtins.list[T]:
        return [self._part(row) for row in rows]

    def first(self) -> T | None:
        """The first, None where there is none. One round trip."""
        found: T | None = run(fetching.first(self), self.db)
        return found

    async def afirst(self) -> T | None:
        """See first()."""
        found: T | None = await arun(fetching.first(self), self.db)
        return found

    def count(self) -> int:
        """How many. One round trip, unless they are distinct: then as list()."""
        number: int = run(self._count(), self.db)
        return number

    async def acount(self) -> int:
        """See count()."""
        number: int = await arun(self._count(), self.db)
        return number

    def exists(self) -> bool:
        """Whether there is any. One round trip."""
        is_there: bool = run(self._exists(), self.db)
        return is_there

    async def aexists(self) -> bool:
        """See exists()."""
        is_there: bool = await arun(self._exists(), self.db)
        return is_there

    # The flows

    def _parts(self, query: Query) -> Flow:
        """Flow: what is asked for, in order."""
        if not self.is_distinct:
            return (yield from fetching.parts(self, query))
        if query.is_empty:
            return []
        whole = replace(query, start=0, stop=None)
        name = self._indexed_name(whole)
        if name is not None:
            values = yield from summaries.distinct(self.asked, name)
            parts = values[::-1] if query.is_reversed else values
        elif query.start == 0 and query.limit == 1:
            return (yield from fetching.parts(self, query))
        else:
            parts = _each_once((yield from fetching.parts(self, whole)))
        return parts[query.start : query.stop]

    def _count(self) -> Flow:
        if self._cache is None and self.is_distinct:
            query = replace(self.query, order=(), is_reversed=False, is_ordered=False)
            return len((yield from self._parts(query)))
        return (yield from fetching.count(self))

    def _exists(self) -> Flow:
        if self._cache is None and self.is_distinct and self.query.start:
            return bool((yield from self._parts(self.query.slice(0, 1))))
        return (yield from fetching.exists(self))

    def _indexed_name(self, query: Query) -> str | None:
        """The one name whose index holds each value once, if one is asked for so."""
        if self.shape is not flat:
            return None
        (name,) = self.names or ("",)
        meta = self.model._meta
        if name not in meta.ordered or name in meta.building:
            return None
        if query.is_ordered:
            return name if query.order == (Order(name),) else None
        return None if query.is_reversed else name

    def _part(self, row: Row) -> T:
        pk, packed, counters = row
        attrs, tags, expire_at_ms = unpack(packed, self.space.objects + pk)

        def value(name: str) -> Any:
            if name in ("id", "pk"):
                return pk.decode()
            if name == "expire":
                return to_datetime(expire_at_ms)
            if name == "tags":
                contents = Contents(attrs, tags, expire_at_ms)
                return list(dict.fromkeys((*tags, *contents.terms(self.model._meta))))
            if counters is not None and name in self.model._meta.counters:
                return counters.get(name, 0)
            return attrs.get(name)

        names = self.names if self.names is not None else ("id", *attrs)
        return self.shape(names, [value(name) for name in names])


def _each_once(parts: list[T]) -> list[T]:
    """Equal ones but the first left out; those that cannot be hashed one by one."""
    seen, unhashed, kept = set(), [], []
    for part in parts:
        fact: Any = tuple(part.items()) if isinstance(part, dict) else part
        try:
            is_new = fact not in seen
            seen.add(fact)
        except TypeError:
            is_new = fact not in unhashed
            unhashed.append(fact)
        if is_new:
            kept.append(part)
    return kept
