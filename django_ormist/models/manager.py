"""Managers: the methods of a model, which start with a collection."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, get_origin

from .collection import Collection
from .options import Options
from .reading import ReadMethods
from .writing import WriteMethods

if TYPE_CHECKING:
    from django.db.models import Q

    from .base import Model

M = TypeVar("M", bound="Model")
C = TypeVar("C", bound=Collection[Any])
R = TypeVar("R", covariant=True)


class Manager(ReadMethods[M], WriteMethods[M]):
    """``Model.objects``: access from the class to its stored objects."""

    collection_class: type[Collection[Any]] = Collection

    def __get__(self, instance: object, owner: type[Any]) -> Self:
        meta = getattr(owner, "_meta", None)
        if "model" in self.__dict__ and not isinstance(meta, Options):
            return self  # the queryset of a view, say: no model declares it here
        if instance is not None:
            raise AttributeError(
                f"Manager isn't accessible via {owner.__name__} instances"
            )
        if meta is None or meta.abstract:
            raise AttributeError(
                f"Manager isn't available; {owner.__name__} is abstract"
            )
        return self.bind(owner)

    def bind(self, owner: "type[Any]") -> Self:
        """Return a copy of this manager for a model."""
        if self.__dict__.get("model") is owner:
            return self
        manager = self.__class__.__new__(self.__class__)
        manager.__dict__.update(self.__dict__, model=owner)
        return manager

    @property
    def db(self) -> str:
        """The alias of the connection."""
        return self._collection().db

    def get_collection(self) -> Collection[M]:
        """Return the collection that every method starts with.

        Override it to filter.
        """
        return self.collection_class(self.model)

    def get_queryset(self) -> Collection[M]:
        """Return get_collection(), by Django's name. Either may be overridden."""
        return self.get_collection()

    def _collection(self) -> Collection[M]:
        return self.get_queryset()

    # Chains: no round trip

    def all(self) -> Collection[M]:
        """See Collection.all()."""
        return self._collection().all()

    def none(self) -> Collection[M]:
        """See Collection.none()."""
        return self._collection().none()

    def find(self, /, *tags: "str | Q", **lookups: Any) -> Collection[M]:
        """See Collection.find()."""
        return self._collection().find(*tags, **lookups)

    def filter(self, /, *tags: "str | Q", **lookups: Any) -> Collection[M]:
        """See Collection.find()."""
        return self._collection().filter(*tags, **lookups)

    def complex_filter(self, filter_obj: "Q | Mapping[str, Any]") -> Collection[M]:
        """See Collection.complex_filter()."""
        return self._collection().complex_filter(filter_obj)

    def exclude(self, /, *tags: "str | Q", **lookups: Any) -> Collection[M]:
        """See Collection.exclude()."""
        return self._collection().exclude(*tags, **lookups)

    def order_by(self, /, *names: Any) -> Collection[M]:
        """See Collection.order_by()."""
        return self._collection().order_by(*names)

    def reverse(self) -> Collection[M]:
        """See Collection.reverse()."""
        return self._collection().reverse()

    def distinct(self, *names: str) -> Collection[M]:
        """See Collection.distinct()."""
        return self._collection().distinct(*names)

    def using(self, alias: str) -> Collection[M]:
        """See Collection.using()."""
        return self._collection().using(alias)

    def select_related(self, *names: str | None) -> Collection[M]:
        """See Collection.select_related()."""
        return self._collection().select_related(*names)

    @classmethod
    def from_collection(
        cls, collection_class: "CollectionClass[R]", class_name: str | None = None
    ) -> type[R]:
        """Return a manager class with the public methods of a Collection class.

        Not with one whose ``queryset_only`` is True, and also with a private one whose
        ``queryset_only`` is False, as in Django.
        """
        base: Any = get_origin(collection_class) or collection_class
        name = class_name or f"{cls.__name__}From{base.__name__}"
        return type(name, (cls,), {"collection_class": base})

    def __init_subclass__(cls) -> None:
        """Add the methods that the Collection class adds or overrides.

        Those that this class, or a base other than Manager, defines itself are kept.
        """
        super().__init_subclass__()
        own = cls.__dict__.get("collection_class")
        if own is None:
            return
        if not (isinstance(own, type) and issubclass(own, Collection)):
            raise TypeError(f"{own!r} is not a Collection class.")
        for name, method in inspect.getmembers(own, inspect.isfunction):
            is_own = getattr(Collection, name, None) is not method
            is_hidden = getattr(method, "queryset_only", None)
            if is_hidden is None:
                is_hidden = name.startswith("_")
            is_free = getattr(cls, name, None) is getattr(Manager, name, None)
            if is_own and is_free and not is_hidden:
                setattr(cls, name, _forward(name, method))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Manager)
            and type(self) is type(other)
            and self.__dict__ == other.__dict__
        )

    def __hash__(self) -> int:
        return hash((type(self), self.__dict__.get("model")))

    def __repr__(self) -> str:
        model = self.__dict__.get("model")
        return f"<{type(self).__name__} of {model.__name__ if model else 'no model'}>"

    def __iter__(self) -> Iterator[M]:
        raise TypeError(
            f"A manager is not iterable. Ask {self.model.__name__}.objects.all()."
        )


if TYPE_CHECKING:

    class CollectionClass(Protocol[R]):
        """A class derived from Collection."""

        def as_manager(self) -> R: ...

    class CollectionManager(Manager[M], Generic[M, C]):
        """A manager of from_collection(), which starts with that class.

        It also has the methods of that class, whose types are unknown.
        """

        def __getattr__(self, name: str) -> Any: ...
        def all(self) -> C: ...
        def none(self) -> C: ...
        def find(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def filter(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def complex_filter(self, filter_obj: Q | Mapping[str, Any]) -> C: ...
        def exclude(self, /, *tags: str | Q, **lookups: Any) -> C: ...
        def order_by(self, /, *names: Any) -> C: ...
        def reverse(self) -> C: ...
        def distinct(self, *names: str) -> C: ...
        def using(self, alias: str) -> C: ...
        def select_related(self, *names: str | None) -> C: ...


def _forward(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a manager's method that calls the same method of its collection."""

    @wraps(method)
    def forward(self: Manager[Any], *args: Any, **kwargs: Any) -> Any:
        return getattr(self._collection(), name)(*args, **kwargs)

    return forward
