"""The flow of a collection's delete(), and the effects of deletions by on_delete.

As in Django, the referring objects are found first, by queries, and then changed. An
object that another client stores in between keeps its reference, which dangles.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..batching import batched
from ..exceptions import NotSupportedError
from ..fields import CASCADE, PROTECT, SET_NULL, Reference
from ..operations import search
from ..operations.objects import pk_of
from ..operations.operation import Flow, RunOn
from ..operations.steps import MOST_LEAVES
from ..queries.lookups import filter_query
from ..queries.query import Query
from . import fetch, update
from .pending import PendingDelete, PendingSave, current, refuse
from .types import Results
from .waiting import Effect, Waiting, saved_instance, waiting_references

KEYS_PER_QUERY = MOST_LEAVES
"""Deleted objects whose references are found in one query."""

Place = tuple[Any, str]
"""A model and an alias."""

Found = tuple[Reference, str, list[str]]
"""A reference, an alias, and the ids of the objects that refer by it."""


def delete(collection: Results[Any]) -> Flow[tuple[int, dict[str, int]]]:
    """Flow that deletes all matches. Returns ``(number, {label: number})``.

    2 + ceil(N / 100) round trips, and more if objects refer to them with on_delete.
    Raises TypeError for a slice, ProtectedError.
    """
    fetch.check_unsliced(collection, "delete")
    refuse(collection.db, "A collection's delete()")
    numbers: dict[str, int] = {}
    if collection.model in referring_by_model:
        pks = yield from search.ids(collection.space, collection.query)
        keys = [pk_of(pk, collection.space) for pk in pks]
        effects = yield from find_effects(collection.model, keys, collection.db)
        numbers = yield from apply_effects(effects)
    number = yield from update.delete_matches(collection)
    if number:
        label = collection.model._meta.label
        numbers[label] = numbers.get(label, 0) + number
    return sum(numbers.values()), numbers


@dataclass
class Effects:
    """The objects to delete, and those whose reference is set to None.

    deletions: ids by model and alias, found before those they refer to are deleted.
    """

    deletions: dict[Place, dict[str, None]] = field(default_factory=dict)
    cleared: list[Found] = field(default_factory=list)


def find_effects(
    model: Any, keys: Sequence[Any], using: str, is_done: bool = False
) -> Flow[Effects]:
    """Flow that finds the effects of deleting the objects of these keys.

    model: of this package or of Django. Raises ProtectedError before anything changes,
    unless they are deleted already.
    """
    effects, protected = Effects(), list[Found]()
    model_of_keys = model
    waiting: list[tuple[Any, Sequence[Any], str]] = [(model, keys, using)]
    seen: dict[Place, set[Any]] = {(model, using): set(keys)}
    while waiting:
        model, keys, using = waiting.pop()
        for reference in referring(model):
            alias = _alias_of(reference, using)
            pks = yield RunOn(alias, _find(reference, keys, alias))
            place = (reference.model, alias)
            new = [pk for pk in pks if pk not in seen.setdefault(place, set())]
            if reference.on_delete is PROTECT and pks:
                protected.append((reference, alias, pks))
            elif reference.on_delete is SET_NULL and new:
                effects.cleared.append((reference, alias, new))
            elif reference.on_delete is CASCADE and new:
                seen[place].update(new)
                effects.deletions.setdefault(place, {}).update(dict.fromkeys(new))
                waiting.append((reference.model, new, alias))
    if protected and not is_done:
        yield from _raise_protected(model_of_keys, protected)
    return effects


def apply_effects(effects: Effects) -> Flow[dict[str, int]]:
    """Flow that deletes and changes these objects. Returns the deletions by label.

    In an atomic() block they join it.
    """
    for reference, alias, pks in effects.cleared:
        yield RunOn(alias, _clear(reference, alias, pks))
    numbers: dict[str, int] = {}
    for (model, alias), deleted in reversed(effects.deletions.items()):
        number = yield RunOn(alias, _delete(model, alias, list(deleted)))
        if number:
            numbers[model._meta.label] = number
    return numbers


def apply_all(model: Any, keys: Sequence[Any], using: str) -> Flow[dict[str, int]]:
    """Flow that applies the effects of a deletion in a database, once committed.

    Objects with PROTECT that were stored since it was checked keep their reference.
    """
    effects = yield from find_effects(model, keys, using, is_done=True)
    return (yield from apply_effects(effects))


def referring(model: Any) -> Iterable[Reference]:
    """Return the references to a model that have an effect on deletion."""
    return referring_by_model.get(model._meta.concrete_model, ())


referring_by_model: dict[Any, list[Reference]] = {}
"""The references with an effect, by the model that they refer to."""


def _alias_of(reference: Reference, using: str) -> str:
    """Return the alias of the referring objects: the same one if both models share it.

    using: the alias of the deleted objects; that of a database for Django's models.
    """
    own: str = reference.model._meta.using
    if reference.is_to_django or own != reference.related_model._meta.using:
        return own
    return using


def _results(model: Any, alias: str, lookups: dict[str, Any]) -> Any:
    collection = model._base_manager.using(alias)
    return collection._chain(filter_query(Query(), model._meta, (), lookups, alias))


def _find(reference: Reference, keys: Sequence[Any], alias: str) -> Flow[list[str]]:
    """Flow that returns the ids of the objects that refer to these keys.

    Saves and deletions that wait in an open block count. One round trip per 250 keys.
    """
    pks: dict[str, None] = {}
    for some in batched(keys, KEYS_PER_QUERY):
        found = _results(reference.model, alias, {f"{reference.attname}__in": some})
        stored = yield from search.ids(found.space, found.query)
        pks.update(dict.fromkeys(pk_of(pk, found.space) for pk in stored))
    block = current(alias)
    if block is None:
        return list(pks)
    waiting = waiting_references(block, reference.model, reference.attname)
    wanted = set(keys)
    found = dict.fromkeys(pk for pk in pks if _still_refers(waiting.get(pk), wanted))
    unseen: list[str] = []
    for key in keys:
        for pk, each in waiting.of_key(key):
            if each.effect is Effect.SET:
                found[pk] = None
            elif pk not in found:
                unseen.append(pk)
    if unseen:  # saved with the key, and not found by it: new, if they are not stored
        results = _results(reference.model, alias, {"pk__in": unseen})
        stored = yield from search.ids(results.space, results.query)
        known = {pk_of(pk, results.space) for pk in stored}
        found.update(dict.fromkeys(pk for pk in unseen if pk not in known))
    return list(found)


def _still_refers(waiting: Waiting | None, keys: Container[Any]) -> bool:
    """Return whether a stored reference to these keys stays one at the block's end."""
    if waiting is None or waiting.effect is Effect.KEPT:
        return True
    return waiting.effect is Effect.SET and waiting.key in keys


