"""DECLARE. Models, their managers and their collections."""

from .base import Model, TaggedAttrsModel, TaggedModel
from .collection import Collection
from .committing import atomic
from .manager import Manager
from .verbose import Verbose

__all__ = [
    "Collection",
    "Manager",
    "Model",
    "TaggedAttrsModel",
    "TaggedModel",
    "Verbose",
    "atomic",
]
