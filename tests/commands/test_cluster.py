"""The commands on a Cluster, over models on three different nodes."""

import json

import pytest
from django.core.management import CommandError

from django_ormist.connections import connections
from django_ormist.connections.endpoints import format_address
from django_ormist.connections.executor import run
from django_ormist.connections.inspection import inspect_nodes, locate
from django_ormist.exceptions import TopologyChanged
from django_ormist.keys import all_key
from django_ormist.operations import keyspace
from django_ormist.operations.keyspace import KeyScan
from django_ormist.operations.operation import Operation, on_every_primary
from django_ormist.testing import assert_round_trips
from tests import clusters
from tests.models import Basket, Todo, User
from tests.servers import wait_until

pytestmark = pytest.mark.servers("*-cluster")

MODELS = (Basket, Todo, User)


@pytest.fixture
def cluster(server):
    return clusters.shared(server.variant.server)


@pytest.fixture
def stored(server):
    """Seven objects of each of three models, on the replicas too."""
    Basket.objects.bulk_create(Basket("x", owner=n, code=n) for n in range(7))
    Todo.objects.bulk_create(Todo("x", f"t{n}", id=f"i{n}") for n in range(7))
    User.objects.bulk_create(User("x", name=f"n{n}") for n in range(7))
    server.catch_up()


def node_of(model):
    return locate("default", model._meta.space("default").base)[1]


def counts():
    return [model.objects.count() for model in MODELS]


def finish(scan):
    while not scan.is_over:
        run(scan.next_page(), "default")


def add_foreign_keys(server):
    """Store keys of unregistered models on all nodes."""
    for n in range(9):
        server.client.set(f"{server.key_prefix}:{{old.Thing{n}}}:o:1", "x")


def test_the_models_of_these_tests_are_on_three_nodes(stored):
    assert len({node_of(model) for model in MODELS}) == 3


# ---------------------------------------------------------------- flush


def test_flush_removes_the_keys_of_every_node(command, stored, server):
    add_foreign_keys(server)
    for model in MODELS:
        name = f"{server.key_prefix}:lost:{{{model._meta.label}}}:o:1"
        server.client.set(name, "x")
    shown = command("ormist_flush", "--dry-run")
    assert "3 keys" in shown
    printed = command("ormist_flush", "--noinput")
    assert printed == "Deleted 21 objects and 12 keys without an object.\n"
    assert server.keys() == []


@pytest.mark.parametrize("model", MODELS)
def test_flush_of_a_model_keeps_those_on_other_nodes(command, stored, server, model):
    add_foreign_keys(server)
    command("ormist_flush", model._meta.label, "--noinput")
    assert counts() == [0 if each is model else 7 for each in MODELS]
    assert len(server.keys("*{old.Thing*")) == 9


def test_flush_waits_for_a_slot_under_migration_and_then_says_so(
    command, stored, server, cluster
):
    """After that a scan is complete again."""
    slot, _ = locate("default", User._meta.space("default").base)
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    migration = cluster.migrate(slot, target).begin()
    try:
        with pytest.raises(CommandError, match=f"slot {slot} is moving"):
            command("ormist_flush", "tests.User", "--noinput")
        assert "7 objects" in command("ormist_flush", "tests.Todo", "--dry-run")
    finally:
        migration.cancel()
    assert counts() == [7, 7, 7]
    command("ormist_flush", "--noinput")
    assert server.keys() == []


def test_keys_that_move_during_a_scan_are_not_missed_unnoticed(
    command, stored, server, cluster, monkeypatch
):
    if cluster.kind != "valkey91":
        pytest.skip("Redis 8.2 has no atomic migration.")
    monkeypatch.setattr(keyspace, "KEYS_PER_STEP", 1)
    slot, _ = locate("default", User._meta.space("default").base)
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    scan = KeyScan(f"{server.key_prefix}:".encode())
    try:
        run(scan.next_page(), "default")
        cluster.migrate_at_once(slot, target)
        with pytest.raises(TopologyChanged, match="moved"):
            finish(scan)
        assert counts() == [7, 7, 7]  # by which the slot is found again
        command("ormist_flush", "--noinput")
        assert server.keys() == []
    finally:
        cluster.migrate_at_once(slot, source)


