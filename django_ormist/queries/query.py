"""A question as data: which objects, in what order, which slice of them."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Query:
    """Objects that carry every term, among these ids, in order of creation.

    terms: index terms (``"home"``, ``"name:John"``), all of which must be carried.
    pks: only these ids; None means any. is_reversed: newest first.
    start, stop: the slice of the ordered matches; stop None means to the end.
    """

    terms: tuple[str, ...] = ()
    pks: frozenset[str] | None = None
    is_reversed: bool = False
    start: int = 0
    stop: int | None = None

    @property
    def is_sliced(self) -> bool:
        """Whether a slice was taken: nothing may narrow the query after that."""
        return self.start > 0 or self.stop is not None

    @property
    def is_empty(self) -> bool:
        """Whether it cannot match, whatever is stored: it costs no round trip."""
        return (
            self.stop is not None and self.stop <= self.start
        ) or self.pks == frozenset()

    @property
    def limit(self) -> int | None:
        """At most so many objects; None means all."""
        return None if self.stop is None else max(self.stop - self.start, 0)

    def narrow(self, terms: tuple[str, ...], pks: frozenset[str] | None = None) -> Self:
        """The same question of fewer objects."""
        known = dict.fromkeys((*self.terms, *terms))
        if self.pks is not None:
            pks = self.pks if pks is None else self.pks & pks
        return replace(self, terms=tuple(known), pks=pks)

    def nothing(self) -> Self:
        """The question that matches nothing."""
        return replace(self, pks=frozenset())

    def reverse(self) -> Self:
        """The same objects in the opposite order."""
        return replace(self, is_reversed=not self.is_reversed)

    def slice(self, start: int, stop: int | None) -> Self:
        """The slice [start:stop] of this query's own slice."""
        new_start = self.start + start
        new_stop = self.stop if stop is None else self.start + stop
        if self.stop is not None:
            new_start = min(new_start, self.stop)
            new_stop = min(new_stop or 0, self.stop) if stop is not None else self.stop
        return replace(self, start=new_start, stop=new_stop)
