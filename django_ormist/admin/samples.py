"""What there is to choose from in a filter: values that a sample of objects has."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..connections.executor import run
from ..models import Collection
from ..operations import inspection, searches
from ..operations.operation import Flow

CHOICES = 50
"""Values that one filter offers: the most frequent of the sample."""


def terms_seen(request: Any, model: Any) -> Counter[str]:
    """How often each index term stands in a sample of 500 objects.

    Two round trips, and none for the next filter of the same page.
    """
    seen: Counter[str] | None = getattr(request, "ormist_terms_seen", None)
    if seen is None:
        alias = model._default_manager.all().db
        space = model._meta.space(alias)
        sample = run(inspection.sample(space, model._meta.indexes), alias)
        seen = Counter(term for _, terms in sample.rows for term in terms)
        request.ormist_terms_seen = seen
    return seen


def values_of(seen: Counter[str], name: str) -> list[str]:
    """The most frequent values of an indexed attribute, in the order of their texts."""
    head = f"{name}:"
    return _frequent(
        {t.removeprefix(head): n for t, n in seen.items() if t.startswith(head)}
    )


def tags_of(seen: Counter[str], model: Any) -> list[str]:
    """The most frequent given tags, in the order of their texts."""
    indexes = model._meta.indexes
    return _frequent(
        {
            term: number
            for term, number in seen.items()
            if not (":" in term and indexes(term.partition(":")[0]))
        }
    )


def _frequent(numbers: dict[str, int]) -> list[str]:
    return sorted(text for text, _ in Counter(numbers).most_common(CHOICES))


def counts(asked: Sequence["Collection[Any]"]) -> list[int]:
    """How many objects each collection has. One round trip for all of them."""
    if not asked:
        return []
    if any(each.query.pks is not None for each in asked):
        return [each.count() for each in asked]
    numbers: list[int] = run(_counts(asked), asked[0].db)
    return numbers


def _counts(asked: Iterable["Collection[Any]"]) -> Flow:
    """Flow: the number of each collection."""
    return (yield [searches.count(each.space, each.query) for each in asked])
