"""Options: a model's Meta, read and checked, at ``Model._meta``."""

import string
from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils.text import camel_case_to_spaces

from ..connections import connections
from ..crypto import get_random_string
from ..deadlines import to_aware
from ..exceptions import FieldError, InvalidLookupValue
from ..fields import Field, Reference
from ..fields.types import Scalar
from ..keys import Space
from ..schema import RESERVED, Schema
from .meta import LISTS, STATE, MetaOptions, is_ours
from .unsupported import OPTIONS, missing_name

if TYPE_CHECKING:
    from .base import Model

_ALPHABET = string.ascii_letters + string.digits


class Options(MetaOptions):
    """The options of a model, read from Meta. See BaseOptions for the others.

    label: ``app_label.Model``, or ``Model`` outside any app: the name of the key space
    and on a command line. slot: the name of the Cluster slot that the model shares, or
    "". expire: the lifetime of a new object.
    """

    def __init__(
        self, model: "type[Model]", meta: type | None, fields: dict[str, Field]
    ) -> None:
        self.model = model
        self.fields_by_name = fields
        self.references = {
            each.name: each for each in fields.values() if isinstance(each, Reference)
        }
        self.object_name = model.__name__
        self._given = self._read(meta)
        for name in LISTS:
            self._check_names(name)
        self.abstract: bool = self._given["abstract"]
        self.id_length: int = self._given["id_length"]
        self.expire: int | float | timedelta | None = self._given["expire"]
        self.pending_indexes: frozenset[str] = frozenset(self._given["pending_indexes"])
        self.counters: frozenset[str] = frozenset(self._given["counters"])
        self.exclude_attrs: frozenset[str] = frozenset(self._given["exclude_attrs"])
        index_attrs = self._given["index_attrs"]
        self.index_attrs = None if index_attrs is None else frozenset(index_attrs)
        self.ordered: tuple[str, ...] = ()
        self.unique: tuple[tuple[str, ...], ...] = ()
        self.slot: str = self._given["slot"] or ""
        self.declared_only: bool = self._given["declared_only"]
        self.model_name: str = self._given["model_name"] or self.object_name.lower()
        self.verbose_name: str = self._given["verbose_name"] or camel_case_to_spaces(
            self.object_name
        )
        self.verbose_name_plural: str = (
            self._given["verbose_name_plural"] or f"{self.verbose_name}s"
        )
        self._schemas: dict[str, Schema] = {}
        self._check()

    def __repr__(self) -> str:
        return f"<Options for {self.object_name}>"

    if not TYPE_CHECKING:  # a type checker is to report what is absent

        def __getattr__(self, name: str) -> Any:
            if name in OPTIONS:
                raise missing_name(f"{self.object_name}._meta", name, OPTIONS)
            return object.__getattribute__(self, name)  # a property that raised

    @property
    def using(self) -> str:
        """The default alias of the model."""
        using: str | Callable[[], str] = self._given["using"]
        return using() if callable(using) else using

    @property
    def concrete_model(self) -> "type[Model]":
        """The model itself: there are no proxy models."""
        model: type[Model] = self.model
        return model

    @cached_property
    def app_label(self) -> str | None:
        """The label in Meta, or that of the app that contains the class."""
        if self._given["app_label"] is not None:
            label: str = self._given["app_label"]
            return label
        configs = [
            config
            for config in apps.app_configs.values()
            if f"{self.model.__module__}.".startswith(f"{config.name}.")
        ]
        return max(configs, key=lambda each: len(each.name)).label if configs else None

    @cached_property
    def label(self) -> str:
        """``app_label.Model``, or ``Model`` outside any app."""
        name = self._given["model_name"] or self.object_name
        return f"{self.app_label}.{name}" if self.app_label else name

    @property
    def label_lower(self) -> str:
        """The label in lower case, as in Django."""
        return self.label.lower()

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The names that the class defines. Attributes cannot have them."""
        names = {*dir(self.model), *STATE}
        if not hasattr(self.model, "clean"):  # see SuperMethod
            names.remove("clean")
        return frozenset(names) - self.fields_by_name.keys()

    @cached_property
    def own_setters(self) -> frozenset[str]:
        """The names of properties with a setter, and of declared attributes."""
        properties = {
            name
            for name in self.own_names
            if hasattr(getattr_static(self.model, name, None), "__set__")
            and getattr(getattr_static(self.model, name), "fset", True) is not None
        }
        return frozenset(properties | self.fields_by_name.keys())

    @cached_property
    def assigned_names(self) -> frozenset[str]:
        """The names that are not simply put into ``attrs``."""
        fields = self.fields_by_name.values()
        converted = {each.attname for each in fields if each.type.is_converted}
        return self.own_names | self.counters | converted

    @cached_property
    def are_plain(self) -> Callable[[tuple[str, ...]], bool]:
        """Whether all attributes of these names are simply put into ``attrs``.

        A function that remembers its answers: a method would double the time.
        """

        @lru_cache(maxsize=256)
        def are_plain(names: tuple[str, ...]) -> bool:
            return (
                self.assigned_names.isdisjoint(names)
                and not self.declared_only
                and not any(name.startswith("_") for name in names)
            )

        return are_plain

    @cached_property
    def defaults(self) -> tuple[Field, ...]:
        """The declared attributes with a default, but for counters."""
        return tuple(
            each
            for each in self.fields_by_name.values()
            if each.has_default() and each.attname not in self.counters
        )

    # Declared attributes

    @property
    def fields(self) -> tuple[Field, ...]:
        """The declared attributes, those of bases first."""
        return tuple(self.fields_by_name.values())

    @property
    def concrete_fields(self) -> tuple[Field, ...]:
        """The declared attributes, by the name that Django's forms ask for."""
        return self.fields

    private_fields = many_to_many = ()

    def get_fields(self, include_parents: bool = True) -> tuple[Field, ...]:
        """Return the declared attributes, those of bases first."""
        return self.fields

    def get_field(self, field_name: str) -> Field:
        """Return a declared attribute. Raises FieldDoesNotExist."""
        found: Field | None = self.fields_by_name.get(self.stored_name(field_name))
        if found is None:
            raise FieldDoesNotExist(
                f"{self.object_name} has no field named {field_name!r}: it is not "
                "declared."
            )
        return found

    @cached_property
    def private_names(self) -> frozenset[str]:
        """The names of the state of an instance, and of private methods."""
        bases = [base for base in self.model.__mro__ if is_ours(base)]
        ours = {name for base in bases for name in dir(base) if name.startswith("_")}
        return frozenset({"id", "_meta", *STATE, *ours})

    def reserved(self, name: str) -> str | None:
        """Return the reason why no attribute can have this name, if any."""
        if name in RESERVED:
            return f"{name!r} of {self.object_name} is no attribute. Assign it."
        if name in self.own_names:
            return (
                f"{self.object_name} defines {name!r} itself. "
                f"Reach the attribute of that name through attrs[{name!r}]."
            )
        if name.startswith("_"):
            return (
                f"{self.object_name} does not store {name!r}: a name that begins with "
                "'_' is the instance's own. Choose another name, or assign it."
            )
        return None

    def refusal(self, name: str) -> str | None:
        """Return the reason why an attribute cannot have this name, if any."""
        if self.is_undeclared(name):
            near = get_close_matches(name, self.fields_by_name, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            return self.reserved(name) or (
                f"{self.object_name} has declared attributes only, and {name!r} is not "
                f"among them. {hint}Declare it, or remove "
                f"{self.object_name}.Meta.declared_only."
            )
        return self.reserved(name)

    def schema(self, using: str) -> Schema:
        """Return the Schema of this model on the alias *using*."""
        prefix = connections[using].key_prefix
        return self._schemas.get(prefix) or self._new_schema(prefix)

    def space(self, using: str) -> Space:
        """Return the key space of this model on the alias *using*."""
        prefix = connections[using].key_prefix
        return (self._schemas.get(prefix) or self._new_schema(prefix)).space

    def _new_schema(self, prefix: str) -> Schema:
        """Return a Schema, and keep it for this KEY_PREFIX."""
        schema = self._schemas[prefix] = Schema(
            Space(prefix, self.label, self.slot),
            self.is_indexed,
            self.ordered,
            self.unique,
            self.counters,
        )
        return schema

    def indexes(self, name: str) -> bool:
        """Return whether the attribute *name* is indexed."""
        if self.index_attrs is not None:
            return name in self.index_attrs
        return self.model.indexes_attributes and name not in self.exclude_attrs

    def refuse_pending(self, name: str) -> None:
        """Raise FieldError if the index of this attribute is pending.

        Until ormist_reindex is done, the index may be incomplete.
        """
        if name in self.pending_indexes:
            raise FieldError(
                f"Cannot ask {self.object_name} by {name!r}: its index is being built. "
                f"Run ormist_reindex {self.label}, then remove it from "
                f"{self.object_name}.Meta.pending_indexes."
            )

    def to_moment(self, name: str, lookup: str, value: Any) -> datetime:
        """Return the value of a lookup by a time as an aware datetime.

        Raises InvalidLookupValue.
        """
        try:
            found: datetime = Scalar(datetime).clean(value)
        except ValidationError as error:
            name = name if lookup == "exact" else f"{name}__{lookup}"
            raise InvalidLookupValue(
                f"Cannot filter {self.object_name} by {name}: {error.messages[0]}"
            ) from error
        return to_aware(found)

    def new_pk(self) -> str:
        """Return a random id of letters and digits, uniformly distributed."""
        return get_random_string(_ALPHABET, self.id_length)
