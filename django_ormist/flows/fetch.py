"""Flows that read objects, numbers and ids of a query."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ..codecs import unpack
from ..deadlines import is_past
from ..operations import counts, objects, search
from ..operations.operation import Flow
from ..operations.rows import Rows, rows_of
from ..operations.scan import creation_times
from ..queries.lookups import clean_ids, filter_query, is_q
from ..queries.query import EVERYTHING, Query
from ..storable import unwrap
from ..validators import clean_pk
from . import references
from .types import Instance, Results

T = TypeVar("T")

_SHOWN = 20

CHUNK = 1000
"""The default of iterator(chunk_size=...): objects in memory at a time."""


def fetch(collection: Results[T], query: Query) -> Flow[list[T]]:
    """Flow that returns a result for each object of a query, in order."""
    rows = yield from search.rows(collection.space, query, collection._has_counters)
    return (yield from build(collection, rows))


def fetch_by_ids(collection: Results[T], pks: Sequence[bytes]) -> Flow[list[T]]:
    """Flow that returns a result for each of these ids that is stored.

    One round trip.
    """
    rows = yield from rows_of(collection.space, pks, collection._has_counters)
    return (yield from build(collection, rows))


def build(collection: Results[T], rows: Rows) -> Flow[list[T]]:
    """Flow that returns the items of these rows, with what else they need.

    One round trip for creation times, and one, or one SQL query, per name in
    select_related().
    """
    items: list[T]
    if collection._reads_creation and rows:
        created = yield from creation_times(collection.space, rows.pks)
        items = collection._build(rows, created)
    else:
        items = collection._build(rows)
    if collection._related:
        yield from references.load_paths(items, collection._related, collection)
    return items


def get(
    collection: Results[T], pk: tuple[Any, ...], lookups: dict[str, Any]
) -> Flow[T]:
    """Flow that returns the one object.

    Raises DoesNotExist, MultipleObjectsReturned.
    """
    return _require(collection, (yield from _find_one(collection, pk, lookups)))


def get_or_none(
    collection: Results[T], pk: tuple[Any, ...], lookups: dict[str, Any]
) -> Flow[T | None]:
    """Flow that returns the one object, if any. Raises MultipleObjectsReturned."""
    found = yield from _find_one(collection, pk, lookups)
    return found[0] if found else None


def one_or_none(collection: Results[T], query: Query) -> Flow[T | None]:
    """Flow that returns the one match of a query, if any.

    Raises MultipleObjectsReturned.
    """
    found = yield from _fetch_at_most_one(collection, query)
    return found[0] if found else None


def get_by_id(collection: Results[T], pk: str) -> Flow[T | None]:
    """Flow that returns the object of this id, if the collection has it."""
    if collection.query.pks is None and _is_unfiltered(collection.query):
        found = yield from _load(collection, pk)
        return found[0] if found else None
    return (yield from get_or_none(collection, (pk,), {}))


def _find_one(
    collection: Results[T], given: tuple[Any, ...], lookups: dict[str, Any]
) -> Flow[Sequence[T]]:
    """Flow that returns a list of at most one object, for the arguments of get().

    Raises MultipleObjectsReturned.
    """
    is_by_id = len(given) == 1 and type(given[0]) is str and not lookups
    if is_by_id and collection.query == EVERYTHING:  # the most common get()
        return (yield from _load(collection, given[0]))
    query = _get_query(collection, given, lookups)
    return (yield from _fetch_at_most_one(collection, query))


def _fetch_at_most_one(collection: Results[T], query: Query) -> Flow[Sequence[T]]:
    """Flow that returns a list of at most one object.

    Raises MultipleObjectsReturned.
    """
    if query.pks is not None and len(query.pks) == 1 and _is_unfiltered(query):
        return (yield from _load(collection, next(iter(query.pks))))
    if query.is_sliced:
        found = yield from collection._fetch(query)
    else:
        found = yield from collection._fetch(query.slice(0, _SHOWN + 1))
    if len(found) > 1:
        number = len(found) if len(found) <= _SHOWN else f"more than {_SHOWN}"
        name = collection.model._meta.object_name
        raise collection.model.MultipleObjectsReturned(
            f"get() returned more than one {name} -- it returned {number}!"
        )
    return found


def _require(collection: Results[T], found: Sequence[T]) -> T:
    """Return the first object found. Raises DoesNotExist."""
    if not found:
        model = collection.model
        raise model.DoesNotExist(
            f"{model._meta.object_name} matching query does not exist."
        )
    return found[0]


def _get_query(
    collection: Results[Any], given: tuple[Any, ...], lookups: dict[str, Any]
) -> Query:
    """Return the query of get() with these arguments."""
    qs = tuple(each for each in given if is_q(each))
    pk = tuple(each for each in given if not is_q(each))
    if len(pk) > 1:
        raise TypeError(
            f"get() takes one id, or Q and lookups by name; not {len(pk)} ids. "
            "Find by tags with find(...).get()."
        )
    pks = frozenset(clean_pk(collection.model.__name__, each) for each in pk)
    if collection.query.is_sliced and (given or lookups):
        raise TypeError("Cannot filter a query once a slice has been taken.")
    query = filter_query(
        collection.query, collection.model._meta, qs, lookups, collection.db
    )
    return query.narrow((), pks) if pk else query


def _is_unfiltered(query: Query) -> bool:
    return not (query.terms or query.conditions or query.is_sliced)


def _load(collection: Results[T], pk: str) -> Flow[list[T]]:
    """Flow that returns a list of the object of this id. A GET without counters."""
    space = collection.space
    if collection._has_counters:
        packed, counters = yield [
            objects.load(space, pk),
            objects.load_counters(space, pk),
        ]
    else:
        packed, counters = (yield objects.load(space, pk)), None
    if packed is None or (yield from is_past(packed, space)):
        return []
    rows = Rows([pk.encode()], [packed], None if counters is None else [counters])
    return (yield from build(collection, rows))


def first(collection: Results[T]) -> Flow[T | None]:
    """Flow that returns the first object, if any."""
    if collection._cache is not None:
        return collection._cache[0] if collection._cache else None
    found = yield from collection._fetch(collection.query.slice(0, 1))
    return found[0] if found else None


def first_or_raise(collection: Results[T]) -> Flow[T]:
    """Flow that returns the first object. Raises DoesNotExist."""
    return _require(
        collection, (yield from collection._fetch(collection.query.slice(0, 1)))
    )


def last(collection: Results[T]) -> Flow[T | None]:
    """Flow that returns the last object, if any. Raises TypeError for a slice."""
    if collection._cache is not None:
        return collection._cache[-1] if collection._cache else None
    if collection.query.is_sliced:
        raise TypeError("Cannot reverse a query once a slice has been taken.")
    found = yield from collection._fetch(collection.query.reverse().slice(0, 1))
    return found[0] if found else None


def count(collection: Results[Any]) -> Flow[int]:
    """Flow that returns the number of objects. No round trip if evaluated."""
    if collection._cache is not None:
        return len(collection._cache)
    return (yield from counts.size(collection.space, collection.query))


def exists(collection: Results[Any]) -> Flow[bool]:
    """Flow that returns whether an object matches. No round trip if evaluated."""
    if collection._cache is not None:
        return bool(collection._cache)
    query = collection.query.clear_ordering().slice(0, 1)
    rows = yield from search.rows(collection.space, query, False)
    return bool(rows)


def contains(collection: Results[Any], obj: Instance) -> Flow[bool]:
    """Flow that returns whether this object is stored and matches."""
    obj = unwrap(obj)
    if not hasattr(type(obj), "_meta"):
        raise TypeError("'obj' must be a model instance.")
    if type(obj) is not collection.model:
        return False
    if collection._cache is not None:
        return obj in collection._cache
    if collection.query.is_sliced:
        pks = yield from search.ids(collection.space, collection.query)
        return obj.id.encode() in pks
    query = collection.query.narrow((), frozenset((obj.id,)))
    return bool((yield from search.rows(collection.space, query, False)))


def raw_ids(collection: Results[Any]) -> Flow[list[bytes]]:
    """Flow that returns the ids as bytes."""
    return search.ids(collection.space, collection.query)


def ids(collection: Results[Any]) -> Flow[list[str]]:
    """Flow that returns the ids."""
    if collection._cache is not None:
        return [instance.id for instance in collection._cache]
    pks = yield from search.ids(collection.space, collection.query)
    return [objects.pk_of(pk, collection.space) for pk in pks]


def in_bulk(
    collection: Results[T], id_list: Iterable[Any] | None, name: str
) -> Flow[dict[Any, T]]:
    """Flow that returns a dict of objects by id, or by a unique value."""
    query, is_by_pk = collection.query, name in ("pk", "id")
    meta = collection.model._meta
    stored_name = meta.stored_name(name)
    if query.is_sliced:
        raise TypeError("Cannot use 'limit' or 'offset' with in_bulk().")
    if not is_by_pk and (stored_name,) not in meta.unique:
        raise ValueError(
            f"in_bulk()'s field_name must be a unique field but {name!r} isn't."
        )
    if id_list is not None:
        given = clean_ids("in_bulk()", id_list)
        lookups = {f"{name}__in": [each for each in given if each is not None]}
        query = filter_query(query, meta, (), lookups, collection.db)
    rows = yield from search.rows(collection.space, query, collection._has_counters)
    found = zip(rows, (yield from build(collection, rows)), strict=True)
    if is_by_pk:
        return {pk.decode(): part for (pk, _, _), part in found}
    keyed = ((unpack(packed)[0], part) for (_, packed, _), part in found)
    return {
        meta.to_python(stored_name, attrs[stored_name]): part
        for attrs, part in keyed
        if stored_name in attrs
    }


def validate_chunk_size(chunk_size: int | None) -> int:
    """Return the size of a chunk. Raises ValueError for a size below 1."""
    if chunk_size is None:
        return CHUNK
    if not isinstance(chunk_size, int) or chunk_size < 1:
        raise ValueError(f"chunk_size must be strictly positive, not {chunk_size!r}.")
    return chunk_size


def check_unsliced(collection: Results[Any], verb: str) -> None:
    """Raise TypeError for a slice."""
    if collection.query.is_sliced:
        raise TypeError(f"Cannot use 'limit' or 'offset' with {verb}().")
