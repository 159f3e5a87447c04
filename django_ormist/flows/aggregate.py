"""Flows of facets(), distinct() and aggregate()."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple

from ..codecs import unpack
from ..exceptions import CorruptDataError, FieldError
from ..operations import counts, search
from ..operations.aggregate import ValueCount, ValueCounts, count_values_each
from ..operations.operation import Flow
from ..queries.expressions import filter_of, is_expression, name_of
from ..queries.lookups import clean_values, filter_query, is_q
from ..queries.query import Query
from ..schema import BaseOptions
from ..sortkeys import sort_key, value_of
from .fetch import check_unsliced
from .types import Results

if TYPE_CHECKING:
    from django.db.models import Aggregate


def facets(
    collection: Results[Any], name: str, values: Iterable[Any] | None
) -> Flow[dict[Any, int]]:
    """Flow that returns ``{value: number of objects}``, sorted. One round trip.

    values: count only these values of an indexed attribute or of ``tags``.
    """
    check_unsliced(collection, "facets")
    if not isinstance(name, str):
        kind = FieldError if is_expression(name) else TypeError
        raise kind(f"facets() takes a name, which is a text, not {name!r}.")
    name = collection.model._meta.stored_name(name)
    if values is not None:
        given = clean_values("facets()", values)
        if "__" in name:
            raise FieldError(
                f"Cannot count by {name!r}: facets() takes a name, not a lookup."
            )
        if collection.query.is_empty:
            return dict.fromkeys(given, 0)
        everything = collection.query._replace(terms=(), pks=None, conditions=())
        queries = [
            filter_query(
                everything, collection.model._meta, (), {name: v}, collection.db
            )
            for v in given
        ]
        numbers = yield from counts.counts(collection.space, collection.query, queries)
        return dict(zip(given, numbers, strict=True))
    if name == "tags":
        raise FieldError(
            f"Cannot answer {collection.model.__name__}.objects.facets('tags'): it "
            "counts only tags that it is given. Pass them, as in facets('tags', "
            "['red', 'blue'])."
        )
    _check_ordered(collection, name, "facets")
    if collection.query.is_empty:
        return {}
    _, counted = yield from _count_values(collection, name)
    totals: dict[Any, int] = {}
    for entry in counted:
        value = collection.model._meta.to_python(name, _value(name, entry))
        totals[value] = totals.get(value, 0) + entry.number
    return totals


def distinct(collection: Results[Any], name: str) -> Flow[list[Any]]:
    """Flow that returns the distinct values of an ordered attribute, sorted.

    None is among them if an object lacks the attribute. One round trip.
    """
    if collection.query.is_empty:
        return []
    matches, counted = yield from _count_values(collection, name)
    to_python = partial(collection.model._meta.to_python, name)
    values = [*dict.fromkeys(to_python(_value(name, entry)) for entry in counted)]
    if sum(entry.number for entry in counted) < matches:
        values.append(None)
    return values


def _count_values(collection: Results[Any], name: str) -> Flow[tuple[int, ValueCounts]]:
    """Flow that returns the number of matches, and the counts of an attribute."""
    query = collection.query
    yield from search.load_subqueries(query)
    counted = yield from count_values_each(collection.space, {query: [name]})
    matches, (values,) = counted[query]
    return matches, values


def _check_ordered(collection: Results[Any], name: str, verb: str) -> None:
    meta = collection.model._meta
    meta.refuse_pending(name)
    if name not in meta.ordered:
        values = ""
        if verb == "facets" and meta.finds(name):
            values = f" Or name the values to count: facets({name!r}, [...])."
        raise FieldError(
            f"Cannot answer {meta.object_name}.objects.{verb}({name!r}): {name!r} has "
            f"no sorted index. {meta.advice_for_order(name)}{values}"
        )


def _value(name: str, entry: ValueCount) -> Any:
    """Return the value that an object has, or that of its sort key."""
    if entry.packed is not None:
        attrs, _, _ = unpack(entry.packed, b"")
        value = attrs.get(name)
        if sort_key(value) == entry.sort_key:
            return value
    try:
        return value_of(entry.sort_key)
    except Exception as error:
        raise CorruptDataError(
            f"The index of the ordered attribute {name!r} holds {entry.sort_key!r}, "
            "which is no sort key. ormist_inspect --repair removes it."
        ) from error


# ---------------------------------------------------------------- aggregates


class _Planned(NamedTuple):
    """One aggregate. name: its attribute, absent if it counts the objects.

    kind: the name of Django's own class, such as Sum.
    """

    alias: str
    kind: str
    aggregate: "Aggregate"
    query: Query
    name: str | None


def aggregate(
    collection: Results[Any], given: tuple[Any, ...], named: dict[str, Any]
) -> Flow[dict[str, Any]]:
    """Flow that returns ``{alias: result}`` of Django's aggregates. One round trip."""
    check_unsliced(collection, "aggregate")
    meta = collection.model._meta
    planned = [_plan(collection, None, each) for each in given]
    planned += [_plan(collection, alias, each) for alias, each in named.items()]
    names: dict[Query, dict[str, None]] = {}
    for each in planned:
        known = names.setdefault(each.query, {})
        if each.name is not None:
            known[each.name] = None
    sent = {query: list(n) for query, n in names.items() if not query.is_empty}
    for query in sent:
        yield from search.load_subqueries(query)
    counted = yield from count_values_each(collection.space, sent)
    found: dict[tuple[Query, str | None], Any] = {}
    for query, (matches, tallies) in counted.items():
        found[query, None] = matches
        found.update({(query, n): t for n, t in zip(sent[query], tallies, strict=True)})
    return {
        each.alias: found.get((each.query, None), 0)
        if each.name is None
        else _compute(meta, each, found.get((each.query, each.name), []))
        for each in planned
    }


