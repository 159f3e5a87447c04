"""The public classes: models, managers and collections."""

from ..flows.transaction import atomic
from .base import Model, TaggedAttrsModel, TaggedModel, Verbose
from .collection import Collection
from .manager import Manager

__all__ = [
    "Collection",
    "Manager",
    "Model",
    "TaggedAttrsModel",
    "TaggedModel",
    "Verbose",
    "atomic",
]
