"""The cluster of the tests: faults, failovers and migrations."""

import pytest
from redis.exceptions import AskError, MovedError

from tests import clusters, servers
from tests.clusters import DOWN_AFTER, PATIENT, slot_of
from tests.servers import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91"),
]


@pytest.fixture
def cluster():
    made = clusters.shared()
    made.heal()
    yield made
    made.count_as_down_after(PATIENT)
    made.heal()
    made.flush()


def key_of(cluster, node):
    keys = (f"key{number}" for number in range(1000))
    return next(key for key in keys if cluster.primary_of(key) is node)


def test_three_primaries_own_all_slots(cluster):
    owned = [slot for ranges in cluster.slots().values() for slot in ranges]
    assert sum(last - first + 1 for first, last in owned) == clusters.SLOTS
    assert [len(cluster.replicas_of(each)) for each in cluster.primaries()] == [1] * 3


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_replica_takes_over_and_the_former_primary_comes_back(cluster, fault):
    cluster.count_as_down_after(DOWN_AFTER)
    former = cluster.primary_of("key")
    (replica,) = cluster.replicas_of(former)
    getattr(former, fault)()
    wait_until(lambda: cluster.primary_of("key") is replica, "A new primary")
    cluster.heal()
    assert cluster.replicas_of(replica) == [former]


@pytest.mark.parametrize("how", [(), ("FORCE",), ("TAKEOVER",)])
def test_a_failover_can_be_asked_for(cluster, how):
    former = cluster.primary_of("key")
    promoted = cluster.fail_over(former, *how)
    cluster.heal()
    assert cluster.primary_of("key") is promoted
    assert cluster.replicas_of(promoted) == [former]


def test_a_slot_migrates_in_steps(cluster):
    source, target = cluster.primaries()[:2]
    key = key_of(cluster, source)
    first, second = f"{{{key}}}1", f"{{{key}}}2"
    with source.client() as client, target.client() as other:
        client.set(first, 1)
        client.set(second, 2)
        migration = cluster.migrate(slot_of(key), target).begin()
        assert cluster.open_slots() == [(slot_of(key), source, target)]
        migration.move([first])
        with pytest.raises(AskError):
            client.get(first)
        assert client.get(second) == b"2"
        with pytest.raises(MovedError):
            other.get(first)
        migration.finish()
        assert other.mget(first, second) == [b"1", b"2"]
    assert cluster.primary_of(key) is target


def test_healing_finishes_a_migration(cluster):
    source, target = cluster.primaries()[:2]
    key = key_of(cluster, source)
    with source.client() as client:
        client.set(key, 1)
    cluster.migrate(slot_of(key), target).begin()
    cluster.heal()
    assert cluster.open_slots() == []
    with target.client() as client:
        assert client.get(key) == b"1"


def test_a_slot_migrates_at_once(cluster):
    source, target = cluster.primaries()[:2]
    key = key_of(cluster, source)
    with source.client() as client:
        client.set(key, 1)
    cluster.migrate_at_once(slot_of(key), target)
    with target.client() as client:
        assert client.get(key) == b"1"


def test_flushing_deletes_the_keys_of_all_nodes(cluster):
    for node in cluster.primaries():
        with node.client() as client:
            client.set(key_of(cluster, node), 1)
    cluster.flush()
    for node in cluster.primaries():
        with node.client() as client:
            assert client.dbsize() == 0
