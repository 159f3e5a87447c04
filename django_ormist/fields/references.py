"""References: declared attributes that hold the primary key of another object.

``author`` is stored as ``author_id``. The other object is one of this package or of
Django; it is loaded on first access, for all objects of the same result.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    ForwardRef,
    Self,
    TypeVar,
)

from django.apps import apps
from django.core.exceptions import AppRegistryNotReady, ValidationError
from django.utils.functional import cached_property

from ..storable import unwrap
from ..validators import clean_pk
from .annotations import UnresolvedError, resolve
from .field import MISSING, Field, Instance
from .ref import is_optional, target_of
from .types import NoneType, Scalar, UnionType, ValueType

if TYPE_CHECKING:
    pass

T = TypeVar("T", covariant=True)

SELF = "self"
"""A reference to an object of the same model."""


class OnDelete(Enum):
    """The effect of deleting an object on those that refer to it."""

    DO_NOTHING = "DO_NOTHING"
    CASCADE = "CASCADE"
    PROTECT = "PROTECT"
    SET_NULL = "SET_NULL"

    def __repr__(self) -> str:
        return self.value


DO_NOTHING, CASCADE = OnDelete.DO_NOTHING, OnDelete.CASCADE
PROTECT, SET_NULL = OnDelete.PROTECT, OnDelete.SET_NULL


class KeyType(ValueType):
    """The primary key of a model. An object of the model stands for its key."""

    def __init__(self, reference: "Reference") -> None:
        self._reference = reference

    @property
    def text(self) -> str:  # type: ignore[override]
        """The reference as it is written."""
        return f"Ref[{self._reference.target_label}]"

    def clean(self, value: Any) -> Any:
        return self._reference.clean_key(value)

    def to_stored(self, value: Any) -> Any:
        value = unwrap(value)
        return value.pk if self._reference.is_object(value) else value


class Reference(Field):
    """A reference to an object of another model, by its primary key.

    to: the model, or its label, "self" for the same model. related_name: the name of
    the collection of referring objects at the other object, none by default. on_delete:
    the effect of deleting the other object.
    """

    is_relation = many_to_one = True

    def __init__(
        self,
        to: Any = None,
        *,
        null: bool = False,
        related_name: str | None = None,
        on_delete: Any = DO_NOTHING,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._to, self._null, self.related_name = to, null, related_name
        name = getattr(on_delete, "__name__", getattr(on_delete, "name", on_delete))
        try:
            self.on_delete = OnDelete(name)
        except ValueError as error:
            raise ValueError(
                f"on_delete is CASCADE, PROTECT, SET_NULL or DO_NOTHING, not {name!r}."
            ) from error

    def contribute(self, model: type[Any], name: str) -> Self:
        own = super().contribute(model, name)
        own.attname = f"{name}_id"
        own.__dict__.pop("_target", None)
        setattr(model, own.attname, KeyAttribute(own))
        return own

    # Its model

    def _find_type(self) -> ValueType:
        _ = self._target
        kind: ValueType = KeyType(self)
        return UnionType([kind, NoneType()]) if self.null else kind

    @property
    def null(self) -> bool:
        """Whether None is a valid value."""
        return self._null or is_optional(self.annotation)

    def has_default(self) -> bool:
        return self.null or super().has_default()

    def get_default(self) -> Any:
        found = super().get_default()
        return None if found is MISSING and self.null else found

    @property
    def related_model(self) -> Any:
        """The model that is referred to. Raises TypeError if there is no such model."""
        try:
            return self._target
        except UnresolvedError as error:
            raise self._unresolved_error(error) from error

    def find_target(self) -> Any:
        """Return the related model. Raises UnresolvedError if it is not defined yet."""
        return self._target

    @cached_property
    def _target(self) -> Any:
        return self._find_model()

    @property
    def target_label(self) -> str:
        """The label of that model."""
        return str(self.related_model._meta.label)

    @property
    def is_to_django(self) -> bool:
        """Whether it refers to one of Django's models."""
        return hasattr(self.related_model._meta, "db_table")

    def _find_model(self) -> Any:
        to = self._to
        if to is None:
            found = target_of(self.annotation)
            to = self._resolve_target(found)
        if to in (SELF, Self):
            return self.model
        found = find_model(to) if isinstance(to, str) else to
        if found is None:
            raise UnresolvedError(name=to)
        if not hasattr(found, "_meta"):
            raise self._error(f"{found!r} is no model to refer to")
        self._check_model(found)
        return found

    def _check_model(self, model: Any) -> None:
        """Raise TypeError for a model without objects, or with composite keys."""
        meta = model._meta
        if meta.abstract:
            raise self._error(f"{meta.object_name} is abstract, and has no objects")
        if getattr(meta, "swapped", None):
            raise self._error(
                f"{meta.label} has been swapped out. Refer to the setting "
                f"{meta.swappable}, which is {meta.swapped!r}"
            )
        if len(getattr(meta, "pk_fields", ())) > 1:
            raise self._error(f"{meta.label} has a composite primary key")

    def _unresolved_error(self, error: UnresolvedError) -> TypeError:
        return self._error(
            f"there is no model {error.name!r} to refer to. To name one by its label, "
            "write ormist.ref('shop.Author') or ormist.ref('auth.User')"
        )

    def _resolve_target(self, annotation: Any) -> Any:
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        if annotation == self.model.__name__:
            return self.model
        return resolve(annotation, self.model.__module__, self._scope)

    def clean_key(self, value: Any) -> Any:
        """Return the key of an object, or a valid key. Raises ValidationError."""
        value = self._key_of(value)
        if value is None:
            raise ValidationError("This field cannot be null.", code="null")
        try:
            if self.is_to_django:
                return self._clean_django_key(value)
            return clean_pk(self.related_model.__name__, value)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValidationError(str(error), code="invalid") from error

    def _clean_django_key(self, value: Any) -> Any:
        """Return a key that a column can hold. It is converted if nothing is lost."""
        from django.db.models import IntegerField  # slow to import

        field = _target_field(self.related_model._meta.pk)
        if isinstance(field, IntegerField):
            value = Scalar(int).clean(value)  # 1.5 is not 1
            field.run_validators(value)  # the range of the column
        found = field.to_python(value)
        if type(found) is not type(value) and not isinstance(value, str):
            Scalar(type(found)).clean(value)
        return found

    def is_valid_key(self, key: Any) -> bool:
        """Return whether an object could have this stored key."""
        try:
            if isinstance(key, str) and b"\0" in key.encode():
                return False  # no text of PostgreSQL has it
            return type(self.clean_key(key)) is type(key)
        except (ValidationError, UnicodeEncodeError):
            return False

    def _key_of(self, value: Any) -> Any:
        value = unwrap(value)
        if not hasattr(type(value), "_meta"):
            return value
        if not self.is_object(value):
            raise ValidationError(
                f"“{value}” is a {type(value).__name__}, not a "
                f"{self.related_model.__name__}.",
                code="invalid",
            )
        return value.pk

    def is_object(self, value: Any) -> bool:
        """Return whether it is an object of the model. A child has keys of its own."""
        model = self.related_model
        if self.is_to_django:  # proxies are the same objects
            return isinstance(value, model._meta.concrete_model)
        return type(value) is model

    # Reading and assigning it

    def __get__(self, instance: Instance, owner: Any = None) -> Any:
        if instance is None:
            return self
        key = self.key_in(instance)
        if key is None:
            return None
        known = loaded_objects(instance).get(self.attname)
        if known is not None and known[0] == key:
            return known[1]
        return instance._load_reference(self)

    def __set__(self, instance: Instance, value: Any) -> None:
        value = unwrap(value)
        if not hasattr(type(value), "_meta"):
            instance.attrs[self.attname] = value
            return
        try:
            key = self._key_of(value)
        except ValidationError as error:
            raise ValueError(
                f"Cannot assign {value!r}: {self.model.__name__}.{self.name} takes an "
                f"object of {self.target_label}, or its primary key."
            ) from error
        if key is None:
            raise ValueError(
                f"Cannot assign {value!r} to {self.model.__name__}.{self.name}: save "
                "it first, so that it has a primary key."
            )
        instance.attrs[self.attname] = key
        self.keep(instance, key, value)

    def key_in(self, instance: Instance) -> Any:
        """Return the stored key, or the default. Raises AttributeError without any."""
        return Field.__get__(self, instance)

    def keep(self, instance: Instance, key: Any, found: Any) -> None:
        """Keep the loaded object of this key, or None if there is none."""
        loaded_objects(instance)[self.attname] = key, found

    def take_loaded(self, instance: Instance, other: Instance) -> None:
        """Keep the object that *other* has loaded, or none, as Django on a refresh."""
        known = loaded_objects(instance)
        known.pop(self.attname, None)
        if self.attname in loaded_objects(other):
            known[self.attname] = loaded_objects(other)[self.attname]

    def loaded(self, instance: Instance) -> Any:
        """Return the object that was loaded, if there is one."""
        return loaded_objects(instance).get(self.attname, (None, None))[1]

    def is_loaded(self, instance: Instance) -> bool:
        """Return whether reading it needs no round trip."""
        key = self.stored_value(instance.attrs)
        known = loaded_objects(instance).get(self.attname)
        return key is None or (known is not None and bool(known[0] == key))

    def value_from_object(self, obj: Instance) -> Any:
        """Return the primary key, as Django's ForeignKey does, or None."""
        return getattr(obj, self.attname, None)

    def formfield(self, form_class: Any = None, **options: Any) -> Any:
        """Return a choice among the objects of the other model."""
        from .formfields import build_reference  # it imports django.forms

        if self.has_default():
            options = {"initial": self.get_default(), **options}
        return build_reference(self, form_class, options)

    def to_lookup(self, lookup: str, value: Any) -> Any:
        if lookup in ("in", "range"):
            value = [self._without_object(each) for each in value]
        else:
            value = self._without_object(value)
        return super().to_lookup(lookup, value)

    def _without_object(self, value: Any) -> Any:
        try:
            key = self._key_of(value)
            if key is None and unwrap(value) is not None:
                raise ValueError(
                    "Model instances passed to related filters must be saved."
                )
            return key
        except ValidationError as error:
            raise ValueError(
                f"Cannot query {value!r}: {self.name} takes an object of "
                f"{self.target_label}, or its primary key."
            ) from error


