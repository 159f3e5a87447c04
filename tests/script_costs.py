"""The cost of a script on the server: its commands, and the ids that they examine.

A script gets a ``redis`` of its own that counts. A command examines as many ids as it
is given or returns, the larger number. ZINTER and ZINTERCARD examine the smallest set
once for each set.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import redis

from django_ormist.operations.operation import Script

BEFORE = b"""
local server, commands, ids = redis, 0, 0
local INTERSECT = {ZINTER = true, ZINTERCARD = true}
local function counting(call)
  return function(name, ...)
    local reply, arguments = call(name, ...), select('#', ...)
    local size = math.max(arguments - 1, type(reply) == 'table' and #reply or 1)
    if INTERSECT[name] then
      local words, smallest = {...}, math.huge
      for i = 2, 1 + tonumber(words[1]) do
        smallest = math.min(smallest, server.call('ZCARD', words[i]))
      end
      size = smallest * tonumber(words[1])
    end
    commands, ids = commands + 1, ids + size
    return reply
  end
end
local redis = {
  call = counting(server.call),
  pcall = counting(server.pcall),
}
local function script()
"""

AFTER = b"""
end
local reply = script()
server.call('HINCRBY', 'counted', 'commands', commands)
server.call('HINCRBY', 'counted', 'ids', ids)
return reply
"""


class Counted(NamedTuple):
    """The work of the scripts since the last count."""

    commands: int
    ids: int


class Counter:
    """A reader of the counts while counting() lasts."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def take(self) -> Counted:
        """Return the counts, and reset them."""
        found = self.client.hgetall("counted")
        self.client.delete("counted")
        return Counted(int(found.get(b"commands", 0)), int(found.get(b"ids", 0)))


@contextmanager
def counting(client: redis.Redis, scripts: list[Script]) -> Iterator[Counter]:
    """Make these scripts count. The key ``counted`` is removed at the end."""
    for script in scripts:
        source = BEFORE + Script(script.name).source + AFTER
        vars(script).pop("sha", None)
        vars(script)["source"] = source
    try:
        yield Counter(client)
    finally:
        for script in scripts:
            vars(script).pop("sha", None)
            vars(script).pop("source", None)
        client.delete("counted")
