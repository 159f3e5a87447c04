"""Reading and checking a model's Meta."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from ..deadlines import to_deadline
from ..exceptions import ImproperlyConfigured
from ..keys import find_kind
from ..schema import NO_ATTRIBUTES, BaseOptions
from .state import PICKLED, PICKLED_COUNTERS
from .unsupported import META

DEFAULTS: dict[str, Any] = {
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

STATE = ("attrs", "_live", "_loaded", "_state", *PICKLED, *PICKLED_COUNTERS)
"""The names that instances have, or are pickled with, and their class does not have."""

_INDEXING = ("index_attrs", "ordered", "unique")
LISTS = ("pending_indexes", "counters", "exclude_attrs", "index_attrs", "ordered")
_NOT_INHERITED = {"abstract", "model_name", "verbose_name", "verbose_name_plural"}


class MetaOptions(BaseOptions):
    """The values that a model's Meta gives, or those of its bases, or the defaults.

    Each ``_check...`` raises ImproperlyConfigured, which names the option.
    """

    id_length: int
    expire: int | float | timedelta | None
    _given: dict[str, Any]

    def _read(self, meta: type | None) -> dict[str, Any]:
        """Return the options of Meta, else of the bases, else the defaults."""
        given = dict(DEFAULTS)
        own = {} if meta is None else _public(meta)
        if meta is None:
            for base in self.model.__mro__[1:]:
                options = base.__dict__.get("_meta")
                if options is not None and not is_ours(base):
                    kept = set(given) - _NOT_INHERITED
                    given.update({k: options._given[k] for k in kept})
                    break
        for name, value in own.items():
            if name not in DEFAULTS:
                advice = META.get(name, f"Choose among {', '.join(sorted(DEFAULTS))}")
                raise self._wrong(name, f"is no option of this version. {advice}")
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
        for option in (*LISTS, "unique"):
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


def is_ours(base: type) -> bool:
    """Whether it is a class of this package, whose Meta is not inherited."""
    return base.__module__.rpartition(".")[0] == __package__


def _seconds(expire: int | float | timedelta | None) -> float:
    return (
        expire.total_seconds() if isinstance(expire, timedelta) else float(expire or 0)
    )