class KeyAttribute:
    """The attribute ``author_id`` of a reference ``author``. It never loads."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def __get__(self, instance: Instance, owner: Any = None) -> Any:
        return self if instance is None else self.reference.key_in(instance)

    def __set__(self, instance: Instance, value: Any) -> None:
        instance.attrs[self.reference.attname] = value


def loaded_objects(instance: Instance) -> dict[str, tuple[Any, Any]]:
    """Return the loaded objects that an instance refers to, each with its key."""
    found: dict[str, tuple[Any, Any]] = instance.__dict__.setdefault("_loaded", {})
    return found


# ---------------------------------------------------------------- models


def find_model(label: str) -> Any:
    """Return the model of this label, of this package or of Django, or None."""
    for find in finders:
        found = find(label)
        if found is not None:
            return found
    try:
        return apps.get_model(label)
    except (LookupError, ValueError, AppRegistryNotReady):
        return None


finders: list[Callable[[str], Any]] = []
"""Functions that find a model of this package: see models/registry.py."""


def _target_field(pk: Any) -> Any:
    """Return the field whose values a primary key has, if it is a foreign key."""
    while pk.remote_field is not None:
        pk = pk.target_field
    return pk


def references_of(fields: Mapping[str, Field]) -> Iterable[Reference]:
    """Yield the references among these fields."""
    for each in fields.values():
        if isinstance(each, Reference):
            yield each
