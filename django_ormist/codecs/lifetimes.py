"""Lifetimes: the expiration time of an object that is not written yet."""

from dataclasses import dataclass

LAST_MS = 253_402_214_400_000
"""The last deadline that can be stored, in ms: the last day of the year 9999."""

_PLACEHOLDER_MS = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class Lifetime:
    """How long an object lives, counted from the server's clock when it is written.

    ms: 0 or less removes it. Two of the same length are not equal: each one that is
    assigned counts anew.
    """

    ms: int

    def deadline_ms(self, now_ms: int) -> int:
        """Return the deadline of an object that is written now."""
        return min(now_ms + self.ms, LAST_MS)

    @property
    def placeholder_ms(self) -> int:
        """What stands in the packed bytes until the server puts the deadline there.

        It is another for each lifetime, and a deadline in November 2004 or later.
        """
        return _PLACEHOLDER_MS + max(self.ms, 0)


Deadline = int | Lifetime
"""The expiration time in ms since 1970, or the lifetime that will give it."""
