"""From the arguments of find() to a query, refusing what no index answers."""

from typing import TYPE_CHECKING, Any

from ..exceptions import FieldError
from ..queries.query import Query
from ..terms import attribute_term, term_suffix
from .arguments import looked_up_pk
from .options import Options

if TYPE_CHECKING:
    from .base import Model


def narrowed(
    query: Query, model: "type[Model]", tags: tuple[Any, ...], lookups: dict[str, Any]
) -> Query:
    """*query* among objects with all these tags and attribute values.

    Raises FieldError for a lookup without an index, TypeError for a wrong type.
    """
    meta = model._meta
    terms = [_tag(meta, tag) for tag in tags]
    pks: frozenset[str] | None = None
    for name, value in lookups.items():
        if name in ("id", "pk", "id__in", "pk__in"):
            chosen = _pks(meta, name, value)
            pks = chosen if pks is None else pks & chosen
        else:
            terms.append(_attribute(meta, name, value))
    return query.narrow(tuple(terms), pks)


def _tag(meta: Options, tag: Any) -> str:
    if not isinstance(tag, str):
        raise TypeError(
            f"{meta.object_name}.objects.find() takes tags, which are texts, and "
            f"lookups by name; not {type(tag).__name__}: {tag!r}."
        )
    if not meta.model.is_tagged:
        raise FieldError(
            f"Cannot find {meta.object_name} by the tag {tag!r}: it has no tags. "
            f"Derive {meta.object_name} from TaggedModel."
        )
    plain = str.__str__(tag)
    term_suffix(plain)
    return plain


def _pks(meta: Options, name: str, value: Any) -> frozenset[str]:
    values = (
        list(value) if name.endswith("__in") and not isinstance(value, str) else None
    )
    if values is None and name.endswith("__in"):
        raise TypeError(f"{name} takes a list of ids, not the text {value!r}.")
    return frozenset(
        looked_up_pk(meta.object_name, pk)
        for pk in ([value] if values is None else values)
    )


def _attribute(meta: Options, name: str, value: Any) -> str:
    if name in meta.counters or name == "expire":
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: it is not an indexed "
            "attribute, and cannot be one."
        )
    if "__" in name:
        attribute, _, lookup = name.rpartition("__")
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name}: no index answers the lookup "
            f"{lookup!r}. Look {attribute!r} up by an equal value: "
            f"find({attribute}=...)."
        )
    if not meta.indexes(name):
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: it is not indexed. "
            f"{_mend(meta, name)}"
        )
    term = attribute_term(name, value)
    if term is None:
        raise FieldError(
            f"Cannot filter {meta.object_name} by {name!r}: a value of type "
            f"{type(value).__name__} has no text, so it is stored but not indexed."
        )
    term_suffix(term)
    return term


def _mend(meta: Options, name: str) -> str:
    if name in meta.exclude_attrs:
        return f"Remove it from {meta.object_name}.Meta.exclude_attrs."
    return f"Add it to {meta.object_name}.Meta.index_attrs."
