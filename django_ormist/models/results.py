"""The base of lazy results, of objects or of values."""

import builtins
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, Self, TypeVar, overload

from ..connections.executor import arun, run
from ..flows.types import Times
from ..keys import Space
from ..operations.operation import Flow
from ..operations.rows import Rows
from ..queries.query import RANDOM, Query

T = TypeVar("T", covariant=True)

_SHOWN = 20


class LazyResults(Generic[T]):
    """The result of a query, evaluated once and then kept, and its slices.

    A subclass defines the items made of rows, and copies with another query.
    """

    model: "type[Any]"
    query: Query
    _cache: builtins.list[T] | None
    _related: tuple[str, ...] = ()
    _known: tuple[str, Any] | None = None
    """A reference's name, and the object that results refer to by it, as in Django."""

    _prefetch_related_lookups: tuple[str, ...] = ()  # read by Django's form fields

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """Return an unevaluated copy if this is an attribute of a class.

        A class lives as long as its process: the ``queryset`` of a view or of a
        serializer field must not keep the result of the first request.
        """
        return self._chain()

    @property
    def db(self) -> str:
        """The alias of the connection."""
        raise NotImplementedError  # pragma: no cover

    @property
    def space(self) -> Space:
        """The key space."""
        space: Space = self.model._meta.space(self.db)
        return space

    @property
    def ordered(self) -> bool:
        """True: the order is that of creation by default."""
        return True

    @property
    def totally_ordered(self) -> bool:
        """Whether the order is the same each time. A random one is not."""
        return all(order.name != RANDOM for order in self.query.order)

    @property
    def _has_counters(self) -> bool:
        """Whether rows include counters."""
        raise NotImplementedError  # pragma: no cover

    @property
    def _holds_ids(self) -> bool:
        """Whether it can be used as a set of ids in a lookup."""
        raise NotImplementedError  # pragma: no cover

    @property
    def _reads_creation(self) -> bool:
        """Whether the items need creation times, which take one round trip more."""
        return False

    def _build(self, rows: Rows, created: Times | None = None) -> builtins.list[T]:
        """Return the items of these rows."""
        raise NotImplementedError  # pragma: no cover

    def _fetch(self, query: Query) -> Flow[builtins.list[T]]:
        """Flow that returns the items of a query, in order."""
        raise NotImplementedError  # pragma: no cover

    def _chain(self, query: Query | None = None) -> Self:
        """Return an unevaluated copy with another query, or with the same."""
        raise NotImplementedError  # pragma: no cover

    # The full result

    def list(self) -> builtins.list[T]:
        """Return all items as a list, evaluated once.

        At most two round trips for up to 5000, and more if the query takes steps.
        """
        if self._cache is not None:
            return self._cache.copy()
        found = run(self._fetch(self.query), self.db, reads=True)
        self._cache = [*found]  # a plain list: only *found* links its items as peers
        return found

    async def alist(self) -> builtins.list[T]:
        """See list()."""
        if self._cache is not None:
            return self._cache.copy()
        found = await arun(self._fetch(self.query), self.db, reads=True)
        self._cache = [*found]
        return found

    def _evaluate(self) -> builtins.list[T]:
        if self._cache is None:
            self._cache = run(self._fetch(self.query), self.db, reads=True)
        return self._cache

    async def _aevaluate(self) -> builtins.list[T]:
        if self._cache is None:
            self._cache = await arun(self._fetch(self.query), self.db, reads=True)
        return self._cache

    def __iter__(self) -> Iterator[T]:
        return iter(self._evaluate())

    def __aiter__(self) -> AsyncIterator[T]:
        async def each() -> AsyncIterator[T]:
            for one in await self._aevaluate():
                yield one

        return each()

    def __len__(self) -> int:
        return len(self._evaluate())

    def __bool__(self) -> bool:
        return bool(self._evaluate())

    def __contains__(self, one: object) -> bool:
        return one in self._evaluate()

    # Items and slices

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...  # with a step it is a list
    def __getitem__(self, key: int | slice) -> "T | Self | builtins.list[T]":
        """Return an item or a slice, from the server unless already evaluated.

        A step evaluates it. Raises IndexError past the end, ValueError for a negative
        index.
        """
        if isinstance(key, slice):
            return self._slice(key)
        if not isinstance(key, int):
            raise TypeError(
                f"{type(self).__name__} indices must be integers or slices, "
                f"not {type(key).__name__}."
            )
        if key < 0:
            raise ValueError("Negative indexing is not supported.")
        if self._cache is not None:
            return self._cache[key]
        query = self.query.slice(key, key + 1)
        found: builtins.list[T] = run(self._fetch(query), self.db, reads=True)
        if not found:
            raise IndexError(f"{type(self).__name__} index out of range")
        return found[0]

    def _slice(self, key: slice) -> "Self | builtins.list[T]":
        for bound in (key.start, key.stop):
            if bound is not None and bound < 0:
                raise ValueError("Negative indexing is not supported.")
        start = 0 if key.start is None else int(key.start)
        stop = None if key.stop is None else int(key.stop)
        part = self._chain(self.query.slice(start, stop))
        if self._cache is not None:
            part._cache = self._cache[start:stop]
        return part.list()[:: key.step] if key.step else part

    def __repr__(self) -> str:
        if self._cache is not None:
            shown = self._cache[: _SHOWN + 1]
        else:
            shown = run(
                self._fetch(self.query.slice(0, _SHOWN + 1)), self.db, reads=True
            )
        text = [repr(one) for one in shown[:_SHOWN]]
        if len(shown) > _SHOWN:
            text.append("'...(remaining elements truncated)...'")
        return f"<{type(self).__name__} [{', '.join(text)}]>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an unevaluated copy."""
        return self._chain()
