"""Exceptions of signal handlers, which ormsgpack loses if its hooks are interrupted.

Ctrl-C, or Celery's soft time limit. ormsgpack raises a TypeError or ValueError instead.
"""

from collections.abc import Callable
from inspect import currentframe
from typing import Any

INTERRUPTED = "A signal handler raised while an object was packed or unpacked."

FULL = 100
"""Frames on a stack that may have too little room for the deepest values."""


def raise_if_interrupted(error: Exception, work: Callable[[], Any]) -> None:
    """Repeat work that raised an error. Raise that of a signal handler.

    An error that is not repeated came from a signal handler. A TypeError or ValueError
    is then raised as InterruptedError. On a deep stack any error counts as repeated,
    because the room that is left decides about its text.
    """
    try:
        work()
    except (LookupError, TypeError, ValueError, RecursionError) as again:
        is_same = type(again) is type(error) and str(again) == str(error)
        if is_same or is_stack_deep():
            return
    if not isinstance(error, TypeError | ValueError):
        raise error
    raise InterruptedError(INTERRUPTED) from error.__cause__


def is_stack_deep() -> bool:
    """Return whether the caller's stack has FULL frames or more."""
    frame, frames = currentframe(), 0
    while frame is not None and frames < FULL:
        frame, frames = frame.f_back, frames + 1
    return frames >= FULL
