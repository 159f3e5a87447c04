"""Serializer fields of references, to objects of this package or of Django."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.utils.text import capfirst
from rest_framework import relations, serializers
from rest_framework.utils.field_mapping import (
    ClassLookupDict,
    get_detail_view_name,
    needs_label,
)
from rest_framework.utils.model_meta import RelationInfo

from ..fields import Reference
from ..models import Model
from ..models.relations import ReverseRelation


def forward_relation(reference: Reference) -> Any:
    """Return a reference as REST framework's RelationInfo."""
    return _relation(reference, reference.related_model, is_reverse=False)


def reverse_relation(relation: ReverseRelation) -> Any:
    """Return the other side of a reference as REST framework's RelationInfo."""
    reference = relation.reference
    return _relation(reference, reference.model, is_reverse=True)


def _relation(reference: Reference, related: Any, is_reverse: bool) -> Any:
    return RelationInfo(
        model_field=reference,
        related_model=related,
        to_many=is_reverse,
        to_field=None,
        has_through_model=False,
        reverse=is_reverse,
    )


def build_relation(
    relation: Any, name: str, kind: type[Any]
) -> tuple[type[Any], dict[str, Any]]:
    """Return the serializer field of ``author``, ``author_id`` or ``books``.

    kind: the class of related fields. The last two names are read-only.
    """
    reference: Reference = relation.model_field
    kwargs: dict[str, Any] = {}
    if issubclass(kind, relations.HyperlinkedRelatedField):
        kwargs["view_name"] = get_detail_view_name(relation.related_model)
    elif issubclass(kind, relations.PrimaryKeyRelatedField):
        kwargs["pk_field"] = _key_field(relation.related_model)()
    if relation.reverse:
        return kind, {**kwargs, "many": True, "read_only": True}
    if reference.help_text:
        kwargs["help_text"] = reference.help_text
    if name != reference.name:  # author_id
        return kind, {**kwargs, "source": reference.name, "read_only": True}
    if needs_label(reference, name):
        kwargs["label"] = capfirst(reference.verbose_name)
    if reference.null:
        kwargs["allow_null"] = True
    if reference.validators:
        kwargs["validators"] = [KeyValidator(each) for each in reference.validators]
    return kind, {
        **kwargs,
        "queryset": relation.related_model._default_manager.all(),
        "required": not reference.has_default(),
    }


class KeyValidator:
    """A validator of a reference, which takes the primary key, for a loaded object."""

    def __init__(self, validator: Callable[[Any], object]) -> None:
        self.validator = validator

    def __call__(self, value: Any) -> None:
        self.validator(value.pk)


@cache
def _key_field(related: Any) -> type[Any]:
    """Return the serializer field of a primary key, which only shows it."""
    if issubclass(related, Model):
        base: type[Any] = serializers.CharField
    else:
        key = related._meta.pk
        while key.remote_field is not None:
            key = key.target_field
        mapping = serializers.ModelSerializer.serializer_field_mapping
        base = ClassLookupDict(mapping)[key]

    def to_internal_value(self: Any, data: Any) -> Any:
        return data  # the queryset converts it

    return type("KeyField", (base,), {"to_internal_value": to_internal_value})
