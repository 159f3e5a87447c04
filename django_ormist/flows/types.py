"""Protocols of the instances, collections and managers that flows work on.

Their classes are in ``models``, which flows do not import. A type variable bound to
Instance lets a flow return the objects of the model that it was given.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from django.core.exceptions import ValidationError

from ..codecs import Deadline
from ..deadlines import Expire
from ..keys import Space
from ..operations.operation import Flow
from ..operations.rows import Rows
from ..queries.query import Query
from ..schema import BaseOptions
from .record import Record

T = TypeVar("T")
R = TypeVar("R", covariant=True)

Shape = Callable[[tuple[str, ...], list[Any]], T]
"""A function from names and values to a row."""


Times = Sequence[float | None]
"""Creation times in microseconds since 1970."""


class State(Protocol):
    """The state of an instance. See ModelState, which keeps the invariant."""

    tags: list[str]
    expire_at_ms: Deadline | None
    packed: bytes | None
    using: str | None
    is_id_random: bool
    counters: dict[str, int]
    assigned: set[str]

    created_us: float | None

    def mark_stored(self, packed: bytes, using: str) -> None:
        """Mark the object as stored in these bytes. Its contents stay."""

    def mark_unsaved(self) -> None:
        """Mark the object as not stored."""

    def forget_creation(self) -> None:
        """Forget the creation time."""


class HasContents(Protocol):
    """The contents of an instance of a model."""

    attrs: dict[str, Any]
    _guard: Any

    @property
    def _state(self) -> State: ...
    @property
    def _meta(self) -> BaseOptions: ...

    def _contents(self) -> Record:
        """Return the contents to save."""
        ...

    def _packed_on(self, using: str) -> bytes | None:
        """Return the bytes that are stored on this alias, if known."""


class Instance(HasContents, Protocol):
    """An instance of a model."""

    @property
    def id(self) -> str: ...
    @property
    def tags(self) -> list[str]: ...
    @tags.setter
    def tags(self, value: Iterable[str]) -> None: ...
    @property
    def expire(self) -> datetime | None: ...
    @expire.setter
    def expire(self, value: Expire) -> None: ...
    @property
    def DoesNotExist(self) -> type[Exception]: ...
    @property
    def NotUpdated(self) -> type[Exception]: ...

    def set(self, /, **attrs: Any) -> None:
        """Set attributes, counters and properties."""

    def validate(self) -> None:
        """Raise ValidationError to refuse a save."""

    def validate_constraints(self, exclude: Iterable[str] | None = None) -> None:
        """Raise ValidationError for a reason that full_clean() is to find."""

    def unique_error_message(
        self, model_class: type[Any], unique_check: tuple[str, ...]
    ) -> ValidationError:
        """Return the error about a unique value that another object has."""
        ...

    def _key(self, using: str) -> bytes:
        """Return the Redis key of the object."""
        ...

    def _discard_changes(self) -> None:
        """Forget what was changed in place."""

    def _mark_stored(self, contents: Record, packed: bytes, using: str) -> None:
        """Set the contents, and the bytes that are stored on the alias *using*."""


class Source(Protocol[R]):
    """A collection or a manager of one model."""

    @property
    def model(self) -> type[Any]: ...

    def using(self, alias: str) -> "Results[R]":
        """Return the same objects on another alias."""
        ...


class Results(Protocol[R]):
    """A collection, or the values of one: a query, and its result if evaluated."""

    query: Query
    _cache: Any
    _related: tuple[str, ...]

    @property
    def model(self) -> type[Any]: ...
    @property
    def db(self) -> str: ...
    @property
    def space(self) -> Space: ...
    @property
    def _has_counters(self) -> bool: ...

    @property
    def _reads_creation(self) -> bool: ...

    def _build(self, rows: Rows, created: Times | None = None) -> Any:
        """Return a list of the items of these rows, with their creation times."""
        ...

    def _fetch(self, query: Query) -> Flow[Sequence[R]]:
        """Flow that returns the items of a query, in order."""
        ...

    def _chain(self, query: Query | None = None) -> Self:
        """Return an unevaluated copy with another query, or with the same."""
        ...


class ValuesResults(Results[R], Protocol[R]):
    """The values of a collection."""

    names: tuple[str, ...] | None
    is_distinct: bool

    @property
    def shape(self) -> Shape[R]: ...

    @property
    def collection(self) -> Results[Any]: ...
