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
from ..queries.conditions import (
    And,
    Condition,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Subquery,
    Term,
    Xor,
)
from ..queries.query import CREATED, EXPIRE, RANDOM, Order, Query
from ..terms import term_suffix
from .operation import Word

_KINDS = {CREATED: "c", EXPIRE: "e", RANDOM: "?"}


@dataclass(slots=True)
class QueryCompiler:
    """The keys of a query script, each once, and arguments that name them by number."""

    space: Space
    keys: list[bytes] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._add_key(all_key(self.space))
        self._add_key(expires_key(self.space))

    def compile_orders(self, query: Query) -> list[Word]:
        """Return the arguments of orders.lua."""
        words: list[Word] = [int(query.is_reversed), len(query.order)]
        for order in query.order:
            words += self._compile_order(order)
        return words

    def compile_condition(self, condition: Condition) -> list[Word]:
        """Return the arguments of conditions.lua."""
        match condition:
            case Term(term):
                return ["T", self._add_key(term_key(self.space, term_suffix(term)))]
            case Range(name, low, high):
                return ["R", self.add_ordered(name), low, high]
            case Period(name, earliest, latest):
                return ["P", 1 if name == CREATED else 2, earliest, latest]
            case Ids(pks):
                return ["I", len(pks), *sorted(pk_bytes(pk) for pk in pks)]
            case Holds(names, value):
                return ["U", self._add_key(unique_key(self.space, names)), value]
            case Subquery():
                return self.compile_condition(condition.condition)
            case Not(part):
                return ["N", *self.compile_condition(part)]
            case And(parts) | Or(parts) | Xor(parts):
                words: list[Word] = [type(condition).__name__[0], len(parts)]
                for each in sorted(parts, key=_first_key):
                    words += self.compile_condition(each)
                return words

    def _compile_order(self, order: Order) -> list[Word]:
        kind = None if order.is_attribute else _KINDS.get(order.name)
        number = 0 if kind else self.add_ordered(order.name)
        return [kind or "a", number, int(order.is_descending)]

    def add_ordered(self, name: str) -> int:
        """Return the number of the key of entries. That of sort keys is the next."""
        entries = ordered_key(self.space, name)
        known = self.numbers.get(entries)
        if known is None:
            known = self._add_key(entries)
            self.keys.append(sort_keys_key(self.space, name))
        return known

    def _add_key(self, key: bytes) -> int:
        number = self.numbers.get(key)
        if number is None:
            self.keys.append(key)
            number = self.numbers[key] = len(self.keys)
        return number


def _first_key(condition: Condition) -> bytes:
    """Return the key to sort conditions by: a script needs ranges in their order."""
    return condition.low if isinstance(condition, Range) else b""
