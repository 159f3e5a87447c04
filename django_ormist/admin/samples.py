"""What there is to choose from in a filter: values that a sample of objects has."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import unpack
from ..connections.executor import run
from ..exceptions import CorruptDataError
from ..keys import Space, all_key
from ..models import Collection
from ..operations import objects, search
from ..operations.operation import Flow, Operation
from ..sortkeys import kind_of, sort_key
from ..terms import text

SAMPLE = 500

CHOICES = 50
"""Values that one filter offers: the most frequent of the sample."""

PARTS = 4
"""Ranges that a filter by range offers, each with as many objects of the sample."""


@dataclass
class Sample:
    """Some objects: how often each given tag occurs, and the attributes of each."""

    tags: Counter[str] = field(default_factory=Counter)
    attrs: list[dict[str, Any]] = field(default_factory=list)


def sample_of(request: Any, model: Any) -> Sample:
    """A sample of the model's objects, one a request: two round trips, then none."""
    known: Sample | None = getattr(request, "ormist_sample", None)
    if known is None:
        using = model._default_manager.all().db
        known = run(_sample(model._meta.space(using)), using)
        request.ormist_sample = known
    return known


def _sample(space: Space) -> Flow:
    """Flow: a Sample. What cannot be read is left out: the list itself will say so."""
    pks = yield Operation("ZRANDMEMBER", (all_key(space),), (SAMPLE,))
    found = Sample()
    for packed in (yield objects.load_many(space, pks)) if pks else []:
        try:
            attrs, tags, _ = unpack(packed or b"")
        except CorruptDataError:
            continue
        found.attrs.append(attrs)
        found.tags.update(tags)
    return found


def values_of(sample: Sample, name: str) -> list[str]:
    """The most frequent values of an indexed attribute, in the order of their texts."""
    values = [each[name] for each in sample.attrs if each.get(name) is not None]
    texts = map(text, values)
    return _frequent(Counter(each for each in texts if each is not None))


def has_none(sample: Sample, name: str) -> bool:
    """Whether the attribute is None in any of the objects."""
    return any(name in each and each[name] is None for each in sample.attrs)


def tags_of(sample: Sample) -> list[str]:
    """The most frequent given tags, in the order of their texts."""
    return _frequent(sample.tags)


def bounds_of(sample: Sample, name: str) -> list[Any]:
    """At most three values that part those of the sample in equal numbers.

    Of values of several kinds, those of the most frequent one: kinds do not compare.
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


def _frequent(numbers: Counter[str]) -> list[str]:
    return sorted(each for each, _ in numbers.most_common(CHOICES))


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
    return (yield [search.count(each.space, each.query) for each in asked])
