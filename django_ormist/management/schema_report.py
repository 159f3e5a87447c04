"""The report of ormist_inspect --schema: what is declared, and what is stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.views.debug import get_default_exception_reporter_filter

from ..codecs import as_plain, pack_value, unpack
from ..connections.executor import run
from ..exceptions import CorruptDataError
from ..fields import MISSING, Field
from ..models import Model
from ..models.options import Options
from ..operations import scan
from .command import Progress, Rate, align_columns, pluralize, printable

IDS = 3
"""Ids that are named of the objects with one problem."""

EXAMPLES = 3
"""Different values that are shown of an attribute."""

SHOWN = 40
"""Characters that are shown of a value."""

ABSENT = "absent, and has no default"
UNFILLED = "absent, so its index lacks the default: run ormist_reindex --fill"
UNDECLARED = "not declared, and Meta.declared_only is set"
UNREADABLE = "unreadable: run ormist_inspect --verify"


@dataclass
class Misfit:
    """One problem of one attribute: how many objects have it, and some of their ids."""

    count: int = 0
    ids: list[str] = field(default_factory=list)
    example: str | None = None

    def add(self, pk: str, example: str | None = None) -> None:
        """Count one object."""
        self.count += 1
        if len(self.ids) < IDS:
            self.ids.append(pk)
        if self.example is None:
            self.example = example


@dataclass
class Stored:
    """The values of one attribute in the sample."""

    count: int = 0
    types: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    misfits: dict[str, Misfit] = field(default_factory=dict)


class SchemaReport:
    """The declaration of a model beside a sample of its objects.

    count: the number of objects. sampled: those that were read. unreadable: those of
    them that are damaged.
    """

    def __init__(self, model: type[Model], using: str) -> None:
        self.meta: Options = model._meta
        self.using = using
        self.count = self.sampled = 0
        self.unreadable = Misfit()
        self.stored: dict[str, Stored] = {}
        self._keys = {each.attname for each in self.meta.references.values()}
        self._mask = get_default_exception_reporter_filter().cleanse_setting

    # Reading the sample

    def read(self, size: int, progress: Progress) -> None:
        """Read at most *size* objects, spread evenly over the model.

        Two round trips, and one per 1000 objects.
        """
        space = self.meta.space(self.using)
        self.count = run(scan.count_ids(space), self.using)
        steps = scan.spread_ranks(self.count, size)
        rate = Rate(min(size, self.count))
        seen: set[bytes] = set()
        step = scan.SpreadStep()
        for ranks in [*steps, []] if steps else []:
            flow = scan.spread_step(space, step, ranks, bool(self.meta.counters))
            step = run(flow, self.using)
            for pk, packed, counters in step.rows:
                if packed is not None and pk not in seen:  # others may write meanwhile
                    text = pk.decode(errors="backslashreplace")
                    self._add_packed(text, packed, counters)
            seen.update(pk for pk, _, _ in step.rows)
            rate.count(len(step.rows))
            progress.show(f"{self.meta.label}: {rate.text('objects')}")

    def _add_packed(
        self, pk: str, packed: bytes, counters: Mapping[str, int] | None
    ) -> None:
        self.sampled += 1
        try:
            attrs, _, _ = unpack(packed)
        except CorruptDataError:
            self.unreadable.add(pk)
            return
        if counters is None:
            self.unreadable.add(pk)
        self.add(pk, {**attrs, **(counters or {})})

    def add(self, pk: str, attrs: Mapping[str, Any]) -> None:
        """Count the attributes of one object."""
        for name, value in attrs.items():
            self._add_value(pk, name, value)
        for name, declared in self._fields().items():
            if name not in attrs and name not in self.meta.counters:
                problem = self._find_lack(declared)
                if problem is not None:
                    self._misfit(name, problem).add(pk)

    def _add_value(self, pk: str, name: str, value: Any) -> None:
        known = self.stored.setdefault(name, Stored())
        known.count += 1
        known.types[type(value).__name__] += 1
        is_key = name in self._keys  # "author" is no secret
        text = format_example(value if is_key else self._mask(name, value))
        if len(known.examples) < EXAMPLES and text not in known.examples:
            known.examples.append(text)
        problem = self._find_problem(name, value)
        if problem is not None:
            self._misfit(name, problem).add(pk, text)

    def _misfit(self, name: str, problem: str) -> Misfit:
        stored = self.stored.setdefault(name, Stored())
        return stored.misfits.setdefault(problem, Misfit())

    def _fields(self) -> dict[str, Field]:
        """Return the declared attributes by the names under which they are stored."""
        return {each.attname: each for each in self.meta.fields}

    def _find_lack(self, declared: Field) -> str | None:
        if not declared.has_default():
            return ABSENT
        is_indexed = self.meta.has_index(declared.attname)
        return UNFILLED if is_indexed else None

    def _find_problem(self, name: str, value: Any) -> str | None:
        """Return why a stored value does not fit, without the value itself."""
        declared = self._fields().get(name)
        if declared is None:
            is_refused = self.meta.is_undeclared(name)
            return UNDECLARED if is_refused else None
        kind = type(value).__name__
        try:
            cleaned = declared.clean(value)
        except ValidationError as error:
            codes = dict.fromkeys(each.code or "invalid" for each in error.error_list)
            return f"{kind}: {', '.join(codes)}"
        except Exception as error:  # of a validator, for a value that it did not expect
            return f"{kind}: {type(error).__name__} of a validator"
        if cleaned is value or pack_value(name, cleaned) == pack_value(name, value):
            return None
        return f"{kind}: would be converted to {type(cleaned).__name__}"

    # The result

    @property
    def names(self) -> list[str]:
        """All attributes: the declared ones, those of Meta, then the others."""
        meta = self.meta
        unique = chain.from_iterable(meta.unique)
        in_meta = {*(meta.index_attrs or ()), *meta.ordered, *unique, *meta.counters}
        others = [*sorted(in_meta), *sorted(self.stored)]
        return list(dict.fromkeys([*self._fields(), *others]))

    @property
    def misfits(self) -> list[tuple[str, str, Misfit]]:
        """The problems: an attribute or "", the problem, the objects that have it."""
        found = [
            (name, problem, misfit)
            for name in self.names
            if name in self.stored
            for problem, misfit in self.stored[name].misfits.items()
        ]
        if self.unreadable.count:
            found.append(("", UNREADABLE, self.unreadable))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        meta = self.meta
        return {
            "model": meta.label,
            "using": self.using,
            "declared_only": meta.declared_only,
            "count": self.count,
            "sampled": self.sampled,
            "unreadable": self.unreadable.count,
            "unique": [list(names) for names in meta.unique],
            "pending": sorted(meta.pending_indexes),
            "attributes": [self._attribute_to_dict(name) for name in self.names],
            "misfits": [
                {
                    "attribute": name or None,
                    "problem": problem,
                    "count": misfit.count,
                    "ids": misfit.ids,
                    "example": misfit.example,
                }
                for name, problem, misfit in self.misfits
            ],
        }

    def _attribute_to_dict(self, name: str) -> dict[str, Any]:
        stored = self.stored.get(name, Stored())
        declared = self._fields().get(name)
        return {
            "name": name,
            "is_declared": declared is not None,
            **(describe_field(declared) if declared is not None else {}),
            "indexes": self._indexes(name),
            "is_pending": name in self.meta.pending_indexes,
            "count": stored.count,
            "share": round(stored.count / self.sampled, 4) if self.sampled else None,
            "types": dict(stored.types.most_common()),
            "examples": stored.examples,
        }

    def _indexes(self, name: str) -> list[str]:
        meta = self.meta
        found = {
            "indexed": meta.indexes(name) and name not in meta.counters,
            "ordered": name in meta.ordered,
            "unique": any(name in each for each in meta.unique),
            "counter": name in meta.counters,
        }
        return [kind for kind, is_so in found.items() if is_so]

    def format_lines(self) -> list[str]:
        """Return the report as lines for people."""
        meta = self.meta
        lines = [f"{printable(meta.label)} ({self.using})", ""]
        if meta.fields:
            lines += [*format_declaration(meta.fields), ""]
        only = "No other attribute is allowed." if meta.declared_only else ""
        lines += [only, ""] if only else []
        read = f"{self.sampled} of {pluralize(self.count, 'object')} read"
        lines += [f"{read}, {self.unreadable.count} unreadable.", ""]
        lines += [*self._format_stored(), ""] if self.names else []
        lines += self._format_misfits()
        return lines

    def _format_stored(self) -> list[str]:
        rows = [("attribute", "index", "objects", "stored types", "examples")]
        for name in self.names:
            stored = self.stored.get(name, Stored())
            share = stored.count / self.sampled if self.sampled else 0
            rows.append(
                (
                    printable(name) + self._mark(name),
                    ", ".join(self._format_indexes(name)) or "-",
                    f"{share:.1%}",
                    ", ".join(f"{k} ({n})" for k, n in stored.types.most_common())
                    or "-",
                    ", ".join(stored.examples) or "-",
                )
            )
        return align_columns(rows, numeric=(2,))

    def _mark(self, name: str) -> str:
        is_marked = self.meta.fields and not self.meta.declares(name)
        return " (not declared)" if is_marked else ""

    def _format_indexes(self, name: str) -> Iterable[str]:
        for kind in self._indexes(name):
            together = [
                [other for other in names if other != name]
                for names in self.meta.unique
                if name in names
            ]
            if kind != "unique":
                yield kind
                continue
            for others in together:
                yield f"unique with {', '.join(others)}" if others else kind
        if name in self.meta.pending_indexes:
            yield "pending"

    def _format_misfits(self) -> list[str]:
        if not self.misfits:
            return ["Nothing that was read contradicts the declaration."]
        rows = [("attribute", "does not fit", "objects", "example", "ids")]
        for name, problem, misfit in self.misfits:
            ids = ", ".join(map(printable, misfit.ids))
            rows.append(
                (
                    printable(name) or "-",
                    problem,
                    str(misfit.count),
                    misfit.example or "-",
                    ids if len(misfit.ids) == misfit.count else f"{ids}, ...",
                )
            )
        return align_columns(rows, numeric=(2,))


def format_declaration(fields: Iterable[Field]) -> list[str]:
    """Return the declared attributes as a table."""
    rows = [("declared", "type", "default", "choices", "validators")]
    for each in fields:
        facts = describe_field(each)
        labels = [format_example(value) for value, _ in facts["choices"] or ()]
        rows.append(
            (
                each.attname,
                facts["type"],
                "required" if facts["required"] else str(facts["default"]),
                ", ".join(labels) or "-",
                ", ".join(facts["validators"]) or "-",
            )
        )
    return align_columns(rows)


def describe_field(declared: Field) -> dict[str, Any]:
    """Return a declared attribute for JSON. Its values are texts of Python."""
    factory = declared.default_factory
    default = declared.get_default() if factory is None else MISSING
    if factory is not None:
        text: str | None = f"{_name_of(factory)}()"
    else:
        text = None if default is MISSING else format_example(default)
    choices = declared.choices
    return {
        "type": declared.type.text,
        "required": not declared.has_default(),
        "default": text,
        "choices": None
        if choices is None
        else [[to_json(value), str(label)] for value, label in choices],
        "validators": [format_validator(each) for each in declared.all_validators],
        "verbose_name": str(declared.verbose_name),
    }


def format_validator(validator: Callable[[Any], object]) -> str:
    """Return a validator as ``MinValueValidator(1)``, or a function by its name."""
    if hasattr(validator, "limit_value"):
        return f"{_name_of(validator)}({validator.limit_value!r})"
    pattern = getattr(getattr(validator, "regex", None), "pattern", None)
    name = _name_of(validator)
    return name if pattern is None else f"{name}({pattern!r})"


def _name_of(function: Any) -> str:
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return name


def to_json(value: Any) -> Any:
    """Return a stored value as JSON has it."""
    return as_plain({"": value})["attrs"][""]


def format_example(value: Any) -> str:
    """Return a value as Python writes it, in one short line."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # an int of more than 4300 digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
