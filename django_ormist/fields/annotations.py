"""Translation of annotations into declared types."""

import sys
import types
from collections import abc
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ..codecs import pack_value
from .containers import (
    DataclassType,
    DictType,
    ListType,
    RecordType,
    TupleType,
    TypedDictType,
    required_fields,
)
from .conversions import CONVERSIONS
from .types import (
    AnyType,
    EnumType,
    LiteralType,
    NoneType,
    Scalar,
    UnionType,
    Validated,
    ValueType,
)

_LISTS = (list, set, frozenset)
_INSTEAD: dict[Any, str] = {
    abc.Sequence: "list or tuple",
    abc.MutableSequence: "list",
    abc.Iterable: "list or tuple",
    abc.Collection: "list, tuple or set",
    abc.Mapping: "dict",
    abc.MutableMapping: "dict",
    abc.Set: "frozenset",
    abc.MutableSet: "set",
    bytearray: "bytes",
    memoryview: "bytes",
    complex: "tuple[float, float]",
}


class UnresolvedError(NameError):
    """An annotation that names what is not defined yet."""


def own_annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the annotations in the body of a class, unresolved ones as they are."""
    if "__annotations__" in namespace:
        return dict(namespace["__annotations__"])
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            return annotationlib.call_annotate_function(
                annotate, annotationlib.Format.FORWARDREF
            )
    return {}


def is_class_variable(annotation: Any) -> bool:
    """Return whether it is ClassVar or Final, as a text or not: no attribute."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        outer = annotation.partition("[")[0].rpartition(".")[2].strip()
        return outer in ("ClassVar", "Final")
    origin = get_origin(annotation) or annotation
    return origin is ClassVar or origin is Final


def resolve(
    annotation: Any, module: str, names: abc.Mapping[str, Any] | None = None
) -> Any:
    """Return an annotation with its texts evaluated in *module* and *names*.

    Raises UnresolvedError.
    """
    scope = vars(sys.modules[module]) if module in sys.modules else {}
    holder: Any = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, scope, dict(names or {}), include_extras=True)[
            "it"
        ]
    except NameError as error:
        raise UnresolvedError(str(error), name=error.name) from error


def parse(annotation: Any) -> ValueType:
    """Return the declared type of a resolved annotation. Raises TypeError."""
    if annotation is Any or annotation is object:
        return AnyType()
    if annotation is None or annotation is types.NoneType:
        return NoneType()
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _parse_annotated(args)
    if origin is Literal:
        return _parse_literal(args)
    if origin is Union or origin is types.UnionType:
        return _parse_union(args)
    if isinstance(annotation, NewType):
        return parse(annotation.__supertype__)
    alias = getattr(origin or annotation, "__value__", None)  # of type X = ...
    if alias is not None and not isinstance(annotation, type):
        return parse(alias[args] if args else alias)
    if origin is not None:
        return _parse_generic(annotation, origin, args)
    if isinstance(annotation, type):
        return _parse_class(annotation)
    raise _unstorable(annotation)


def _parse_annotated(args: tuple[Any, ...]) -> ValueType:
    inner = parse(args[0])
    validators = [each for each in args[1:] if callable(each)]
    return Validated(inner, validators) if validators else inner


def _parse_literal(args: tuple[Any, ...]) -> ValueType:
    values = [each for each in args if each is not None]
    for each in values:
        _check_value(each.value if isinstance(each, Enum) else each)
    found = LiteralType(values, f"Literal[{', '.join(map(_written, values))}]")
    return found if len(values) == len(args) else UnionType([found, NoneType()])


def _written(value: Any) -> str:
    return str(value) if isinstance(value, Enum) else repr(value)


def _parse_union(args: tuple[Any, ...]) -> ValueType:
    members: list[ValueType] = []
    for each in args:
        found = parse(each)
        members += found.members if isinstance(found, UnionType) else [found]
    nones = [each for each in members if isinstance(each, NoneType)]
    others = [each for each in members if not isinstance(each, NoneType)]
    return UnionType([*others, *nones[:1]])


