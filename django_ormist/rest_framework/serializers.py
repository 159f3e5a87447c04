"""ModelSerializer: fields from the declaration, and a save that merges."""

import copy
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound
from rest_framework.fields import SkipField, empty
from rest_framework.relations import PKOnlyObject
from rest_framework.serializers import as_serializer_error
from rest_framework.settings import api_settings
from rest_framework.utils.model_meta import FieldInfo, RelationInfo

from ..exceptions import IntegrityError
from ..fields import CounterField, Field, Reference
from ..models import Manager, Model
from ..models.relations import ReverseRelation
from ..queries.query import EXPIRE
from .bound_fields import accept_misfit
from .json_values import make_encodable, to_json
from .mapping import COUNTER_BOUNDS, FIELDS, build_attribute
from .relations import build_relation, forward_relation, reverse_relation
from .validators import (
    UniqueTogetherValidator,
    UniqueValidator,
    field_name,
    unique_message,
    validate_expire,
)

_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    serializers.ValidationError,  # of a DateTimeField, outside the years 1 to 9999
)
"""The errors of showing a stored value that does not fit its declaration."""

_IDS = ("id", "pk")


class ListSerializer(serializers.ListSerializer):
    """A serializer of many objects, which takes a manager too."""

    def to_representation(self, data: Any) -> list[Any]:
        data = data.all() if isinstance(data, Manager) else data
        found: list[Any] = super().to_representation(data)
        return found


