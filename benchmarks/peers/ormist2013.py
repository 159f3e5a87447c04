"""The work by ormist of 2013, in the layout of ``layout2013.py``."""

from typing import Any, ClassVar

import redis

from .job import Values
from .layout2013 import Manager
from .peer import RedisPeer


class Ormist2013(RedisPeer):
    """ormist of 2013: pickled attributes, a set for each tag."""

    name = "ormist (2013)"
    imports = "import redis"
    lacks: ClassVar = {
        "page": "no ranges and orders",
        "count_range": "no ranges",
        "facets": "no facets",
        "prefix": "no prefix queries",
        "unique": "no unique attributes",
        "session": "no session engine",
    }

    def connect(self) -> None:
        self.define()

    def define(self) -> None:
        client = redis.Redis(unix_socket_path=self.socket)
        excluded = ("name", "score", "seen", "is_active", "note")
        self.devices = Manager(client, "device", exclude_attrs=excluded)

    def create(self, values: Values) -> Any:
        return self.devices.create(**values).id

    def bulk(self, many: list[Values]) -> list[Any]:
        return [self.devices.create(**values).id for values in many]

    def get(self, pk: Any) -> Any:
        return self.devices.get(pk)

    def save(self, item: Any, name: str, value: Any) -> None:
        item.attrs[name] = value
        self.devices.save(item)

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return self.devices.find(city=city, kind=kind).list()

    def count(self, city: str, kind: str) -> int:
        return self.devices.find(city=city, kind=kind).count()

    def update(self, city: str, kind: str, state: str) -> None:
        for item in self.devices.find(city=city, kind=kind):
            item.attrs["state"] = state
            self.devices.save(item)

    def delete(self, city: str) -> None:
        for item in self.devices.find(city=city):
            self.devices.delete(item)

    def expiring(self, values: Values, seconds: int) -> Any:
        return self.devices.create(expire=seconds, **values).id
