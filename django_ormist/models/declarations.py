"""The declared attributes of a class: its annotations and those of its bases."""

import sys
from collections.abc import Mapping
from functools import partialmethod
from typing import TYPE_CHECKING, Any, cast

from ..fields import MISSING, CounterField, Field, Reference
from ..fields.annotations import is_class_variable, own_annotations
from ..fields.ref import is_reference
from ..fields.references import KeyAttribute
from ..schema import RESERVED
from .manager import Manager

if TYPE_CHECKING:
    from .base import Model


def own_fields(
    name: str, namespace: dict[str, Any], bases: tuple[type, ...]
) -> dict[str, Field]:
    """Return the attributes that the body of a class declares, and remove them from it.

    A value without an annotation is the default of an inherited one. Raises TypeError.
    """
    declared: dict[str, Field] = {}
    for attribute, annotation in own_annotations(namespace).items():
        value = namespace.get(attribute, MISSING)
        if attribute.startswith("_") or is_class_variable(annotation):
            continue
        if isinstance(value, Manager) or _is_descriptor(value):
            continue
        _check_name(name, attribute, bases)
        if not isinstance(value, Field):
            kind = Reference if is_reference(annotation) else Field
            value = kind(default=value)
        value.annotation = annotation
        declared[attribute] = value
    inherited = inherited_fields(bases)
    for attribute, value in namespace.items():
        if attribute in declared:
            continue
        if isinstance(value, Reference):
            _check_name(name, attribute, bases)
            declared[attribute] = value
        elif isinstance(value, Field):
            raise TypeError(
                f"{name}.{attribute} has no type. Annotate it: {attribute}: int = "
                "ormist.field(...)."
            )
        elif attribute in inherited and not (_is_descriptor(value) or value is None):
            declared[attribute] = inherited[attribute].with_default(value)
    for attribute in declared:
        namespace.pop(attribute, None)
    return declared


def inherited_fields(bases: tuple[type, ...]) -> dict[str, Field]:
    """Return the fields of the bases, without those that a class between hides."""
    found: dict[str, Field] = {}
    for base in bases:
        meta = base.__dict__.get("_meta")
        for field in getattr(meta, "fields", ()):
            found.setdefault(field.name, field)
    return found


def _is_descriptor(value: Any) -> bool:
    return hasattr(type(value), "__get__") and not isinstance(value, Field)


def _check_name(model: str, name: str, bases: tuple[type, ...]) -> None:
    """Raise TypeError for a name that an attribute cannot have."""
    if name in RESERVED:
        raise TypeError(
            f"{model}.{name} is not declared: every object has {name!r}. Remove the "
            "annotation."
        )
    if "__" in name:
        raise TypeError(
            f"{model}.{name} cannot be declared: '__' begins a lookup. Rename it."
        )
    for base in bases:
        value = getattr(base, name, MISSING)
        is_free = value is MISSING or value is None or isinstance(value, Field)
        if name == "attrs" or not is_free:
            raise TypeError(
                f"{model}.{name} cannot be declared: {base.__name__} defines {name!r} "
                "itself. Rename it."
            )


def contribute_fields(
    model: "type[Model]", own: Mapping[str, Field], namespace: Mapping[str, Any]
) -> dict[str, Field]:
    """Give the class its fields, the inherited ones first.

    Return them by the names under which they are stored.
    """
    fields = {
        name: field
        for name, field in inherited_fields(model.__bases__).items()
        if name not in namespace and isinstance(getattr(model, name), Field)
    }
    fields.update(own)
    _check_stored_names(model, fields)
    found = [field.contribute(model, name) for name, field in fields.items()]
    return {field.attname: field for field in found}


def _check_stored_names(model: "type[Model]", fields: Mapping[str, Field]) -> None:
    """Raise TypeError if a reference is stored under a name that is declared too."""
    for name, field in fields.items():
        attname, known = f"{name}_id", getattr(model, f"{name}_id", None)
        is_free = known is None or isinstance(known, KeyAttribute)
        if isinstance(field, Reference) and (attname in fields or not is_free):
            raise TypeError(
                f"{model.__name__}.{name} is stored as {attname!r}, which "
                f"{model.__name__} defines itself. Remove one of them."
            )


def _display(self: "Model", name: str) -> str | None:
    """Return the label of a choice, as Django's ``get_FOO_display()``."""
    field = self._meta.get_field(name)
    value = field.to_stored(getattr(self, name, None))
    for each, label in field.flatchoices:
        if type(each) is type(value) and each == value:
            return str(label)
    return None if value is None else str(value)


def resolve_fields(fields: Mapping[str, Field], own: Mapping[str, Field]) -> None:
    """Resolve those annotations that can be resolved now. Raises TypeError.

    Add ``get_FOO_display()`` for those that have choices.
    A class in a function may name others in it: their names are looked up now.
    """
    for field in fields.values():
        name, scope = field.name, cast("Mapping[str, Any]", {})
        if name in own and "<locals>" in field.model.__qualname__:
            scope = sys._getframe(2).f_locals  # of the function
        if name in own:
            field.check_default()
        field.try_resolve(scope)
        display = f"get_{name}_display"
        if isinstance(field, Reference):
            continue
        if field.may_have_choices and not hasattr(field.model, display):
            setattr(field.model, display, partialmethod(_display, name=name))


def make_counters(fields: Mapping[str, Field], counters: frozenset[str]) -> None:
    """Turn the fields of counters into CounterFields."""
    for name in counters & fields.keys():
        fields[name].__class__ = CounterField
