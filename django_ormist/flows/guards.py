"""What get_or_create() and update_or_create() ask of the save that they call.

A model's own save() may do anything before it writes, so no argument carries this: it
stands on the instance until a write has met it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..exceptions import IntegrityError
from ..operations.objects import Image
from ..queries.lookups import compares_text
from ..queries.matching import matcher
from ..queries.query import Query
from ..terms import text

if TYPE_CHECKING:
    from ..models.base import Model


class StaleMatch(IntegrityError):
    """The object that is asked for has changed meanwhile."""


@dataclass(eq=False, slots=True)
class Guard:
    """What must hold when an instance is first written to this alias.

    query: no live object meets it (is_insert), or the object that is written does.
    lookups: what the query was made of. is_met: whether a write has met it.
    is_refused: whether one was refused for it.
    """

    using: str
    query: Query
    lookups: Mapping[str, Any]
    is_insert: bool
    is_met: bool = False
    is_refused: bool = False

    def admits(self, pk: str, stored: Image | None) -> bool:
        """Whether what is stored may be updated."""
        if self.is_insert:
            return True
        return stored is not None and matcher(self.query.condition)(pk, stored)

    def is_arbitrated(self, instance: "Model", force_insert: bool) -> bool:
        """Whether what meets the query has the id, or a unique value, of the instance.

        Then the insert is refused by that alone.
        """
        pks = self.query.pks
        if force_insert and pks is not None and pks <= {instance.id}:
            return True
        return any(
            all(self._has_text_of(instance, name) for name in names)
            for names in instance._meta.unique
        )

    def _has_text_of(self, instance: "Model", name: str) -> bool:
        value = self.lookups.get(name)
        return (
            value is not None
            and compares_text(instance._meta, name)
            and text(value) == text(instance.attrs.get(name))
        )

    def overtaken(self, instance: "Model") -> StaleMatch:
        """Note that a write was refused, and return the error."""
        self.is_refused = True
        return StaleMatch(
            f"Cannot save {instance._meta.object_name} {instance.id!r}: what "
            "get_or_create() or update_or_create() asks for was changed meanwhile. Let "
            "this error pass through save(): it is asked anew."
        )


def guard_of(instance: "Model", using: str) -> Guard | None:
    """The guard that the next write of this instance to this alias must meet."""
    guard: Guard | None = instance.__dict__.get("_guard")
    if guard is None or guard.is_met or guard.using != using:
        return None
    return guard


@contextmanager
def guarded(instance: "Model", guard: Guard) -> Iterator[None]:
    """The first write within the block must meet the guard."""
    instance.__dict__["_guard"] = guard
    try:
        yield
    finally:
        instance.__dict__.pop("_guard", None)
