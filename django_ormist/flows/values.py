"""Flows of values() and values_list(), distinct or not."""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from ..codecs import unpack_many
from ..deadlines import to_creation, to_datetime
from ..exceptions import NotSupportedError
from ..operations.objects import pk_of
from ..operations.operation import Flow
from ..operations.rows import Rows
from ..queries.query import CREATED, Query
from . import aggregate as aggregate_flows
from . import explain as explain_flows
from . import fetch
from .record import Record
from .types import Times, ValuesResults

T = TypeVar("T")


def as_dict(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    """Return a row of values()."""
    return dict(zip(names, values, strict=True))


def as_tuple(names: tuple[str, ...], values: list[Any]) -> tuple[Any, ...]:
    """Return a row of values_list()."""
    return tuple(values)


def flat(names: tuple[str, ...], values: list[Any]) -> Any:
    """Return a row of values_list(name, flat=True)."""
    return values[0]


def as_row(names: tuple[str, ...], values: Iterable[Any]) -> Any:
    """Return a row of values_list(*names, named=True)."""
    return row_class(names)._make(values)


@lru_cache
def row_class(names: tuple[str, ...]) -> Any:
    """Return the class of named rows, which can be pickled. Raises ValueError."""

    def __reduce__(self: Any) -> tuple[Any, ...]:
        return as_row, (names, tuple(self))

    row = namedtuple("Row", names)  # type: ignore[misc]
    return type("Row", (row,), {"__reduce__": __reduce__, "__slots__": ()})


def fetch_rows(values: ValuesResults[T], query: Query) -> Flow[list[T]]:
    """Flow that returns the rows in order. Distinct rows are sliced here."""
    if not values.is_distinct:
        return (yield from fetch.fetch(values, query))
    if query.is_empty:
        return []
    name = _index_name(values, query)
    if name is not None:
        found = yield from aggregate_flows.distinct(values.collection, name)
        if query.is_reversed:
            found.reverse()
    elif query.start == 0 and query.limit == 1:
        return (yield from fetch.fetch(values, query))
    else:
        found = yield from fetch.fetch(values, _remove_slice(query))
        found = _remove_duplicates(found)
    return found[query.start : query.stop]


def count(values: ValuesResults[Any]) -> Flow[int]:
    """Flow that returns the number of rows. The order is left out."""
    if values._cache is None and values.is_distinct:
        return len((yield from fetch_rows(values, values.query.clear_ordering())))
    return (yield from fetch.count(values))


def exists(values: ValuesResults[Any]) -> Flow[bool]:
    """Flow that returns whether there is a row."""
    if values._cache is None and values.is_distinct and values.query.start:
        return bool((yield from fetch_rows(values, values.query.slice(0, 1))))
    return (yield from fetch.exists(values))


def last(values: ValuesResults[T]) -> Flow[T | None]:
    """Flow that returns the last row, if any. Raises TypeError for a slice."""
    if values._cache is None and values.is_distinct and not values.query.is_sliced:
        found = yield from fetch_rows(values, values.query)
        return found[-1] if found else None
    return (yield from fetch.last(values))


def list_items(values: ValuesResults[Any]) -> Flow[list[Any]]:
    """Flow that returns the ids for chunks, or the distinct rows."""
    if values.is_distinct:
        return (yield from fetch_rows(values, values.query))
    return (yield from fetch.raw_ids(values))


def fetch_chunk(values: ValuesResults[T], some: Sequence[Any]) -> Flow[Sequence[T]]:
    """Flow that returns the rows of a chunk of list_items()."""
    if values.is_distinct:
        return some
    return (yield from fetch.fetch_by_ids(values, some))


def aggregate(
    values: ValuesResults[Any], given: tuple[Any, ...], named: dict[str, Any]
) -> Flow[dict[str, Any]]:
    """Flow that returns aggregates. Raises NotSupportedError for distinct rows."""
    if values.is_distinct:
        raise NotSupportedError(
            "aggregate() is of objects, not of distinct values. Ask the collection for "
            "Count(name, distinct=True), Sum(name, distinct=True) or the like."
        )
    return (yield from aggregate_flows.aggregate(values.collection, given, named))


def explain(
    values: ValuesResults[Any], format: str | None, options: Mapping[str, Any]
) -> Flow[str]:
    """Flow that returns how the objects are found, and whether they are loaded."""
    if not values.is_distinct:
        return (yield from explain_flows.explain(values.collection, format, options))
    unsliced = values.collection._chain(_remove_slice(values.query))
    text = yield from explain_flows.explain(unsliced, format, options)
    name = _index_name(values, values.query)
    if name is None:
        return text
    return f"{text}\nDistinct values come from the index of {name}, not from these."


def _remove_slice(query: Query) -> Query:
    return query._replace(start=0, stop=None)


def _index_name(values: ValuesResults[Any], query: Query) -> str | None:
    """Return the name whose index gives the distinct values, if any."""
    if values.shape is not flat:
        return None
    meta = values.model._meta
    (name,) = map(meta.stored_name, values.names or ("",))
    if name not in meta.ordered or name in meta.pending_indexes:
        return None
    if query.is_ordered:
        is_by_name = [order[:2] for order in query.order] == [(name, False)]
        return name if is_by_name else None
    return None if query.is_reversed else name


def _remove_duplicates(found: list[T]) -> list[T]:
    """Return the rows without duplicates. Unhashable rows are compared one by one."""
    seen, unhashed, kept = set(), [], []
    for row in found:
        key: Any = tuple(row.items()) if isinstance(row, dict) else row
        try:
            is_new = key not in seen
            seen.add(key)
        except TypeError:
            is_new = key not in unhashed
            unhashed.append(key)
        if is_new:
            kept.append(row)
    return kept


# ---------------------------------------------------------------- one object


def build_rows(
    values: ValuesResults[Any], rows: Rows, created: Times | None = None
) -> list[Any]:
    """Return the requested values of each row. created: the creation times."""
    names, shape, start = values.names, values.shape, values.space.objects
    fields = values.model._meta.defaults

    def defaults(attrs: Mapping[str, Any]) -> list[str]:
        return [each.attname for each in fields if each.attname not in attrs]

    found = []
    times = [None] * len(rows) if created is None else created
    columns = unpack_many(rows.packed, lambda i: start + rows.pks[i])
    unpacked = map(Record, *columns)
    for (pk, _, counters), contents, time in zip(rows, unpacked, times, strict=True):
        attrs = contents.attrs
        own = ("id", *attrs, *defaults(attrs)) if names is None else names
        row = [_value(values, name, pk, contents, counters, time) for name in own]
        found.append(shape(own, row))
    return found


def _value(
    values: ValuesResults[Any],
    name: str,
    pk: bytes,
    contents: Record,
    counters: dict[str, int] | None,
    created: float | None,
) -> Any:
    if name in ("id", "pk"):
        return pk_of(pk, values.space)
    if name == "expire":
        return to_datetime(contents.expire_at_ms)
    meta = values.model._meta
    if name == "tags":
        return contents.all_tags(meta)
    if counters is not None and name in meta.counters:
        return counters.get(name, 0)
    field = meta.fields_by_name.get(meta.stored_name(name))
    if field is None:
        if name == CREATED and name not in contents.attrs:
            return to_creation(created)
        return contents.attrs.get(name)
    return field.to_python(field.stored_value(contents.attrs))
