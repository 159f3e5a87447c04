"""Flows that load creation times."""

from collections.abc import Sequence

from ..keys import pk_bytes
from ..operations.operation import Flow
from ..operations.scan import creation_times
from .types import Instance


def load(instances: Sequence[Instance], using: str) -> Flow[None]:
    """Flow that sets the creation time of stored objects of one model.

    One round trip, in parts of 1000.
    """
    space = instances[0]._meta.space(using)
    pks = [pk_bytes(each.id) for each in instances]
    found = yield from creation_times(space, pks)
    for each, created_us in zip(instances, found, strict=True):
        each._state.created_us = created_us  # None if it was deleted meanwhile
