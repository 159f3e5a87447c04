"""The format of a dump: each object is one line of JSON.

    {"model": "app.Model", "id": "..", "created": µs, "v": 1, "attrs": {..},
     "tags": [..], "expire": ms or null, "counters": {..}}

``v``, ``attrs``, ``tags`` and ``expire`` are the object as the "json" codec writes it,
so every type comes back. All characters are ASCII.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..codecs import as_plain, pack_value, unpack
from ..exceptions import CorruptDataError
from ..flows.attempt import SaveAttempt, SaveOptions
from ..flows.bulk import clean_and_validate, defer_saves
from ..models import Collection, Model, registry
from ..operations import scan
from ..operations.objects import load_counters
from ..operations.operation import Flow

_KEYS = {"model", "id", "created", "v", "attrs", "tags", "expire", "counters"}


LAST_CREATED = 2**53
"""The largest creation time. Only ``--verify`` reports larger ones."""


class InvalidLine(Exception):
    """A line that is not an object, or an object that cannot be stored. Says why."""


def object_to_line(
    label: str, pk: str, created: float, packed: bytes, counters: Mapping[str, int]
) -> str:
    """Return the line of a stored object. Raises CorruptDataError."""
    attrs, tags, expire_at_ms = unpack(packed, pk.encode())
    content = as_plain(attrs, tags, expire_at_ms)
    head = {
        "model": label,
        "id": pk,
        "created": int(min(max(created, 0), LAST_CREATED)),
    }
    return json.dumps({**head, **content, "counters": dict(counters)})


def read_lines(model: type[Model], using: str, after: float, number: int) -> Flow[Any]:
    """Flow that returns (lines, damaged keys, creation time of the last or None).

    It reads *number* objects after the creation time *after*, oldest first. Two round
    trips.
    """
    meta, space = model._meta, model._meta.space(using)
    page = yield from scan.ids_by_creation(space, after, number)
    if not page:
        return [], [], None
    stored = yield from scan.load_objects(space, [pk for pk, _ in page])
    counters: Sequence[Any] = [{}] * len(page)
    if meta.counters:
        counters = yield [load_counters(space, pk) for pk, _ in page]
    lines, unreadable = [], []
    for (pk, created), (_, packed), counted in zip(page, stored, counters, strict=True):
        if packed is None:
            continue
        try:
            lines.append(
                object_to_line(meta.label, pk.decode(), created, packed, counted)
            )
        except (CorruptDataError, UnicodeDecodeError):
            unreadable.append(space.objects + pk)
    return lines, unreadable, page[-1][1]


def read_position(line: str) -> tuple[str, int]:
    """Return the model and creation time of a line. Raises InvalidLine."""
    content = _read(line)
    return content["model"], content["created"]


def line_to_object(line: str) -> Model:
    """Return the object of a line, unsaved. Raises InvalidLine with the reason."""
    content = _read(line)
    try:
        line.encode()
        content["id"].encode()
        model = registry.get_model(content["model"])
        body = {name: content[name] for name in ("v", "attrs", "tags", "expire")}
        attrs, tags, expire_at_ms = unpack(json.dumps(body).encode())
        instance = model(*tags, id=content["id"], expire=None)
        for name in attrs:
            why = model._meta.refusal(name)
            if why is not None:
                raise InvalidLine(why)
        instance.attrs.clear()  # of defaults: the object is stored as it was
        instance.attrs.update(attrs)
        instance._state.expire_at_ms = expire_at_ms
        for name, value in content["counters"].items():
            if name not in model._meta.counters:
                raise InvalidLine(
                    f"{model._meta.label} has no counter {name!r}: add it to "
                    "Meta.counters, or remove it from the line."
                )
            instance._set_counter(name, value)
    except UnicodeEncodeError as error:
        raise InvalidLine(
            "it has bytes that are not UTF-8, or a lone surrogate."
        ) from error
    except CorruptDataError as error:
        raise InvalidLine(f"it is not an object ({error.__cause__}).") from error
    except RecursionError as error:
        raise InvalidLine("it is nested too deeply.") from error
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise InvalidLine(str(error.args[0] if error.args else error)) from error
    return instance


def store_object(
    collection: Collection[Model], instance: Model, options: SaveOptions
) -> Flow[None]:
    """Flow that stores one new instance as a bulk method does.

    save() is not called, and no signal is sent. One round trip without a concurrent
    write. Raises IntegrityError, ValidationError.
    """
    if defer_saves(collection, [instance], options):
        return
    clean_and_validate(instance, using=None)
    attempt = SaveAttempt(instance, collection.db, options)
    reply = yield attempt.operation()
    yield from attempt.resolve(reply)


def _read(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidLine(f"it is not readable JSON ({error}).") from error
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise InvalidLine(
            f"it is not an object with the keys {', '.join(sorted(_KEYS))}."
        )
    kinds = {"model": str, "id": str, "created": int, "counters": dict}
    for name, kind in kinds.items():
        if type(content[name]) is not kind:
            raise InvalidLine(f"its {name!r} is not of type {kind.__name__}.")
    return content


def is_same(one: Model, other: Model) -> bool:
    """Return whether two objects are equal, types included, in any order."""
    mine, theirs = one._contents(), other._contents()
    return (
        set(mine.tags) == set(theirs.tags)
        and mine.expire_at_ms == theirs.expire_at_ms
        and _is_alike(mine.attrs, theirs.attrs)
        and {k: v for k, v in one._state.counters.items() if v}
        == {k: v for k, v in other._state.counters.items() if v}
    )


def _is_alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal, types included. Dicts are not ordered."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        mine, theirs = _by_packed_key(one), _by_packed_key(other)
        return mine.keys() == theirs.keys() and all(
            _is_alike(value, theirs[key]) for key, value in mine.items()
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    return pack_value("", one) == pack_value("", other)


def _by_packed_key(value: dict[Any, Any]) -> dict[bytes, Any]:
    """Return the items by packed key: 1 and True are the same key in Python."""
    return {pack_value("", key): item for key, item in value.items()}
