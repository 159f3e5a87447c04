"""The work by walrus: ``walrus.Model``."""

from itertools import islice
from typing import Any, ClassVar

from .job import PAGE, Values
from .peer import RedisPeer


class Walrus(RedisPeer):
    """walrus, whose models are hashes with sets and sorted sets as indexes."""

    name = "walrus"
    packages = ("walrus",)
    imports = "import walrus"
    lacks: ClassVar = {
        "count": "counts only all objects of a model",
        "count_range": "counts only all objects of a model",
        "facets": "no facets",
        "prefix": "no prefix queries of models",
        "unique": "no unique attributes",
        "expiring": "no expiration: queries that meet an expired object fail",
        "session": "no session engine",
    }

    def connect(self) -> None:
        self.define()

    def define(self) -> None:
        import walrus

        database = walrus.Database(unix_socket_path=self.socket)

        class Device(walrus.Model):
            __database__ = database
            name = walrus.TextField(index=True)
            city = walrus.TextField(index=True)
            kind = walrus.TextField(index=True)
            state = walrus.TextField(index=True)
            score = walrus.IntegerField(index=True)
            seen = walrus.FloatField()
            is_active = walrus.BooleanField()
            note = walrus.TextField()

        self.Device = Device

    def create(self, values: Values) -> Any:
        return self.Device.create(**values)._id

    def bulk(self, many: list[Values]) -> list[Any]:
        return [self.Device.create(**values)._id for values in many]

    def get(self, pk: Any) -> Any:
        try:
            return self.Device.load(pk)
        except KeyError:
            return None

    def save(self, item: Any, name: str, value: Any) -> None:
        setattr(item, name, value)
        item.save()

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        Device = self.Device
        return list(Device.query((Device.city == city) & (Device.kind == kind)))

    def page(self, city: str, low: int, high: int) -> list[Any]:
        Device = self.Device
        in_range = (Device.score >= low) & (Device.score <= high)
        found = Device.query(
            (Device.city == city) & in_range, order_by=Device.score.desc()
        )
        return list(islice(found, PAGE))

    def update(self, city: str, kind: str, state: str) -> None:
        for item in self.two_equalities(city, kind):
            item.state = state
            item.save()

    def delete(self, city: str) -> None:
        self.Device.query_delete(self.Device.city == city)
