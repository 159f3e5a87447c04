"""What is entered in the search box, asked of the indexes."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Q
from django.utils.text import capfirst, smart_split, unescape_string_literal
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..connections.executor import run
from ..operations.beginnings import ids_beginning
from ..operations.objects import pk_of
from .lookups import any_of, tells_of

SHORTEST_BEGINNING = 3
"""Characters of an id from which on it is looked for by how it begins."""


def found_by(
    queryset: Any, fields: list[str], entered: str, excluded: Collection[str] = ()
) -> tuple[Any, list[str]]:
    """The objects that every word finds, and what must be said of the search.

    A word finds by id, by tag, by the value of an indexed attribute in *fields*; by
    the beginning of a text where the name has a "^" before it. If one word finds
    nothing, ids that begin with it are looked for. No word finds by an attribute in
    *excluded*, as a tag that reads ``name:text`` would.
    """
    entered_words = words(entered)
    model = queryset.model.ormist_model
    found = queryset.filter(
        *(_word(model, fields, word, excluded) for word in entered_words)
    )
    notes: list[str] = []
    is_beginning = (
        "id" in fields
        and len(entered_words) == 1
        and len(entered_words[0]) >= SHORTEST_BEGINNING
    )
    if is_beginning and not found.exists():
        found = _beginning_with(queryset, entered_words[0], notes)
    return found, notes


def searched(fields: Iterable[str], is_tagged: bool) -> str:
    """What the search box takes, in words."""
    texts = {
        "id": gettext_lazy("an id or its beginning"),
        "tags": gettext_lazy("a tag"),
    }
    names = [name.lstrip("^=") for name in fields]
    known = [texts.get(name, name) for name in names if name != "tags" or is_tagged]
    return capfirst(", ".join(map(str, known)))


def words(entered: str) -> list[str]:
    """The words of what was entered; what stands in quotes is one."""
    found = []
    for bit in smart_split(entered):
        is_quoted = len(bit) > 1 and bit[0] in "\"'" and bit[0] == bit[-1]
        found.append(unescape_string_literal(bit) if is_quoted else bit)
    return [word for word in found if word]


def _word(model: Any, fields: list[str], word: str, excluded: Collection[str]) -> Q:
    known = [name for name in fields if name != "tags" or model.is_tagged]
    lookups = [lookup(name, word) for name in known]
    return any_of(
        Q(**each)
        for each in lookups
        if not any(tells_of(excluded, *item) for item in each.items())
    )


def lookup(name: str, word: str) -> dict[str, Any]:
    """The lookup of a word by one of search_fields."""
    if name.startswith("^"):
        return {f"{name[1:]}__startswith": word}
    return {name.removeprefix("="): word}


def _beginning_with(queryset: Any, word: str, notes: list[str]) -> Any:
    asked = queryset.asked
    pks, is_complete = run(ids_beginning(asked.space, word), asked.db)
    if not is_complete:
        notes.append(
            _(
                "There are too many objects to look at every id: others may begin "
                "with “%(word)s” too. Enter the whole id."
            )
            % {"word": word}
        )
    return queryset.filter(pk__in=[pk_of(pk, asked.space) for pk in pks])