def _parse_generic(annotation: Any, origin: Any, args: tuple[Any, ...]) -> ValueType:
    if origin in _LISTS:
        return ListType(origin, parse(args[0]))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return ListType(tuple, parse(args[0]))
        return TupleType([parse(each) for each in args if each != ()])
    if origin is dict:
        key, value = args
        return DictType(parse(key), parse(value))
    if is_dataclass(origin) or is_typeddict(origin):
        raise TypeError(
            f"{annotation} is generic. Declare a class without type parameters"
        )
    raise _unstorable(origin)


def _parse_class(kind: type) -> ValueType:
    if kind in CONVERSIONS:
        return Scalar(kind)
    if kind in _LISTS:
        return ListType(kind, AnyType())
    if kind is tuple:
        return ListType(tuple, AnyType())
    if kind is dict:
        return DictType(AnyType(), AnyType())
    if issubclass(kind, Enum):
        for member in kind:
            _check_value(member.value)
        return EnumType(kind)
    if is_typeddict(kind):
        return TypedDictType(kind, partial(_members_of_typed_dict, kind))
    if is_dataclass(kind):
        return _parse_dataclass(kind)
    raise _unstorable(kind)


def _members_of_typed_dict(
    kind: Any,
) -> tuple[dict[str, ValueType], frozenset[str]]:
    hints = get_type_hints(kind, include_extras=True)
    members = {name: parse(_without_qualifier(each)) for name, each in hints.items()}
    return members, frozenset(kind.__required_keys__)


def _without_qualifier(annotation: Any) -> Any:
    """Return the type in Required, NotRequired or ReadOnly."""
    name = getattr(get_origin(annotation), "_name", "")
    if name in ("Required", "NotRequired", "ReadOnly"):
        return _without_qualifier(get_args(annotation)[0])
    return annotation


def _parse_dataclass(kind: Any) -> ValueType:
    unset = [each.name for each in fields(kind) if not each.init]
    if unset:
        raise TypeError(
            f"{kind.__qualname__} cannot be made again from what is stored: its "
            f"__init__() does not take {unset[0]!r}. Make that a property"
        )
    found = DataclassType(kind, partial(_members_of_dataclass, kind))
    _try_members(found)
    return found


def _members_of_dataclass(kind: Any) -> tuple[dict[str, ValueType], frozenset[str]]:
    hints = get_type_hints(kind, include_extras=True)
    members = {each.name: parse(hints[each.name]) for each in fields(kind)}
    return members, required_fields(kind)


def _try_members(found: RecordType) -> None:
    """Raise TypeError for a field that cannot be stored, if its type is known."""
    for each in fields(found.kind):
        hint = each.type
        if isinstance(hint, type) and not is_dataclass(hint):
            parse(hint)


def _check_value(value: Any) -> None:
    try:
        pack_value("value", value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the value {value!r} of type {type(value).__name__} cannot be stored"
        ) from error


def _unstorable(kind: Any) -> TypeError:
    name = getattr(kind, "__qualname__", None) or str(kind)
    if kind in _INSTEAD:
        return TypeError(f"{name} cannot be stored. Declare {_INSTEAD[kind]}")
    if isinstance(kind, TypeVar):
        return TypeError(f"{name} is a type variable. Declare a type")
    if hasattr(kind, "_meta"):
        return TypeError(
            f"{name} is a model, whose objects are not stored in others. Declare "
            "its primary key"
        )
    if isinstance(kind, type):
        for base in (*CONVERSIONS, *_LISTS, tuple, dict):
            if issubclass(kind, base):
                return TypeError(
                    f"{name} would be read back as {base.__name__}. Declare "
                    f"{base.__name__}"
                )
    stored = ", ".join(each.__name__ for each in (*CONVERSIONS, *_LISTS, tuple, dict))
    return TypeError(
        f"{name} is not a storable type. Declare one of {stored}, a Literal, an Enum, "
        "a dataclass or a TypedDict"
    )