def _plan(collection: Results[Any], alias: str | None, given: Any) -> _Planned:
    # Here, because it takes longer to import than all of ours.
    from django.db.models import Avg, Count, F, Max, Min, Sum, Value
    from django.db.models.expressions import Star

    kind = next((k for k in (Count, Min, Max, Sum, Avg) if isinstance(given, k)), None)
    if kind is None or not _is_same_function(type(given), kind):
        error = FieldError if is_expression(given) else TypeError
        raise error(
            f"{collection.model.__name__}.objects.aggregate() takes Django's Count, "
            f"Min, Max, Sum and Avg, not {given!r}."
        )
    source = given.get_source_expressions()[0]
    if not isinstance(source, Star) and type(source) is not F:
        raise FieldError(f"Cannot aggregate over {source!r}: pass a name.")
    name = "*" if isinstance(source, Star) else name_of(source)
    default = getattr(given, "default", None)
    if is_expression(default) and type(default) is not Value:
        raise FieldError(f"Cannot compute the default {default!r}: pass a value.")
    query = _filter_query(collection, given)
    alias = alias or f"{name}__{str(given.name).lower()}"
    name = collection.model._meta.stored_name(name)
    if kind is Count and name in ("*", "id", "pk"):
        return _Planned(alias, "Count", given, query, None)
    _check_ordered(collection, name, "aggregate")
    return _Planned(alias, kind.__name__, given, query, name)


def _is_same_function(given: type, kind: type) -> bool:
    """Whether a class derived from an aggregate is the same SQL function."""
    names = ("function", "template", "as_sql")
    return all(getattr(given, name) == getattr(kind, name) for name in names)


def _filter_query(collection: Results[Any], given: "Aggregate") -> Query:
    """Return the query of the objects that an aggregate covers. Raises FieldError."""
    narrower = filter_of(given)
    if narrower is None:
        return collection.query
    if not is_q(narrower):
        raise FieldError(f"Cannot filter {given!r}: its filter is no Q. Pass a Q.")
    return filter_query(
        collection.query, collection.model._meta, (narrower,), {}, collection.db
    )


def _compute(meta: BaseOptions, planned: _Planned, counted: ValueCounts) -> Any:
    given, name = planned.aggregate, planned.name or ""
    if planned.kind == "Count":
        if getattr(given, "distinct", False):
            return len(counted)
        return sum(entry.number for entry in counted)
    if not counted:
        default: Any = getattr(given, "default", None)
        return default.value if is_expression(default) else default
    if planned.kind == "Min":
        return meta.to_python(name, _value(name, counted[0]))
    if planned.kind == "Max":
        return meta.to_python(name, _value(name, counted[-1]))
    is_distinct = bool(getattr(given, "distinct", False))
    pairs = [(_value(name, e), 1 if is_distinct else e.number) for e in counted]
    total = _sum(name, pairs)
    if planned.kind == "Sum":
        return total
    return total / sum(count for _, count in pairs)


def _sum(name: str, pairs: list[tuple[Any, int]]) -> Any:
    """Return the sum: a Decimal if one is among the values, else a float or int."""
    kinds = {type(value) for value, _ in pairs}
    if not all(issubclass(kind, int | float | Decimal) for kind in kinds):
        if all(hasattr(value, "total_seconds") for value, _ in pairs):
            first, *rest = [value * count for value, count in pairs]
            return sum(rest, first)
        others = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise FieldError(f"Cannot add up {name!r}: it holds {others}.")
    if Decimal in kinds:
        return sum((Decimal(value) * count for value, count in pairs), Decimal(0))
    if float in kinds:
        return fsum(float(value) * count for value, count in pairs)
    return sum(value * count for value, count in pairs)
