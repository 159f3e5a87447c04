"""values() and values_list(): parts of objects, without instances of the model."""

import builtins
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from ..codecs import unpack
from ..connections.executor import arun, run
from ..operations import searches
from ..operations.operation import Flow
from ..operations.searches import Row
from ..queries.query import Query
from . import fetching, summaries
from .contents import Contents
from .deadlines import to_datetime

if TYPE_CHECKING:
    from .base import Model
    from .collection import Collection

T = TypeVar("T")
Shape = Callable[[Any], T]
"""Makes of a function that gives the value of a name what a projection holds."""


class Projection(Generic[T]):
    """What a collection's objects hold under some names: lazy as the collection is.

    It is evaluated once and keeps the answer. An attribute that an object has not is
    None. names: None for ``id`` and whatever each object has.
    """

    def __init__(
        self,
        asked: "Collection[Any]",
        names: tuple[str, ...] | None,
        shape: Shape[T],
        is_distinct: bool = False,
    ) -> None:
        self.asked = asked
        self.names = names
        self.shape = shape
        self.is_distinct = is_distinct
        self._cache: builtins.list[T] | None = None

    @property
    def model(self) -> "type[Model]":
        """The model whose objects they are parts of."""
        return self.asked.model

    @property
    def ordered(self) -> bool:
        """Always, as the collection."""
        return True

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
        """Each once, in the order of the first; a slice of it is taken here.

        Of one ordered attribute, in no order or in its own, they come from its index.
        """
        if self.asked.query.is_sliced:
            raise TypeError(
                "Cannot create distinct fields once a slice has been taken."
            )
        return type(self)(self.asked, self.names, self.shape, is_distinct=True)

    def _of(self, asked: "Collection[Any]") -> Self:
        return type(self)(asked, self.names, self.shape, self.is_distinct)

    # The answer

    def list(self) -> builtins.list[T]:
        """All of them; asked once. Round trips as those of the collection's list()."""
        if self._cache is None:
            self._cache = run(self._parts(), self.asked.db)
        return builtins.list(self._cache)

    async def alist(self) -> builtins.list[T]:
        """See list()."""
        if self._cache is None:
            self._cache = await arun(self._parts(), self.asked.db)
        return builtins.list(self._cache)

    def first(self) -> T | None:
        """The first, None where there is none. One round trip."""
        found: builtins.list[T] = run(self._parts(self._head()), self.asked.db)
        return found[0] if found else None

    async def afirst(self) -> T | None:
        """See first()."""
        found: builtins.list[T] = await arun(self._parts(self._head()), self.asked.db)
        return found[0] if found else None

    def count(self) -> int:
        """How many. One round trip, unless they are distinct: then as list()."""
        number: int = run(self._count(), self.asked.db)
        return number

    async def acount(self) -> int:
        """See count()."""
        number: int = await arun(self._count(), self.asked.db)
        return number

    def exists(self) -> bool:
        """Whether there is any. One round trip."""
        is_there: bool = run(fetching.exists(self.asked), self.asked.db)
        return is_there

    async def aexists(self) -> bool:
        """See exists()."""
        is_there: bool = await arun(fetching.exists(self.asked), self.asked.db)
        return is_there

    def __iter__(self) -> Iterator[T]:
        return iter(self.list())

    def __aiter__(self) -> AsyncIterator[T]:
        async def each() -> AsyncIterator[T]:
            for part in await self.alist():
                yield part

        return each()

    def __len__(self) -> int:
        return len(self.list())

    def __bool__(self) -> bool:
        return bool(self.list())

    def __contains__(self, part: object) -> bool:
        return part in self.list()

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> "Projection[T] | builtins.list[T]": ...
    def __getitem__(self, key: int | slice) -> "T | Projection[T] | builtins.list[T]":
        """One, or a slice: taken by the server, or of what is here already."""
        if self._cache is not None or self.is_distinct:
            return self.list()[key]
        if isinstance(key, slice):
            part = self._of(self.asked._cut(key))
            return part.list()[:: key.step] if key.step else part
        if key < 0:
            raise ValueError("Negative indexing is not supported.")
        query = self.asked.query.slice(key, key + 1)
        found: builtins.list[T] = run(self._parts(query), self.asked.db)
        if not found:
            raise IndexError("Projection index out of range")
        return found[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.asked.model.__name__}>"

    # The flows

    def _head(self) -> Query:
        return self.asked.query if self.is_distinct else self.asked.query.slice(0, 1)

    def _count(self) -> Flow:
        if self._cache is not None:
            return len(self._cache)
        if self.is_distinct:
            return len((yield from self._of(self.asked.order_by())._parts()))
        return (yield from fetching.count(self.asked))

    def _parts(self, query: Query | None = None) -> Flow:
        """Flow: what is asked for, in order."""
        query = self.asked.query if query is None else query
        name = self._indexed_name(query)
        if name is not None:
            values = yield from summaries.distinct(self.asked, name)
            return values[::-1] if query.is_reversed else values
        has_counters = bool(self.model._meta.counters & set(self.names or ()))
        rows = yield from searches.rows(self.asked.space, query, has_counters)
        parts = [self._part(row) for row in rows]
        if not self.is_distinct:
            return parts
        return _each_once(parts)

    def _indexed_name(self, query: Query) -> str | None:
        """The one name whose index holds each value once, if one is asked for so."""
        if not self.is_distinct or self.shape is not flat or query.is_sliced:
            return None
        (name,) = self.names or ("",)
        orders = [(order.name, order.is_descending) for order in query.order]
        is_sorted = orders in ([], [(name, False)])
        meta = self.model._meta
        is_indexed = name in meta.ordered and name not in meta.building
        return name if is_indexed and is_sorted else None

    def _part(self, row: Row) -> T:
        pk, packed, counters = row
        attrs, tags, expire_at_ms = unpack(packed, self.asked.space.objects + pk)

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
        return self.shape([(name, value(name)) for name in names])


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


def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The shape of values()."""
    return dict(pairs)


def as_tuple(pairs: list[tuple[str, Any]]) -> tuple[Any, ...]:
    """The shape of values_list()."""
    return tuple([value for _, value in pairs])


def flat(pairs: list[tuple[str, Any]]) -> Any:
    """The shape of values_list(name, flat=True)."""
    return pairs[0][1]


def as_row(names: tuple[str, ...]) -> Shape[Any]:
    """The shape of values_list(*names, named=True)."""
    kind = namedtuple("Row", names)  # type: ignore[misc]
    return lambda pairs: kind._make([value for _, value in pairs])
