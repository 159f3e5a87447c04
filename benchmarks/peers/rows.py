"""The rows of the report: the arguments of each call, and the check of its answer."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .job import CITIES, HIGHEST, KINDS, STATES, Job, Values, new_values
from .peer import Peer, Taken

LIFETIME = 86_400  # seconds
DELETED = 20
"""Objects that one delete by query removes."""

SESSION = {
    "_auth_user_id": "12345",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "0d" * 32,
    "language": "en",
    "visits": 17,
    "is_new": False,
    "cart": [101, 202, 303],
    "filters": {"color": "red", "size": 42},
}


@dataclass
class Stage:
    """A filled peer, the right answers, and what the rows add.

    bulk: objects per bulk write. stored: some of the job's objects by primary key.
    kept: the primary keys of objects to save, by name; no other row uses them.
    """

    peer: Peer
    job: Job
    bulk: int
    stored: dict[Any, Values] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    serial: Any = field(default_factory=count)

    def new(self, **given: Any) -> Values:
        """Return an object that no query of the rows finds, but by its given values."""
        number = next(self.serial)
        place = given.pop("city", "elsewhere")
        name = f"new-{self.job.total}-{number}"
        return new_values(name, HIGHEST + number, city=place, **given)

    def is_stored(self, pk: Any, **expected: Any) -> None:
        """Check the values of a stored object."""
        self.peer.enter()
        item = self.peer.get(pk)
        assert item is not None, f"{pk} is not stored"
        values = self.peer.values(item)
        found = {name: values[name] for name in expected}
        assert found == expected, f"{found} is stored, not {expected}"

    def names(self, items: list[Any]) -> list[str]:
        """Return the names of a peer's own objects, which must be whole."""
        return [self.peer.values(item)["name"] for item in items]


@dataclass(frozen=True)
class Row:
    """A row of the report: its title, and the name of the measured method.

    arguments: returns the arguments of one call, outside the measured time. check:
    compares the answer, or the stored objects, with the right ones.
    """

    title: str
    method: str
    arguments: Callable[[Stage], tuple[Any, ...]]
    check: Callable[[Stage, tuple[Any, ...], Any], None]


def _same(answer: Any, right: Any) -> None:
    assert answer == right, f"the answer is {answer!r}, not {right!r}"


def _saved(name: str, value: Callable[[], Any]) -> Callable[[Stage], tuple[Any, ...]]:
    """Return a loaded object, another for each call of a turn, and its new value."""

    def arguments(stage: Stage) -> tuple[Any, ...]:
        pks = list(stage.kept.values())
        return stage.peer.get(pks[next(stage.serial) % len(pks)]), name, value()

    return arguments


def _check_saved(stage: Stage, arguments: tuple[Any, ...], answer: Any) -> None:
    item, name, value = arguments
    pk = stage.kept[stage.peer.values(item)["name"]]
    stage.is_stored(pk, **{name: value})


def _pair(stage: Stage) -> tuple[str, str]:
    return random.choice(CITIES), random.choice(KINDS)


def _range(stage: Stage) -> tuple[str, int, int]:
    low = random.randrange(HIGHEST // 4)
    return random.choice(CITIES), low, low + HIGHEST // 2


def _prefix(stage: Stage) -> tuple[str]:
    return (f"device-{random.randrange(stage.job.total):07}"[:-1],)


def _email(stage: Stage) -> tuple[str]:
    return (f"user-{next(stage.serial)}@example.com",)


def _check_unique(stage: Stage, arguments: tuple[Any, ...], answer: Any) -> None:
    try:
        stage.peer.unique(*arguments)
    except Taken:
        return
    raise AssertionError(f"{arguments[0]} is stored twice")


def _check_update(stage: Stage, arguments: tuple[Any, ...], answer: Any) -> None:
    city, kind, state = arguments
    items = stage.peer.two_equalities(city, kind)
    assert {stage.peer.values(item)["state"] for item in items} <= {state}
    _same(sorted(stage.names(items)), stage.job.two_equalities(city, kind))


def _deleted(stage: Stage) -> tuple[str]:
    city = f"deleted-{next(stage.serial)}"
    stage.peer.bulk([stage.new(city=city, kind=KINDS[0]) for _ in range(DELETED)])
    found = stage.peer.two_equalities(city, KINDS[0])
    assert len(found) == DELETED, f"{len(found)} objects to delete, not {DELETED}"
    return (city,)


def _session(stage: Stage) -> tuple[str]:
    session = stage.peer.session_store()
    session.update(SESSION)
    session.save()
    return (session.session_key,)


def _check_session(stage: Stage, arguments: tuple[Any, ...], answer: Any) -> None:
    _same(dict(stage.peer.session_store(*arguments).items()), SESSION | {"visits": 18})


ROWS = [
    Row(
        "create",
        "create",
        lambda stage: (stage.new(),),
        lambda stage, given, pk: stage.is_stored(pk, **given[0]),
    ),
    Row(
        "create many",
        "bulk",
        lambda stage: ([stage.new() for _ in range(stage.bulk)],),
        lambda stage, given, pks: stage.is_stored(pks[-1], **given[0][-1]),
    ),
    Row(
        "get by id",
        "get",
        lambda stage: (random.choice(list(stage.stored)),),
        lambda stage, given, item: _same(
            stage.peer.values(item) | {"state": ""},  # updated by query
            stage.stored[given[0]] | {"state": ""},
        ),
    ),
    Row(
        "save an attribute without index",
        "save",
        _saved("note", lambda: f"note {random.random()}"),
        _check_saved,
    ),
    Row(
        "save an ordered attribute",
        "save",
        _saved("score", lambda: HIGHEST + random.randrange(HIGHEST)),
        _check_saved,
    ),
    Row(
        "all of two equalities",
        "two_equalities",
        _pair,
        lambda stage, given, items: _same(
            sorted(stage.names(items)), stage.job.two_equalities(*given)
        ),
    ),
    Row(
        "first 20 of a range in order",
        "page",
        _range,
        lambda stage, given, items: _same(stage.names(items), stage.job.page(*given)),
    ),
    Row(
        "count of two equalities",
        "count",
        _pair,
        lambda stage, given, number: _same(number, stage.job.count(*given)),
    ),
    Row(
        "count of a range",
        "count_range",
        lambda stage: _range(stage)[:2],
        lambda stage, given, number: _same(number, stage.job.count_range(*given)),
    ),
    Row(
        "facets of 20 values",
        "facets",
        lambda stage: (random.choice(CITIES),),
        lambda stage, given, found: _same(
            {kind: number for kind, number in found.items() if number},
            stage.job.facets(*given),
        ),
    ),
    Row(
        "all 10 of a prefix",
        "prefix",
        _prefix,
        lambda stage, given, items: _same(
            sorted(stage.names(items)), stage.job.prefix(*given)
        ),
    ),
    Row("create with a unique attribute", "unique", _email, _check_unique),
    Row(
        "update by query",
        "update",
        lambda stage: (*_pair(stage), random.choice(STATES)),
        _check_update,
    ),
    Row(
        f"delete {DELETED} by query",
        "delete",
        _deleted,
        lambda stage, given, answer: _same(
            stage.peer.two_equalities(given[0], KINDS[0]), []
        ),
    ),
    Row(
        "create with an expiration time",
        "expiring",
        lambda stage: (stage.new(), LIFETIME),
        lambda stage, given, pk: stage.is_stored(pk, **given[0]),
    ),
    Row("load, change, save a session", "session", _session, _check_session),
]
