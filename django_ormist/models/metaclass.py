"""The metaclass of models."""

from typing import TYPE_CHECKING, Any, NoReturn

from .. import signals
from . import registry
from .manager import Manager
from .options import Options

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
        cls = super().__new__(mcs, name, bases, namespace, **arguments)
        if not any(isinstance(base, ModelBase) for base in bases):
            return cls
        for attribute, value in namespace.items():
            if hasattr(value, "contribute_to_class") and hasattr(value, "db_type"):
                raise TypeError(
                    f"{name}.{attribute} is a field of django.db.models. Objects have "
                    "no schema: remove it, and pass the attribute to create()."
                )
        model: type[Model] = cls  # type: ignore[assignment]
        model._meta = Options(model, meta)
        for error in ("DoesNotExist", "MultipleObjectsReturned", "NotUpdated"):
            parents = tuple(
                base.__dict__[error]
                for base in cls.__mro__[1:]
                if error in base.__dict__
            )
            body = {
                "__module__": cls.__module__,
                "__qualname__": f"{cls.__qualname__}.{error}",
            }
            setattr(cls, error, type(error, parents[:1], body))
        if model._meta.abstract:
            meta.abstract = False  # as Django's: a child may inherit Parent.Meta
            model.Meta = meta
        else:
            registry.register(model)
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
