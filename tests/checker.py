"""Two checkers of a store: one reads raw keys, one uses the public API.

Others must not write to the store; objects may expire meanwhile. The checkers return
a sentence for each fault.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import redis

from django_ormist.codecs import unpack
from django_ormist.exceptions import CorruptDataError
from django_ormist.models import registry
from django_ormist.sortkeys import sort_key
from django_ormist.terms import text

PAGE = 10
CHUNK = 1000

# ---------------------------------------------------------------- raw keys


def raw_faults(client: redis.Redis, prefix: str) -> list[str]:
    """Return the faults of the keys under *prefix*, without using our API."""
    faults = []
    stores: dict[str, Store] = {}
    models = {model._meta.label: model for model in registry.all_models()}
    for key in sorted(client.scan_iter(match="*", count=CHUNK)):
        start = f"{prefix}:{{".encode()
        if not key.startswith(start):
            continue
        label, closing, rest = key[len(start) :].partition(b"}:")
        if not closing:
            faults.append(f"{key!r} belongs to no model.")
            continue
        # {shop}:app.Model:o:ID of a model in the slot "shop", else {app.Model}:o:ID
        slot = label.decode(errors="replace")
        inner, _, after = rest.partition(b":")
        model = models.get(inner.decode(errors="replace"))
        if model is not None and model._meta.slot:
            rest = after
        else:
            model, slot = models.get(slot), ""
        if model is None or model._meta.slot != slot:
            faults.append(f"{key!r} belongs to no model, or to another slot.")
            continue
        name = model._meta.label
        stores.setdefault(name, Store(client, key[: -len(rest)], model)).add(rest)
    for store in stores.values():
        faults += store.faults()
    return faults


@dataclass
class Store:
    """The keys of one model, by kind."""

    client: redis.Redis
    base: bytes
    model: Any
    kinds: dict[bytes, set[bytes]] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def add(self, rest: bytes) -> None:
        for start in (b"o:", b"c:", b"t:", b"h:", b"by:", b"of:", b"u:"):
            if rest.startswith(start):
                self.kinds.setdefault(start, set()).add(rest[len(start) :])
                return
        if rest not in (b"all", b"expires", b"idx"):
            self.say(f"{rest!r} is no key of ours.")

    def say(self, fault: str) -> None:
        self.found.append(f"{self.base.decode()} {fault}")

    def faults(self) -> list[str]:
        """Compare the objects with every index."""
        try:
            self._compare()
        except redis.ResponseError as error:  # WRONGTYPE
            self.say(f"cannot be read: {error}")
        return self.found

    def _compare(self) -> None:
        scores = self._zset(b"all")
        expires = self._zset(b"expires")
        memos = self.client.hgetall(self.base + b"idx")
        terms = {
            start + rest: self._zset(start + rest)
            for start in (b"t:", b"h:")
            for rest in self.kinds.get(start, ())
        }
        objects = self._objects(scores)
        now = self._now_ms()  # after the reads: expired objects may be missing
        wanted: dict[bytes, dict[bytes, float]] = {}
        readable: dict[bytes, bytes] = {}
        unswept: set[bytes] = set()
        for pk, score in scores.items():
            packed = objects.pop(pk, None)
            if packed is None:
                if expires.get(pk, float("inf")) > now:
                    self.say(f"has {pk!r} in 'all', but no such object.")
                for suffix in _term_suffixes(_parts(memos.get(pk, b""))):
                    wanted.setdefault(suffix, {})[pk] = score
                unswept.add(pk)
                continue
            for suffix in self._check_object(pk, packed, expires, memos):
                wanted.setdefault(suffix, {})[pk] = score
            readable[pk] = packed
        for pk in objects:
            self.say(f"has the object {pk!r}, which is not in 'all'.")
        for name, members in (("expires", expires), ("idx", memos)):
            for pk in members.keys() - scores.keys():
                self.say(f"has {pk!r} in {name!r}, which is not in 'all'.")
        if len(set(scores.values())) != len(scores):
            self.say("has two objects of one creation time.")
        self._compare_terms(wanted, terms)
        self._compare_ordered(readable, unswept, scores)
        self._compare_unique(readable, unswept)
        self._check_counters(scores, expires, now)

    def _check_object(
        self,
        pk: bytes,
        packed: bytes,
        expires: dict[bytes, float],
        memos: dict[bytes, bytes],
    ) -> list[bytes]:
        """Find faults of one object's expiration; return the suffixes of its terms."""
        try:
            attrs, tags, deadline = unpack(packed, self.base + b"o:" + pk)
        except CorruptDataError as error:
            self.say(str(error))
            return []
        meta = self.model._meta
        is_marked = packed.startswith((b"\x02", b'{"v": 2,'))
        terms = _terms_of(attrs, tags, meta, is_marked) if meta.is_indexed else []
        suffixes = [_suffix(term) for term in terms]
        if expires.get(pk) != deadline:
            self.say(f"says {expires.get(pk)} in 'expires', {pk!r} says {deadline}.")
        self._check_ttl(b"o:" + pk, deadline)
        parts = suffixes + self._index_parts(attrs)
        is_owed = deadline is not None and bool(parts)
        if (pk in memos) != is_owed:
            self.say(f"{'lacks' if is_owed else 'has'} a memo of {pk!r}.")
        elif is_owed and sorted(_parts(memos[pk])) != sorted(parts):
            self.say(f"has the memo {memos[pk]!r} of {pk!r}, which has {parts}.")
        return suffixes

    def _check_ttl(self, rest: bytes, deadline: float | None) -> None:
        before = self._now_ms()
        ttl = self.client.pttl(self.base + rest)
        after = self._now_ms()
        if ttl == -2 and deadline is not None and deadline <= after:
            return  # it expired this moment
        if deadline is None:
            if ttl != -1:
                self.say(f"{rest!r} has the TTL {ttl} and no deadline.")
        elif ttl < 0 or not before + ttl - 1 <= deadline - 1 <= after + ttl + 1:
            self.say(f"{rest!r} has the TTL {ttl}, its deadline is {deadline}.")

    def _compare_terms(
        self,
        wanted: dict[bytes, dict[bytes, float]],
        terms: dict[bytes, dict[bytes, float]],
    ) -> None:
        for suffix in wanted.keys() | terms.keys():
            right, there = wanted.get(suffix, {}), terms.get(suffix, {})
            for pk in right.keys() - there.keys():
                self.say(f"lacks {pk!r} in {suffix!r}.")
            for pk in there.keys() - right.keys():
                self.say(f"has {pk!r} in {suffix!r}, which it does not carry.")
            for pk in right.keys() & there.keys():
                if right[pk] != there[pk]:
                    self.say(f"has {pk!r} in {suffix!r} at another time than in 'all'.")

    def _index_parts(self, attrs: dict[str, Any]) -> list[bytes]:
        """Return the entries of ordered and unique attributes in a memo."""
        meta, parts = self.model._meta, []
        for name in meta.ordered:
            if sort_key(attrs.get(name)) is not None:
                parts.append(b"by:" + name.encode())
        for names in meta.unique:
            value = _unique(attrs, names)
            if value is not None:
                parts += [b"u:" + ":".join(names).encode(), value]
        return parts

    def _compare_ordered(
        self,
        readable: dict[bytes, bytes],
        unswept: set[bytes],
        scores: dict[bytes, float],
    ) -> None:
        """Compare the entries and the sort keys of each ordered attribute."""
        ordered = {name.encode() for name in self.model._meta.ordered}
        names = self.kinds.get(b"by:", set()) | self.kinds.get(b"of:", set())
        for name in names - ordered:
            self.say(f"has an ordered attribute {name!r}, which Meta has not.")
        for name in ordered:
            right = {}
            for pk, packed in readable.items():
                key = sort_key(unpack(packed)[0].get(name.decode()))
                if key is not None:
                    right[pk] = key
            there = self.client.hgetall(self.base + b"of:" + name)
            kept = {pk: key for pk, key in there.items() if pk not in unswept}
            if kept != right:
                self.say(f"has the sort keys {kept} of {name!r}, it should {right}.")
            entries = self._zset(b"by:" + name)
            expected = {
                key
                + int(scores[pk]).to_bytes(7, "big")
                + pk
                + len(pk).to_bytes(3, "big")
                for pk, key in there.items()
                if pk in scores
            }
            if entries.keys() != expected or any(entries.values()):
                self.say(f"has other entries of {name!r} than sort keys: {entries}.")

    def _compare_unique(
        self, readable: dict[bytes, bytes], unswept: set[bytes]
    ) -> None:
        """Compare the holder of each unique value."""
        unique = {":".join(names).encode(): names for names in self.model._meta.unique}
        for name in self.kinds.get(b"u:", set()) - unique.keys():
            self.say(f"has a unique attribute {name!r}, which Meta has not.")
        for name, names in unique.items():
            right = {}
            for pk, packed in readable.items():
                value = _unique(unpack(packed)[0], names)
                if value is not None:
                    right[value] = pk
            there = self.client.hgetall(self.base + b"u:" + name)
            kept = {v: pk for v, pk in there.items() if pk not in unswept}
            if kept != right:
                self.say(f"has {kept} as holders of {name!r}, it should {right}.")

    def _check_counters(
        self, scores: dict[bytes, float], expires: dict[bytes, float], now: int
    ) -> None:
        declared = {name.encode() for name in self.model._meta.counters}
        for pk in self.kinds.get(b"c:", set()):
            values = self.client.hgetall(self.base + b"c:" + pk)
            if pk not in scores:
                self.say(f"has counters of {pk!r}, which is not in 'all'.")
            elif expires.get(pk, float("inf")) > now:
                self._check_ttl(b"c:" + pk, expires.get(pk))
            if values.keys() - declared:
                self.say(f"has counters of {pk!r} that are not declared: {values!r}.")
            if not all(value.lstrip(b"-").isdigit() for value in values.values()):
                self.say(f"has counters of {pk!r} that are no numbers: {values!r}.")

    def _zset(self, rest: bytes) -> dict[bytes, float]:
        key = self.base + rest
        return dict(self.client.zrange(key, 0, -1, withscores=True))

    def _objects(self, pks: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the bytes of each stored object, listed in 'all' or not."""
        found = {}
        everyone = list({*pks, *self.kinds.get(b"o:", set())})
        for some in _cut(everyone, CHUNK):
            keys = [self.base + b"o:" + pk for pk in some]
            for pk, packed in zip(some, self.client.mget(keys), strict=True):
                if packed is not None:
                    found[pk] = packed
                elif self.client.type(self.base + b"o:" + pk) != b"none":
                    self.say(f"has the object {pk!r} of another Redis type.")
        return found

    def _now_ms(self) -> int:
        seconds, micros = self.client.time()
        return int(seconds * 1000 + micros // 1000)


def _terms_of(
    attrs: dict[str, Any], tags: list[str], meta: Any, is_marked: bool
) -> dict[bytes, None]:
    """Return the terms of an object, by the design and not by the package.

    is_marked: the version of its bytes has marks for tags that read like an indexed
    attribute, and for the text "None"; 0.1.0 did not have them.
    """
    terms: dict[bytes, None] = {}
    for tag in tags:
        name, colon, _ = tag.partition(":")
        mark = b"\xff" if is_marked and colon and meta.indexes(name) else b""
        terms[mark + tag.encode()] = None
    for name, value in attrs.items():
        plain = text(value)
        if meta.indexes(name) and plain is not None:
            mark = b"\xfe" if is_marked and value == "None" else b""
            terms[mark + f"{name}:{plain}".encode()] = None
    return terms


def _suffix(plain: bytes) -> bytes:
    """Return the suffix of a term in its key, by the design."""
    return b"t:" + plain if len(plain) <= 64 else b"h:" + sha256(plain).digest()


def _unique(attrs: dict[str, Any], names: Sequence[str]) -> bytes | None:
    """Return the field of values that are unique together, by the design."""
    texts = [None if attrs.get(n) is None else text(attrs[n]) for n in names]
    if None in texts:
        return None
    if len(texts) == 1:
        return _suffix(str(texts[0]).encode())
    return _suffix("".join(f"{len(str(each))}:{each}" for each in texts).encode())


def _parts(memo: bytes) -> Iterator[bytes]:
    """Return the parts of a memo: each follows a byte with its length."""
    while memo:
        size, memo = memo[0], memo[1:]
        yield memo[:size]
        memo = memo[size:]


def _term_suffixes(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Return the parts of a memo that are terms."""
    before = b""
    for part in parts:
        if part[:2] in (b"t:", b"h:") and before[:2] != b"u:":
            yield part
        before = part


def _cut(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


# ---------------------------------------------------------------- the public API


def api_faults(model: Any, tags: Iterable[str] = ()) -> list[str]:
    """Return the faults in the results of *model*'s public API.

    Objects must not expire meanwhile. tags: more tags that may have been in use.
    """
    faults: list[str] = []

    def same(what: str, result: Any, right: Any) -> None:
        if result != right:
            faults.append(f"{model.__name__}: {what} is {result!r}, not {right!r}.")

    listed = model.objects.all().list()
    _check_question(model.objects.all(), listed, "all()", same)
    for each in listed:
        got = model.objects.get_or_none(each.id)
        same(f"get({each.id!r})", _facts(got), _facts(each))
    same("in_bulk()", set(model.objects.in_bulk()), {each.id for each in listed})
    carried = {tag for each in listed for tag in _terms(each)}
    for tag in sorted(carried | set(tags)) if model._meta.is_indexed else ():
        right = [each for each in listed if tag in _terms(each)]
        name, colon, value = tag.partition(":")
        if model.is_tagged:
            _check_question(model.objects.find(tag), right, f"find({tag!r})", same)
        if colon and model._meta.indexes(name):
            collection = model.objects.find(**{name: value})
            right = [each for each in right if _has(each, name, value)]
            _check_question(collection, right, f"find({name}={value!r})", same)
    return faults


def _check_question(
    collection: Any, right: list[Any], what: str, same: Callable[[str, Any, Any], None]
) -> None:
    """Run one query in every way, and compare it with the matching objects."""
    pks = [each.id for each in right]
    same(
        f"{what}.list()",
        [_facts(each) for each in collection.all().list()],
        _all(right),
    )
    same(f"{what}.ids()", collection.all().ids(), pks)
    same(f"{what}.count()", collection.all().count(), len(pks))
    same(f"{what}.exists()", collection.all().exists(), bool(pks))
    same(f"{what}.reverse()", collection.reverse().ids(), pks[::-1])
    same(f"{what}.first()", collection.all().first(), right[0] if right else None)
    same(f"{what}.last()", collection.all().last(), right[-1] if right else None)
    for start in range(0, len(pks) + 1, PAGE):
        page = [_facts(each) for each in collection[start : start + PAGE]]
        same(f"{what}[{start}:]", page, _all(right[start : start + PAGE]))
    for each in right[:PAGE]:
        same(f"{what}.contains({each.id!r})", collection.contains(each), True)


def _all(objects: Iterable[Any]) -> list[Any]:
    return [_facts(each) for each in objects]


def _facts(instance: Any) -> Any:
    """Return the facts of an object, or None without one."""
    if instance is None:
        return None
    counters = {name: getattr(instance, name) for name in instance._meta.counters}
    return instance.id, instance.attrs, instance.tags, instance.expire, counters


def _has(instance: Any, name: str, value: str) -> bool:
    """Return whether an attribute has this text."""
    held = instance.attrs.get(name)
    return held is not None and text(held) == value


def _terms(instance: Any) -> list[str]:
    """Return its tags, or the tags of indexed attributes of a model without tags."""
    if instance.is_tagged or instance._meta.is_indexed:
        return list(instance.tags)
    return []