# ---------------------------------------------------------------- inspect


def test_inspect_describes_every_node(command, stored, server):
    found = json.loads(command("ormist_inspect", format="json"))
    facts = found["server"]
    assert facts["mode"] == "cluster"
    primaries = [node for node in facts["nodes"] if node["role"] == "primary"]
    replicas = [node for node in facts["nodes"] if node["role"] == "replica"]
    assert len(primaries) == len(replicas) == 3
    owned = [last - first + 1 for p in primaries for first, last in p["slots"]]
    assert sum(owned) == 16384
    assert {node["link"] for node in replicas} == {"up"}
    assert {node["link"] for node in primaries} == {None}
    assert {each["primary"] for each in replicas} == {p["address"] for p in primaries}
    for node in facts["nodes"]:
        assert node["offset"] > 0
        assert node["version"] == facts["version"]
        assert node["memory"]["used_bytes"] > 0
        assert node["error"] is None
    assert all(each["lag_bytes"] >= 0 for each in replicas)
    used = sum(node["memory"]["used_bytes"] for node in primaries)
    assert facts["memory"]["used_bytes"] == used
    assert sum(node["keys"] for node in primaries) >= len(server.keys())


def test_inspect_shows_the_node_of_each_model(command, stored):
    found = json.loads(command("ormist_inspect", format="json"))
    slots = {node["address"]: node["slots"] for node in found["server"]["nodes"]}
    shown = {each["model"]: each for each in found["models"]}
    for model in MODELS:
        each = shown[model._meta.label]
        assert each["count"] == 7
        assert each["node"] == node_of(model)
        assert any(a <= each["slot"] <= b for a, b in slots[each["node"]])
    assert shown["tests.Basket"]["slot"] == shown["tests.BasketLine"]["slot"]


def test_inspect_prints_a_line_for_each_node(command, stored):
    printed = command("ormist_inspect")
    assert printed.splitlines()[0].split()[-1] == "node"
    nodes = inspect_nodes("default").nodes
    lines = [line.split() for line in printed.splitlines()]
    for node in nodes:
        assert any(line[:1] == [node.address] for line in lines)
    assert printed.count("replica of ") == 3
    assert "3 primaries, 3 replicas" in printed
    assert "master" not in printed


def test_inspect_needs_no_permission_to_describe_nodes(
    command, stored, server, cluster
):
    """Facts that an ACL forbids are unknown, and scans go on without them."""
    refused = ("-info", "-cluster|nodes")
    rules = ("on", ">secret", "~*", "+@all", *refused)
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("ACL SETUSER", "app", "reset", *rules)
    try:
        server.connect(server.location.replace("://", "://app:secret@"))
        printed = command("ormist_inspect", format="json")
        facts = json.loads(printed)["server"]
        assert facts["version"] is None
        assert len(facts["nodes"]) == 6
        assert "does not show everything" in printed.errors
        assert "unknown" in command("ormist_inspect")
        add_foreign_keys(server)
        command("ormist_flush", "--noinput")
        assert server.keys() == []
    finally:
        server.connect()
        for node in cluster.nodes:
            with node.client() as client:
                client.execute_command("ACL DELUSER", "app")


# ---------------------------------------------------------------- verify and others


def damage(server):
    """Make one fault on each of three nodes."""
    for model in MODELS:
        key = all_key(model._meta.space("default"))
        server.client.zadd(key, {"missing": 1})


def test_faults_are_found_and_repaired_on_every_node(command, stored, server):
    damage(server)
    with pytest.raises(CommandError, match="Faults found: 3"):
        command("ormist_inspect", "--verify")
    command("ormist_inspect", "--repair")
    command("ormist_inspect", "--verify")
    assert counts() == [7, 7, 7]


def test_keys_without_a_model_are_found_and_quarantined_on_every_node(
    command, stored, server
):
    add_foreign_keys(server)
    with pytest.raises(CommandError, match="Faults found: 9"):
        command("ormist_inspect", "--verify")
    command("ormist_inspect", "--repair", "--orphans")
    assert len(server.keys("*:lost:*")) == 9
    command("ormist_inspect", "--verify")


