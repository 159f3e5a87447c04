"""Flows that load the objects that others refer to."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import compress
from typing import Any

from ..codecs import unpack
from ..exceptions import CorruptDataError, FieldError
from ..operations import objects
from ..operations.operation import Evaluate, Flow

KEYS_PER_QUERY = 30_000
"""SQLite takes 32 766 parameters."""


def _manager(reference: Any, using: str) -> Any:
    """Return the manager of the related model.

    It is on the alias *using* if both models are on the same one, as Django prefers the
    same database.
    """
    model = reference.related_model
    manager = model._base_manager
    if reference.is_to_django:
        return manager
    own, other = reference.model._meta, model._meta
    return manager.using(using) if own.using == other.using else manager


def load(instances: Iterable[Any], references: Sequence[Any], using: str) -> Flow[None]:
    """Flow that loads the objects of these references for all instances.

    Those that are loaded are left out. One round trip, or one SQL query, per reference.
    """
    instances = list(instances)
    for reference in references:
        lacking = [each for each in instances if not reference.is_loaded(each)]
        keys = [reference.stored_value(each.attrs) for each in lacking]
        are_valid = list(map(reference.is_valid_key, keys))
        valid = list(dict.fromkeys(compress(keys, are_valid)))
        found: dict[Any, Any] = {}
        for results in _results(reference, valid, using):
            found.update({each.pk: each for each in (yield Evaluate(results))})
        for each, key, is_valid in zip(lacking, keys, are_valid, strict=True):
            reference.keep(each, key, found.get(key) if is_valid else None)


def _results(reference: Any, keys: Sequence[Any], using: str) -> Iterable[Any]:
    """Yield lazy results with the objects of these keys, one for each query."""
    manager = _manager(reference, using)
    for start in range(0, len(keys), KEYS_PER_QUERY):
        yield manager.filter(pk__in=keys[start : start + KEYS_PER_QUERY])


def load_paths(
    items: Sequence[Any], paths: Sequence[str], collection: Any
) -> Flow[None]:
    """Flow that loads the objects of these names of select_related()."""
    loaded: dict[str, Sequence[Any]] = {"": items}
    for path in paths:
        before = ""
        for name in path.split("__"):
            after = f"{before}__{name}" if before else name
            if after not in loaded:
                loaded[after] = yield from _load_step(loaded[before], name, collection)
            before = after


def _load_step(
    instances: Sequence[Any], name: str, collection: Any
) -> Flow[Sequence[Any]]:
    """Flow that loads one reference of these objects. Returns the loaded objects."""
    if not instances:
        return []
    reference = instances[0]._meta.references[name]
    yield from load(instances, [reference], instances[0]._state.using or collection.db)
    return [each for each in map(reference.loaded, instances) if each is not None]


def related_paths(model: Any, names: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of select_related(). Raises FieldError."""
    if names in ((), (None,)):
        return tuple(model._meta.references)
    for path in names:
        owner = model
        for name in path.split("__"):
            references = getattr(owner._meta, "references", {})
            if name not in references:
                choices = ", ".join(references) or "(none)"
                raise FieldError(
                    f"Invalid field name(s) given in select_related: {name!r}. "
                    f"Choices of {owner.__name__} are: {choices}."
                )
            owner = references[name].related_model
    return tuple(names)


def find_dangling(
    model: Any, pks: Sequence[bytes], using: str
) -> Flow[list[tuple[bytes, str]]]:
    """Flow that returns the id and the name of each reference to no object.

    Unreadable objects are left out. One round trip, and one for each reference.
    """
    space, found = model._meta.space(using), []
    stored = yield objects.load_many(space, pks)
    rows = []
    for pk, packed in zip(pks, stored, strict=True):
        with suppress(CorruptDataError):
            if packed is not None:
                rows.append((pk, unpack(packed, space.objects + pk)[0]))
    for reference in model._meta.references.values():
        name = reference.attname
        keys = {pk: row[name] for pk, row in rows if row.get(name) is not None}
        valid = list(dict.fromkeys(filter(reference.is_valid_key, keys.values())))
        existing: set[Any] = set()
        for results in _results(reference, valid, using):
            existing.update((yield Evaluate(results.values_list("pk", flat=True))))
        found += [
            (pk, reference.name)
            for pk, key in keys.items()
            if _hashable(key) not in existing
        ]
    return found


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return None
    return key
