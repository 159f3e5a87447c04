"""Batches of a fixed size."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of *size*. The last one may be shorter."""
    rest = iter(items)  # itertools.batched exists only from Python 3.12
    while some := list(islice(rest, size)):
        yield some
