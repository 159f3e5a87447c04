"""Collection: a lazy query, and its result once it was evaluated."""

import builtins
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ..connections.executor import arun, run
from ..deadlines import Expire
from ..exceptions import NotSupportedError
from ..flows import delete, fetch, update
from ..flows.references import related_paths
from ..flows.types import Times
from ..operations.operation import Flow
from ..operations.rows import Rows
from ..queries.conditions import Condition, all_of, any_of, negate, odd_of
from ..queries.lookups import exclude_query, filter_query
from ..queries.ordering import order_query
from ..queries.query import CREATED, EVERYTHING, Order, Query
from .peers import Peers, ResultList
from .reading import ReadMethods
from .results import LazyResults
from .state import add_version, remove_version
from .values import ValuesCollection
from .writing import WriteMethods, alters_data

if TYPE_CHECKING:
    from django.db.models import Q

    from ..flows.types import Shape
    from .base import Model
    from .manager import CollectionManager

M = TypeVar("M", bound="Model")


class Collection(ReadMethods[M], WriteMethods[M], LazyResults[M]):
    """The objects of one model that match a query, oldest first.

    Immutable: each method that refines it returns a new collection. It is evaluated
    once, by iteration, ``len``, ``bool``, ``in`` or ``list()``, and keeps the result. A
    slice of an evaluated collection is evaluated.
    """

    def __init__(
        self, model: "type[M]", query: Query | None = None, using: str | None = None
    ) -> None:
        self.model = model
        self.query = EVERYTHING if query is None else query
        self._using = using
        self._cache: builtins.list[M] | None = None

    @classmethod
    def as_manager(cls) -> "CollectionManager[M, Self]":
        """Return a manager with the public methods of this class."""
        from .manager import Manager

        manager: Any = Manager.from_collection(cast("Any", cls))()
        return manager  # type: ignore[no-any-return]

    @property
    def db(self) -> str:
        """The alias of the connection."""
        return self._using or self.model._meta.using

    # Chains

    def _collection(self) -> Self:
        return self

    def _chain(self, query: Query | None = None) -> Self:
        chained = type(self)(
            self.model, self.query if query is None else query, self._using
        )
        if self._related:
            chained._related = self._related
        if self._known is not None:
            chained._known = self._known
        return chained

    def all(self) -> Self:
        """Return the same objects, oldest first, not evaluated."""
        return self._chain()

    def none(self) -> Self:
        """Return an empty collection. No round trip."""
        return self._chain(self.query.none())

    def find(self, /, *tags: "str | Q", **lookups: Any) -> Self:
        """Return the objects that have all these tags and attribute values.

        ``name=value`` compares the texts of indexed attributes; ``id``, ``pk``,
        ``id__in`` and ``pk__in`` compare ids. The manual lists the other lookups.
        Raises FieldError at once for a lookup without an index.
        """
        if (tags or lookups) and self.query.is_sliced:
            raise TypeError("Cannot filter a query once a slice has been taken.")
        return self._chain(
            filter_query(self.query, self.model._meta, tags, lookups, self.db)
        )

    filter = find

    def complex_filter(self, filter_obj: "Q | Mapping[str, Any]") -> Self:
        """Return filter() with a Q or a dict of lookups, for Django's forms."""
        if isinstance(filter_obj, Mapping):
            return self.filter(**filter_obj)
        return self.filter(filter_obj)

    def exclude(self, /, *tags: "str | Q", **lookups: Any) -> Self:
        """Return the objects that find() with these arguments excludes."""
        if (tags or lookups) and self.query.is_sliced:
            raise TypeError("Cannot filter a query once a slice has been taken.")
        return self._chain(
            exclude_query(self.query, self.model._meta, tags, lookups, self.db)
        )

    def order_by(self, /, *names: Any) -> Self:
        """Return the same objects in another order.

        names: ordered attributes, ``created``, ``expire`` or ``?``, descending with
        ``-``. Equal objects stay in order of creation. Objects without the attribute
        come last. Without names: by creation. Raises FieldError.
        """
        if self.query.is_sliced:
            raise TypeError("Cannot reorder a query once a slice has been taken.")
        return self._chain(order_query(self.query, self.model._meta, names))

    def reverse(self) -> Self:
        """Return the same objects in reverse order."""
        if self.query.is_sliced:
            raise TypeError("Cannot reverse a query once a slice has been taken.")
        return self._chain(self.query.reverse())

    def distinct(self, *names: str) -> Self:
        """Return the same objects, which are distinct. NotSupportedError with names."""
        if names:
            raise NotSupportedError(
                "distinct() takes no names. Ask for distinct values: "
                f"values_list({names[0]!r}, flat=True).distinct()."
            )
        if self.query.is_sliced:
            raise TypeError(
                "Cannot create distinct fields once a slice has been taken."
            )
        return self._chain()

    def using(self, alias: str) -> Self:
        """Return the same query on the connection *alias*."""
        other = type(self)(self.model, self.query, alias)
        other._related, other._known = self._related, self._known
        return other

    def select_related(self, *names: "str | None") -> Self:
        """Return the same objects, which are loaded with those that they refer to.

        names: references, and references of these after ``__``; all references if none
        is given; None to load none. One more round trip, or SQL query, for each. Raises
        FieldError.
        """
        related = related_paths(self.model, names)
        chained = self._chain()
        chained._related = () if names == (None,) else (*self._related, *related)
        return chained

    def _first_by(self, names: tuple[Any, ...], is_last: bool = False) -> Self:
        """Return the order of earliest(), or with is_last of latest().

        In both, objects without the attribute come last.
        """
        if self.query.is_sliced:
            raise TypeError("Cannot change a query once a slice has been taken.")
        names = names or (Order(CREATED),)
        return self._chain(order_query(self.query, self.model._meta, names, is_last))

    def __and__(self, other: "Collection[M]") -> Self:
        """Return the objects in both, in this order or else in the other's."""
        return self._combine(all_of, other)

    def __or__(self, other: "Collection[M]") -> Self:
        """Return the objects in either, in an order as of ``&``."""
        if isinstance(other, Collection) and self._is_compatible(other):
            if other.query == other.query.none():
                return self._chain()
            if self.query == self.query.none():
                return self._chain(other.query)
        return self._combine(any_of, other)

    def __xor__(self, other: "Collection[M]") -> Self:
        """Return the objects in only one of them, in an order as of ``&``."""
        return self._combine(odd_of, other)

    def __sub__(self, other: "Collection[M]") -> Self:
        """Return the objects that are not in the other one, in this order."""
        return self._combine(
            lambda both: all_of((both[0], negate(both[1]))), other, keeps_order=True
        )

    def _is_compatible(self, other: "Collection[M]") -> bool:
        """Whether both are collections of the same model and alias."""
        return other.model is self.model and other.db == self.db

    def _combine(
        self,
        how: Callable[[tuple[Condition, Condition]], Condition],
        other: "Collection[M]",
        keeps_order: bool = False,
    ) -> Self:
        if not isinstance(other, Collection):
            return NotImplemented
        if other.model is not self.model:
            raise TypeError("Cannot combine queries on two different base models.")
        if other.db != self.db:
            raise TypeError("Cannot combine queries of two different aliases.")
        if self.query.is_sliced or other.query.is_sliced:
            raise TypeError("Cannot combine queries once a slice has been taken.")
        both = self.query.condition, other.query.condition
        query = self.query.where(how(both))
        if not (keeps_order or query.is_ordered or query.is_reversed):
            query = query._replace(
                order=other.query.order,
                is_reversed=other.query.is_reversed,
                is_ordered=other.query.is_ordered,
            )
        return self._chain(query)

    # Evaluation

    @property
    def _has_counters(self) -> bool:
        return bool(self.model._meta.counters)

    @property
    def _holds_ids(self) -> bool:
        return True

    def _with_values(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> ValuesCollection[Any]:
        return ValuesCollection(self.all(), names, shape)

    def _build(self, rows: Rows, created: Times | None = None) -> builtins.list[M]:
        using = self.db
        space = self.model._meta.space(using)
        found: builtins.list[M]
        if len(rows) < 2:
            found = [self.model._from_row(row, space, using) for row in rows]
        else:
            peers = Peers()
            made = self.model._from_rows(rows, space, using, peers)
            found = ResultList(made, peers)
        if self._known is not None:
            name, known = self._known
            reference = self.model._meta.references[name]
            for each in found:
                if reference.stored_value(each.attrs) == known.pk:
                    reference.keep(each, known.pk, known)
        return found

    def _fetch(self, query: Query) -> Flow[list[M]]:
        return fetch.fetch(self, query)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle, with the result, as Django's QuerySet does."""
        self._evaluate()
        return self._picklable()

    def _picklable(self) -> dict[str, Any]:
        """Return the pickled attributes."""
        # By name, for a later version whose questions have more words.
        return add_version({**self.__dict__, "query": self.query._asdict()})

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        state = remove_version(type(self), pickled)
        self.__dict__.update(state, query=Query(**state["query"]))

    # Changes

    @alters_data
    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the objects. Return ``(number, {label: number})``.

        Each object is one step. 2 + ceil(N / 100) round trips, and more for references
        with on_delete. Sends no signals. Raises ProtectedError.
        """
        return run(delete.delete(self), self.db)

    @alters_data
    async def adelete(self) -> tuple[int, dict[str, int]]:
        """See delete()."""
        return await arun(delete.delete(self), self.db)

    @alters_data
    def set_expire(self, expire: Expire) -> int:
        """Set the expiration of each stored object. Return their number.

        2 + ceil(N / 100) round trips. Sends no signals.
        """
        return run(update.set_expire(self, expire), self.db)

    @alters_data
    async def aset_expire(self, expire: Expire) -> int:
        """See set_expire()."""
        return await arun(update.set_expire(self, expire), self.db)
