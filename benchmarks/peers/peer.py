"""What every peer offers to the benchmark."""

import time
from importlib.util import find_spec
from typing import Any, ClassVar

from tests.servers import Server, find

from .job import ATTRIBUTES, Values

PATIENCE = 100
"""The most attempts until the memory of a server is stable."""

BATCH = 1000
"""Objects that are stored at once before the measurements."""


class Taken(Exception):
    """Another object has this unique value."""


class Peer:
    """One peer: a store of Device objects and, for unique values, of Account objects.

    A method does the work of the row of the same name in the way that the peer's manual
    recommends, and returns the peer's own objects. lacks: the reason for each row that
    the peer has no method for. packages: the modules that it needs. imports: the
    program that loads all that its user needs. durable: what a write survives.
    """

    name: ClassVar[str]
    lacks: ClassVar[dict[str, str]] = {}
    packages: ClassVar[tuple[str, ...]] = ()
    imports: ClassVar[str] = ""
    durable: ClassVar[str] = "nothing: no persistence is configured"
    session_store: Any = None

    # How it is run: not counted as user code

    @classmethod
    def missing(cls) -> str:
        """Return the reason why it cannot run here, or an empty string."""
        absent = [package for package in cls.packages if find_spec(package) is None]
        return f"{', '.join(absent)} not installed" if absent else ""

    def start(self, server: str) -> None:
        """Start its server. server: a name of tests.servers."""
        raise NotImplementedError

    def connect(self) -> None:
        """Define its models, after Django is set up."""

    def enter(self) -> None:
        """Begin as in a new request, before each call and check; not timed."""

    def filled(self) -> None:
        """Finish after the objects are stored, before the measurements."""

    def used_bytes(self) -> int:
        """Return the size of all that is stored."""
        raise NotImplementedError

    def version(self) -> str:
        """Return name and version of its server."""
        raise NotImplementedError

    def stop(self) -> None:
        """End its server."""

    def values(self, item: Any) -> Values:
        """Return the values of one of its objects."""
        return {name: getattr(item, name) for name in ATTRIBUTES}

    # The rows

    def create(self, values: Values) -> Any:
        """Store one object, and return its primary key."""
        raise NotImplementedError

    def bulk(self, many: list[Values]) -> list[Any]:
        """Store many objects, and return their primary keys."""
        raise NotImplementedError

    def get(self, pk: Any) -> Any:
        """Return the object, or None."""
        raise NotImplementedError

    def save(self, item: Any, name: str, value: Any) -> None:
        """Set one attribute of a loaded object, and store it."""
        raise NotImplementedError

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        """Return all objects of a city and a kind."""
        raise NotImplementedError

    def page(self, city: str, low: int, high: int) -> list[Any]:
        """Return the PAGE objects of a city with the highest scores of a range."""
        raise NotImplementedError

    def count(self, city: str, kind: str) -> int:
        """Return the number of objects of a city and a kind."""
        raise NotImplementedError

    def count_range(self, city: str, low: int) -> int:
        """Return the number of objects of a city with at least this score."""
        raise NotImplementedError

    def facets(self, city: str) -> dict[str, int]:
        """Return the number of objects of each kind in a city."""
        raise NotImplementedError

    def prefix(self, start: str) -> list[Any]:
        """Return all objects whose name begins with *start*."""
        raise NotImplementedError

    def unique(self, email: str) -> None:
        """Store an account with this email. Raises Taken."""
        raise NotImplementedError

    def update(self, city: str, kind: str, state: str) -> None:
        """Set the state of all objects of a city and a kind."""
        raise NotImplementedError

    def delete(self, city: str) -> None:
        """Delete all objects of a city."""
        raise NotImplementedError

    def expiring(self, values: Values, seconds: int) -> Any:
        """Store one object with an expiration time, and return its primary key."""
        raise NotImplementedError

    def session(self, key: str) -> None:
        """Load a session of Django, change and save it."""
        session = self.session_store(key)
        session["visits"] = session["visits"] + 1
        session.save()


class RedisPeer(Peer):
    """A peer with a Redis server of its own, so that its memory can be measured."""

    options: ClassVar[tuple[str, ...]] = ()

    def start(self, server: str) -> None:
        self.server = Server(server, self.options).start()
        self.url = self.server.unix_url
        self.socket = str(self.server.socket_path)

    def stop(self) -> None:
        self.server.stop()

    def version(self) -> str:
        name = "Valkey" if self.server.name.startswith("valkey") else "Redis"
        found = find(self.server.name)
        return f"{name} {found[1]}" if found else name

    def used_bytes(self) -> int:
        """Return used_memory without client buffers, when it is stable.

        A server resizes a hash table in steps, and has two tables meanwhile.
        """
        with self.server.client() as client:
            last = None
            for _ in range(PATIENCE):
                memory: Any = client.info("memory")
                used = memory["used_memory"] - memory.get("mem_clients_normal", 0)
                if last is not None and abs(used - last) < 1024:
                    return int(used)
                last = used
                time.sleep(0.2)
        raise RuntimeError("The memory of the server does not settle.")
