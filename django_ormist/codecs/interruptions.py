"""Exceptions of signal handlers, which ormsgpack loses if its hooks are interrupted.

Ctrl-C, or Celery's soft time limit. ormsgpack raises a TypeError or ValueError instead.
"""

from collections.abc import Callable
from typing import Any

INTERRUPTED = "A signal handler raised while an object was packed or unpacked."


def raise_if_interrupted(work: Callable[[], Any]) -> None:
    """Raise InterruptedError if work that has failed succeeds now.

    So its error came from outside.
    """
    try:
        work()
    except (TypeError, ValueError, RecursionError):
        return
    raise InterruptedError(INTERRUPTED)
