"""Counting round trips."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..connections.watching import Trip, watched_by


@contextmanager
def assert_trips(number: int, using: str | None = None) -> Iterator[list[Trip]]:
    """Fail unless the block makes exactly so many round trips; gives the Trips.

    Counts those of this thread, or of this task and what it starts. using: of this
    alias alone. A trip that only tells the server a script it does not know is not
    counted.
    """
    trips: list[Trip] = []

    def count(trip: Trip) -> None:
        if not trip.is_first_load and using in (None, trip.using):
            trips.append(trip)

    with watched_by(count):
        yield trips
    if len(trips) != number:
        lines = [
            f"{n}. {trip.using}: {trip.summary}" for n, trip in enumerate(trips, 1)
        ]
        raise AssertionError(
            "\n".join([f"{len(trips)} round trips, {number} expected.", *lines])
        )
