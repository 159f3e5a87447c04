"""Writes that are sent again if their reply was lost.

A connection may break after a write was sent: then it was applied, or it was not. The
scripts of these operations compare the stored bytes with those that the client has
seen. So the same write is applied once at most, however often it is sent, and its reply
tells the outcome:

* It is done: the server had not applied it before.
* It is refused, and the stored bytes are those that it writes: it was applied before.
* It is refused, and other bytes are stored. Another client has written them, before the
  write or after it. Then there is no proof, and the caller gets the error.

Bytes are compared without the deadline, which the server computes for a lifetime.

Counters are not part of the bytes, so writes that set some are not repeated.
"""

from collections.abc import Sequence
from typing import Any

from ..codecs import deadline_of, with_deadline
from .operation import Operation
from .replies import Reply


class RepeatableWrite(Operation):
    """A save that may be sent again. Equal bytes are no proof that it was applied.

    Used where two clients may write the same bytes, and one of them must be refused.
    """

    __slots__ = ()

    def settle(self, reply: Any) -> Any:
        """Return the reply to use if *reply* is that of a repeat.

        None if the write may have been applied before, and there is no proof.
        """
        return None if _is_refused(reply) else reply

    def was_applied_before(self, reply: Any) -> bool:
        """Return whether *reply*, that of a repeat, says that it had no effect."""
        return _is_refused(reply)


class RepeatableSave(RepeatableWrite):
    """A save that may be sent again. It was applied if its bytes are stored."""

    __slots__ = ()

    def settle(self, reply: Any) -> Any:
        """See RepeatableWrite.settle()."""
        if not _is_refused(reply):
            return reply
        return _reply_if_applied(self.args, reply[1])


class GuardedSave(RepeatableSave):
    """A RepeatableSave in a commit(), after its guard: see commit.unless()."""

    __slots__ = ()

    def settle(self, reply: Any) -> Any:
        """See RepeatableWrite.settle()."""
        is_written, _, *answers = reply
        save = next((answer for number, answer in answers if number == 2), None)
        if is_written or save is None or not _is_refused(save):
            return reply  # also if the guard fails: the object is not stored
        size = int(self.args[6])
        found = _reply_if_applied(self.args[-size:], save[1])
        return found and [1, found if found != 1 else None]

    def was_applied_before(self, reply: Any) -> bool:
        """See RepeatableWrite.was_applied_before()."""
        return reply[0] == 0 and self.settle(reply) is not reply


class RepeatableDelete(RepeatableWrite):
    """A deletion that may be sent again.

    If the object is gone, there is no proof that this client has deleted it.
    """

    __slots__ = ()

    def settle(self, reply: Any) -> Any:
        """See RepeatableWrite.settle()."""
        return reply if reply == 1 else None


class IdempotentWrite(RepeatableWrite):
    """A write that may be applied twice with the same effect."""

    __slots__ = ()

    def settle(self, reply: Any) -> Any:
        """See RepeatableWrite.settle()."""
        return reply

    def was_applied_before(self, reply: Any) -> bool:
        """See RepeatableWrite.was_applied_before()."""
        return type(reply) is list and bool(reply[0] == Reply.ORPHAN_INDEX)


def _is_refused(reply: Any) -> bool:
    return type(reply) is list and bool(reply[0] == Reply.REFUSED)


def _reply_if_applied(args: Sequence[Any], stored: bytes | None) -> Any:
    """Return the reply of a save if *stored* proves that it was applied, else None.

    args: those of save.lua. Another client may have moved the deadline afterwards. If
    the deadline is the one that was there before, this save has not set its own.
    """
    expected, packed, deadline = args[1:4]
    if stored is None:
        return None
    if not deadline:
        return 1 if stored == packed else None
    found_ms = deadline_of(stored)
    if found_ms is None or with_deadline(packed, found_ms) != stored:
        return None
    is_lifetime = deadline.startswith(b"+")
    is_own = not is_lifetime and found_ms == int(deadline)
    if not is_own and found_ms == deadline_of(expected):
        return None
    return found_ms - int(deadline) if is_lifetime else 1
