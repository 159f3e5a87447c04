"""Declared attributes: their types, conversion and validation."""

from .counters import CounterField
from .field import MISSING, Field
from .ref import Ref
from .references import (
    CASCADE,
    DO_NOTHING,
    PROTECT,
    SET_NULL,
    OnDelete,
    Reference,
)
from .shortcuts import field, ref

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
