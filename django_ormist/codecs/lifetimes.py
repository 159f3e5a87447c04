"""The lifetime that an object gets its expiration time from when it is written."""

from dataclasses import dataclass

LAST_MS = 253_402_214_400_000
"""The last deadline that can be stored, in ms: the last day of the year 9999."""

_PLACEHOLDER_MS = 2**40


@dataclass(frozen=True, slots=True, eq=False)
class Lifetime:
    """The lifetime of an object, from the server's time when it is written.

    ms: 0 or less removes the object. Two lifetimes of the same length are not equal:
    each assignment starts a new one.
    """

    ms: int

    def deadline_ms(self, now_ms: int) -> int:
        """Return the deadline of an object that is written now."""
        return min(now_ms + self.ms, LAST_MS)

    @property
    def placeholder_ms(self) -> int:
        """A deadline for the packed bytes, which the server replaces by the real one.

        It differs for each length, and is in November 2004 or later.
        """
        return _PLACEHOLDER_MS + max(self.ms, 0)


Deadline = int | Lifetime
"""The expiration time in ms since 1970, or a lifetime, from which it is computed."""
