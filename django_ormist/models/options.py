"""Options: a model's Meta, read and checked, at ``Model._meta``."""

import string
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils import timezone
from django.utils.text import camel_case_to_spaces

from ..connections import connections
from ..crypto import get_random_string
from ..deadlines import to_deadline
from ..exceptions import FieldError, ImproperlyConfigured, InvalidLookupValue
from ..fields import Field, Reference
from ..fields.types import Scalar
from ..keys import Space, find_kind
from ..schema import NO_ATTRIBUTES, RESERVED, BaseOptions, Schema
from .state import PICKLED, PICKLED_COUNTERS
from .unsupported import OPTIONS, missing_name

if TYPE_CHECKING:
    from .base import Model

_ALPHABET = string.ascii_letters + string.digits

_DEFAULTS: dict[str, Any] = {
    "abstract": False,
    "app_label": None,
    "pending_indexes": (),
    "counters": (),
    "declared_only": False,
    "exclude_attrs": (),
    "expire": None,
    "id_length": 16,
    "index_attrs": None,
    "model_name": None,
    "ordered": (),
    "slot": None,
    "unique": (),
    "using": "default",
    "verbose_name": None,
    "verbose_name_plural": None,
}
_LONGEST_NAME = 200
"""Bytes that the names of an ordered or unique attribute may have: a memo's limit."""

_STATE = ("attrs", "_live", "_loaded", "_state", *PICKLED, *PICKLED_COUNTERS)
"""The names that instances have, or are pickled with, and their class does not have."""

_INDEXING = ("index_attrs", "ordered", "unique")
_LISTS = ("pending_indexes", "counters", "exclude_attrs", "index_attrs", "ordered")
_NOT_INHERITED = {"abstract", "model_name", "verbose_name", "verbose_name_plural"}


