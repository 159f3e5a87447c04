"""The work by bare redis-py and scripts of its own, without a mapper.

Its indexes are those of a mapper: one for each attribute, so that conditions combine
freely. An index made for one query would be faster, and serve only that query.
"""

import secrets
import time
from typing import Any, ClassVar

import ormsgpack
import redis

from .job import KINDS, PAGE, Values
from .peer import RedisPeer, Taken

INDEXED = ("city", "kind", "state")

CREATE = """
redis.call('SET', KEYS[1], ARGV[2])
for i = 2, 4 do redis.call('SADD', KEYS[i], ARGV[1]) end
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[6], 0, ARGV[4] .. '\\0' .. ARGV[1])
if ARGV[5] then
  redis.call('PEXPIREAT', KEYS[1], ARGV[5])
  redis.call('ZADD', KEYS[7], ARGV[5], ARGV[1])
end
"""
PAGED = """
redis.call('ZINTERSTORE', KEYS[3], 2, KEYS[1], KEYS[2], 'WEIGHTS', 0, 1)
local ids = redis.call('ZRANGE', KEYS[3], ARGV[2], ARGV[1], 'BYSCORE', 'REV',
  'LIMIT', 0, ARGV[3])
redis.call('DEL', KEYS[3])
for i, id in ipairs(ids) do ids[i] = 'd:' .. id end
return #ids == 0 and ids or redis.call('MGET', unpack(ids))
"""
COUNTED = """
redis.call('ZINTERSTORE', KEYS[3], 2, KEYS[1], KEYS[2], 'WEIGHTS', 0, 1)
local number = redis.call('ZCOUNT', KEYS[3], ARGV[1], '+inf')
redis.call('DEL', KEYS[3])
return number
"""
UNIQUE = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[3])
return 1
"""


class Bare(RedisPeer):
    """redis-py with hiredis, msgpack, sets and sorted sets."""

    name = "bare redis-py"
    lacks: ClassVar = {"session": "no session engine"}
    imports = "import redis, ormsgpack"

    def connect(self) -> None:
        self.client: Any = redis.Redis(unix_socket_path=self.socket, protocol=2)
        for name, text in {
            "created": CREATE,
            "paged": PAGED,
            "counted": COUNTED,
            "accounted": UNIQUE,
        }.items():
            setattr(self, name, self.client.script_load(text))

    def values(self, item: Any) -> Values:
        return {name: value for name, value in item.items() if name != "pk"}

    def _keys(self, pk: str, values: Values) -> list[str]:
        entries = [f"{name}:{values[name]}" for name in INDEXED]
        return [f"d:{pk}", *entries, "score", "name"]

    def _store(self, client: Any, values: Values, *deadline_ms: Any) -> str:
        pk, packed = secrets.token_hex(8), ormsgpack.packb(values)
        keys = [*self._keys(pk, values), *(["expires"] if deadline_ms else [])]
        words = (pk, packed, values["score"], values["name"], *deadline_ms)
        client.evalsha(self.created, len(keys), *keys, *words)
        return pk

    def create(self, values: Values) -> Any:
        return self._store(self.client, values)

    def bulk(self, many: list[Values]) -> list[Any]:
        pks, sets, scores, names = [], {}, {}, {}
        with self.client.pipeline(transaction=False) as pipe:
            for values in many:
                pk = secrets.token_hex(8)
                pipe.set(f"d:{pk}", ormsgpack.packb(values))
                for name in INDEXED:
                    sets.setdefault(f"{name}:{values[name]}", []).append(pk)
                scores[pk] = values["score"]
                names[f"{values['name']}\0{pk}"] = 0
                pks.append(pk)
            for key, members in sets.items():
                pipe.sadd(key, *members)
            pipe.zadd("score", scores)
            pipe.zadd("name", names)
            pipe.execute()
        return pks

    def get(self, pk: Any) -> Any:
        packed = self.client.get(f"d:{pk}")
        return None if packed is None else {"pk": pk, **ormsgpack.unpackb(packed)}

    def save(self, item: Any, name: str, value: Any) -> None:
        pk, before = item["pk"], item[name]
        item[name] = value
        values = {key: held for key, held in item.items() if key != "pk"}
        if name not in (*INDEXED, "score", "name"):
            self.client.set(f"d:{pk}", ormsgpack.packb(values))
            return
        with self.client.pipeline() as pipe:
            pipe.set(f"d:{pk}", ormsgpack.packb(values))
            if name == "score":
                pipe.zadd("score", {pk: value})
            elif name == "name":
                pipe.zrem("name", f"{before}\0{pk}")
                pipe.zadd("name", {f"{value}\0{pk}": 0})
            else:
                pipe.smove(f"{name}:{before}", f"{name}:{value}", pk)
            pipe.execute()

    def _load(self, pks: list[bytes]) -> list[Any]:
        packed = self.client.mget([b"d:" + pk for pk in pks]) if pks else []
        found = zip(pks, packed, strict=True)
        return [
            {"pk": pk.decode(), **ormsgpack.unpackb(each)}
            for pk, each in found
            if each
            is not None  # expired: a sweep of "expires" would remove the entries
        ]

    def two_equalities(self, city: str, kind: str) -> list[Any]:
        return self._load(self.client.sinter(f"city:{city}", f"kind:{kind}"))

    def page(self, city: str, low: int, high: int) -> list[Any]:
        keys = (f"city:{city}", "score", f"t:{secrets.token_hex(8)}")
        found = self.client.evalsha(self.paged, 3, *keys, low, high, PAGE)
        return [ormsgpack.unpackb(packed) for packed in found]

    def count(self, city: str, kind: str) -> int:
        return self.client.sintercard(2, [f"city:{city}", f"kind:{kind}"])

    def count_range(self, city: str, low: int) -> int:
        keys = (f"city:{city}", "score", f"t:{secrets.token_hex(8)}")
        return self.client.evalsha(self.counted, 3, *keys, low)

    def facets(self, city: str) -> dict[str, int]:
        with self.client.pipeline(transaction=False) as pipe:
            for kind in KINDS:
                pipe.sintercard(2, [f"city:{city}", f"kind:{kind}"])
            return dict(zip(KINDS, pipe.execute(), strict=True))

    def prefix(self, start: str) -> list[Any]:
        found = self.client.zrange("name", f"[{start}", f"({start}\xff", bylex=True)
        return self._load([entry.rpartition(b"\0")[2] for entry in found])

    def unique(self, email: str) -> None:
        pk = secrets.token_hex(8)
        words = (email, pk, ormsgpack.packb({"email": email}))
        if not self.client.evalsha(self.accounted, 2, "emails", f"a:{pk}", *words):
            raise Taken

    def update(self, city: str, kind: str, state: str) -> None:
        items = self.two_equalities(city, kind)
        with self.client.pipeline() as pipe:
            for item in items:
                pk, before = item.pop("pk"), item["state"]
                packed = ormsgpack.packb(item | {"state": state})
                pipe.set(f"d:{pk}", packed)
                pipe.smove(f"state:{before}", f"state:{state}", pk)
            pipe.execute()

    def delete(self, city: str) -> None:
        items = self._load(list(self.client.smembers(f"city:{city}")))
        with self.client.pipeline() as pipe:
            for item in items:
                pk = item["pk"]
                pipe.unlink(f"d:{pk}")
                for name in INDEXED:
                    pipe.srem(f"{name}:{item[name]}", pk)
                pipe.zrem("score", pk)
                pipe.zrem("name", f"{item['name']}\0{pk}")
            pipe.execute()

    def expiring(self, values: Values, seconds: int) -> Any:
        deadline_ms = int((time.time() + seconds) * 1000)
        return self._store(self.client, values, deadline_ms)
