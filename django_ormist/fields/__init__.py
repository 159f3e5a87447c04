"""Declared attributes: their types, conversion and validation."""

from .field import MISSING, CounterField, Field, field

__all__ = ["MISSING", "CounterField", "Field", "field"]
