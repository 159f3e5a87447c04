"""Reads from the replicas of a Cluster."""

import random
import threading

import pytest

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.connections.cluster_map import slot_of
from tests import clusters, servers
from tests.replicas import answered_by
from tests.servers import wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class ShardedNote(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]


class OtherNote(ormist.TaggedAttrsModel):
    pass


@pytest.fixture
def cluster():
    made = clusters.shared()
    yield made
    made.heal()
    made.flush()


@pytest.fixture
def connection(cluster, configure):
    return configure(LOCATION=cluster.url, OPTIONS={"read_from": "replicas"})


@pytest.fixture
def note(connection):
    return ShardedNote.objects.create("a", text="x", number=-1)


def slot(note):
    return slot_of(note._key())


def replica_of(cluster, note):
    (found,) = cluster.replicas_of(cluster.primary_of(slot(note)))
    return found


def is_read(cluster, note):
    """Whether the replica of the note's slot answers, and nobody else.

    Nodes name a replica that has started only after it has told them its offset.
    """
    connections["default"]._router.map.doubt()
    found = answered_by(ShardedNote.objects.get, note.id)
    return found == {replica_of(cluster, note).port}


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_replica_of_the_slot_answers(ask, configure, cluster, seen, protocol):
    options = {"read_from": "replicas", "protocol": protocol, "replicas": 1}
    connection = configure(LOCATION=cluster.url, OPTIONS=options)
    note = ask(ShardedNote.objects.create, "a", text="x")
    wait_until(lambda: is_read(cluster, note), "The replica answers")
    for _ in range(2):  # it learns scripts first
        seen.clear()
        found = ask(ShardedNote.objects.find("a").list)
        assert [each.id for each in found] == [note.id]
        assert ask(ShardedNote.objects.find("a", text="x").count) == 1
        assert ask(ShardedNote.objects.get, note.id).views == 0
    assert {each.address[1] for each in seen} == {replica_of(cluster, note).port}
    assert [*connection.positions.slots()] == [slot(note)]


def test_each_slot_has_its_position(connection, cluster, note):
    other = OtherNote.objects.create("a")
    assert slot(other) != slot(note)
    assert connection.positions.slots() == sorted([slot(note), slot(other)])
    token = ormist.position()
    for each in (note, other):
        assert f":{slot(each)}." in token
    with ormist.at_least(token):
        wait_until(lambda: is_read(cluster, note), "The replica answers")


def test_what_a_replica_does_not_find_is_asked_at_the_primary(
    ask, connection, cluster, note
):
    assert ask(ShardedNote.objects.get_or_none, "unknown") is None
    assert ask(ShardedNote.objects.find("unknown").list) == []
    assert ask(ShardedNote.objects.find("unknown").count) == 0
    unknown = ShardedNote.objects.get_or_none
    assert answered_by(unknown, "unknown") == {cluster.primary_of(slot(note)).port}


def test_a_slot_that_moves_key_by_key_loses_no_object(ask, connection, cluster, note):
    wait_until(lambda: is_read(cluster, note), "The replica answers")
    source = cluster.primary_of(slot(note))
    target = next(each for each in cluster.primaries() if each is not source)
    migration = cluster.migrate(slot(note), target).begin()
    migration.move([note._key()])
    for _ in range(3):
        assert ask(ShardedNote.objects.values("text").get, note.id) == {"text": "x"}
    migration.finish()
    for _ in range(3):
        assert ask(ShardedNote.objects.get, note.id).text == "x"
        assert ask(ShardedNote.objects.find("a").count) == 1
    wait_until(lambda: is_read(cluster, note), "The replica of the target answers")
    cluster.migrate(slot(note), source).begin().finish()
    assert ask(ShardedNote.objects.get, note.id).text == "x"


def test_a_slot_that_moves_at_once_loses_no_object(connection, cluster, note):
    source = cluster.primary_of(slot(note))
    target = next(each for each in cluster.primaries() if each is not source)
    is_over = threading.Event()
    found = []

    def read():
        while not is_over.is_set():
            found.append(ShardedNote.objects.get(note.id).text)
            found.append(ShardedNote.objects.find("a").count())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for node in (target, source):
            cluster.migrate_at_once(slot(note), node)
    finally:
        is_over.set()
        thread.join()
    assert set(found) == {"x", 1}


def test_a_failover_between_a_write_and_a_read(ask, connection, cluster, note):
    wait_until(lambda: is_read(cluster, note), "The replica answers")
    token = ormist.position()
    cluster.fail_over(cluster.primary_of(slot(note)))
    for _ in range(3):
        assert ask(ShardedNote.objects.get, note.id).text == "x"
    changed = ask(ShardedNote.objects.get, note.id)
    changed.text = "y"
    ask(changed.save)
    with ormist.at_least(token):
        for _ in range(3):
            assert ask(ShardedNote.objects.get, note.id).text == "y"
    cluster.heal()
    wait_until(lambda: is_read(cluster, note), "The other replica answers")


def test_a_dead_replica_is_no_error(ask, connection, cluster, note):
    wait_until(lambda: is_read(cluster, note), "The replica answers")
    replica_of(cluster, note).kill()
    for _ in range(3):
        assert ask(ShardedNote.objects.get, note.id).text == "x"


def test_three_hundred_reads_see_the_last_write(ask, connection, cluster, note, seen):
    """While the replica is stopped now and then, and falls behind."""
    wait_until(lambda: is_read(cluster, note), "The replica answers")
    replica, is_over = replica_of(cluster, note), threading.Event()
    rng = random.Random(1)

    def toggle():
        while not is_over.is_set():
            replica.freeze()
            is_over.wait(rng.random() * 0.02)
            replica.thaw()
            is_over.wait(rng.random() * 0.01)

    thread = threading.Thread(target=toggle)
    thread.start()
    seen.clear()
    try:
        for number in range(300):
            note.number = number
            ask(note.save)
            assert ask(ShardedNote.objects.get, note.id).number == number
    finally:
        is_over.set()
        thread.join()
    reads = {each.address[1] for each in seen if each.names[0] == "GET"}
    assert replica.port in reads


def test_several_models_in_one_request_are_read_from_primaries(connection, cluster):
    from django_ormist.connections.executor import run
    from django_ormist.operations import objects

    notes = [ShardedNote.objects.create("a"), OtherNote.objects.create("a")]
    loads = [objects.load(each._meta.space("default"), each.id) for each in notes]
    assert all(run(loads, "default", reads=True))
