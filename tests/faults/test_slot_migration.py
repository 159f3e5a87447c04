"""Each verb while a slot moves from one node of a Cluster to another, key by key.

In each state some keys are on the source and the others on the target. A verb is
sent once to each node that a reply names. It is done as on one server, or it is
refused, and then all keys are as before.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from redis.exceptions import AskError, TryAgainError

from django_ormist.connections import connections, redirection
from django_ormist.connections.executor import run
from django_ormist.operations import expiry
from tests import clusters, servers
from tests.checker import raw_faults
from tests.faults.migration_verbs import PARTIAL, VERBS, Crate, fill
from tests.servers import wait_until

Dumps = dict[bytes, tuple[bytes, int]]
"""The DUMP and the expiration time of each key."""

KINDS = [kind for kind in ("valkey91", "redis82") if servers.find(kind)]


def prefix():
    return redirection.current().prefix("moving")


def snapshot(client, is_target=False):
    """Return all keys under our prefix. The target of a migration needs ASKING."""
    keys = sorted(client.scan_iter(match=f"{prefix()}:*", count=1000))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            for verb in ("DUMP", "PEXPIRETIME"):
                if is_target:
                    pipe.execute_command("ASKING")
                pipe.execute_command(verb, key)
        replies = pipe.execute()[1 if is_target else 0 :: 2 if is_target else 1]
    return dict(zip(keys, zip(replies[::2], replies[1::2], strict=True), strict=True))


def restore(client, dumps):
    with client.pipeline(transaction=False) as pipe:
        for key, (dump, at) in dumps.items():
            pipe.restore(key, max(at, 0), dump, absttl=at > 0)
        pipe.execute()


@dataclass
class Answer:
    """What a verb returned or raised, and the keys after it, if they are another."""

    result: Any
    error: Exception | None
    after: Dumps

    def objects(self):
        """Return the objects and their counters, without what is expired."""
        return {
            key: dump
            for key, (dump, _) in self.after.items()
            if key.rpartition(b"}:")[2][:2] in (b"o:", b"c:")
            and not key.endswith((b":past", b":gone"))
        }


def shorten(keys):
    return " ".join(sorted(key.decode().rpartition("}:")[2] for key in keys))


class Migration:
    """The slot of Crate between two nodes of a cluster. put() moves chosen keys.

    whole: all keys at first. expected: the answer of each verb on the alias "plain",
    which is a server of the same kind without Cluster.
    """

    def __init__(self, cluster, plain):
        self.cluster, self.plain = cluster, plain
        slot = clusters.slot_of(Crate._meta.space("default").base)
        source = cluster.primary_of(slot)
        target = next(each for each in cluster.primaries() if each is not source)
        self.moving = cluster.migrate(slot, target)
        self.source, self.target = source.client(), target.client()
        self.whole = self._make_store()
        self.known_faults = raw_faults(plain, prefix())
        self.expected = {name: self._on_plain(name) for name in VERBS}
        self.failures: dict[str, list[str]] = {}
        self.done = Counter()

    def close(self):
        self.moving.cancel()
        for client in (self.source, self.target):
            client.flushall()
            client.close()
        self._on_server({})

    def _on_server(self, dumps):
        """Make these the only keys of the server."""
        for key in self.plain.scan_iter(match=f"{prefix()}:*", count=1000):
            self.plain.delete(key)
        restore(self.plain, dumps)

    def _make_store(self):
        self._on_server({})
        fill(Crate.objects.using("plain"))
        base = Crate._meta.space("plain").base
        for key in (b"o:past", b"c:past"):
            assert self.plain.persist(base + key)
        wait_until(lambda: not self.plain.exists(base + b"o:gone"), "It expires")
        wait_until(lambda: not self.plain.exists(base + b"c:gone"), "It expires")
        found = snapshot(self.plain)
        objects = [key for key in found if b"}:o:" in key]
        packed = self.plain.mget(objects)
        self.packed = {
            key.rpartition(b":")[2].decode(): value
            for key, value in zip(objects, packed, strict=True)
        }
        return found

    def _on_plain(self, name):
        self._on_server(self.whole)
        result, error = self._call(name, "plain")
        return Answer(result, error, snapshot(self.plain))

    def _call(self, name, alias):
        space = Crate._meta.space(alias)

        def load(pk):
            row = pk.encode(), self.packed[pk], {"hits": 1}
            return Crate._from_row(row, space, alias)

        try:
            return VERBS[name](Crate.objects.using(alias), load), None
        except Exception as error:
            return None, error

    # States

    def put(self, moved):
        """Put the keys *moved* on the target, and all others on the source."""
        self.moving.cancel()
        self.source.flushall()
        self.target.flushall()
        restore(self.source, self.whole)
        self.moving.begin()
        if moved:
            self.moving.move(moved)

    def look(self):
        """Return the keys of both nodes. Each must be on one of them only."""
        here, there = snapshot(self.source), snapshot(self.target, is_target=True)
        assert not here.keys() & there.keys()
        return {key: self._without_drift(key, *f) for key, f in (here | there).items()}

    def _without_drift(self, key, dump, at):
        """MIGRATE carries the remaining time, so its own is added to the deadline."""
        was = self.whole[key][1] if key in self.whole else at
        return dump, was if was > 0 and abs(at - was) < 1000 else at

    def check(self, states):
        """Raise unless each verb has a right answer in each state."""
        for moved in states:
            self._check(moved)
        report = [
            f"{problem}: {len(where)} times, with {where[0]} moved"
            for problem, where in self.failures.items()
        ]
        assert not report, "\n".join(report)
        assert set(self.done) > {"get", "read_all", "save_what_expires", "increment"}

    def _check(self, moved):
        """Run each verb in the state where *moved* are on the target."""
        self.put(moved)
        assert self.look() == self.whole
        for name in VERBS:
            result, error = self._call(name, "default")
            found = Answer(result, error, self.look())
            problem = self._problem(name, found)
            if problem:
                self.failures.setdefault(f"{name} {problem}", []).append(shorten(moved))
            if found.after != self.whole:
                self.put(moved)

    def _problem(self, name, found):
        """Return why an answer is wrong, or None."""
        expected = self.expected[name]
        if isinstance(found.error, TryAgainError | AskError):
            if name in PARTIAL:
                return self._faults(found)
            return None if found.after == self.whole else "it wrote, and raised"
        self.done[name] += 1
        if type(found.error) is not type(expected.error):
            return f"raised {found.error!r} {found.error}, not {expected.error!r}"
        if found.result != expected.result:
            return f"returned {found.result!r}, not {expected.result!r}"
        if found.objects() != expected.objects():
            return "stored other objects"
        return self._faults(found)

    def _faults(self, found):
        if found.after == self.whole:
            return None
        self._on_server(found.after)
        run(expiry.sweep(Crate._meta.space("plain")), "plain")
        faults = set(raw_faults(self.plain, prefix())) - set(self.known_faults)
        return f"left faults: {sorted(faults)}" if faults else None


@pytest.fixture
def cluster(kind, settings):
    made = clusters.shared(kind)
    made.heal()
    alias = {"LOCATION": made.url, "KEY_PREFIX": prefix()}
    settings.ORMIST = {"default": alias}
    yield made
    made.heal()
    made.flush()
    connections.reset()


@pytest.fixture
def migration(cluster, settings):
    """The migration of Crate's slot. Each node is asked once."""
    plain = servers.shared(cluster.kind)
    alias = settings.ORMIST["default"] | {"OPTIONS": {"patience": 0}}
    settings.ORMIST = {
        "default": alias,
        "plain": {"LOCATION": plain.unix_url, "KEY_PREFIX": prefix()},
    }
    with plain.client() as client:
        made = Migration(cluster, client)
        yield made
        made.close()