class Options(BaseOptions):
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
        for name in _LISTS:
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
        return frozenset({*dir(self.model), *_STATE}) - self.fields_by_name.keys()

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
        return self.own_names | {
            each.attname for each in fields if each.type.is_converted
        }

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
        bases = [base for base in self.model.__mro__ if _is_ours(base)]
        ours = {name for base in bases for name in dir(base) if name.startswith("_")}
        return frozenset({"id", "_meta", *_STATE, *ours})

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
        if self.declared_only and not self.declares(name):
            near = get_close_matches(name, self.fields_by_name, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            return self.reserved(name) or (
                f"{self.object_name} has declared attributes only, and {name!r} is not "
                f"among them. {hint}Declare it, or remove "
                f"{self.object_name}.Meta.declared_only."
            )
        return self.reserved(name)

    def declares(self, name: str) -> bool:
        """Return whether *name* is a declared attribute or a counter."""
        return self.stored_name(name) in self.fields_by_name or name in self.counters

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
        if timezone.is_aware(found):
            return found
        if not settings.configured:
            return found.astimezone()
        return timezone.make_aware(found, timezone.get_default_timezone())

    def new_pk(self) -> str:
        """Return a random id of letters and digits, uniformly distributed."""
        return get_random_string(_ALPHABET, self.id_length)

    def _read(self, meta: type | None) -> dict[str, Any]:
        """Return the options of Meta, else of the bases, else the defaults."""
        given = dict(_DEFAULTS)
        own = {} if meta is None else _public(meta)
        if meta is None:
            for base in self.model.__mro__[1:]:
                options = base.__dict__.get("_meta")
                if options is not None and not _is_ours(base):
                    kept = set(given) - _NOT_INHERITED
                    given.update({k: options._given[k] for k in kept})
                    break
        for name, value in own.items():
            if name not in _DEFAULTS:
                raise self._wrong(
                    name,
                    f"is no option of this version. Choose among "
                    f"{', '.join(sorted(_DEFAULTS))}",
                )
            given[name] = value
        return given

    def _check(self) -> None:
        for name in ("using", "app_label", "model_name", "slot"):
            value = self._given[name]
            if name == "using" and callable(value):
                continue
            if value is None and name != "using":
                continue
            if not isinstance(value, str) or not value:
                raise self._wrong(name, f"must be a text, not {value!r}")
        for name in ("app_label", "model_name", "slot"):
            value = self._given[name] or ""
            if set(value) & set("{}:."):
                raise self._wrong(name, "must hold none of { } : .")
            if not value.isprintable():
                raise self._wrong(name, f"must be printable, not {value!r}")
        name = self._given["model_name"] or self.object_name
        if self._given["slot"] and find_kind(f"{name}:".encode()) is not None:
            raise self._wrong(
                "slot",
                f"cannot be used by a model with the name {name!r}, which a kind of "
                "key has. Set another model_name",
            )
        length = self.id_length
        if not isinstance(length, int) or isinstance(length, bool) or length < 8:
            raise self._wrong(
                "id_length", f"must be an int of 8 or more, not {length!r}"
            )
        if self.index_attrs is not None and self.exclude_attrs:
            raise self._wrong(
                "exclude_attrs", "has no meaning with index_attrs. Remove one of them"
            )
        if self.exclude_attrs and not self.model.indexes_attributes:
            raise self._wrong(
                "exclude_attrs",
                "has no meaning here: only a TaggedAttrsModel indexes all attributes. "
                "Remove it, or name the attributes in index_attrs",
            )
        for name in sorted(self.index_attrs or ()):
            self._check_lookup_name("index_attrs", name)
        self._check_sorted()
        self._check_expire()
        self._check_declared()

    def _check_sorted(self) -> None:
        """Read ordered and unique, whose names are part of keys and memos."""
        self.ordered = tuple(dict.fromkeys(self._given["ordered"]))
        unique = self._given["unique"]
        if isinstance(unique, str | Mapping) or not isinstance(unique, Iterable):
            raise self._wrong(
                "unique",
                f"must be a list of attribute names, or of tuples of them, "
                f"not {unique!r}",
            )
        self._given["unique"] = list(unique)
        together = [
            self._names("unique", (each,) if isinstance(each, str) else each)
            for each in self._given["unique"]
        ]
        if [] in together:
            raise self._wrong("unique", "holds an empty tuple")
        self.unique = tuple(dict.fromkeys(map(tuple, together)))
        for name in self.ordered:
            if name.startswith("-"):
                raise self._wrong(
                    "ordered",
                    f"holds {name!r}: the direction belongs in order_by({name!r}). "
                    f"Hold {name[1:]!r}",
                )
            self._check_key_name("ordered", (name,))
        for names in self.unique:
            self._check_key_name("unique", names)
        known = {*self.ordered, *(name for names in self.unique for name in names)}
        for name in sorted(self.pending_indexes - known):
            if not self.indexes(name):
                raise self._wrong(
                    "pending_indexes",
                    f"holds {name!r}, which has no index. Add it to index_attrs, "
                    "ordered or unique as well",
                )

    def _check_declared(self) -> None:
        """Check Meta against the declaration, where only declared names are allowed."""
        if not isinstance(self.declared_only, bool):
            raise self._wrong(
                "declared_only", f"must be True or False, not {self.declared_only!r}"
            )
        if not self.declared_only:
            return
        for option in (*_LISTS, "unique"):
            for each in self._given[option] or ():
                for name in (each,) if isinstance(each, str) else each:
                    if not self.declares(name):
                        raise self._wrong(
                            option,
                            f"holds {name!r}, which is not declared. Declare it, or "
                            "remove declared_only",
                        )

    def _check_key_name(self, option: str, names: tuple[str, ...]) -> None:
        for name in names:
            self._check_lookup_name(option, name)
        if len(":".join(names).encode()) > _LONGEST_NAME:
            raise self._wrong(
                option, f"has more than {_LONGEST_NAME} bytes of names: {names!r}"
            )

    def _check_lookup_name(self, option: str, name: str) -> None:
        if ":" in name or "__" in name:
            raise self._wrong(
                option, f"holds {name!r}: no ':' and no '__' may be in it"
            )
        if name in self.counters:
            raise self._wrong(option, f"holds {name!r}, which is a counter")

    def _check_names(self, option: str) -> None:
        """Replace an iterable of names in Meta by a list."""
        names = self._given[option]
        if names is not None or option != "index_attrs":
            self._given[option] = self._names(option, names)

    def _names(self, option: str, names: Any) -> list[str]:
        is_list = isinstance(names, Iterable) and not isinstance(names, str | Mapping)
        given = list(names) if is_list else []
        if not (is_list and all(isinstance(name, str) and name for name in given)):
            raise self._wrong(
                option, f"must be a list of attribute names, not {names!r}"
            )
        for name in given:
            if name in NO_ATTRIBUTES:
                raise self._wrong(option, f"holds {name!r}, which is no attribute")
            if option in _INDEXING and name == "tags":
                raise self._wrong(
                    option, "holds 'tags', which find() and facets() take for the tags"
                )
            if any("\ud800" <= letter <= "\udfff" for letter in name):
                raise self._wrong(
                    option, f"holds {name!r}: a lone surrogate, which no text can carry"
                )
            if option == "counters" and name in self.own_names:
                raise self._wrong(
                    option, f"holds {name!r}, which the class defines itself"
                )
        return list(map(self.stored_name, given))

    def _check_expire(self) -> None:
        expire = self.expire
        try:
            if isinstance(expire, bool) or not isinstance(
                expire, int | float | timedelta | None
            ):
                raise TypeError
            deadline = to_deadline(expire)
        except (TypeError, ValueError) as error:
            raise self._wrong(
                "expire", f"must be seconds or a timedelta, not {expire!r}"
            ) from error
        if deadline is not None and _seconds(expire) <= 0:
            raise self._wrong("expire", f"must be more than 0 seconds, not {expire!r}")

    def _wrong(self, option: str, why: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"{self.object_name}.Meta.{option} {why}.")


def _public(meta: type) -> dict[str, Any]:
    """Return the options of a Meta class and its bases."""
    return {name: getattr(meta, name) for name in dir(meta) if not name.startswith("_")}


def _is_ours(base: type) -> bool:
    """Whether it is a class of this package, whose Meta is not inherited."""
    return base.__module__.rpartition(".")[0] == __package__


def _seconds(expire: int | float | timedelta | None) -> float:
    return (
        expire.total_seconds() if isinstance(expire, timedelta) else float(expire or 0)
    )
