"""Serializers, filters and pagination for Django REST framework."""

from .filters import LookupFilter, OrderingFilter
from .serializers import ModelSerializer
from .validators import UniqueTogetherValidator, UniqueValidator

__all__ = [
    "LookupFilter",
    "ModelSerializer",
    "OrderingFilter",
    "UniqueTogetherValidator",
    "UniqueValidator",
]