def states(keys):
    """Yield sets of keys to move: all, one, all but one, some beside all indexes."""
    yield set()
    yield keys
    for key in sorted(keys):
        yield {key}
        yield keys - {key}
    chance = random.Random(1)
    rest = {key for key in keys if key.rpartition(b"}:")[2][:2] in (b"o:", b"c:")}
    for _ in range(24):
        some = {key for key in sorted(rest) if chance.random() < 0.4}
        yield some
        yield keys - rest | some


VALKEY = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind == "valkey91"])


@VALKEY
def test_each_verb_is_done_or_refused_in_some_states(migration):
    migration.check(list(states(set(migration.whole)))[::12])


EACH_KIND = [
    pytest.param(kind, marks=() if kind == "valkey91" else pytest.mark.faults())
    for kind in KINDS
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH_KIND)  # `make faults` runs Redis
def test_each_verb_is_done_or_refused_wherever_the_keys_are(migration):
    migration.check(states(set(migration.whole)))


# ---------------------------------------------------------------- with patience


def begin(cluster):
    """Begin the migration of the slot of Crate, with one object on each node."""
    slot = clusters.slot_of(Crate._meta.space("default").base)
    source = cluster.primary_of(slot)
    target = next(each for each in cluster.primaries() if each is not source)
    migration = cluster.migrate(slot, target).begin()
    migration.move([Crate(id="moved")._key()])
    return migration


