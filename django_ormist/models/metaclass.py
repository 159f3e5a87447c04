"""The metaclass of models."""

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, NoReturn

from .. import signals
from . import registry, relations
from .declarations import (
    contribute_fields,
    make_counters,
    own_fields,
    resolve_fields,
)
from .manager import Manager
from .options import Options
from .state import filled_dict

if TYPE_CHECKING:
    from .base import Model


class ModelBase(type):
    """The metaclass that adds ``_meta`` and the exceptions of a model."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        **arguments: Any,
    ) -> "ModelBase":
        meta: Any = namespace.pop("Meta", None)
        namespace["__dict__"] = property(filled_dict)  # before that of a mix-in
        if not any(isinstance(base, ModelBase) for base in bases):
            return super().__new__(mcs, name, bases, namespace, **arguments)
        _refuse_django_fields(name, namespace)
        own = own_fields(name, namespace, bases)
        cls = super().__new__(mcs, name, bases, namespace, **arguments)
        model: type[Model] = cls  # type: ignore[assignment]
        fields = contribute_fields(model, own, namespace)
        model._meta = Options(model, meta, fields)
        make_counters(fields, model._meta.counters)
        resolve_fields(fields, own)
        if not model._meta.abstract:
            relations.check_references(model)
            _bind_managers(model)
        for error in ("DoesNotExist", "MultipleObjectsReturned", "NotUpdated"):
            parents = [getattr(b, error) for b in bases if hasattr(b, error)]
            body = {
                "__module__": cls.__module__,
                "__qualname__": f"{cls.__qualname__}.{error}",
            }
            setattr(cls, error, type(error, (*dict.fromkeys(parents),), body))
        if model._meta.abstract:
            meta.abstract = False  # as Django's: a child may inherit Parent.Meta
            model.Meta = meta
        else:
            registry.register(model)
            relations.connect(model)
            signals.class_prepared.send(sender=cls)
        return cls

    def __iter__(cls) -> NoReturn:
        """Raise TypeError: Django's admin.site.register() iterates unknown classes."""
        raise TypeError(
            f"{cls.__name__} is not iterable. List its objects by "
            f"{cls.__name__}.objects.all(); register it with django_ormist.admin, "
            f"@ormist_admin.register({cls.__name__})."
        )

    @property
    def _default_manager(cls) -> "Manager[Any]":
        """The first manager of the class, ``objects`` by default."""
        for base in cls.__mro__:
            for name, value in base.__dict__.items():
                if isinstance(value, Manager):
                    manager: Manager[Any] = getattr(cls, name)
                    return manager
        raise AttributeError(f"{cls.__name__} has no manager.")

    @property
    def _base_manager(cls) -> "Manager[Any]":
        return Manager[Any]().bind(cls)


def _bind_managers(model: Any) -> None:
    """Give a model the managers that it inherits, so that an access makes none."""
    for base in model.__mro__:
        for name, value in list(base.__dict__.items()):
            if isinstance(value, Manager) and getattr_static(model, name) is value:
                setattr(model, name, value.bind(model))


def _refuse_django_fields(model: str, namespace: dict[str, Any]) -> None:
    """Raise TypeError for a field of django.db.models."""
    for name, value in namespace.items():
        if hasattr(value, "contribute_to_class") and hasattr(value, "db_type"):
            raise TypeError(
                f"{model}.{name} is a field of django.db.models. Declare the attribute "
                f"by an annotation, as {name}: int = 0, or pass it to create() without "
                "a declaration."
            )
