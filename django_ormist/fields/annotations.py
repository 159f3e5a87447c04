"""Translation of annotations into declared types."""

import sys
import types
from collections import abc
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from inspect import signature
from itertools import combinations
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
    Unpack,
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
    """An annotation with an undefined name. module: the module of its class."""

    def __init__(self, *args: Any, name: Any = None, module: str = "") -> None:
        super().__init__(*args, name=name)
        self.module = module


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
    except (NameError, AttributeError) as error:  # "shop.Later" is an attribute
        raise UnresolvedError(str(error), name=error.name, module=module) from error


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
    validators = [
        each for each in args[1:] if callable(each) and not isinstance(each, type)
    ]
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
    _check_union([each for each in others if isinstance(each, DataclassType)])
    return UnionType([*others, *nones[:1]])


def _check_union(members: list[DataclassType]) -> None:
    """Raise TypeError if an instance would be read as one of another dataclass."""
    for one, other in combinations(members, 2):
        if one.required <= other.members.keys() <= one.members.keys():
            raise TypeError(
                f"a stored {other.text} would be read as {one.text}. Give "
                f"{other.text} a required field of its own"
            )


def _parse_generic(annotation: Any, origin: Any, args: tuple[Any, ...]) -> ValueType:
    if not args and "[" not in repr(annotation):  # List, not Tuple[()]
        return _parse_class(origin)
    if origin in _LISTS:
        item = parse(args[0])
        if origin is not list:
            _check_hashable(item, annotation)
        return ListType(origin, item)
    if origin is tuple:
        if any(get_origin(each) is Unpack or _is_unpacked(each) for each in args):
            raise TypeError(f"{annotation} has parts of any length. Declare tuple")
        if len(args) == 2 and args[1] is Ellipsis:
            return ListType(tuple, parse(args[0]))
        return TupleType([parse(each) for each in args if each != ()])
    if origin is dict:
        key, value = map(parse, args)
        _check_hashable(key, annotation)
        return DictType(key, value)
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
        return _parse_record(TypedDictType, kind, _members_of_typed_dict)
    if is_dataclass(kind):
        _check_init(kind)
        return _parse_record(DataclassType, kind, _members_of_dataclass)
    raise _unstorable(kind)


_records: dict[Any, RecordType] = {}
"""The declared types of dataclasses and TypedDicts. They may contain themselves."""


def _parse_record(make: type[RecordType], kind: Any, find: Any) -> RecordType:
    """Return the type of a class, whose members are resolved.

    Raises UnresolvedError for one that is not defined yet, TypeError.
    """
    if kind not in _records:
        _records[kind] = make(kind, partial(find, kind))
        try:
            _ = _records[kind].members
        except BaseException:
            del _records[kind]
            raise
    return _records[kind]


def _hints(kind: Any) -> dict[str, Any]:
    """Return the resolved annotations of a class. Raises UnresolvedError."""
    try:
        return get_type_hints(kind, include_extras=True)
    except (NameError, AttributeError) as error:
        raise UnresolvedError(
            str(error), name=error.name, module=kind.__module__
        ) from error


def _members_of_typed_dict(
    kind: Any,
) -> tuple[dict[str, ValueType], frozenset[str]]:
    members, required = {}, set(kind.__required_keys__)
    for name, annotation in _hints(kind).items():
        # Python itself does not see qualifiers in annotations that are texts.
        while qualifier := _qualifier(annotation):
            if qualifier == "Required":
                required.add(name)
            elif qualifier == "NotRequired":
                required.discard(name)
            (annotation,) = get_args(annotation)
        members[name] = parse(annotation)
    return members, frozenset(required)


def _qualifier(annotation: Any) -> str:
    """Return Required, NotRequired, ReadOnly or ""."""
    name: str = getattr(get_origin(annotation), "_name", "") or ""
    return name if name in ("Required", "NotRequired", "ReadOnly") else ""


def _check_init(kind: Any) -> None:
    """Raise TypeError for a dataclass that cannot be made from its fields."""
    names = {each.name: each.init for each in fields(kind)}
    reason = "does not take"
    wrong = [name for name, is_taken in names.items() if not is_taken]
    if not wrong:
        reason = "requires"
        wrong = [
            each.name
            for each in signature(kind).parameters.values()
            if each.default is each.empty
            and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            and each.name not in names
        ]
    if wrong:
        raise TypeError(
            f"{kind.__qualname__} cannot be made again from what is stored: its "
            f"__init__() {reason} {wrong[0]!r}. Make that a property"
        )


def _check_hashable(found: ValueType, annotation: Any) -> None:
    """Raise TypeError for items of a set, or keys, that are stored as lists or so."""
    inner = found.inner if isinstance(found, Validated) else found
    if isinstance(inner, UnionType):
        for each in inner.members:
            _check_hashable(each, annotation)
    is_list = isinstance(inner, ListType) and inner.kind in (list, set)
    if is_list or isinstance(inner, DictType | RecordType):
        raise TypeError(f"{annotation}: {inner.text} is stored as one that has no hash")


def _members_of_dataclass(kind: Any) -> tuple[dict[str, ValueType], frozenset[str]]:
    hints = _hints(kind)
    members = {each.name: parse(hints[each.name]) for each in fields(kind)}
    return members, required_fields(kind)


def _is_unpacked(annotation: Any) -> bool:
    return bool(getattr(annotation, "__unpacked__", False))


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
    if isinstance(kind, ForwardRef):
        return TypeError(
            f"the alias {kind.__forward_arg__!r} contains itself. Declare Any, a "
            "dataclass or a TypedDict"
        )
    if isinstance(kind, TypeVar):
        return TypeError(f"{name} is a type variable. Declare a type")
    if name == "Ref":
        return TypeError(
            "a reference is not part of another type. Declare Ref[X] or Ref[X] | None, "
            "or a list of primary keys"
        )
    if hasattr(kind, "_meta"):
        return TypeError(
            f"{name} is a model, whose objects are not stored in others. Declare a "
            f"reference, ormist.Ref[{name}]"
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