@VALKEY
def test_writes_wait_for_the_end_of_a_migration(ask, cluster):
    for pk in ("moved", "stays"):
        ask(Crate.objects.create, id=pk, kind="x")
    migration = begin(cluster)
    ended = threading.Timer(0.3, migration.finish)
    ended.start()
    crate = ask(Crate.objects.create, id="new", kind="x", size=1)
    ended.join()
    crate.size = 2
    ask(crate.save)
    assert ask(Crate.objects.find(kind="x").ids) == ["moved", "stays", "new"]
    with migration.target.client() as client:
        assert raw_faults(client, prefix()) == []


@VALKEY
def test_a_migration_leaves_no_faults_of_expiring_objects(cluster):
    """Though each key lives longer by the time of its transfer."""
    new = [Crate(kind="x", size=n, code=str(n), expire=600) for n in range(100)]
    Crate.objects.bulk_create(new)
    begin(cluster).finish()
    call_command("ormist_inspect", Crate._meta.label, verify=True)
    assert Crate.objects.count() == 100


@VALKEY
def test_a_migration_that_is_longer_than_the_patience_is_a_clear_error(
    ask, cluster, settings
):
    alias = settings.ORMIST["default"] | {"OPTIONS": {"patience": 0.2}}
    settings.ORMIST = {"default": alias}
    for pk in ("moved", "stays"):
        ask(Crate.objects.create, id=pk, kind="x")
    migration = begin(cluster)
    with pytest.raises(TryAgainError) as caught:
        ask(Crate.objects.create, id="new", kind="x")
    (_, note) = caught.value.__notes__  # the first one names the alias
    assert "Gave up after" in note
    assert "TryAgainError" in note
    assert ask(Crate.objects.get, "moved").kind == "x"  # one key is always found
    migration.finish()
    assert ask(Crate.objects.ids) == ["moved", "stays"]


@VALKEY
def test_an_atomic_migration_is_not_noticed(ask, cluster):
    """Of Valkey 9: CLUSTER MIGRATESLOTS."""
    ask(Crate.objects.bulk_create, [Crate(kind="x", size=n) for n in range(100)])
    slot = clusters.slot_of(Crate._meta.space("default").base)
    source = cluster.primary_of(slot)
    target = next(each for each in cluster.primaries() if each is not source)
    moved = threading.Thread(target=cluster.migrate_at_once, args=(slot, target))
    moved.start()
    number = 0
    while moved.is_alive() or number < 10:
        crate = ask(Crate.objects.create, kind="y", size=number)
        assert ask(crate.increment, "hits") == 1
        assert ask(Crate.objects.get, crate.id).size == number
        number += 1
    moved.join()
    assert ask(Crate.objects.find(kind="y").count) == number
    with target.client() as client:
        assert raw_faults(client, prefix()) == []
