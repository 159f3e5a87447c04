"""The schema of a model: the names that it stores and indexes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from .exceptions import FieldError
from .keys import Space, index_keys
from .queries.query import CREATED

NO_ATTRIBUTES = ("id", "pk", "expire")
"""Names that every object has. A lookup by them never means an attribute."""

RESERVED = (*NO_ATTRIBUTES, "tags")
"""Names that are not assigned or looked up as attributes."""


@dataclass(frozen=True)
class Schema:
    """The key space and the indexes of a model on one alias, for operations.

    is_indexed: whether objects may have index entries other than ``all``. ordered,
    unique, counters: as in Meta.
    """

    space: Space
    is_indexed: bool = True
    ordered: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    counters: frozenset[str] = frozenset()

    @cached_property
    def index_keys(self) -> tuple[bytes, ...]:
        """Both keys of each ordered attribute, then the key of each unique one."""
        return tuple(index_keys(self.space, self.ordered, self.unique))


class BaseOptions:
    """The options of a model that queries need. ``Options`` reads them from Meta.

    index_attrs: indexed attributes, if not those of the class. exclude_attrs: those
    that are not indexed. counters: names stored as atomic integers. ordered: attributes
    with a sorted index. unique: attributes that are unique, alone or together.
    pending_indexes: names whose index is written but not read: see refuse_pending().
    declared_only: whether other attributes are refused. fields_by_name: the Field of
    each declared attribute, by the name under which it is stored. references: the
    Reference of each attribute that is one, by its own name.
    """

    model: Any
    object_name: str
    pending_indexes: frozenset[str]
    counters: frozenset[str]
    exclude_attrs: frozenset[str]
    index_attrs: frozenset[str] | None
    ordered: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    declared_only: bool
    fields_by_name: Mapping[str, Any]
    references: Mapping[str, Any]

    @cached_property
    def created_is_attribute(self) -> bool:
        """Whether Meta or the declaration names an attribute or counter ``created``.

        Otherwise the name means the creation time, except for an object that stores an
        attribute of this name.
        """
        named = (self.ordered, self.counters, self.exclude_attrs, self.fields_by_name)
        return any(CREATED in names for names in (*named, *self.unique)) or (
            self.index_attrs is not None and CREATED in self.index_attrs
        )

    def to_moment(self, name: str, lookup: str, value: Any) -> datetime:
        """Return the value of a lookup by a time as an aware datetime.

        Raises InvalidLookupValue.
        """
        raise NotImplementedError  # pragma: no cover

    @property
    def label(self) -> str:
        """``app_label.Model``, or ``Model`` outside any app."""
        raise NotImplementedError  # pragma: no cover

    @property
    def own_names(self) -> frozenset[str]:
        """The names that the class defines. Attributes cannot have them."""
        raise NotImplementedError  # pragma: no cover

    def refusal(self, name: str) -> str | None:
        """Return the reason if an attribute cannot have this name."""
        raise NotImplementedError  # pragma: no cover

    def indexes(self, name: str) -> bool:
        """Return whether the attribute *name* is indexed."""
        raise NotImplementedError  # pragma: no cover

    def finds(self, name: str) -> bool:
        """Return whether a query can look for equal values of the attribute *name*."""
        return self.indexes(name) and not self.is_undeclared(name)

    def declares(self, name: str) -> bool:
        """Return whether *name* is a declared attribute or a counter."""
        return self.stored_name(name) in self.fields_by_name or name in self.counters

    def is_undeclared(self, name: str) -> bool:
        """Return whether Meta.declared_only refuses an attribute of this name.

        Objects that were stored before may have it, and its index entries.
        """
        return self.declared_only and not self.declares(name)

    def check_readable(self, name: str, verb: str) -> None:
        """Raise FieldError if *verb* cannot read the attribute *name* of objects."""
        if name not in (*RESERVED, CREATED) and self.is_undeclared(name):
            raise FieldError(f"{verb} cannot read {name!r}. {self.refusal(name)}")

    def refuse_pending(self, name: str) -> None:
        """Raise FieldError if the index of this attribute is pending."""
        raise NotImplementedError  # pragma: no cover

    def schema(self, using: str) -> Schema:
        """Return the Schema of this model on the alias *using*."""
        raise NotImplementedError  # pragma: no cover

    def space(self, using: str) -> Space:
        """Return the key space of this model on the alias *using*."""
        raise NotImplementedError  # pragma: no cover

    def stored_name(self, name: str) -> str:
        """Return ``author_id`` for a reference ``author``, any other name itself."""
        reference = self.references.get(name)
        return name if reference is None else str(reference.attname)

    def converted_value(self, name: str, attrs: Mapping[str, Any]) -> Any:
        """Return an attribute as its declared type, or its default, or None."""
        field = self.fields_by_name.get(name)
        return attrs.get(name) if field is None else field.converted_value(attrs)

    def to_python(self, name: str, value: Any) -> Any:
        """Return a stored value of an attribute as instances have it."""
        field = self.fields_by_name.get(name)
        return value if field is None else field.to_python(value)

    @cached_property
    def is_indexed(self) -> bool:
        """Whether objects of this model have index entries other than ``all``."""
        return bool(
            self.model.is_tagged
            or self.index_attrs
            or self.indexes_all
            or self.ordered
            or self.unique
        )

    @cached_property
    def indexes_all(self) -> bool:
        """Whether every attribute is indexed, except for those in exclude_attrs."""
        return self.model.indexes_attributes and self.index_attrs is None

    @cached_property
    def entry_names(self) -> frozenset[str]:
        """The attributes with an index of any kind, unless all have one."""
        named = (self.index_attrs or (), self.ordered, *self.unique)
        return frozenset().union(*named)

    def has_index(self, name: str) -> bool:
        """Return whether an index of any kind holds this attribute."""
        return (
            self.indexes(name)
            or name in self.ordered
            or any(name in names for names in self.unique)
        )

    def advice_for_order(self, name: str) -> str:
        """Return a sentence on how to get *name* into a sorted index."""
        if name in self.counters:
            return "It is a counter, and counters are not indexed."
        if name in RESERVED or "__" in name or ":" in name:
            return (
                f"It cannot have one. Name an attribute in {self.object_name}.Meta."
                "ordered instead."
            )
        if self.is_undeclared(name):
            return str(self.refusal(name))
        return f"Add it to {self.object_name}.Meta.ordered, then run ormist_reindex."
