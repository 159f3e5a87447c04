"""What is entered in the search box, asked of the indexes."""

from collections.abc import Iterable
from typing import Any

from django.utils.text import capfirst, smart_split, unescape_string_literal
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..connections.executor import run
from ..operations.beginnings import ids_beginning
from ..operations.objects import pk_of

SHORTEST_BEGINNING = 3
"""Characters of an id from which on it is looked for by how it begins."""


def found_by(queryset: Any, fields: list[str], entered: str) -> tuple[Any, list[str]]:
    """The objects that every word finds, and what must be said of the search.

    A word stands for the first of these that finds anything: an id, a tag, a value of
    the indexed attributes in *fields*, the beginning of an id.
    """
    notes: list[str] = []
    for word in words(entered):
        queryset = _found_by_word(queryset, fields, word, notes)
    return queryset, notes


def searched(fields: Iterable[str], is_tagged: bool) -> str:
    """What the search box takes, in words."""
    texts = {
        "id": gettext_lazy("an id or its beginning"),
        "tags": gettext_lazy("a tag"),
    }
    known = [texts.get(f, f) for f in fields if f != "tags" or is_tagged]
    return capfirst(", ".join(map(str, known)))


def words(entered: str) -> list[str]:
    """The words of what was entered; what stands in quotes is one."""
    found = []
    for bit in smart_split(entered):
        is_quoted = len(bit) > 1 and bit[0] in "\"'" and bit[0] == bit[-1]
        found.append(unescape_string_literal(bit) if is_quoted else bit)
    return [word for word in found if word]


def _found_by_word(
    queryset: Any, fields: list[str], word: str, notes: list[str]
) -> Any:
    is_by_id = bool({"id", "pk"}.intersection(fields))
    if is_by_id:
        found = queryset.filter(pk__in=[word])
        if found.exists():
            return found
    for name in fields:
        if name in ("id", "pk") or (
            name == "tags" and not queryset.model.ormist_model.is_tagged
        ):
            continue
        found = queryset.filter(**{name: word})
        if found.exists():
            return found
    if is_by_id and len(word) >= SHORTEST_BEGINNING:
        return _beginning_with(queryset, word, notes)
    return queryset.none()


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
