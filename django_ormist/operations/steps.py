"""Long answers in steps, between which the server serves others. See steps.lua."""

from collections.abc import Callable
from typing import Any

from .operation import Flow, Operation

MOST_LOOKS = 10_000
"""The most looks at ids of a query that is answered at once.

A query with conditions gets fewer: see looks_at_once() in matching.lua.
"""

STEP_LOOKS = 5000
"""Looks of one step, as in matching.lua: three to six milliseconds of the server."""

MOST_LEAVES = 250
"""Single conditions of one script, which reads all of them again in each step.

It takes two to four microseconds for each. See queries/splitting.py for longer queries.
"""

START = b"+"
"""The cursor of a query that is known to take steps. Before the first step, b""."""

Step = Callable[[bytes], Operation]
"""A function that returns the operation of a step, by the cursor of the reply before.

It answers the next cursor, b"" after the last step, and a part of the answer.
"""


def take_steps(
    step: Step, add: Callable[[Any], object], cursor: bytes = b""
) -> Flow[None]:
    """Flow that passes the part of each step to *add*. One round trip per step.

    Each object that is not changed meanwhile is in one part.
    """
    while True:
        cursor, part = yield step(cursor)
        add(part)
        if not cursor:
            return


def most_looks(operations: int = 1) -> int:
    """Return the looks of each of some operations that are sent together."""
    return max(MOST_LOOKS // max(operations, 1), 1)
