"""The work by Django's ORM, on SQLite and on PostgreSQL."""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from .job import PAGE, Values
from .peer import Peer, Taken
from .postgres import Postgres, binaries


@cache
def models() -> tuple[Any, Any]:
    """Return the models, the same for both databases."""
    from django.db import models

    class Device(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=50, db_index=True)
        city = models.CharField(max_length=50, db_index=True)
        kind = models.CharField(max_length=50, db_index=True)
        state = models.CharField(max_length=50, db_index=True)
        score = models.IntegerField(db_index=True)
        seen = models.FloatField()
        is_active = models.BooleanField()
        note = models.TextField()

        class Meta:
            app_label = "benchmarks"

    class Account(models.Model):  # noqa: DJ008
        email = models.CharField(max_length=100, unique=True)

        class Meta:
            app_label = "benchmarks"

    return Device, Account


class DjangoSql(Peer):
    """Django's ORM."""

    imports = """
import django
from django.conf import settings
settings.configure()
django.setup()
import django.db.models
"""
    lacks: ClassVar = {"expiring": "no expiration"}
    alias: str

    def connect(self) -> None:
        from django.contrib.sessions.backends.db import SessionStore
        from django.contrib.sessions.models import Session
        from django.db import connections

        self.session_store = SessionStore
        self.connection = connections[self.alias]
        self.enter()
        self.define()
        with self.connection.schema_editor() as editor:
            for model in (self.Device, self.Account, Session):
                editor.create_model(model)

    def enter(self) -> None:
        # The code says nothing of a database: the default one is that of this peer.
        from django.db import connections

        connections["default"] = self.connection

    def define(self) -> None:
        self.Device, self.Account = models()

    def filled(self) -> None:
        self.execute("ANALYZE")

    def execute(self, statement: str) -> Any:
        """Run a statement, and return its first value, if any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def stop(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()

    def create(self, values: Values) -> Any:
        return self.Device.objects.create(**values).pk

    def bulk(self, many: list[Values]) -> list[Any]:
        items = [self.Device(**values) for values in many]
        return [item.pk for item in self.Device.objects.bulk_create(items)]

    def get(self, pk: Any) -> Any:
        try:
            return self.Device.objects.get(pk=pk)
        except self.Device.DoesNotExist:
            return None

    def save(self, item: Any, name: str, value: Any) -> None:
        setattr(item, name, value)
        item.save(update_fields=[name])

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return list(self.Device.objects.filter(city=city, kind=kind))

    def page(self, city: str, low: int, high: int) -> list[Any]:
        found = self.Device.objects.filter(city=city, score__range=(low, high))
        return list(found.order_by("-score")[:PAGE])

    def count(self, city: str, kind: str) -> int:
        return self.Device.objects.filter(city=city, kind=kind).count()

    def count_range(self, city: str, low: int) -> int:
        return self.Device.objects.filter(city=city, score__gte=low).count()

    def facets(self, city: str) -> dict[str, int]:
        from django.db.models import Count

        found = self.Device.objects.filter(city=city).values_list("kind")
        return dict(found.annotate(Count("pk")).order_by())

    def prefix(self, start: str) -> list[Any]:
        return list(self.Device.objects.filter(name__startswith=start))

    def unique(self, email: str) -> None:
        from django.db import IntegrityError

        try:
            self.Account.objects.create(email=email)
        except IntegrityError as error:
            raise Taken from error

    def update(self, city: str, kind: str, state: str) -> None:
        self.Device.objects.filter(city=city, kind=kind).update(state=state)

    def delete(self, city: str) -> None:
        self.Device.objects.filter(city=city).delete()


class DjangoSqlite(DjangoSql):
    """Django's ORM on SQLite, in the process that queries it."""

    name = "Django, SQLite"
    alias = "sqlite"
    durable = "a crash of the process (WAL, synchronous=NORMAL)"

    def start(self, server: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="ormist-")
        self.path = Path(self.folder) / "db.sqlite3"

    @property
    def setting(self) -> dict[str, Any]:
        """The setting for DATABASES."""
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        options = {"init_command": pragmas, "transaction_mode": "IMMEDIATE"}
        engine = "django.db.backends.sqlite3"
        return {"ENGINE": engine, "NAME": str(self.path), "OPTIONS": options}

    def version(self) -> str:
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"

    def used_bytes(self) -> int:
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prefix(self, start: str) -> list[Any]:
        # startswith is LIKE with ESCAPE, for which SQLite uses no index.
        found = self.Device.objects.filter(
            name__gte=start, name__lt=start + "\U0010ffff"
        )
        return list(found)


class DjangoPostgres(DjangoSql):
    """Django's ORM on PostgreSQL, over a unix socket."""

    name = "Django, PostgreSQL"
    alias = "postgresql"
    packages = ("psycopg",)
    durable = "a crash of the machine (fsync)"

    @classmethod
    def missing(cls) -> str:
        no_server = "" if binaries() else "Debian's postgresql not installed"
        return super().missing() or no_server

    def start(self, server: str) -> None:
        self.server = Postgres()

    @property
    def setting(self) -> dict[str, Any]:
        """The setting for DATABASES."""
        return self.server.setting

    def filled(self) -> None:
        self.execute("VACUUM ANALYZE")

    def version(self) -> str:
        return f"PostgreSQL {self.execute('SHOW server_version').split()[0]}"

    def used_bytes(self) -> int:
        table = self.Device._meta.db_table
        return int(self.execute(f"SELECT pg_total_relation_size('{table}')"))

    def stop(self) -> None:
        super().stop()
        self.server.stop()