def _raise_protected(model: Any, protected: Sequence[Found]) -> Flow[None]:
    from django.db.models import ProtectedError  # slow to import

    objects: set[Any] = set()
    for reference, alias, pks in protected:
        results = _results(reference.model, alias, {"pk__in": pks})
        found = yield RunOn(alias, fetch.fetch(results, results.query))
        waiting = waiting_references(current(alias), reference.model, reference.attname)
        for entry in (each.entry for each in map(waiting.get, pks) if each is not None):
            if isinstance(entry, PendingSave):
                objects.add(saved_instance(entry))
        objects.update(found)
    names = [f"'{each.model.__name__}.{each.name}'" for each, _, _ in protected]
    raise ProtectedError(
        f"Cannot delete some instances of model {model._meta.object_name!r} because "
        "they are referenced through protected references: "
        f"{', '.join(dict.fromkeys(names))}.",
        objects,
    )


def _clear(reference: Reference, alias: str, pks: Sequence[str]) -> Flow[int]:
    """Flow that sets the reference of these objects to None."""
    block = current(alias)
    if block is None:
        found = _results(reference.model, alias, {"pk__in": list(pks)})
        return (yield from update.update(found, {reference.attname: None}))
    waiting = waiting_references(block, reference.model, reference.attname)
    saved = {pk: each.entry for pk in pks if (each := waiting.get(pk)) is not None}
    rest = [pk for pk in pks if pk not in saved]
    found = _results(reference.model, alias, {"pk__in": rest})
    for instance in (yield from fetch.fetch(found, found.query)):
        instance.attrs[reference.attname] = None
        block.add(PendingSave(instance, alias, is_silent=True))
    for entry in saved.values():
        if isinstance(entry, PendingSave):
            block.add(entry.cleared(reference.attname))
    return len(pks)


def _delete(model: Any, alias: str, pks: Sequence[str]) -> Flow[int]:
    """Flow that deletes these objects without further effects."""
    found = _results(model, alias, {"pk__in": list(pks)})
    block = current(alias)
    if block is None:
        return (yield from update.delete_matches(found))
    instances = {each.id: each for each in (yield from fetch.fetch(found, found.query))}
    saved = {pk: block.latest_of(model, pk) for pk in pks}
    instances |= {pk: e.instance for pk, e in saved.items() if e is not None}
    for pk, instance in instances.items():
        deletion = PendingDelete.of(instance, alias)
        deletion.pk = pk  # the instance may have got another id since it was saved
        block.add(deletion)
    return len(instances)


def refuse_other_blocks(effects: Effects, using: str) -> None:
    """Raise NotSupportedError if a block is open that cannot hold all effects."""
    if current(using) is None:
        return
    aliases = {alias for _, alias in effects.deletions}
    aliases |= {alias for _, alias, _ in effects.cleared}
    for alias in aliases - {using}:
        if current(alias) is None:
            raise NotSupportedError(
                f"A deletion in an atomic() block of {using!r} would change objects on "
                f"{alias!r} at once. Open a block of {alias!r} around it too."
            )
