"""The works whose stalls are measured: queries, commands and writes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db.models import F

from django_ormist.batching import batched
from django_ormist.connections.executor import run
from django_ormist.operations import stats

from .stall_queries import OVER_EXPIRED, queries
from .stock import BATCH, NEW, WEEK_S, Stock, expire_three_tenths, fill, let_expire

USERS_SESSIONS = 20_000


@dataclass(frozen=True)
class Work:
    """A query or command whose stalls are measured.

    do: runs it; gets the number of stored objects. prepare: runs before each *do*,
    with the same argument, and is not measured. at_least, at_most: how often it is
    measured; more than *at_least* only while a stall is too long.
    """

    name: str
    do: Callable[[int], Any]
    at_least: int = 1
    at_most: int = 1
    prepare: Callable[[int], Any] | None = None


def all_of(folder: Path) -> Iterator[Work]:
    """Yield all works, in this order. folder: for the files that they write."""
    asked = [Work(name, do, 3, 10) for name, do in queries().items()]
    yield from asked
    yield from commands(folder)
    yield from writes()
    for work in asked:
        if work.name in OVER_EXPIRED:
            yield replace(
                work, name=f"{work.name}, over expired", prepare=expire_three_tenths
            )
    yield from removals()


def commands(folder: Path) -> list[Work]:
    """Return the commands that change nothing. folder: for the files they write."""
    works: dict[str, Callable[[int], Any]] = {
        "ormist_inspect": lambda n: command("inspect"),
        "ormist_inspect ID": lambda n: command("inspect", "Stock", "00000000"),
        "ormist_inspect --schema": lambda n: command("inspect", schema=True),
        "ormist_inspect --verify": lambda n: command("inspect", verify=True),
        "ormist_inspect --repair": lambda n: command("inspect", repair=True),
        "ormist_reindex": lambda n: command("reindex", "Stock"),
        "ormist_reindex --fill": lambda n: command("reindex", "Stock", fill=True),
        "ormist_dump": lambda n: dump(folder / "stock"),
        "ormist_load": lambda n: command(
            "load", str(folder / "stock"), existing="skip"
        ),
        "the admin's overview": overview,
    }
    return [Work(name, do, at_most=2) for name, do in works.items()]


def dump(path: Path) -> None:
    """Write all objects to a file."""
    path.unlink(missing_ok=True)
    command("dump", "Stock", output=str(path))


def writes() -> list[Work]:
    """Return what changes the stored objects, in this order."""
    items = Stock.objects
    tenth = items.find("tenth")
    return [
        Work("bulk_create of 20 000", create_many, at_most=5),
        Work("bulk_update of 20 000", bulk_update, at_most=5),
        Work("bulk_save of 20 000", bulk_save, at_most=5),
        Work(
            "update, one in ten",
            lambda n: tenth.update(color=F("color") + 1),
            at_most=3,
        ),
        Work("set_expire, one in ten", lambda n: tenth.set_expire(WEEK_S), at_most=3),
        Work("delete, one in ten", lambda n: tenth.delete()),
        Work("log_out_everywhere", lambda n: log_out(), at_most=3),
    ]


def removals() -> list[Work]:
    """Return what removes the expired objects, then all."""
    return [
        Work(
            "ormist_inspect, over expired",
            lambda n: command("inspect"),
            at_most=2,
            prepare=expire_three_tenths,
        ),
        Work("a save that sweeps", create_some, at_most=5),
        Work("bulk_create of 20 000, over expired", create_many, at_most=5),
        Work("bulk_save of 20 000, over expired", bulk_save, at_most=5),
        Work("ormist_sweep", lambda n: command("sweep", "Stock")),
        Work(
            "ormist_sweep --batch-size 500",
            lambda n: command("sweep", "Stock", batch_size=500),
            at_most=5,
            prepare=lambda n: let_expire(n // 20),
        ),
        Work(
            "ormist_flush --tag",
            lambda n: command("flush", "Stock", tags=["flush"], interactive=False),
            at_most=3,
            prepare=tag_some,
        ),
        Work(
            "ormist_flush Stock",
            lambda n: command("flush", "Stock", interactive=False),
            at_most=3,
            prepare=fill_up,
        ),
        Work(
            "ormist_flush",
            lambda n: command("flush", interactive=False),
            at_most=3,
            prepare=lambda n: fill_up(n // 10),
        ),
    ]


def command(name: str, *args: str, **options: Any) -> str:
    """Run a management command of ours. Return its output."""
    module = __import__(
        f"django_ormist.management.commands.ormist_{name}", fromlist=["Command"]
    )
    output = StringIO()
    call_command(module.Command(), *args, stdout=output, **options)
    return output.getvalue()


def overview(total: int) -> None:
    """Run the queries of the overview page."""
    meta = Stock._meta
    space = meta.space("default")
    run(stats.model_counts(space), "default")
    seen = run(stats.sample(space, meta.indexes), "default")
    run(stats.size_bytes(meta.schema("default"), seen), "default")


def bulk_update(total: int) -> None:
    """Change every index entry of 20 000 objects."""
    objs = Stock.objects.all()[: 2 * BATCH].list()
    for each in objs:
        each.color, each.price, each.kind = each.color + 1, each.price + 1, 7
    Stock.objects.bulk_update(objs, ["color", "price", "kind"])


def bulk_save(total: int) -> None:
    """Save 20 000 loaded objects, with their tags and index entries changed."""
    objs = Stock.objects.all()[: 2 * BATCH].list()
    for each in objs:
        each.color, each.kind = each.color + 1, 8
        each.tags += ["saved"]
    Stock.objects.bulk_save(objs)


def create_some(total: int) -> None:
    """Create objects one by one. Each sweeps some that have expired."""
    first = next(NEW)
    for number in range(first, first + 100):
        Stock.objects.create(kind=1, color=1, price=1, number=number)


def create_many(total: int) -> None:
    """Insert objects in batches. Each batch sweeps some that have expired."""
    fill(2 * BATCH, silent, first=next(NEW))


def tag_some(total: int) -> None:
    """Give one in twenty of the objects a tag."""
    for some in batched(Stock.objects.all()[: total // 20].ids(), BATCH):
        objs = Stock.objects.in_bulk(some).values()
        for each in objs:
            each.tags.append("flush")
        Stock.objects.bulk_save(objs)


def log_out() -> None:
    """End all sessions of a user with many."""
    from django_ormist.sessions.logout import _end_sessions
    from django_ormist.sessions.model import Session

    Session.objects.bulk_create(
        [Session(user_id="1", **{"k:a": "b"}) for _ in range(USERS_SESSIONS)]
    )
    run(_end_sessions("1", None), "default")


def fill_up(total: int) -> None:
    """Store the objects, unless there are as many."""
    if Stock.objects.count() < total:
        fill(total, silent, first=next(NEW))


def silent(text: str) -> None:
    """Show nothing."""
