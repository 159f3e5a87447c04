"""Serializers, filters and pagination for Django REST framework."""

from .serializers import ModelSerializer
from .validators import UniqueTogetherValidator, UniqueValidator

__all__ = [
    "ModelSerializer",
    "UniqueTogetherValidator",
    "UniqueValidator",
]