class ModelSerializer(serializers.ModelSerializer):
    """A serializer whose fields come from the declared attributes of ``Meta.model``.

    ``Meta`` and the methods to override are those of REST framework's ModelSerializer.
    ``fields = "__all__"`` is ``id`` and all declared attributes. ``tags``, ``expire``,
    ``created`` and counters are included by name. ``id`` and counters are read-only,
    unless ``extra_kwargs`` has ``read_only: False``.

    create() and update() turn errors of the save into errors by field. One round trip
    each, in addition to one for each unique constraint that is_valid() checks.
    """

    serializer_field_mapping: ClassVar[Mapping[Any, type[Any]]] = FIELDS
    url_field_name: str | None = None
    _built: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def many_init(cls, *args: Any, **kwargs: Any) -> Any:
        found = super().many_init(*args, **kwargs)
        if type(found) is serializers.ListSerializer:
            found.__class__ = ListSerializer
        return found

    # Fields

    def get_fields(self) -> dict[str, Any]:
        if self.url_field_name is None:
            self.url_field_name = api_settings.URL_FIELD_NAME
        model = self._get_model()
        declared = copy.deepcopy(self._declared_fields)
        info = find_fields(model)
        names = self.get_field_names(declared, info)
        extra, _ = self.get_uniqueness_extra_kwargs(
            names, declared, self.get_extra_kwargs()
        )
        fields, built = {}, {}
        for name in names:
            if name in declared:
                fields[name] = declared[name]
                continue
            own = extra.get(name, {})
            source = own.get("source", "*")
            source = name if source == "*" else source
            kind, kwargs = self.build_field(
                source, info, model, getattr(self.Meta, "depth", 0)
            )
            if self._is_read_only(model, source):
                own = {"read_only": True, **own}
            fields[name] = kind(**self.include_extra_kwargs(kwargs, own))
            if source in (*info.fields, *info.relations, "created"):
                built[name] = model._meta.stored_name(source)
        self._built = built
        for name, field in fields.items():
            if (field.source or name) == EXPIRE:
                field.validators = [*field.validators, validate_expire]
        return fields

    def _get_model(self) -> type[Model]:
        name = type(self).__name__
        model = getattr(getattr(self, "Meta", None), "model", None)
        if model is None:
            raise TypeError(f"{name} has no Meta.model. Add a class Meta with it.")
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise TypeError(
                f"{name}.Meta.model is not a model of django_ormist: {model!r}. Derive "
                f"{name} from rest_framework.serializers.ModelSerializer."
            )
        if model._meta.abstract:
            raise ValueError(
                f"{name}.Meta.model is abstract: {model.__name__} has no objects."
            )
        return model

    def _is_read_only(self, model: type[Model], name: str) -> bool:
        """Return whether a field is read-only by default."""
        field = model._meta.fields_by_name.get(model._meta.stored_name(name))
        if field is not None:
            return isinstance(field, CounterField) or not field.editable
        return name in _IDS or name in model._meta.counters

    def build_field(
        self, field_name: str, info: Any, model_class: type[Model], nested_depth: int
    ) -> tuple[type[Any], dict[str, Any]]:
        meta = model_class._meta
        if field_name in info.fields:
            return self.build_standard_field(field_name, info.fields[field_name])
        if field_name in _IDS:
            return self._build_id(model_class)
        relation = _find_relation(model_class, field_name)
        is_key = relation is not None and not relation.reverse
        is_key = is_key and field_name != relation.model_field.name  # author_id
        if relation is not None and nested_depth and not is_key:
            return self.build_nested_field(field_name, relation, nested_depth)
        if relation is not None:
            return self.build_relational_field(field_name, relation)
        if field_name in meta.counters:
            return serializers.IntegerField, {"required": False, **COUNTER_BOUNDS}
        if field_name == "expire":
            return serializers.DateTimeField, {"allow_null": True, "required": False}
        if field_name == "tags" and model_class.is_tagged:
            # The explicit ones: obj.tags has those of the attributes, too.
            child = serializers.CharField(trim_whitespace=False)
            kwargs = {"child": child, "source": "own_tags", "required": False}
            return serializers.ListField, kwargs
        if field_name == "created" and not hasattr(model_class, "created"):
            return serializers.DateTimeField, {"read_only": True}
        found: tuple[type[Any], dict[str, Any]] = super().build_field(
            field_name, info, model_class, nested_depth
        )
        return found

    def build_standard_field(
        self, field_name: str, model_field: Field
    ) -> tuple[type[Any], dict[str, Any]]:
        kind, kwargs = build_attribute(
            model_field,
            field_name,
            self.serializer_field_mapping,
            self.serializer_choice_field,
        )
        self._add_unique_validator(kwargs, model_field)
        return kind, kwargs

    def build_relational_field(
        self, field_name: str, relation_info: RelationInfo
    ) -> tuple[type[Any], dict[str, Any]]:
        kind, kwargs = build_relation(
            relation_info, field_name, self.serializer_related_field
        )
        reference = relation_info.model_field
        if not relation_info.reverse and field_name == reference.name:
            self._add_unique_validator(kwargs, reference)
        return kind, kwargs

    def build_nested_field(
        self, field_name: str, relation_info: RelationInfo, nested_depth: int
    ) -> tuple[type[Any], dict[str, Any]]:
        """Return a read-only serializer of all declared attributes."""
        nested = _nested_serializer(relation_info.related_model, nested_depth - 1)
        kwargs = {"read_only": True}
        return nested, {**kwargs, "many": True} if relation_info.reverse else kwargs

    def _add_unique_validator(self, kwargs: dict[str, Any], field: Field) -> None:
        if field.unique:
            meta = field.model._meta
            unique = UniqueValidator(
                queryset=field.model._default_manager,
                message=unique_message(meta, [field.attname]),
            )
            kwargs["validators"] = [*kwargs.get("validators", ()), unique]

    def _build_id(self, model: type[Model]) -> tuple[type[Any], dict[str, Any]]:
        taken = _TakenId(
            queryset=model._default_manager, message=unique_message(model._meta, ["id"])
        )
        return serializers.CharField, {"required": False, "validators": [taken]}

    def include_extra_kwargs(
        self, kwargs: dict[str, Any], extra_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        extra = dict(extra_kwargs)
        if not extra.get("read_only", True):
            extra.pop("read_only")
        found: dict[str, Any] = super().include_extra_kwargs(kwargs, extra)
        return found

    # Uniqueness

    def get_uniqueness_extra_kwargs(
        self, field_names: Any, declared_fields: Any, extra_kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give attributes that are unique together the defaults of the model.

        As REST framework does, so that values that are not sent are validated too.
        """
        meta = self.Meta.model._meta
        if getattr(self.Meta, "validators", None) is None:
            for names in _unique_together(meta):
                if set(names) <= set(field_names):
                    for name in names:
                        field = meta.fields_by_name.get(meta.stored_name(name))
                        if field is not None and field.has_default():
                            default = _Default(field)
                            own = extra_kwargs.get(name, {})
                            extra_kwargs[name] = {"default": default, **own}
        return extra_kwargs, {}

    def get_validators(self) -> list[Any]:
        given = getattr(self.Meta, "validators", None)
        return (
            list(given) if given is not None else self.get_unique_together_validators()
        )

    def get_unique_together_validators(self) -> list[Any]:
        model = self.Meta.model
        fields = {
            field.source: name
            for name, field in self.fields.items()
            if not field.read_only or field.default is not empty
        }
        return [
            UniqueTogetherValidator(
                queryset=model._default_manager,
                fields=[fields[name] for name in names],
            )
            for names in _unique_together(model._meta)
            if fields.keys() >= set(names)
        ]

    # Showing an object

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the object as plain data.

        A stored value that does not fit its declaration is shown as it is, and one that
        is absent as None.
        """
        try:
            found: dict[str, Any] = super().to_representation(instance)
        except _UNREADABLE:
            found = self._show_each(instance)
        for name in self._built.keys() & found.keys():
            found[name] = make_encodable(found[name])
        return found

    def __getitem__(self, key: str) -> Any:
        return accept_misfit(super().__getitem__(key))

    def _show_each(self, instance: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in self._readable_fields:
            name = field.field_name
            try:
                value = field.get_attribute(instance)
                key = value.pk if isinstance(value, PKOnlyObject) else value
                found[name] = None if key is None else field.to_representation(value)
            except SkipField:
                continue
            except _UNREADABLE:
                if name not in self._built:
                    raise
                found[name] = to_json(getattr(instance, self._built[name], None))
        return found

    # Saving it

    def create(self, validated_data: dict[str, Any]) -> Any:
        """Store a new object. Raises ValidationError by field."""
        self._refuse_nested(validated_data)
        try:
            return self.Meta.model._default_manager.create(**validated_data)
        except (DjangoValidationError, IntegrityError) as error:
            raise self._refusal(error) from error

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        """Store what has changed, and keep what others have changed meanwhile.

        Raises ValidationError by field, and NotFound for an object that is gone.
        """
        self._refuse_nested(validated_data)
        validated_data = dict(validated_data)
        for name in _IDS:
            if validated_data.pop(name, instance.pk) != instance.pk:
                message = ErrorDetail("An id cannot be changed.", code="invalid")
                raise serializers.ValidationError({name: [message]})
        try:
            # Tags last: which of them are explicit depends on the attributes.
            for name in sorted(validated_data, key=lambda name: name == "own_tags"):
                setattr(instance, name, validated_data[name])
            instance.save(force_update=True)
        except instance.NotUpdated as error:
            raise NotFound from error
        except (DjangoValidationError, IntegrityError) as error:
            raise self._refusal(error) from error
        return instance

    def _refuse_nested(self, validated_data: dict[str, Any]) -> None:
        """Raise TypeError for the data of another object, which is not stored here."""
        for name in self.Meta.model._meta.references:
            if isinstance(validated_data.get(name), Mapping):
                raise TypeError(
                    f"{type(self).__name__} does not store another object with "
                    f"{name!r}. Override create() and update(), or let the nested "
                    "serializer be read-only."
                )

    def _refusal(self, error: Any) -> Any:
        """Return REST framework's error for that of a save, by field."""
        if isinstance(error, IntegrityError):
            meta, names = self.Meta.model._meta, error.names
            message = ErrorDetail(unique_message(meta, names), code="unique")
            key = field_name(meta, names[0]) if len(names) == 1 else NON_FIELD_ERRORS
            detail: dict[str, Any] = {key: [message]}
        else:
            detail = as_serializer_error(error)
        fields = {field.source: name for name, field in self.fields.items()}
        fields[NON_FIELD_ERRORS] = api_settings.NON_FIELD_ERRORS_KEY
        return serializers.ValidationError(
            {fields.get(name, name): each for name, each in detail.items()}
        )


def _unique_together(meta: Any) -> list[tuple[str, ...]]:
    """Return the names of the fields that are unique together."""
    return [
        tuple(field_name(meta, name) for name in names)
        for names in meta.unique
        if len(names) > 1
    ]


@cache
def _nested_serializer(model: type[Any], depth: int) -> type[Any]:
    """Return a serializer of all attributes, the same for the same model and depth.

    drf-spectacular names the component by it.
    """
    base: type[Any] = serializers.ModelSerializer
    if issubclass(model, Model):
        base = ModelSerializer
    name = f"Nested{model.__name__}{depth or ''}Serializer"
    options = {"model": model, "depth": depth, "fields": "__all__"}
    return type(name, (base,), {"Meta": type("Meta", (), options)})


class _TakenId(UniqueValidator):
    """The validator of the id of a new object."""

    def filter_queryset(self, value: Any, queryset: Any, field_name: str) -> Any:
        return queryset.filter(pk=value)


class _Default:
    """The default of a declared attribute, in its Python form."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def __call__(self) -> Any:
        return self.field.to_python(self.field.get_default())

    def __repr__(self) -> str:
        return f"<default of {self.field!r}>"


def find_fields(model: type[Model]) -> Any:
    """Return the declared attributes of a model as REST framework's FieldInfo."""
    declared = model._meta.get_fields()
    fields = {each.name: each for each in declared if not each.is_relation}
    relations = {
        each.name: forward_relation(each)
        for each in declared
        if isinstance(each, Reference)
    }
    return FieldInfo(
        pk=_Id,
        fields=fields,
        forward_relations=relations,
        reverse_relations={},
        fields_and_pk={"pk": _Id, "id": _Id, **fields},
        relations=relations,
    )


def _find_relation(model: type[Model], name: str) -> Any:
    """Return the RelationInfo of ``author``, ``author_id`` or ``books``, or None."""
    meta = model._meta
    field = meta.fields_by_name.get(meta.stored_name(name))
    if isinstance(field, Reference):
        return forward_relation(field)
    found = getattr(model, name, None)
    return reverse_relation(found) if isinstance(found, ReverseRelation) else None


class _Id:
    """What REST framework asks of a primary key."""

    name = "id"
