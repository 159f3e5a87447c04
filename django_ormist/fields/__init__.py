"""Declared attributes: their types, conversion and validation."""

from .field import MISSING, CounterField, Field, field
from .references import (
    CASCADE,
    DO_NOTHING,
    PROTECT,
    SET_NULL,
    OnDelete,
    Ref,
    Reference,
    ref,
)

__all__ = [
    "CASCADE",
    "DO_NOTHING",
    "MISSING",
    "PROTECT",
    "SET_NULL",
    "CounterField",
    "Field",
    "OnDelete",
    "Ref",
    "Reference",
    "field",
    "ref",
]
