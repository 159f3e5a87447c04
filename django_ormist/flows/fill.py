"""The flow of ormist_reindex --fill."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..connections import connections
from ..exceptions import CorruptDataError
from ..operations import objects
from ..operations.operation import Flow
from ..operations.search import Row
from .record import Record
from .update import Action, BatchUpdate, StoredObject


@dataclass
class Filled:
    """The result of filling. lacking: objects without a required attribute, by name."""

    objects: int = 0
    lacking: Counter[str] = field(default_factory=Counter)


def fill_defaults(model: Any, using: str, pks: Sequence[bytes]) -> Flow[Filled]:
    """Flow that stores the defaults of declared attributes that objects lack.

    Each object is one step, and others may write meanwhile. Unreadable ones are left
    out. 1 + ceil(N / 100) round trips. Raises IntegrityError for a default that has to
    be unique.
    """
    meta, result = model._meta, Filled()
    required = [each.attname for each in meta.fields if not each.has_default()]

    def rewrite(found: StoredObject) -> Action:
        attrs, absent = found.contents.attrs, False
        for each in meta.defaults:
            if each.attname not in attrs:
                attrs[each.attname] = each.get_default()
                absent = True
        return Action.WRITE if absent else Action.LEAVE

    space = meta.space(using)
    stored = yield objects.load_many(space, pks)
    rows: list[Row] = []
    for pk, packed in zip(pks, stored, strict=True):
        if packed is None:
            continue
        try:
            attrs = Record.of(packed, space.objects + pk).attrs
        except CorruptDataError:  # the reindexing reports it
            continue
        result.lacking.update(
            name for name in required if name not in attrs and name not in meta.counters
        )
        if any(each.attname not in attrs for each in meta.defaults):
            rows.append((pk, packed, None))
    batch = BatchUpdate(meta.schema(using), meta, connections[using].codec, rewrite)
    for start in range(0, len(rows), batch.size):
        yield from batch.run([], rows[start : start + batch.size])
    result.objects = batch.changed
    return result
