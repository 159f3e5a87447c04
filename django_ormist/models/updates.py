"""The flows that change all that a collection asks for: update, set_expire, delete."""

from typing import TYPE_CHECKING, Any

from ..codecs import pack_value
from ..connections import connections
from ..exceptions import FieldError
from ..operations import searches
from ..operations.operation import Flow
from ..queries.matching import matcher
from .arguments import checked_counter
from .blocks import refuse
from .changes import Changes, Found, Rewrite, Verdict
from .deadlines import Expire, to_datetime, to_deadline
from .expressions import (
    Computed,
    can_be_attribute,
    is_expression,
    names_in,
    value_of,
)
from .fetching import check_whole
from .options import Options

if TYPE_CHECKING:
    from .collection import Collection


def delete(asked: "Collection[Any]") -> Flow:
    """Flow: delete what matches; (number, {label: number}).

    2 + ceil(N / 100) round trips. Raises TypeError for a slice.
    """
    check_whole(asked, "delete")
    refuse(asked.db, "A collection's delete()")
    number = yield from _change(asked, lambda found: Verdict.DELETE)
    return number, ({asked.model._meta.label: number} if number else {})


def set_expire(asked: "Collection[Any]", expire: Expire) -> Flow:
    """Flow: give what matches another deadline; how many. As delete()."""
    check_whole(asked, "set_expire")
    refuse(asked.db, "A collection's set_expire()")
    deadline = to_deadline(expire)

    def rewrite(found: Found) -> Verdict:
        found.contents.expire_at_ms = deadline
        return Verdict.WRITE

    return (yield from _change(asked, rewrite, moves=False))


def update(asked: "Collection[Any]", values: dict[str, Any]) -> Flow:
    """Flow: set values of what matches, computed of each; how many. As delete()."""
    refuse(asked.db, "update()")
    if asked.query.is_sliced:
        raise TypeError("Cannot update a query once a slice has been taken.")
    meta = asked.model._meta
    counted = _names_read(meta, values) & meta.counters
    if not values:
        return 0
    computed = {name: value_of(value) for name, value in values.items()}

    def rewrite(found: Found) -> Verdict:
        found.counted = {name: found.counters.get(name, 0) for name in counted}
        _assign(meta, found, computed)
        return Verdict.WRITE

    moves = any(map(meta.has_index, values))
    return (yield from _change(asked, rewrite, bool(counted), moves))


def _change(
    asked: "Collection[Any]",
    rewrite: Rewrite,
    has_counters: bool = False,
    moves: bool = True,
) -> Flow:
    """Flow: rewrite each object that matches, as it is stored; how many."""
    asked._cache = None
    meta, meets = asked.model._meta, matcher(asked.query.condition)

    def rewrite_if_asked(found: Found) -> Verdict:
        if not meets(found.pk, found.old):
            return Verdict.LEAVE
        return rewrite(found)

    pks = yield from searches.ids(asked.space, asked.query)
    codec = connections[asked.db].codec
    changes = Changes(
        asked.space, meta, codec, rewrite_if_asked, has_counters, moves=moves
    )
    return (yield from changes.made(pks))


def _names_read(meta: Options, values: dict[str, Any]) -> set[str]:
    """The names that the values are computed from. Raises FieldError, TypeError."""
    read: set[str] = set()
    for name, value in values.items():
        if name in ("id", "pk", "tags") or not can_be_attribute(name):
            raise FieldError(
                f"Cannot update {name!r} of {meta.object_name}: update() sets "
                "attributes, counters and expire. Save the objects one by one."
            )
        why = meta.refusal(name)
        if why is not None and name != "expire" and name not in meta.counters:
            raise FieldError(f"Cannot update {name!r}. {why}")
        if is_expression(value):
            read.update(names_in(value))
        elif name in meta.counters:
            checked_counter(meta.object_name, name, value)
        elif name == "expire":
            to_deadline(value)
        else:
            pack_value(name, value)
    return read


def _assign(meta: Options, found: Found, values: dict[str, Computed]) -> None:
    """Set the values of one object, all computed from what it held before."""
    contents, counters = found.contents, found.counters

    def held(name: str) -> Any:
        if name in meta.counters:
            return counters.get(name, 0)
        if name == "expire":
            return to_datetime(contents.expire_at_ms)
        return found.pk if name in ("id", "pk") else contents.attrs.get(name)

    try:
        new = {name: value(held) for name, value in values.items()}
        if "expire" in new:
            contents.expire_at_ms = to_deadline(new.pop("expire"))
    except (TypeError, ValueError, ArithmeticError) as error:
        error.add_note(f"In update() of {meta.object_name} {found.pk!r}.")
        raise
    for name, value in new.items():
        if name in meta.counters:
            found.assigned[name] = checked_counter(meta.object_name, name, value)
            if name not in found.counted:
                contents.attrs.pop(name, None)  # stored before it was a counter
        else:
            contents.attrs[name] = value
