"""How much is measured: a whole run, a quick one, and a tiny one for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """The numbers of objects and calls.

    rounds: the default of --rounds. total, bulk: stored objects of the contests, and
    those of one bulk_create. remembered, queried, stalled, scaled: of the groups bytes,
    query, stall and scale. server_calls: of each side, for each row of the group
    "server time"; three runs make 100 000. clients, seconds: the numbers of processes,
    and the time of one turn of them.
    """

    rounds: int
    total: int
    bulk: int
    remembered: int
    queried: int
    stalled: int
    scaled: tuple[int, ...]
    server_calls: int
    clients: tuple[int, ...]
    seconds: float


WHOLE = Size(
    rounds=21,
    total=100_000,
    bulk=10_000,
    remembered=50_000,
    queried=1_000_000,
    stalled=1_000_000,
    scaled=(1_000, 10_000, 100_000, 1_000_000, 5_000_000),
    server_calls=34_000,
    clients=(1, 2, 4, 8),
    seconds=1.0,
)
QUICK = Size(
    rounds=5,
    total=10_000,
    bulk=1_000,
    remembered=5_000,
    queried=50_000,
    stalled=50_000,
    scaled=(1_000, 10_000, 100_000),
    server_calls=400,
    clients=(1, 2, 4, 8),
    seconds=0.3,
)
TINY = Size(
    rounds=1,
    total=1_000,
    bulk=100,
    remembered=500,
    queried=2_000,
    stalled=2_000,
    scaled=(300, 1_000),
    server_calls=10,
    clients=(1, 2),
    seconds=0.05,
)
