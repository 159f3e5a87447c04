"""DECLARE. Models, their managers and their collections."""

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
]
