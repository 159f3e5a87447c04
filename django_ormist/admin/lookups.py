"""Lookups of query parameters and of the search box."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import F, OrderBy, Q
from django.utils import timezone
from django.utils.text import capfirst, smart_split, unescape_string_literal
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..connections.executor import run
from ..exceptions import InvalidLookupValue
from ..fields import Field
from ..fields.types import Scalar, inner_type
from ..models.options import Options
from ..operations.objects import pk_of
from ..operations.scan import ids_with_prefix
from ..queries.query import CREATED, Order

COMPARING = ("gt", "gte", "lt", "lte")


def translate(meta: Options, condition: Q) -> Q:
    """Return a condition with the lookups of convert_lookup()."""
    children = [
        translate(meta, child)
        if isinstance(child, Q)
        else convert_lookup(meta, *child)
        if isinstance(child, tuple)
        else child
        for child in condition.children
    ]
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def convert_lookup(meta: Options, name: str, value: Any) -> Q:
    """Return the condition of one lookup, for each type that its text may have.

    A sorted index compares values of one kind, but query parameters are texts: "5"
    finds numbers of at least 5, and texts of at least "5". The text for a declared
    attribute has its type only.
    """
    attribute, _, lookup = name.partition("__")
    declared = meta.fields_by_name.get(meta.stored_name(attribute))
    if declared is not None:
        return Q((name, read_moment(declared, value)))
    is_sorted = attribute in meta.ordered and isinstance(value, str)
    is_equal = lookup in ("", "exact") and not meta.indexes(attribute)
    if is_sorted and (is_equal or lookup in COMPARING):
        return any_of(Q((name, reading)) for reading in parse_values(value))
    return Q((name, value))


def read_moment(declared: Field, value: Any) -> Any:
    """Return a value of a lookup, with moments of the declared type.

    A naive text is in the current time zone. A datetime for a date, as date_hierarchy
    has it, becomes the date.
    """
    inner = inner_type(declared.type)
    kind = inner.kind if isinstance(inner, Scalar) else None
    if kind is date and isinstance(value, datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return local.date()
    if kind is datetime and isinstance(value, str) and settings.USE_TZ:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return value


def reveals(excluded: Collection[str], lookup: str, value: Any) -> bool:
    """Return whether the result of a lookup reveals an excluded attribute.

    A tag like ``name:text`` also finds by the attribute.
    """
    name, _, kind = lookup.partition("__")
    if name != "tags" or name in excluded:
        return name in excluded
    tags = str(value).split(",") if kind == "in" else [str(value)]
    return any(tag.partition(":")[0] in excluded for tag in tags)


def parse_values(text: str) -> list[Any]:
    """Return the possible values of a text: itself, a number, a date, a datetime."""
    found: list[Any] = [text]
    for read in (int, float, date.fromisoformat, datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        if not (read is float and isinstance(found[-1], int)):
            found.append(value)
    return found


def any_of(conditions: Iterable[Q]) -> Q:
    """Return the conditions joined by OR."""
    joined = Q()
    for condition in conditions:
        joined |= condition
    return joined or Q(id__in=[])


def order_argument(name: Any) -> str | Order:
    """Return an argument of a collection's order_by(). "id" means creation."""
    is_descending = False
    if isinstance(name, OrderBy):
        is_descending, name = name.descending, name.expression
    if isinstance(name, F):
        name = vars(name)["name"]
    if name[:1] == "-":
        is_descending, name = True, name[1:]
    if name in ("id", "pk"):
        return Order(CREATED, is_descending)  # though an attribute may be named so
    return f"-{name}" if is_descending else name


def sortable_names(meta: Options) -> frozenset[str]:
    """Return the columns that a list can be sorted by."""
    names = {"id", "pk", "expire", *meta.ordered}
    return frozenset(names if CREATED in meta.fields_by_name else {CREATED, *names})


SHORTEST_BEGINNING = 3
"""Minimal characters of a word that is compared with the beginnings of ids."""


def search(
    queryset: Any, fields: list[str], entered: str, excluded: Collection[str] = ()
) -> tuple[Any, list[str]]:
    """Return the objects that every word finds, and a message about the search.

    A word finds by id, by tag, by the value of an indexed attribute in *fields*, and
    by the beginning of a text if the name starts with "^". A single word without
    results is compared with the beginnings of ids. Attributes in *excluded* are not
    searched, not even by a tag like ``name:text``.
    """
    entered_words = split_words(entered)
    model = queryset.model.ormist_model
    found = queryset.filter(
        *(_match_word(model, fields, word, excluded) for word in entered_words)
    )
    notes: list[str] = []
    is_beginning = (
        "id" in fields
        and len(entered_words) == 1
        and len(entered_words[0]) >= SHORTEST_BEGINNING
    )
    if is_beginning and not found.exists():
        found = _find_by_prefix(queryset, entered_words[0], notes)
    return found, notes


def describe_search(fields: Iterable[str], is_tagged: bool) -> str:
    """Return the help text of the search box."""
    texts = {
        "id": gettext_lazy("an id or its beginning"),
        "tags": gettext_lazy("a tag"),
    }
    names = [name.lstrip("^=") for name in fields]
    known = [texts.get(name, name) for name in names if name != "tags" or is_tagged]
    return capfirst(", ".join(map(str, known)))


def split_words(entered: str) -> list[str]:
    """Return the words of a search. Quoted words are one."""
    found = []
    for bit in smart_split(entered):
        is_quoted = len(bit) > 1 and bit[0] in "\"'" and bit[0] == bit[-1]
        found.append(unescape_string_literal(bit) if is_quoted else bit)
    return [word for word in found if word]


def _match_word(
    model: Any, fields: list[str], word: str, excluded: Collection[str]
) -> Q:
    known = [name for name in fields if name != "tags" or model.is_tagged]
    lookups = [build_lookup(name, word) for name in known]
    return any_of(
        Q(**each)
        for each in lookups
        if not any(
            reveals(excluded, *item) or not is_readable(model._meta, *item)
            for item in each.items()
        )
    )


def is_readable(meta: Options, name: str, word: str) -> bool:
    """Return whether a word can be a value of an attribute, if that is declared."""
    attribute, _, lookup = name.partition("__")
    declared = meta.fields_by_name.get(meta.stored_name(attribute))
    if declared is None:
        return True
    try:
        declared.to_lookup(lookup or "exact", read_moment(declared, word))
    except InvalidLookupValue:
        return False
    return True


def build_lookup(name: str, word: str) -> dict[str, Any]:
    """Return the lookup of a word by one of search_fields."""
    if name.startswith("^"):
        return {f"{name[1:]}__startswith": word}
    return {name.removeprefix("="): word}


def _find_by_prefix(queryset: Any, word: str, notes: list[str]) -> Any:
    collection = queryset.collection
    pks, is_complete = run(ids_with_prefix(collection.space, word), collection.db)
    if not is_complete:
        notes.append(
            _(
                "There are too many objects to compare every id: others may begin "
                "with “%(word)s” too. Enter the complete id."
            )
            % {"word": word}
        )
    return queryset.filter(pk__in=[pk_of(pk, collection.space) for pk in pks])
