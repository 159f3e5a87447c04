"""A plain Python model of the store, for every method that writes."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import django_ormist as ormist


class Thing(ormist.TaggedAttrsModel):
    """A model with terms, an order, a unique value and a counter."""

    class Meta:
        app_label = "tests"
        index_attrs = ["name"]
        ordered = ["rank"]
        unique = ["code"]
        counters = ["n"]


@dataclass
class Row:
    """One stored object. lasts: it does not expire. place: its creation order."""

    attrs: dict[str, Any]
    tags: set[str]
    lasts: bool
    n: int = 0
    place: int = 0


@dataclass
class Copy:
    """An instance, and its state when it was loaded or saved, or None."""

    thing: Thing
    base: Row | None = None
    is_assigned: bool = False

    def held(self) -> Row:
        """Return its current state."""
        thing = self.thing
        tags = {tag for tag in thing.tags if ":" not in tag}
        attrs = deepcopy(thing.attrs)
        return Row(attrs, tags, thing.expire is None, thing.n)


class Taken(Exception):
    """A unique value or an id would be held twice."""


@dataclass
class Rows:
    """The objects by id."""

    rows: dict[str, Row] = field(default_factory=dict)
    created: int = 0

    def forked(self) -> "Rows":
        return Rows({pk: deepcopy(row) for pk, row in self.rows.items()}, self.created)

    def holder(self, code: Any, beside: str = "") -> str | None:
        """Return the holder of this code, by its text."""
        for pk, row in self.rows.items():
            held = row.attrs.get("code")
            if pk != beside and None not in (code, held) and str(held) == str(code):
                return pk
        return None

    def check(self) -> None:
        """Raise Taken if two objects have one code."""
        for pk, row in self.rows.items():
            if self.holder(row.attrs.get("code"), pk):
                raise Taken

    def put(self, pk: str, row: Row) -> None:
        if pk in self.rows:
            row.place = self.rows[pk].place
        else:
            self.created += 1
            row.place = self.created
        self.rows[pk] = row

    def saved(self, copy: Copy) -> Row:
        """Return the row that save() of a copy leaves, over the stored one."""
        pk, mine, base, there = copy.thing.id, copy.held(), copy.base, None
        there = self.rows.get(pk)
        if there is None or base is None:
            row = mine
        else:
            attrs = dict(there.attrs)
            for name in mine.attrs.keys() | base.attrs.keys():
                if name not in mine.attrs:
                    attrs.pop(name, None)
                elif name not in base.attrs or mine.attrs[name] != base.attrs[name]:
                    attrs[name] = mine.attrs[name]
            tags = there.tags - (base.tags - mine.tags) | (mine.tags - base.tags)
            lasts = mine.lasts if mine.lasts != base.lasts else there.lasts
            n = mine.n if copy.is_assigned else there.n
            row = Row(attrs, tags, lasts, n)
        self.put(pk, row)
        return row

    def in_order(self) -> list[str]:
        return sorted(self.rows, key=lambda pk: self.rows[pk].place)

    def named(self, name: Any) -> list[str]:
        found = self.in_order()
        return [pk for pk in found if self.rows[pk].attrs.get("name") == name]

    def ranked(self) -> list[str]:
        """Return them by rank; equal ones and those without a rank by creation."""
        found = self.in_order()
        ranks = {pk: self.rows[pk].attrs.get("rank") for pk in found}
        there = [pk for pk in found if ranks[pk] is not None]
        return sorted(there, key=ranks.__getitem__) + [
            pk for pk in found if ranks[pk] is None
        ]


def without_place(row: Row) -> Row:
    return replace(deepcopy(row), place=0)
