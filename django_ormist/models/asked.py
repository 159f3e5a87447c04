"""What the verbs of a manager and of a collection stand on."""

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from .base import Model
    from .collection import Collection

M = TypeVar("M", bound="Model")


class Asked(Generic[M]):
    """A model, and the collection of it that is asked."""

    model: "type[M]"

    def _collection(self) -> "Collection[M]":
        """The collection that is asked."""
        raise NotImplementedError  # pragma: no cover
