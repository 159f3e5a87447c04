"""Translation of the arguments of find() into a query. Each needs an index."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from ..exceptions import FieldError
from ..schema import RESERVED, BaseOptions
from ..storable import replacement, unwrap
from ..terms import (
    attribute_term,
    encode_text,
    tag_term,
    term_suffix,
    unique_value,
)
from ..validators import clean_pk
from . import periods, ranges
from .conditions import (
    Condition,
    Holds,
    Ids,
    Subquery,
    Term,
    all_of,
    any_of,
    negate,
    odd_of,
)
from .expressions import is_expression
from .query import CREATED, EXPIRE, Query

if TYPE_CHECKING:
    from django.db.models import Q


_TEXTLESS = (bytes, list, tuple, dict, set, frozenset)
"""Types that are stored and have no text, so that no index holds them."""

_IDS = ("id", "pk", "id__in", "pk__in")


def filter_query(
    query: Query,
    meta: BaseOptions,
    given_args: tuple[Any, ...],
    lookups: dict[str, Any],
    alias: str,
) -> Query:
    """Return *query* filtered by all of these tags, Q objects and lookups.

    alias: the alias of the query; subqueries must be on it, too. Raises FieldError for
    a lookup without an index, TypeError for a wrong type, ValueError for another alias.
    """
    terms, conditions = _split_arguments(meta, given_args, lookups, alias)
    query = query.narrow(tuple(terms)) if terms else query
    return query.where(all_of((query.condition, *conditions))) if conditions else query


def _split_arguments(
    meta: BaseOptions, given_args: tuple[Any, ...], lookups: dict[str, Any], alias: str
) -> tuple[list[str], list[Condition]]:
    """Return the terms and the other conditions of these arguments."""
    terms: list[str] = []
    conditions: list[Condition] = []
    for each in given_args:
        condition = (
            _q_condition(meta, each, alias)
            if is_q(each)
            else _tag_condition(meta, each)
        )
        if isinstance(condition, Term):
            terms.append(condition.term)
        elif condition is not None:
            conditions.append(condition)
    for name, value in lookups.items():
        if _is_indexed(meta, name):
            if name in meta.fields_by_name:
                value = _declared_value(meta, name, "exact", unwrap(value))
            terms.append(_attribute_term(meta, name, value))
        else:
            conditions.append(_lookup_condition(meta, name, value, alias))
    return terms, conditions


def _is_indexed(meta: BaseOptions, name: str) -> bool:
    """Return whether this is the name of an indexed attribute, without a lookup."""
    return (
        "__" not in name
        and ":" not in name
        and name not in RESERVED
        and name not in meta.references
        and name not in meta.counters
        and meta.finds(name)
    )


def exclude_query(
    query: Query,
    meta: BaseOptions,
    given_args: tuple[Any, ...],
    lookups: dict[str, Any],
    alias: str,
) -> Query:
    """Return *query* without the matches of filter_query(). Raises as it does.

    Without arguments it excludes no object, as in Django.
    """
    terms, conditions = _split_arguments(meta, given_args, lookups, alias)
    if not terms and not conditions:
        return query
    met = all_of([*map(Term, terms), *conditions])
    return query.where(all_of((query.condition, negate(met))))


def is_q(value: Any) -> "TypeGuard[Q]":
    """Return whether *value* is a Q."""
    if isinstance(value, str):
        return False
    from django.db.models import Q

    return isinstance(value, Q)


def _q_condition(meta: BaseOptions, q: "Q", alias: str) -> Condition | None:
    """Return the condition of a Q, at any depth. Texts in it are tags.

    An empty Q has no condition, even negated: it is left out of the outer one.
    """
    parts: list[Condition] = []
    for child in q.children:
        if isinstance(child, tuple):
            name, value = child
            parts.append(_lookup_condition(meta, name, value, alias))
        elif not is_q(child):
            parts.append(_tag_condition(meta, child))
        elif (condition := _q_condition(meta, child, alias)) is not None:
            parts.append(condition)
    if not parts:
        return None
    joined = {q.AND: all_of, q.OR: any_of, q.XOR: odd_of}[q.connector](parts)
    return negate(joined) if q.negated else joined


def _lookup_condition(
    meta: BaseOptions, name: str, value: Any, alias: str
) -> Condition:
    if name.removesuffix("__exact") in _IDS:
        return _id_lookup(meta, name.removesuffix("__exact"), value, alias)
    attribute, _, lookup = name.rpartition("__")
    if not attribute:
        attribute, lookup = name, "exact"
    if attribute in ("id", "pk"):
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name}: ids have no order. "
            "Look one up by id=..., several by id__in=[...]."
        )
    first = attribute.partition("__")[0]
    if first != attribute and first in meta.references:
        raise _lookup_error(meta, name, attribute, lookup)
    if first in meta.own_names:
        reverse = getattr(getattr(meta.model, first, None), "reference", None)
        if reverse is not None:
            raise _reverse_error(meta, name, reverse)
    attribute = meta.stored_name(attribute)
    value = unwrap(value)
    if lookup == "in" and is_results(value):
        return _subquery(meta, attribute, value)
    if attribute not in meta.fields_by_name and _is_foreign(value):
        raise _unstorable_error(meta, name, value)
    if attribute == "tags" and lookup in ("exact", "in"):
        return _tags_condition(meta, lookup, value)
    if attribute in meta.counters:
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: it is not an indexed "
            "attribute, and cannot be one."
        )
    if lookup == "in":
        value = clean_values(name, value)
    if is_time(meta, attribute, lookup):
        return periods.build_condition(meta, attribute, lookup, value)
    if lookup not in ("exact", "in", *ranges.LOOKUPS):
        raise _lookup_error(meta, name, attribute, lookup)
    if attribute in meta.fields_by_name:
        value = _declared_value(meta, attribute, lookup, value)
    if lookup == "exact":
        return _exact(meta, attribute, value)
    if lookup == "in":
        return any_of(_exact(meta, attribute, each) for each in value)
    return ranges.build_condition(meta, attribute, lookup, value)


def _lookup_error(
    meta: BaseOptions, name: str, attribute: str, lookup: str
) -> FieldError:
    """Return the error for a lookup that no index answers."""
    refusal = f"Cannot filter {meta.object_name} by {name}"
    reference = name.partition("__")[0]
    if reference in meta.references:
        return FieldError(
            f"{refusal}: the objects that it refers to are found first. Write "
            f"find({reference}__in=...find(...))."
        )
    return FieldError(
        f"{refusal}: no index answers the lookup {lookup!r}. Look {attribute!r} up by "
        f"an equal value, find({attribute}=...), or if it is in "
        f"{meta.object_name}.Meta.ordered by {', '.join(ranges.LOOKUPS)}."
    )


def _reverse_error(meta: BaseOptions, name: str, reference: Any) -> FieldError:
    """Return the error for a lookup by the related_name of a reference."""
    return FieldError(
        f"Cannot filter {meta.object_name} by {name!r}: the objects that refer to it "
        f"are found first. Write find(pk__in={reference.model.__name__}.objects.find("
        f"...).values_list({reference.name!r}))."
    )


def is_results(value: Any) -> bool:
    """Return whether it is a lazy result, of this package or of Django."""
    return hasattr(value, "values_list") and hasattr(value, "query")


def _subquery(meta: BaseOptions, name: str, value: Any) -> Condition:
    """Return the condition of a value that another query finds."""
    field = meta.fields_by_name.get(name)
    model = None if field is None else field.related_model
    build = partial(_any_value, meta.model, name)
    return Subquery(single_values(name, value, model), build)


def _any_value(model: Any, name: str, found: Iterable[Any]) -> Condition:
    """Return the condition of any of these values, but for None, as in SQL."""
    return any_of(
        _lookup_condition(model._meta, name, each, "")
        for each in dict.fromkeys(found)
        if each is not None
    )


def _any_pk(model: Any, name: str, found: Iterable[Any]) -> Condition:
    """Return the condition of any of these ids."""
    return Ids(_pks(model._meta, name, found))


def single_values(name: str, results: Any, model: Any) -> Any:
    """Return lazy results of one value per row: the keys of *model*, or others by name.

    Raises TypeError for rows of several values, and for objects of another model.
    """
    names = getattr(results, "names", getattr(results, "_fields", None))
    if hasattr(results, "collection") or names:
        if names is None or len(names) != 1:
            raise TypeError(
                f"{name}__in takes one value per row. Pass values_list('pk')."
            )
        return results.values_list(*names, flat=True)
    own = results.model._meta
    if model is None or own.concrete_model is not model._meta.concrete_model:
        wanted = "values" if model is None else f"objects of {model.__name__}"
        raise TypeError(
            f"{name}__in takes {wanted}, not objects of {own.object_name}. Pass "
            "values_list('pk') to compare with their primary keys."
        )
    return results.values_list("pk", flat=True)


def _declared_value(meta: BaseOptions, name: str, lookup: str, value: Any) -> Any:
    """Return the value of a lookup, converted to the declared type."""
    field = meta.fields_by_name[name]
    is_object = field.is_relation and not is_expression(value)
    if _is_foreign(value) and not is_object:
        raise _unstorable_error(meta, name, value)
    return field.to_lookup(lookup, value)


def is_time(meta: BaseOptions, name: str, lookup: str) -> bool:
    """Return whether a lookup is by the creation or the expiration time.

    An attribute named ``created`` comes first: all of its lookups if it is known, and
    equality if every attribute is indexed.
    """
    if name != CREATED:
        return name == EXPIRE
    if meta.created_is_attribute:
        return False
    return not (lookup in ("exact", "in") and meta.finds(name))


def _is_foreign(value: Any) -> bool:
    """Return whether it is an instance of a model, a QuerySet or an expression."""
    return hasattr(type(value), "_meta") or hasattr(value, "resolve_expression")


def _unstorable_error(meta: BaseOptions, name: str, value: Any) -> FieldError:
    """Return the error for a value that no object can have."""
    refusal = f"Cannot filter {meta.object_name} by {name!r}"
    if is_expression(value):  # F("other"), as Django compares two columns
        return FieldError(
            f"{refusal}: no index compares two attributes, as {value!r} does. Pass a "
            "value."
        )
    kind = type(value).__name__
    return FieldError(
        f"{refusal}: {kind} is not a storable type. Pass {replacement(value)}."
    )


def _exact(meta: BaseOptions, name: str, value: Any) -> Condition:
    """Return the condition of an equal value.

    It compares texts if the attribute is indexed or only unique, otherwise sort keys.
    """
    if compares_text(meta, name):
        if meta.finds(name):
            return Term(_lookup_term(meta, name, value))
        return _unique_lookup(meta, name, value)
    if name in meta.ordered:
        return ranges.equal(meta, name, value)
    return Term(_lookup_term(meta, name, value))


def compares_text(meta: BaseOptions, name: str) -> bool:
    """Return whether a lookup by this attribute compares texts, as unique values do."""
    return meta.finds(name) or (name not in meta.ordered and (name,) in meta.unique)


def _unique_lookup(meta: BaseOptions, name: str, value: Any) -> Condition:
    """Return the condition of holding a unique value."""
    meta.refuse_pending(name)
    field = unique_value([value])
    if field is None:
        what = "None" if value is None else f"a value of type {type(value).__name__}"
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: {what} is not kept "
            f"unique, so no index holds it. {_index_advice(meta, name)}"
        )
    return Holds((name,), field)


def _tags_condition(meta: BaseOptions, lookup: str, value: Any) -> Condition:
    """Return the condition of all of these tags, or of any of them with ``in``."""
    if lookup == "in":
        given = clean_values("tags__in", value)
        return any_of(_tag_condition(meta, each) for each in given)
    tags = [value] if isinstance(value, str) else clean_values("tags", value)
    return all_of(_tag_condition(meta, each) for each in tags)


def clean_values(name: str, value: Any) -> list[Any]:
    """Return the values of a list. Raise TypeError for a text."""
    value = unwrap(value)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} takes a list of values, not {value!r}.")
    return list(value)


def _id_lookup(meta: BaseOptions, name: str, value: Any, alias: str) -> Condition:
    """Return the condition of ids, or of another collection of the same model."""
    value = unwrap(value)
    if not is_results(value):
        return Ids(_pks(meta, name, value))
    if not name.endswith("__in"):
        kind = type(value).__name__
        raise TypeError(f"{name} takes an id, not a {kind}. Pass {name}__in.")
    query: Any = value.query
    is_own = value.model is meta.model and getattr(value, "_holds_ids", False)
    if not is_own or query.is_sliced:
        return Subquery(
            single_values(name.removesuffix("__in"), value, meta.model),
            partial(_any_pk, meta.model, name),
        )
    if value.db != alias:
        raise ValueError(
            "Subqueries aren't allowed across different databases: "
            f"{name} on {alias!r} of what is on {value.db!r}. Force the inner query to "
            "be evaluated using list(inner_query.ids())."
        )
    condition: Condition = query.condition
    return condition


def _tag_condition(meta: BaseOptions, tag: Any) -> Condition:
    """Return the condition of a tag, or of an indexed attribute with the same term."""
    tag = unwrap(tag)
    if not isinstance(tag, str):
        kind = FieldError if hasattr(tag, "resolve_expression") else TypeError
        raise kind(
            f"{meta.object_name}.objects.find() takes tags, which are texts, and "
            f"lookups by name; not {type(tag).__name__}: {tag!r}."
        )
    if not meta.model.is_tagged:
        raise FieldError(
            f"Cannot find {meta.object_name} by the tag {tag!r}: it has no tags. "
            f"Derive {meta.object_name} from TaggedModel."
        )
    plain = str.__str__(tag)
    name, colon, text = plain.partition(":")
    meta.refuse_pending(name)
    encode_text(plain)
    if not (colon and meta.indexes(name)):
        return Term(plain)
    given = Term(tag_term(plain, meta.indexes))
    return any_of((Term(_attribute_term(meta, name, text)), given))


def _pks(meta: BaseOptions, name: str, value: Any) -> frozenset[str]:
    values = clean_ids(name, value) if name.endswith("__in") else [value]
    return frozenset(
        clean_pk(meta.object_name, pk)
        for pk in values
        if pk is not None  # as in SQL: no id equals None
    )


def clean_ids(name: str, value: Any) -> list[Any]:
    """Return a list of ids or values. Raise TypeError for a single one."""
    value = unwrap(value)
    if isinstance(value, str | bytes):
        raise TypeError(
            f"{name} takes a list of ids, not the text {value!r}. Pass [{value!r}]."
        )
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} takes a list of ids, not {value!r}. Pass [{value!r}].")
    return list(value)


def _lookup_term(meta: BaseOptions, name: str, value: Any) -> str:
    """Return the term of a lookup by an attribute. Raise FieldError if it has none."""
    # Of "a:b" the term would be that of an attribute "a".
    if ":" in name or not meta.finds(name):
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: it is not indexed. "
            f"{_index_advice(meta, name, _suggestion(meta, name))}"
        )
    return _attribute_term(meta, name, value)


def _attribute_term(meta: BaseOptions, name: str, value: Any) -> str:
    """Return the term of an equal value. Raise FieldError if no index holds it."""
    meta.refuse_pending(name)
    value = unwrap(value)
    term = attribute_term(name, value)
    if term is None and not isinstance(value, _TEXTLESS):
        raise _unstorable_error(meta, name, value)
    if term is None:
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: a value of type "
            f"{type(value).__name__} has no text, so it is stored but not indexed."
        )
    encode_text(name)
    term_suffix(term)
    return term


def _suggestion(meta: BaseOptions, name: str) -> str:
    """Return a suggestion for a misspelt name, or ""."""
    indexed = {*(meta.index_attrs or ()), *meta.ordered}
    attribute, _, lookup = name.rpartition("_")
    if attribute in indexed and lookup in ranges.LOOKUPS:
        return f"Did you mean {attribute}__{lookup}?"
    near = get_close_matches(name, sorted(indexed), 1)
    return f"Did you mean {near[0]!r}?" if near else ""


def _index_advice(meta: BaseOptions, name: str, suggestion: str = "") -> str:
    """Return sentences on how to index an attribute, after a suggestion if any."""
    if meta.is_undeclared(name):
        return str(meta.refusal(name))
    if ":" in name:
        return "No index holds an attribute with ':' in its name."
    owner = f"{meta.object_name}.Meta"
    if name in meta.exclude_attrs:
        verb, rest = "remove", f"from {owner}.exclude_attrs."
    else:
        verb, rest = "add", f"to {owner}.index_attrs, then run ormist_reindex."
    if suggestion:
        return f"{suggestion} If not, {verb} {name!r} {rest}"
    return f"{verb.capitalize()} it {rest}"
