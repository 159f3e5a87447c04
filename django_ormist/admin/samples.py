"""Values for filters, from a sample of the objects."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import unpack
from ..connections.executor import run
from ..exceptions import CorruptDataError
from ..keys import Space
from ..models import Collection
from ..operations import counts, stats
from ..operations.operation import Flow
from ..sortkeys import kind_of, sort_key
from ..terms import text

CHOICES = 50
"""Values that one filter offers: the most frequent of the sample."""

PARTS = 4
"""Ranges that a filter by range offers, each with as many objects of the sample."""


@dataclass
class Sample:
    """A sample of objects: the frequency of explicit tags, and all attributes."""

    tags: Counter[str] = field(default_factory=Counter)
    attrs: list[dict[str, Any]] = field(default_factory=list)


def get_sample(request: Any, model: Any) -> Sample:
    """Return a sample of a model's objects. Two round trips, once per request."""
    known: Sample | None = getattr(request, "ormist_sample", None)
    if known is None:
        using = model._default_manager.all().db
        known = run(_sample(model._meta.space(using)), using)
        request.ormist_sample = known
    return known


def _sample(space: Space) -> Flow[Sample]:
    """Flow that returns a Sample without damaged objects."""
    rows = yield from stats.random_objects(space)
    found = Sample()
    for _, packed in rows:
        try:
            attrs, tags, _ = unpack(packed or b"")
        except CorruptDataError:
            continue
        found.attrs.append(attrs)
        found.tags.update(tags)
    return found


def find_values(sample: Sample, name: str) -> list[str]:
    """Return the most frequent values of an indexed attribute, sorted by text."""
    values = [each[name] for each in sample.attrs if each.get(name) is not None]
    texts = map(text, values)
    return _most_frequent(Counter(each for each in texts if each is not None))


def has_none(sample: Sample, name: str) -> bool:
    """Return whether the attribute is None in an object of the sample."""
    return any(name in each and each[name] is None for each in sample.attrs)


def find_tags(sample: Sample) -> list[str]:
    """Return the most frequent explicit tags, sorted."""
    return _most_frequent(sample.tags)


def compute_quartiles(sample: Sample, name: str) -> list[Any]:
    """Return up to three values that divide the sample into equal parts.

    Only values of the most frequent kind are used, because kinds do not compare.
    """
    keyed = [(sort_key(each.get(name)), each.get(name)) for each in sample.attrs]
    pairs = [(key, value) for key, value in keyed if key is not None]
    if not pairs:
        return []
    [(kind, _)] = Counter(kind_of(key) for key, _ in pairs).most_common(1)
    ranked = sorted((p for p in pairs if kind_of(p[0]) == kind), key=lambda p: p[0])
    parts = [ranked[len(ranked) * part // PARTS] for part in range(1, PARTS)]
    lowest = ranked[0][0]
    return list({key: value for key, value in parts if key > lowest}.values())


def _most_frequent(numbers: Counter[str]) -> list[str]:
    return sorted(each for each, _ in numbers.most_common(CHOICES))


def count_each(collections: Sequence["Collection[Any]"]) -> list[int]:
    """Return the number of objects of each collection. One round trip."""
    if not collections:
        return []
    if any(each.query.pks is not None for each in collections):
        return [each.count() for each in collections]
    queries = [each.query for each in collections]
    return run(counts.count_each(collections[0].space, queries), collections[0].db)
