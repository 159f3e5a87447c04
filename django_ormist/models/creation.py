"""The attribute ``created`` of an instance, which is loaded on first access."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..connections.executor import run
from ..deadlines import to_creation
from ..flows import creation as creation_flows
from ..flows import save as save_flows
from ..operations.operation import Flow
from ..queries.query import CREATED
from .peers import check_may_wait, peers_of


def creation_time(instance: Any) -> datetime | None:
    """Return the creation time, aware and in UTC, or None if it is not stored.

    On first access it is loaded for all objects of the same result, in one round trip.
    Raises SynchronousOnlyOperation if that is in async code.
    """
    state = instance._state
    if state.packed is None:
        return None
    if state.created_us is None:
        check_may_wait(
            f"{type(instance).__name__}.{CREATED}",
            f'Await arefresh_from_db(fields=["{CREATED}"]) of one of the objects, or '
            f'read values("{CREATED}").',
        )
        flow = creation_flows.load(peers_of(instance), state.using)
        run(flow, state.using, reads=True)
    return to_creation(state.created_us)


def refresh(
    instance: Any, using: str, fields: Iterable[str] | None, source: Any
) -> Flow[None]:
    """Flow that reads the instance again. See Model.refresh_from_db()."""
    if not (fields is None or isinstance(fields, str)):
        fields = set(fields)
    yield from save_flows.refresh(instance, using, fields, source)
    if fields is not None and CREATED in fields:
        yield from creation_flows.load(peers_of(instance), using)
