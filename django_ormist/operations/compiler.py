"""Translation of a query into the keys and arguments of the query scripts."""

from dataclasses import dataclass, field

from ..keys import (
    Space,
    all_key,
    expires_key,
    ordered_key,
    pk_bytes,
    sort_keys_key,
    term_key,
    unique_key,
)
from ..queries.conditions import And, Condition, Holds, Ids, Not, Or, Range, Term, Xor
from ..queries.query import CREATED, EXPIRE, RANDOM, Order, Query
from ..terms import term_suffix
from .operation import Word

_KINDS = {CREATED: "c", EXPIRE: "e", RANDOM: "?"}


@dataclass(slots=True)
class QueryCompiler:
    """A collector of keys, each once, that refers to them by number, from 1."""

    space: Space
    keys: list[bytes] = field(default_factory=list)
    places: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._place(all_key(self.space))
        self._place(expires_key(self.space))

    def orders(self, query: Query) -> list[Word]:
        """Return the arguments of orders.lua."""
        words: list[Word] = [int(query.is_reversed), len(query.order)]
        for order in query.order:
            words += self._order(order)
        return words

    def condition(self, condition: Condition) -> list[Word]:
        """Return the arguments of conditions.lua."""
        match condition:
            case Term(term):
                return ["T", self._place(term_key(self.space, term_suffix(term)))]
            case Range(name, low, high):
                return ["R", self.ordered(name), low, high]
            case Ids(pks):
                return ["I", len(pks), *sorted(pk_bytes(pk) for pk in pks)]
            case Holds(names, value):
                return ["U", self._place(unique_key(self.space, names)), value]
            case Not(part):
                return ["N", *self.condition(part)]
            case And(parts) | Or(parts) | Xor(parts):
                words: list[Word] = [type(condition).__name__[0], len(parts)]
                for each in parts:
                    words += self.condition(each)
                return words

    def _order(self, order: Order) -> list[Word]:
        kind = _KINDS.get(order.name)
        place = 0 if kind else self.ordered(order.name)
        return [kind or "a", place, int(order.is_descending)]

    def ordered(self, name: str) -> int:
        """Return the number of the entries of an attribute. Its sort keys come next."""
        entries = ordered_key(self.space, name)
        known = self.places.get(entries)
        if known is None:
            known = self._place(entries)
            self.keys.append(sort_keys_key(self.space, name))
        return known

    def _place(self, key: bytes) -> int:
        place = self.places.get(key)
        if place is None:
            self.keys.append(key)
            place = self.places[key] = len(self.keys)
        return place
