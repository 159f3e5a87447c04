"""Serializers, filters and pagination for Django REST framework."""

from .filters import LookupFilter, OrderingFilter
from .pagination import CursorPagination
from .serializers import ModelSerializer
from .validators import UniqueTogetherValidator, UniqueValidator

__all__ = [
    "CursorPagination",
    "LookupFilter",
    "ModelSerializer",
    "OrderingFilter",
    "UniqueTogetherValidator",
    "UniqueValidator",
]
