"""The flow of ormist_reindex --fill."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..codecs import pack_value
from ..connections import connections
from ..exceptions import CorruptDataError, ValidationError
from ..operations import objects
from ..operations.operation import Flow
from ..operations.rows import Row
from ..schema import BaseOptions
from .record import Record
from .update import Action, BatchUpdate, StoredObject


@dataclass
class Filled:
    """The result of filling.

    objects: those that were changed. lacking: objects without a required attribute, by
    name. misfits: objects with a value that cannot be converted, by name.
    """

    objects: int = 0
    lacking: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)


def fill_defaults(model: Any, using: str, pks: Sequence[bytes]) -> Flow[Filled]:
    """Flow that stores the defaults of declared attributes that objects lack.

    It converts stored values to the declared types, if nothing is lost. Each object is
    one step, and others may write meanwhile. Unreadable ones are left out. 1 + ceil(N /
    100) round trips. Raises IntegrityError for a value that has to be unique.
    """
    meta, result = model._meta, Filled()
    required = [each.attname for each in meta.fields if not each.has_default()]

    def rewrite(found: StoredObject) -> Action:
        new = new_values(meta, found.contents.attrs, Counter())
        found.contents.attrs.update(new)
        return Action.WRITE if new else Action.LEAVE

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
        if new_values(meta, attrs, result.misfits):
            rows.append((pk, packed, None))
    batch = BatchUpdate(meta.schema(using), meta, connections[using].codec, rewrite)
    for start in range(0, len(rows), batch.size):
        yield from batch.run([], rows[start : start + batch.size])
    result.objects = batch.changed
    return result


def new_values(
    meta: BaseOptions, attrs: dict[str, Any], misfits: Counter[str]
) -> dict[str, Any]:
    """Return the attributes that an object lacks or holds in another type.

    Count those that do not fit the declaration in *misfits*.
    """
    new: dict[str, Any] = {}
    for name, declared in meta.fields_by_name.items():
        if name in meta.counters:
            continue
        if name not in attrs:
            if declared.has_default():
                new[name] = declared.get_default()
            continue
        try:
            value = declared.clean(attrs[name])
        except ValidationError:
            misfits[name] += 1
            continue
        if pack_value(name, value) != pack_value(name, attrs[name]):
            new[name] = value
    return new
