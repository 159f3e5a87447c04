"""Ids and tags as users pass them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Model


def checked_pk(model: str, pk: object) -> str | None:
    """*pk* if it can be an id, None for None. Raises TypeError, ValueError."""
    if pk is None:
        return None
    if not isinstance(pk, str):
        raise TypeError(f"An id of {model} is a str, not {type(pk).__name__}: {pk!r}.")
    if not pk:
        raise ValueError(f"An id of {model} cannot be empty. Pass None to draw one.")
    return str.__str__(pk)


def checked_tags(model: "type[Model]", tags: Iterable[str]) -> list[str]:
    """The tags without duplicates. Raises TypeError that says what is wrong."""
    if isinstance(tags, str):
        raise TypeError(f"Tags are a list of texts, not the text {tags!r}.")
    given = list(dict.fromkeys(tags))
    for tag in given:
        if not isinstance(tag, str):
            raise TypeError(f"A tag is a str, not {type(tag).__name__}: {tag!r}.")
    if given and not model.is_tagged:
        raise TypeError(
            f"{model.__name__} takes no tags: it got {given[0]!r}. "
            "Derive it from TaggedModel, or pass attributes by name."
        )
    return given
