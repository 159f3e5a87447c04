"""A query as plain data: conditions, order and slice."""

from typing import NamedTuple, Self

from .conditions import NOTHING, And, Condition, Ids, Term, all_of

CREATED, EXPIRE, RANDOM = "created", "expire", "?"
"""Orders that are not attributes. No two objects have the same creation time."""

FARTHEST = 2**53
"""A slice must begin before this: Lua's numbers are not exact beyond it."""


class Order(NamedTuple):
    """An ordering by an ordered attribute, or by CREATED, EXPIRE or RANDOM.

    is_attribute: whether the name is an attribute's although it is CREATED.
    """

    name: str
    is_descending: bool = False
    is_attribute: bool = False

    @property
    def is_creation(self) -> bool:
        """Whether it is the order of creation."""
        return self.name == CREATED and not self.is_attribute

    @property
    def is_by_attribute(self) -> bool:
        """Whether it is an order by an attribute."""
        return self.is_attribute or self.name not in (CREATED, EXPIRE, RANDOM)


class Query(NamedTuple):
    """A query: the objects that meet all conditions, in an order, and a slice of them.

    terms: index terms that they carry (``"home"``, ``"name:John"``). pks: the ids to
    which it is limited, if any. conditions: other conditions. order: objects without
    the attribute come last, equal ones in order of creation. is_reversed: reverse the
    complete list. is_ordered: whether an order was requested, that of creation
    included. start, stop: the slice of the ordered matches.
    """

    terms: tuple[str, ...] = ()
    pks: frozenset[str] | None = None
    is_reversed: bool = False
    start: int = 0
    stop: int | None = None
    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    is_ordered: bool = False

    @property
    def is_sliced(self) -> bool:
        """Whether it is sliced. A sliced query cannot be filtered."""
        return self.start > 0 or self.stop is not None

    @property
    def is_plain(self) -> bool:
        """Whether it has only terms and ids, in order of creation."""
        return not (self.conditions or self.order)

    @property
    def is_random(self) -> bool:
        """Whether any part of its order is random."""
        return any(order.name == RANDOM for order in self.order)

    @property
    def is_empty(self) -> bool:
        """Whether it cannot match any object. Such a query needs no round trip."""
        return (
            self.start >= FARTHEST
            or (self.stop is not None and self.stop <= self.start)
            or self.pks == frozenset()
        )

    @property
    def limit(self) -> int | None:
        """The size of the slice, if it has an end."""
        return None if self.stop is None else max(self.stop - self.start, 0)

    @property
    def condition(self) -> Condition:
        """All of its conditions as one."""
        if self.pks == frozenset():
            return NOTHING
        parts: list[Condition] = [Term(term) for term in self.terms]
        if self.pks is not None:
            parts.append(Ids(self.pks))
        return all_of((*parts, *self.conditions))

    def narrow(
        self,
        terms: tuple[str, ...],
        pks: frozenset[str] | None = None,
        conditions: tuple[Condition, ...] = (),
    ) -> Self:
        """Return this query with more terms, ids and conditions."""
        known = dict.fromkeys((*self.terms, *terms))
        if self.pks is not None:
            pks = self.pks if pks is None else self.pks & pks
        if conditions:
            conditions = tuple(dict.fromkeys((*self.conditions, *conditions)))
        else:
            conditions = self.conditions
        return type(self)(
            tuple(known),
            pks,
            self.is_reversed,
            self.start,
            self.stop,
            conditions,
            self.order,
            self.is_ordered,
        )

    def where(self, condition: Condition) -> Self:
        """Return this query with its conditions replaced by *condition*."""
        bare = self._replace(terms=(), pks=None, conditions=())
        if condition == NOTHING:
            return bare.none()
        conjuncts = condition.parts if isinstance(condition, And) else (condition,)
        terms = tuple(each.term for each in conjuncts if isinstance(each, Term))
        query = bare.narrow(terms)
        for each in conjuncts:
            if isinstance(each, Ids):
                query = query.narrow((), each.pks)
            elif not isinstance(each, Term):
                query = query.narrow((), None, (each,))
        return query

    def none(self) -> Self:
        """Return a query that does not match any object."""
        return self._replace(pks=frozenset())

    def reverse(self) -> Self:
        """Return this query in the opposite order."""
        return self._replace(is_reversed=not self.is_reversed)

    def clear_ordering(self) -> Self:
        """Return a query of the same objects in order of creation."""
        return self._replace(order=(), is_reversed=False, is_ordered=False)

    def slice(self, start: int, stop: int | None) -> Self:
        """Return the slice [start:stop] of this query's slice."""
        new_start = self.start + start
        new_stop = self.stop if stop is None else self.start + stop
        if self.stop is not None:
            new_start = min(new_start, self.stop)
            new_stop = min(new_stop or 0, self.stop) if stop is not None else self.stop
        return type(self)(
            self.terms,
            self.pks,
            self.is_reversed,
            new_start,
            new_stop,
            self.conditions,
            self.order,
            self.is_ordered,
        )


EVERYTHING = Query()
"""The query of all objects, oldest first."""
