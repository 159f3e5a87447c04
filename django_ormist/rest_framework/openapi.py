"""The views of our models in the schema of drf-spectacular, which asks for SQL fields.

apps.py imports this if drf-spectacular is installed.
"""

import copy
from collections.abc import Sequence
from functools import wraps
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_basic_type, build_parameter_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from ..models import Collection, Manager
from .serializers import ModelSerializer


class CollectionView(OpenApiViewExtension):
    """The view of a collection, as drf-spectacular reads it."""

    target_class = "rest_framework.generics.GenericAPIView"
    match_subclasses = True

    @classmethod
    def _matches(cls, target: Any) -> bool:
        if not super()._matches(target):
            return False
        serializer = getattr(target, "serializer_class", None)
        return isinstance(target.queryset, Collection | Manager) or (
            isinstance(serializer, type) and issubclass(serializer, ModelSerializer)
        )

    def view_replacement(self) -> type[Any]:
        """Return the view without a class-level queryset, whose primary key is read.

        get_queryset() returns the same as before.
        """
        target = self.target

        def get_queryset(view: Any) -> Any:
            original = copy.copy(view)
            original.__class__ = target
            return original.get_queryset()

        own: dict[str, Any] = {
            "__doc__": target.__doc__,
            "__module__": target.__module__,
            "get_queryset": get_queryset,
            "queryset": None,
        }
        if isinstance(target.schema, AutoSchema):
            own["schema"] = _with_keys(type(target.schema))()
        for name in dir(target):
            method = getattr(target, name, None)
            schema = getattr(method, "kwargs", {}).get("schema")
            if isinstance(schema, type) and issubclass(schema, AutoSchema):
                own[name] = _extended(method, schema)
        return type(target.__name__, (target,), own)


def _extended(method: Any, schema: type[Any]) -> Any:
    """Return a copy of a method that @extend_schema describes."""

    @wraps(method)
    def copied(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)  # pragma: no cover (it is only described)

    copied.kwargs = {**method.kwargs, "schema": _with_keys(schema)}  # type: ignore[attr-defined]
    return copied


def _with_keys(schema: type[Any]) -> type[Any]:
    return type(schema.__name__, (KeyParameters, schema), {})


class KeyParameters(AutoSchema):
    """The parameters of a path: the primary key of our models is a text."""

    def _resolve_path_parameters(self, variables: Sequence[str]) -> list[Any]:
        lookup = self.view.lookup_url_kwarg or self.view.lookup_field
        found: list[Any] = []
        for name in variables:
            if name not in ("id", "pk", lookup):
                found += super()._resolve_path_parameters([name])
                continue
            found.append(
                build_parameter_type(
                    name=name,
                    location=OpenApiParameter.PATH,
                    schema=build_basic_type(OpenApiTypes.STR),
                )
            )
        return found
