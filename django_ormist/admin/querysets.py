"""A queryset for Django's admin over a collection."""

from collections.abc import Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Q

from ..connections.replica_reads import from_primary
from ..exceptions import FieldError
from ..models import Collection, Model
from ..queries.expressions import filter_of, name_of
from .lookups import convert_lookup, order_argument, translate
from .moments import find_ends, find_moments
from .samples import count_each

if TYPE_CHECKING:
    AnyManager = models.Manager[Any]
else:
    AnyManager = models.Manager


class ProxyQuerySet:
    """A lazy collection of proxy instances with the methods of a QuerySet.

    It filters by indexes only. Any other filter raises FieldError. All is read from the
    primary.
    """

    db = DEFAULT_DB_ALIAS
    ordered = True
    totally_ordered = True
    _prefetch_related_lookups = ()

    def __init__(self, proxy: Any, collection: "Collection[Any] | None" = None) -> None:
        self.model = proxy
        self.collection: Collection[Any] = (
            proxy.ormist_model._default_manager.all()
            if collection is None
            else collection
        )
        self._result_cache: list[Any] | None = None
        self._is_of_sql = False
        self._ends: dict[str, tuple[Any, Any] | None] = {}

    def __repr__(self) -> str:
        return f"<ProxyQuerySet of {self.collection!r}>"

    def __getattr__(self, name: str) -> Any:
        """Return another method of the collection, such as update()."""
        if name == "collection" or name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.collection, name)

    # Django's delete_selected names the deleted objects with these.

    @property
    def verbose_name(self) -> str:
        return str(self.model._meta.verbose_name)

    @property
    def verbose_name_plural(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @cached_property
    def query(self) -> SimpleNamespace:
        """The parts of a query that the admin reads."""
        return SimpleNamespace(select_related=False, order_by=(), where=())

    # Chains

    def _chain(self, collection: "Collection[Any] | None" = None) -> Self:
        clone = type(self)(
            self.model, self.collection.all() if collection is None else collection
        )
        clone._is_of_sql = self._is_of_sql
        return clone

    _clone = all = _chain

    def none(self) -> Self:
        return self._chain(self.collection.none())

    def using(self, alias: str | None) -> Self:
        """Return the same queryset, because the objects are not in an SQL database."""
        clone = self._chain()
        clone._is_of_sql = True
        return clone

    def select_related(self, *names: str) -> Self:
        return self._chain()

    distinct = prefetch_related = select_related

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        meta = self.model.ormist_model._meta
        given = [translate(meta, each) for each in conditions]
        given += [
            convert_lookup(meta, name, unwrap(value)) for name, value in lookups.items()
        ]
        return self._chain(self.collection.filter(*given))

    def complex_filter(self, given: Any) -> Self:
        return self.filter(**given) if isinstance(given, dict) else self.filter(given)

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        return self.filter(~Q(*conditions, **lookups))

    def order_by(self, *names: Any) -> Self:
        """Order by "id" (creation), "expire" or an ordered attribute."""
        return self._chain(self.collection.order_by(*map(order_argument, names)))

    # Results

    def evaluate(self) -> Self:
        """Return the same queryset, evaluated: len() and bool() need no round trip."""
        self._fetch()
        return self

    @from_primary()
    def _fetch(self) -> list[Any]:
        if self._result_cache is None:
            self._result_cache = [self.model(each) for each in self.collection]
        return self._result_cache

    def __iter__(self) -> Iterator[Any]:
        return iter(self._fetch())

    def __len__(self) -> int:
        """Return the number of objects. Counts if they are not loaded."""
        if self._result_cache is None and not self.collection.query.is_sliced:
            return self.count()
        return len(self._fetch())

    def __bool__(self) -> bool:
        return len(self) > 0

    @from_primary()
    def __getitem__(self, key: int | slice) -> Any:
        if self._result_cache is not None:
            return self._result_cache[key]
        if isinstance(key, slice) and key.step is None:
            return self._chain(self.collection[key])
        found = self.collection[key]
        return self.model(found) if isinstance(found, Model) else list(self)[key]

    def iterator(self, chunk_size: int | None = None) -> Iterator[Any]:
        if not self._is_of_sql:
            for each in self.collection.iterator(chunk_size or 1000):
                yield self.model(each)

    @from_primary()
    def count(self) -> int:
        if self._result_cache is not None:
            return len(self._result_cache)
        return 0 if self._is_of_sql else self.collection.count()

    @from_primary()
    def exists(self) -> bool:
        return self.collection.exists()

    @from_primary()
    def get(self, *conditions: Q, **lookups: Any) -> Any:
        pk = lookups.get("pk", lookups.get("id"))
        if len(lookups) == 1 and not conditions and isinstance(pk, str):
            found = self.collection.get_or_none(pk)
        else:
            found = self.filter(*conditions, **lookups).collection.get_or_none()
        if found is None:
            raise self.model.DoesNotExist(
                f"{self.model._meta.object_name} matching query does not exist."
            )
        return self.model(found)

    @from_primary()
    def first(self) -> Any:
        found = self.collection.first()
        return None if found is None else self.model(found)

    @from_primary()
    def aggregate(self, **wanted: Any) -> dict[str, Any]:
        """Return filtered counts, which the facets of a filter need. One round trip.

        Or the first and the last moment, for date_hierarchy. Two round trips.
        """
        if any(isinstance(each, models.Min | models.Max) for each in wanted.values()):
            names = {
                name_of(each.get_source_expressions()[0]) for each in wanted.values()
            }
            first, last = self._find_ends(*names) or (None, None)
            return {
                key: first if isinstance(each, models.Min) else last
                for key, each in wanted.items()
            }
        collections = [self._collection_of(aggregate) for aggregate in wanted.values()]
        return dict(zip(wanted, count_each(collections), strict=True))

    def _collection_of(self, aggregate: Any) -> "Collection[Any]":
        """Return the collection that a Count counts."""
        is_count = isinstance(aggregate, models.Count)
        condition = filter_of(aggregate) if is_count else None
        if not isinstance(condition, Q):
            raise FieldError(
                f"Cannot compute {aggregate!r}: a facet of the admin is a Count with a "
                "filter."
            )
        for name, value in condition.children:  # type: ignore[misc]
            if name == "pk__in" and isinstance(value, ProxyQuerySet):
                return value.collection
        return self.filter(condition).collection

    # date_hierarchy

    @from_primary()
    def datetimes(self, name: str, kind: str) -> list[Any]:
        """Return the beginning of each year, month or day that has an object.

        Three round trips, or one if aggregate() found the first and the last before.
        """
        return find_moments(self, name, self._find_ends(name), kind)

    dates = datetimes

    def _find_ends(self, name: str) -> tuple[Any, Any] | None:
        if name not in self._ends:
            field = self.model._meta.get_field(name)
            is_date = not isinstance(field, models.DateTimeField)
            self._ends[name] = find_ends(self, name, is_date)
        return self._ends[name]

    # Changes

    def delete(self) -> tuple[int, dict[str, int]]:
        self._result_cache = None
        return self.collection.delete()


class ProxyManager(AnyManager):
    """The manager of a proxy model."""

    def get_queryset(self) -> Any:
        return ProxyQuerySet(self.model)


def unwrap(value: Any) -> Any:
    """Return the collection of a proxy queryset, for use as a lookup value."""
    return value.collection if isinstance(value, ProxyQuerySet) else value
