"""Flows of get_or_create() and update_or_create(): one winner in every race.

An optimistic loop: search, then write with a Guard that the server checks in the same
step. StaleMatch means that the match changed, so search again; a CorruptionGuard stops
the loop if index and object disagree again and again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ..exceptions import FieldError, IntegrityError
from ..operations.operation import Call, Flow
from ..queries.lookups import filter_query, is_time
from ..queries.query import CREATED, Query
from ..storable import unwrap
from . import fetch
from .attempt import CorruptionGuard
from .guards import Guard, StaleMatch, guard_first_write
from .pending import refuse
from .types import Instance, Results

M = TypeVar("M", bound=Instance)

ATTEMPTS = 3
"""Attempts of an insert whose conflict is gone when it is looked up."""

Values = Mapping[str, Any]


def get_or_create(
    collection: Results[M],
    defaults: Values | None,
    tags: tuple[str, ...],
    lookups: dict[str, Any],
) -> Flow[tuple[M, bool]]:
    """Flow that returns (the object of these lookups or a new one, whether it is new).

    One round trip if it exists, two if it is created. The insert is refused if a live
    object matches the lookups by then. Raises FieldError, MultipleObjectsReturned, and
    IntegrityError if another object has the id or a unique value.
    """
    refuse(collection.db, "get_or_create()")
    defaults = _validate_mapping("get_or_create", "defaults", defaults)
    query = _build_query(collection, tags, lookups)
    return (yield from _get_or_create(collection, query, defaults, tags, lookups))


def _get_or_create(
    collection: Results[M],
    query: Query,
    defaults: Values,
    tags: tuple[str, ...],
    lookups: dict[str, Any],
) -> Flow[tuple[M, bool]]:
    """Flow of get_or_create(). query: that of the tags and lookups."""
    found = yield from fetch.one_or_none(collection, query)
    if found is not None:
        return found, False
    values = _initial_values(lookups, defaults)
    attempts = 0
    while True:
        instance = _build(collection.model, tags, lookups, values)
        guard, refused = Guard(collection.db, query, lookups, is_insert=True), None
        try:
            if (yield from _save(instance, guard, force_insert=True)):
                return instance, True
        except IntegrityError as error:
            if guard.is_met:  # of what the model's save() did after it
                raise
            refused, attempts = error, attempts + 1
        found = yield from fetch.one_or_none(collection, query)
        if found is not None:
            return found, False
        if refused is not None and attempts == ATTEMPTS:
            raise refused


def update_or_create(
    collection: Results[M],
    defaults: Values | None,
    create_defaults: Values | None,
    tags: tuple[str, ...],
    lookups: dict[str, Any],
) -> Flow[tuple[M, bool]]:
    """Flow like get_or_create() that updates an existing object with the defaults.

    Two round trips. Concurrent changes are kept. If the object stops matching or is
    deleted meanwhile, the flow starts again.
    """
    refuse(collection.db, "update_or_create()")
    defaults = _validate_mapping("update_or_create", "defaults", defaults)
    new = defaults
    if create_defaults is not None:
        new = _validate_mapping("update_or_create", "create_defaults", create_defaults)
    query = _build_query(collection, tags, lookups)
    corruption = CorruptionGuard(collection.model._meta)
    while True:
        found, is_new = yield from _get_or_create(collection, query, new, tags, lookups)
        if is_new:
            return found, True
        key, packed = found._key(collection.db), found._state.packed
        _set_values(found, _resolve_callables(defaults))
        guard = Guard(collection.db, query, lookups, is_insert=False, packed=packed)
        fields: dict[str, Any] = {}
        if _are_stored(found, defaults):
            fields["update_fields"] = set(defaults)
        if (yield from _save(found, guard, **fields)):
            return found, False
        corruption.note(key, packed)


def _save(instance: Instance, guard: Guard, **options: Any) -> Flow[bool]:
    """Flow that calls the model's save().

    Returns False if the guard refused the write.
    """
    with guard_first_write(instance, guard):
        try:
            yield Call(instance, "save", {"using": guard.using, **options})
        except StaleMatch:
            if guard.is_met or not guard.is_refused:
                raise
    return guard.is_met or not guard.is_refused


def _are_stored(instance: Instance, names: Iterable[str]) -> bool:
    """Whether all of these names are stored, and not defined by the class."""
    meta = instance._meta
    return all(
        name in meta.counters
        or name in ("tags", "expire")
        or meta.stored_name(name) not in meta.own_names
        for name in names
    )


def _build_query(
    collection: Results[Any], tags: tuple[str, ...], lookups: dict[str, Any]
) -> Query:
    if collection.query.is_sliced:
        raise TypeError("Cannot filter a query once a slice has been taken.")
    meta = collection.model._meta
    if CREATED in lookups and is_time(meta, CREATED, "exact"):
        raise FieldError(
            f"Cannot get or create {meta.object_name} by created=...: created is set "
            "by the server. Look it up by created__gte or another lookup."
        )
    return filter_query(collection.query, meta, tags, lookups, collection.db)


def _validate_mapping(verb: str, argument: str, values: Values | None) -> Values:
    """Return the values. Raises TypeError for a tag in their place."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(
            f"{verb}() takes a dict as {argument}, not {values!r}. Tags come after it, "
            f"as find() takes them by name too: {verb}(tags=['home'])."
        )
    return values


def _initial_values(lookups: Values, defaults: Values) -> Values:
    """Return the values of a new object: the defaults, and lookups without ``__``."""
    given = {name: value for name, value in lookups.items() if "__" not in name}
    return _resolve_callables({**given, **defaults})


def _build(model: type[M], tags: tuple[str, ...], lookups: Values, values: Values) -> M:
    """Return the new instance. ``tags`` in the lookups and the values are tags."""
    more = [*_as_list(lookups.get("tags", ())), *_as_list(values.get("tags", ()))]
    attrs = {name: value for name, value in values.items() if name != "tags"}
    return model(*tags, *more, **attrs)


def _as_list(tags: Any) -> list[Any]:
    tags = unwrap(tags)
    return [tags] if isinstance(tags, str) else list(tags)


def _set_values(found: Instance, values: Values) -> None:
    """Set the values of an existing object."""
    for name, value in values.items():
        if name in ("id", "pk"):
            raise FieldError(
                f"Cannot update {name!r} of {found._meta.object_name}: another id "
                "makes another object. Pass it in create_defaults."
            )
        if name == "tags":
            found.tags = _as_list(value)
        elif name == "expire":
            found.expire = value
        else:
            found.set(**{name: value})


def _resolve_callables(values: Values) -> dict[str, Any]:
    """Return the values with callables called, as in Django."""
    return {
        name: value() if callable(value) else value for name, value in values.items()
    }
