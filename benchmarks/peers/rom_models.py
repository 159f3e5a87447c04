"""The work by rom: ``rom.Model``, columns and the session."""

from typing import Any, ClassVar

from .job import PAGE, Values
from .peer import RedisPeer, Taken


class Rom(RedisPeer):
    """rom, whose objects are hashes that one script writes with their index entries."""

    name = "rom"
    packages = ("rom",)
    imports = "import rom"
    lacks: ClassVar = {
        "facets": "no facets",
        "expiring": "no expiration",
        "session": "no session engine",
    }

    def connect(self) -> None:
        self.define()

    def enter(self) -> None:
        # Or it returns the objects that the session has, without a look at the server.
        import rom

        rom.session.rollback()

    def define(self) -> None:
        import redis
        import rom

        client = redis.Redis(unix_socket_path=self.socket)

        class Device(rom.Model):
            _conn = client
            name = rom.Text(index=True, prefix=True, keygen=rom.IDENTITY)
            city = rom.Text(index=True, keygen=rom.IDENTITY)
            kind = rom.Text(index=True, keygen=rom.IDENTITY)
            state = rom.Text(index=True, keygen=rom.IDENTITY)
            score = rom.Integer(index=True)
            seen = rom.Float()
            is_active = rom.Boolean()
            note = rom.Text()

        class Account(rom.Model):
            _conn = client
            email = rom.Text(unique=True)

        self.Device, self.Account = Device, Account
        self.UniqueKeyViolation = rom.UniqueKeyViolation

    def create(self, values: Values) -> Any:
        item = self.Device(**values)
        item.save()
        return item.id

    def bulk(self, many: list[Values]) -> list[Any]:
        return [self.create(values) for values in many]

    def get(self, pk: Any) -> Any:
        return self.Device.get(pk)

    def save(self, item: Any, name: str, value: Any) -> None:
        setattr(item, name, value)
        item.save()

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return self.Device.query.filter(city=city, kind=kind).all()

    def page(self, city: str, low: int, high: int) -> list[Any]:
        found = self.Device.query.filter(city=city, score=(low, high))
        return found.order_by("-score").limit(0, PAGE).all()

    def count(self, city: str, kind: str) -> int:
        return self.Device.query.filter(city=city, kind=kind).count()

    def count_range(self, city: str, low: int) -> int:
        return self.Device.query.filter(city=city, score=(low, None)).count()

    def prefix(self, start: str) -> list[Any]:
        return self.Device.query.startswith(name=start).all()

    def unique(self, email: str) -> None:
        try:
            self.Account(email=email).save()
        except self.UniqueKeyViolation as error:
            raise Taken from error

    def update(self, city: str, kind: str, state: str) -> None:
        for item in self.two_equalities(city, kind):
            item.state = state
            item.save()

    def delete(self, city: str) -> None:
        self.Device.query.filter(city=city).delete()
