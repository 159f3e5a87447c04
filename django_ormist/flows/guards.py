"""The guard of a save that get_or_create() or update_or_create() calls.

A model's own save() may do anything before it writes, so no argument can carry the
guard. It is kept on the instance until a write has met it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..exceptions import IntegrityError
from ..operations.objects import Image
from ..queries.conditions import reads_creation
from ..queries.lookups import compares_text
from ..queries.matching import matcher
from ..queries.query import Query
from ..terms import text
from .types import Instance


class StaleMatch(IntegrityError):
    """The matching object changed meanwhile."""


@dataclass(eq=False, slots=True)
class Guard:
    """A condition on the first write of an instance to an alias.

    query: no live object may match it (is_insert), or the written object must match.
    lookups: the lookups of the query. packed: the bytes that matched, of an update.
    is_met: whether a write has met the guard.
    is_refused: whether the server refused a write because of it.
    """

    using: str
    query: Query
    lookups: Mapping[str, Any]
    is_insert: bool
    packed: bytes | None = None
    is_met: bool = False
    is_refused: bool = False

    def admits(self, pk: str, stored: Image | None) -> bool:
        """Whether the stored object may be updated.

        The stored bytes do not show whether the object was created anew. So if that
        matters, an object that changed meanwhile is searched for again.
        """
        if self.is_insert:
            return True
        if stored is None:
            return False
        condition = self.query.condition
        if reads_creation(condition):
            return stored.packed == self.packed
        return matcher(condition)(pk, stored, None)

    def is_arbitrated(self, instance: Instance, force_insert: bool) -> bool:
        """Whether any matching object has the id or a unique value of the instance.

        The insert is then refused without a further check.
        """
        pks = self.query.pks
        if force_insert and pks is not None and pks <= {instance.id}:
            return True
        return any(
            all(self._has_text_of(instance, name) for name in names)
            for names in instance._meta.unique
        )

    def _has_text_of(self, instance: Instance, name: str) -> bool:
        value = self.lookups.get(name)
        return (
            value is not None
            and compares_text(instance._meta, name)
            and text(value) == text(instance.attrs.get(name))
        )

    def refuse(self, instance: Instance) -> StaleMatch:
        """Note that a write was refused, and return the error."""
        self.is_refused = True
        return StaleMatch(
            f"Cannot save {instance._meta.object_name} {instance.id!r}: the match of "
            "get_or_create() or update_or_create() was changed meanwhile. Let this "
            "error pass through save(): the search is repeated."
        )


def guard_of(instance: Instance, using: str) -> Guard | None:
    """Return the guard of the next write of this instance to this alias, if any."""
    guard: Guard | None = instance._guard
    if guard is None or guard.is_met or guard.using != using:
        return None
    return guard


@contextmanager
def guard_first_write(instance: Instance, guard: Guard) -> Iterator[None]:
    """Require that the first write within the block meets the guard."""
    instance.__dict__["_guard"] = guard
    try:
        yield
    finally:
        instance.__dict__.pop("_guard", None)