def test_verify_of_one_model_scans_the_node_of_its_slot(command, stored, server):
    damage(server)
    with pytest.raises(CommandError, match="Faults found: 1"):
        command("ormist_inspect", "tests.Todo", "--verify")


def test_verify_says_that_a_slot_is_moving(command, stored, cluster):
    slot = 16000
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    migration = cluster.migrate(slot, target).begin()
    try:
        with pytest.raises(CommandError, match=f"slot {slot} is moving"):
            command("ormist_inspect", "--verify")
        command("ormist_inspect", "tests.Todo", "--verify")  # in another slot
    finally:
        migration.cancel()


def test_other_commands_reach_every_node(command, stored, server, tmp_path, let_expire):
    dump = tmp_path / "all.jsonl"
    command("ormist_dump", output=str(dump))
    assert len(dump.read_text().splitlines()) >= 21
    command("ormist_reindex")
    for model in MODELS:
        one = model.objects.create(expire=60)
        let_expire(one)
    assert command("ormist_sweep") == "Swept 3 expired objects.\n"
    command("ormist_flush", "--noinput")
    command("ormist_load", str(dump))
    assert counts() == [7, 7, 7]
    command("ormist_inspect", "--verify")


# ---------------------------------------------------------------- failed nodes


@pytest.mark.slow
@pytest.mark.servers("valkey91-cluster")
def test_inspect_describes_the_others_while_a_primary_is_down(command, settings):
    broken = clusters.ClusterSet().start()
    try:
        settings.ORMIST = {
            "default": {"LOCATION": broken.url, "OPTIONS": {"patience": 0.5}}
        }
        for model in MODELS:
            model.objects.create()
        lost = node_of(User)
        node = next(n for n in broken.nodes if lost.endswith(f":{n.port}"))
        node.kill()
        printed = command("ormist_inspect", format="json")
        found = json.loads(printed)
        shown = {each["model"]: each["count"] for each in found["models"]}
        assert [shown[model._meta.label] for model in MODELS] == [1, 1, None]
        errors = [n["address"] for n in found["server"]["nodes"] if n["error"]]
        assert errors == [lost]
        assert f"tests.User: its node {lost} does not reply" in printed.errors
        with pytest.raises(CommandError):
            command("ormist_flush", "--noinput")
        node.start()
        wait_until(broken.is_whole, "The cluster is whole")
        command("ormist_flush", "--noinput")
    finally:
        broken.stop()


def test_a_round_trip_to_several_nodes_is_one_and_names_them(stored):
    loads = [
        Operation("ZCARD", (all_key(model._meta.space("default")),)) for model in MODELS
    ]
    with assert_round_trips(1) as seen:
        assert run(loads, "default") == [7, 7, 7]
    assert len(seen[0].nodes) == 3
    with assert_round_trips(1) as seen:
        run(on_every_primary(Operation("DBSIZE", ())), "default")
    assert len(seen[0].nodes) == 3
    with assert_round_trips(1) as seen:
        Todo.objects.get("i1")
    assert [format_address(node) for node in seen[0].nodes] == [node_of(Todo)]
    assert seen[0].address == seen[0].nodes[0]


@pytest.mark.slow
@pytest.mark.parametrize("drops_connections", [False, True])
def test_a_failover_during_a_scan_is_noticed(
    command, stored, server, cluster, monkeypatch, drops_connections
):
    """With the connections of before, and with new ones, which check the role."""
    monkeypatch.setattr(keyspace, "KEYS_PER_STEP", 1)
    slot, _ = locate("default", User._meta.space("default").base)
    scan = KeyScan(f"{server.key_prefix}:".encode())
    run(scan.next_page(), "default")
    cluster.fail_over(cluster.primary_of(slot))
    wait_until(cluster.is_whole, "The cluster is whole")
    if drops_connections:
        connections["default"].close()
        assert counts() == [7, 7, 7]  # by which the failover is noticed
    with pytest.raises(TopologyChanged):
        finish(scan)
    command("ormist_flush", "--noinput")
    assert server.keys() == []
