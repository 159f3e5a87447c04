"""Ref: the annotation of a reference, and how annotations name the other model."""

import re
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ForwardRef,
    Generic,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    overload,
)

from .field import MISSING

if TYPE_CHECKING:
    from uuid import UUID

T = TypeVar("T", covariant=True)

_OUTER = re.compile(r"(\w+)\[")
_AROUND = {"Optional", "Union", "Annotated"}
"""The annotations that a reference can be in."""


class Ref(Generic[T]):
    """The annotation of a reference: ``author: ormist.Ref[Author]``.

    Type checkers read the attribute as an Author. It takes an Author or a primary key.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any = None) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: Any = None) -> T: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...

        # None, because pyright does not look for it beside Ref in ``Ref[X] | None``.
        def __set__(
            self,
            instance: object,
            value: "T | str | int | UUID | None",
        ) -> None: ...


def is_reference(annotation: Any) -> bool:
    """Return whether an annotation is ``Ref[...]``, perhaps as a text or optional."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        before, found, _ = annotation.partition("Ref[")
        return bool(found) and set(_OUTER.findall(before)) <= _AROUND
    origin = get_origin(annotation)
    if origin in (Union, UnionType, Annotated):
        return any(map(is_reference, get_args(annotation)))
    return origin is Ref


def is_optional(annotation: Any) -> bool:
    """Return whether None is valid by an annotation."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return re.search(r"\bNone\b|\bOptional\[", annotation) is not None
    return type(None) in get_args(annotation) or any(
        is_optional(each)
        for each in get_args(annotation)
        if isinstance(each, str | ForwardRef)
    )


def target_of(annotation: Any) -> Any:
    """Return the argument of Ref in an annotation, unresolved if it is a text."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        found = re.search(r"\bRef\[\s*['\"]?([\w.]+)['\"]?\s*\]", annotation)
        return found and found.group(1)
    if get_origin(annotation) is Ref:
        return get_args(annotation)[0]
    for each in get_args(annotation):
        if is_reference(each):
            return target_of(each)
    return None if annotation is MISSING else annotation
