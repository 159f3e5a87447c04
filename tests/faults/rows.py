"""The rows of the fault table: a fault under load, and the state in which it ends.

run() raises unless the indexes are sound, each confirmed write that the replicas had is
stored, and the processes that write and read have gone on without a restart.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from django.core.management import call_command

from django_ormist.connections import redirection
from tests.checker import raw_faults
from tests.clusters import ClusterSet, slot_of
from tests.faults.load import WRITERS, Entry, Load, Scrap, Tally
from tests.proxy import Proxy
from tests.sentinels import DOWN_AFTER, SentinelSet
from tests.servers import Server, wait_until

PRODUCTS = ("valkey91", "redis82")
PREFIX = redirection.current().prefix("faults")
OPTIONS = {"socket_timeout": 2, "patience": 100}  # a busy machine is not a fault
OBJECTS = 10_000  # in a slot that migrates
REPLICATED_WITHIN = 3.0  # seconds in which a busy machine has replicated a write
KEY = f"{PREFIX}:{{{Entry._meta.label}}}:o:"  # and the id


@dataclass
class Scene:
    """The nodes, the load, and how the load reaches the nodes.

    proxies: by the port of the node. began: when the fault did. replicated: the objects
    that all replicas had then.
    """

    nodes: SentinelSet | ClusterSet
    load: Load
    proxies: dict[int, Proxy] = field(default_factory=dict)
    began: float = 0.0
    replicated: set[str] = field(default_factory=set)
    undo: ExitStack = field(default_factory=ExitStack)

    def victim(self) -> Server:
        """Return the primary of the objects that the writers create."""
        return self.nodes.primary_of(KEY)

    def begin(self) -> Server:
        """Note the time, and what is replicated. Return the victim."""
        victim = self.victim()
        replicas = self.nodes.replicas_of(victim)
        self.replicated |= set.intersection(*map(_ids_on, replicas))
        self.began = self.began or time.monotonic()
        return victim

    def proxy(self) -> Proxy:
        return self.proxies[self.victim().port]

    def fail_over(self, *how: str) -> None:
        """Let a replica of the victim take over as planned."""
        if isinstance(self.nodes, ClusterSet):
            self.nodes.fail_over(self.victim(), *how)
        else:
            self.nodes.fail_over(*how)


def _ids_on(node: Server) -> set[str]:
    with node.client() as client:
        if client.info().get("cluster_enabled"):
            client.readonly()
        found = client.scan_iter(match=f"{KEY}*", count=5000)
        return {key[len(KEY) :].decode() for key in found}


@dataclass(frozen=True)
class Row:
    """A fault, and what a client may suffer from it.

    strike: lets the fault happen. may_raise: how many calls may raise: those whose
    reply was under way. may_lose: the seconds between the first and the last confirmed
    write that is lost. options: more of the alias. products: the servers that have it,
    and why not all. down_after: see count_as_down_after(). changers: see Load.
    """

    name: str
    strike: Callable[[Scene], None]
    may_raise: float = WRITERS
    may_lose: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    products: tuple[str, ...] = PRODUCTS
    why: str = ""
    down_after: float = DOWN_AFTER
    uses_proxy: bool = False
    changers: int = 0


ANY = float("inf")
CONFIRMED = {"replicas": 1, "replicas_timeout": 0.5}


def cases(rows: Iterable[Row], in_test_all: tuple[str, str] = ("", "")) -> list[Any]:
    """Return a pytest.param for each product, row and mode, in this order.

    in_test_all: the name and the mode of a row that `make test-all` runs on Valkey.
    """
    found = []
    for kind, row, mode in product(PRODUCTS, rows, ("sync", "async")):
        is_chosen = (kind, row.name, mode) == (PRODUCTS[0], *in_test_all)
        marks = pytest.mark.faults(in_test_all=is_chosen)
        name = f"{row.name}-{kind}-{mode}"
        found.append(pytest.param(kind, row, mode == "async", marks=marks, id=name))
    return found


def run(
    row: Row,
    nodes: SentinelSet | ClusterSet,
    is_async: bool,
    settings: Any,
    record: Callable[[str, Any], None],
) -> None:
    """Run the load over the fault. Record the figures, then judge them."""
    if nodes.kind not in row.products:
        name = f"{nodes.topology}: {row.name}"
        record("fault", {"row": name, "product": nodes.kind, "why": row.why})
        pytest.skip(f"{nodes.kind}: {row.why}")
    alias = {
        "LOCATION": nodes.url,
        "KEY_PREFIX": PREFIX,
        "OPTIONS": OPTIONS | row.options,
    }
    settings.ORMIST = {"default": alias}
    nodes.count_as_down_after(row.down_after)
    with ExitStack() as opened:
        proxies = {
            node.port: opened.enter_context(Proxy(node.socket_path))
            for node in (nodes.nodes if row.uses_proxy else [])
        }
        routes = {port: str(proxy.path) for port, proxy in proxies.items()}
        for node in nodes.nodes:
            if node.relay is not None:
                routes[node.announced_port] = str(node.socket_path)
        load = opened.enter_context(Load(alias, is_async, routes, row.changers))
        scene = Scene(nodes, load, proxies)
        with scene.undo:
            row.strike(scene)
            load.wait_for(300)
    nodes.heal()
    _judge(row, scene, record)


def _judge(row: Row, scene: Scene, record: Callable[[str, Any], None]) -> None:
    journal, began = scene.load.journal, scene.began
    stored = set(Entry.objects.find("tag").ids())
    lost = journal.lost(stored)
    times = sorted(lost.values())
    faults = find_faults(scene.nodes)
    figures = {
        "row": f"{scene.nodes.topology}: {row.name}",
        "product": scene.nodes.kind,
        "mode": "async" if scene.load.is_async else "sync",
        "without a write": journal.longest_gap,
        "first success": journal.first_success(began),
        "confirmed": journal.confirmed,
        "raised": len(journal.raised),
        "lost": len(lost),
        "within": times[-1] - times[0] if times else 0.0,
        "faults": len(faults),
    }
    record("fault", figures)
    assert faults == []
    for model in (Entry, Tally, Scrap):
        call_command("ormist_inspect", model._meta.label, "--verify")
    assert bool(journal.changed) == bool(row.changers)
    assert not journal.wrong, journal.wrong[:5]
    assert not journal.strange, journal.strange[:5]
    assert len(journal.raised) <= row.may_raise, journal.raised
    assert not scene.replicated & set(lost)
    assert stored <= set(journal.created) | journal.unknown
    assert not times or times[-1] - times[0] <= row.may_lose, times
    assert all(began - REPLICATED_WITHIN < at for at in times)
    _judge_tallies(row, scene)


def _judge_tallies(row: Row, scene: Scene) -> None:
    """Raise unless each increment was applied once; fewer where writes may be lost."""
    journal, missing = scene.load.journal, 0
    for number in range(WRITERS):
        tally = f"tally{number}"
        confirmed = sum(name == tally for name, _ in journal.counted)
        hits = Tally.objects.get(tally).hits
        assert hits <= confirmed + journal.uncounted[tally]
        missing += max(0, confirmed - hits)
    first = scene.began - REPLICATED_WITHIN
    recent = sum(at > first for _, at in journal.counted)
    assert missing <= (recent if row.may_lose else 0)


def find_faults(nodes: SentinelSet | ClusterSet) -> list[str]:
    """Return the faults of the indexes on the primaries."""
    found = []
    for key in (KEY, f"{{{Tally._meta.label}}}"):
        with nodes.primary_of(key).client() as client:
            assert client.keys(f"{PREFIX}:*:all")
            found += raw_faults(client, PREFIX)
        if isinstance(nodes, SentinelSet):
            break
    return found


# ---------------------------------------------------------------- the faults


def kill(scene: Scene) -> None:
    former = scene.begin()
    former.kill()
    scene.nodes.new_primary(former, KEY)


def kill_for_a_moment(scene: Scene) -> None:
    """And let the former primary come back, as the only replica of the new one."""
    former = scene.begin()
    former.kill()
    scene.nodes.new_primary(former, KEY)
    former.start()


def freeze(scene: Scene) -> None:
    former = scene.begin()
    former.freeze()
    scene.nodes.new_primary(former, KEY)


def kill_twice(scene: Scene) -> None:
    """And let the first one come back as a replica in between."""
    kill(scene)
    scene.load.wait_for(100)
    scene.nodes.heal()
    kill(scene)


def fail_over(*how: str) -> Callable[[Scene], None]:
    """Return the fault of a planned failover."""

    def strike(scene: Scene) -> None:
        scene.begin()
        scene.fail_over(*how)

    return strike


def isolate(scene: Scene) -> None:
    """Cut the primary off from the other nodes, but not from the clients."""
    former = scene.begin()
    scene.nodes.isolate(former)
    scene.nodes.new_primary(former, KEY)
    scene.load.wait_for(300)
    scene.nodes.reconnect()


def isolate_with_minimum(scene: Scene) -> None:
    """And let a primary without a replica refuse writes after a second."""
    for node in scene.nodes.nodes:
        scene.undo.callback(_need_replicas, node, 0)
        _need_replicas(node, 1)
    isolate(scene)


def _need_replicas(node: Server, count: int) -> None:
    with node.client() as client:
        client.config_set("min-replicas-max-lag", 1)
        client.config_set("min-replicas-to-write", count)


def isolate_for_a_moment(scene: Scene) -> None:
    """And let it be the only replica of the new primary."""
    former = scene.begin()
    scene.nodes.isolate(former)
    scene.nodes.new_primary(former, KEY)
    scene.nodes.reconnect()


def part(scene: Scene) -> None:
    """Let no packet pass between the clients and the primary, for 3 seconds."""
    proxy = scene.proxy()
    scene.begin()
    proxy.swallow()
    time.sleep(3)
    proxy.cut()
    proxy.resume()


def forget_links(scene: Scene) -> None:
    """Let no packet pass on the present connections, as if a firewall forgot them."""
    proxy = scene.proxy()
    scene.begin()
    proxy.lose()


def reset_links(scene: Scene) -> None:
    """Reset each connection after some kilobytes, in the middle of any message."""
    proxy = scene.proxy()
    scene.begin()
    proxy.cut_often()
    scene.load.wait_for(1500)
    proxy.resume()


def restart_slowly(scene: Scene) -> None:
    """Kill the primary, and start it again. It loads its file for seconds."""
    victim = scene.victim()
    with victim.client() as client:  # other keys, which take time to load
        slot = slot_of(KEY)
        tag = next(str(n) for n in range(10**6) if slot_of(str(n)) == slot)
        for first in range(0, 2000, 500):
            client.mset({f"{{{tag}}}{first + n}": 1 for n in range(500)})
    scene.undo.enter_context(_persisting(scene.nodes))
    options = victim.options
    slow = (
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    )
    scene.begin()
    victim.kill()
    victim.options = (*options, *slow)
    try:
        victim.start()
    finally:
        victim.options = options
    with victim.client() as client:
        assert client.info("errorstats")["errorstat_LOADING"]


def restart_all(*how: str, is_persistent: bool = False) -> Callable[[Scene], None]:
    """Return the fault of restarting one node after the other, the primaries last."""

    def strike(scene: Scene) -> None:
        nodes = scene.nodes
        if is_persistent:
            scene.undo.enter_context(_persisting(nodes))
        scene.begin()
        for node in sorted(nodes.nodes, key=_is_primary):
            if _is_primary(node):
                if isinstance(nodes, ClusterSet):
                    nodes.fail_over(node)
                else:
                    nodes.fail_over(*how)
                nodes.heal()
            node.restart()
            nodes.heal()
            scene.load.wait_for(20)

    return strike


def _is_primary(node: Server) -> bool:
    with node.client() as client:
        return bool(client.role()[0] == b"master")


@contextmanager
def _persisting(nodes: SentinelSet | ClusterSet) -> Iterator[None]:
    """Let all nodes write an AOF, and load it when they start."""
    for node in nodes.nodes:
        with node.client() as client:
            client.config_set("appendonly", "yes")
        node.options = (*node.options, "--appendonly", "yes")
    wait_until(lambda: all(map(_writes_aof, nodes.nodes)), "All nodes write an AOF")
    try:
        yield
    finally:
        nodes.heal()
        for node in nodes.nodes:
            node.options = node.options[:-2]
            with node.client() as client:
                client.config_set("appendonly", "no")


def _writes_aof(node: Server) -> bool:
    with node.client() as client:
        state = client.info("persistence")
    return bool(state["aof_enabled"]) and not (
        state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]
    )


def _add_objects() -> None:
    """Create objects that have to be migrated, too."""
    Entry.objects.bulk_create([Entry("other", number=n) for n in range(OBJECTS)])


def migrate(scene: Scene) -> None:
    """Migrate the slot as all products can: key by key, and then the owner."""
    nodes = scene.nodes
    assert isinstance(nodes, ClusterSet)
    _add_objects()
    source = scene.begin()
    target = next(node for node in nodes.primaries() if node is not source)
    migration = nodes.migrate(slot_of(KEY), target).begin()
    while keys := migration.keys(100):
        migration.move(keys)
    migration.finish()


def migrate_at_once(scene: Scene) -> None:
    """Migrate the slot atomically."""
    nodes = scene.nodes
    assert isinstance(nodes, ClusterSet)
    _add_objects()
    source = scene.begin()
    target = next(node for node in nodes.primaries() if node is not source)
    nodes.migrate_at_once(slot_of(KEY), target)
