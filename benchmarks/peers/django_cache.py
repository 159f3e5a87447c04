"""The work by Django's cache API over django-redis: objects by key, no queries."""

import secrets
from typing import Any, ClassVar

from .job import Values
from .peer import RedisPeer

NO_QUERIES = "finds objects by key only"


class DjangoCache(RedisPeer):
    """django-redis: pickled values."""

    name = "django-redis"
    packages = ("django_redis",)
    imports = """
import django
from django.conf import settings
settings.configure()
django.setup()
import django_redis.cache
"""
    lacks: ClassVar = dict.fromkeys(
        (
            *("two_equalities", "page", "count", "count_range", "facets", "prefix"),
            *("update", "delete"),
        ),
        NO_QUERIES,
    ) | {"unique": "no unique attributes"}

    def connect(self) -> None:
        from django.contrib.sessions.backends.cache import SessionStore

        self.session_store = SessionStore
        self.define()

    def values(self, item: Any) -> Values:
        return {name: value for name, value in item.items() if name != "pk"}

    def define(self) -> None:
        from django.core.cache import cache

        self.cache = cache

    def create(self, values: Values) -> Any:
        pk = secrets.token_hex(8)
        self.cache.set(pk, values, timeout=None)
        return pk

    def bulk(self, many: list[Values]) -> list[Any]:
        items = {secrets.token_hex(8): values for values in many}
        self.cache.set_many(items, timeout=None)
        return list(items)

    def get(self, pk: Any) -> Any:
        values = self.cache.get(pk)
        return None if values is None else {"pk": pk, **values}

    def save(self, item: Any, name: str, value: Any) -> None:
        pk = item["pk"]
        item[name] = value
        values = {key: held for key, held in item.items() if key != "pk"}
        self.cache.set(pk, values, timeout=None)

    def expiring(self, values: Values, seconds: int) -> Any:
        pk = secrets.token_hex(8)
        self.cache.set(pk, values, timeout=seconds)
        return pk
