"""Both sides of the server's time of a write: recorded requests, and bare scripts.

Both sides build their requests before the time is taken, and one client sends them.
Otherwise the side whose client works longer finds the caches of the processor colder.

A bare script does the same writes. Of our checks it makes those without which it would
lose data or leave some behind; its comment says which. It does not look for keys of
another type, for expired objects to sweep, or for leftovers of an earlier object. That
is our own cost, and part of the ratio.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django_ormist.codecs import pack
from django_ormist.connections import connections
from django_ormist.keys import Space

from .bare import new_pk
from .server import PREFIXES
from .timing import Contestant

MOST_RATIO = 1.3
"""Our promise for writes."""

CREATE_EXPIRING = """
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
local deadline = string.format('%.0f', time[1] * 1000 + ARGV[3])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', deadline) then
  return 0
end
redis.call('ZADD', KEYS[2], deadline, ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
for i = 4, #KEYS do
  redis.call('ZADD', KEYS[i], created, ARGV[2])
end
return 1
"""
"""The deadline, and the index entries to remove after it, are written, too."""

CREATE_ORDERED = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  return 0
end
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('ZADD', KEYS[2], created, ARGV[2])
redis.call('ZADD', KEYS[3], 0, ARGV[3] .. created .. ARGV[2])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3])
return 1
"""

CREATE_UNIQUE = """
if redis.call('HSETNX', KEYS[3], ARGV[3], ARGV[2]) == 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local created = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('ZADD', KEYS[2], created, ARGV[2])
return 1
"""

MOVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[4], redis.call('ZSCORE', KEYS[2], ARGV[3]), ARGV[3])
return 1
"""

RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local deadline = string.format('%.0f', time[1] * 1000 + ARGV[4])
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', deadline)
redis.call('ZADD', KEYS[2], deadline, ARGV[3])
return 1
"""

DELETE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  redis.call('ZREM', KEYS[i], ARGV[2])
end
return 1
"""
"""Compares the bytes: the entries to remove are those of the loaded object. If another
client has moved it to other terms meanwhile, their entries would stay for ever."""

INCREMENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local count = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
local deadline = redis.call('ZSCORE', KEYS[3], ARGV[2])
if deadline then
  redis.call('PEXPIREAT', KEYS[2], deadline)
end
return count
"""
"""Looks for a deadline: without one, the counters of an object that expires stay for
ever, if its first increment creates them."""


@dataclass(frozen=True)
class Row:
    """Our way and a bare way to do the same work, to compare the server's time.

    target: the largest allowed ratio.
    """

    name: str
    ours: Contestant
    bare: Contestant
    target: float | None = MOST_RATIO


Request = tuple[Any, ...]
"""A command with its arguments."""


class Recorded(Exception):
    """Raised instead of sending a request, which was recorded."""


class Sender:
    """Sends finished requests of both sides."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.loaded: set[str] = set()

    def send(self, request: Request) -> None:
        """Send one request. Raises AssertionError if the write was refused."""
        reply = self.client.execute_command(*request)
        assert isinstance(reply, int), reply
        assert reply > 0

    def record(self, work: Callable[[Any], Any], thing: Any) -> Request:
        """Return the one request that *work* sends for *thing*, without sending it."""
        connection: Any = connections["default"]
        recorded: list[Any] = []

        def note(operations: Iterable[Any]) -> None:
            recorded.extend(operations)
            raise Recorded

        connection.send = note
        try:
            work(thing)
        except Recorded:
            pass
        finally:
            del connection.send
        (operation,) = recorded
        if operation.command.sha not in self.loaded:
            self.client.script_load(operation.command.source)
            self.loaded.add(operation.command.sha)
        request: Request = operation.wire_args()
        return request


class BareSide(Sender):
    """The same bytes and entries by scripts without any check but the compare."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.space = Space(PREFIXES[1], "Place")
        self.all = self.space.base + b"all"

    def key(self, rest: str) -> bytes:
        return self.space.base + rest.encode()

    def script(self, source: str) -> Callable[..., Request]:
        """Return a function of (keys, *arguments) that builds a call of a script."""
        sha = self.client.script_load(source)
        return lambda keys, *words: ("EVALSHA", sha, len(keys), *keys, *words)

    def row(self, name: str, ours: Any, bare: Any, *prepare: Any) -> Row:
        """Return the row of our work, and of a function that builds a bare request.

        prepare: functions that return the things to work with: one, or one per side.
        """
        mine, theirs = prepare if len(prepare) == 2 else prepare * 2 or (numbers(),) * 2

        def ours_recorded(count: int) -> list[Request]:
            return [self.record(ours, thing) for thing in mine(count)]

        def bare_built(count: int) -> list[Request]:
            return [bare(thing) for thing in theirs(count)]

        return Row(
            name,
            Contestant("django_ormist", self.send, ours_recorded),
            Contestant("bare script", self.send, bare_built),
        )

    def new(self, number: int, attrs: dict[str, Any]) -> tuple[str, bytes, bytes]:
        """Return a new id, the key of its object, and the packed attributes."""
        pk = new_pk()
        return pk, self.space.objects + pk.encode(), pack(attrs, ())


def numbers(first: int = 0) -> Callable[[int], Iterable[int]]:
    """Return a function that returns the next *count* numbers."""
    numbers = iter(range(first, 10**9))
    return lambda count: [next(numbers) for _ in range(count)]
