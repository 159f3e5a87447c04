"""An alias of a Cluster, on real processes."""

import asyncio
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

import django_ormist as ormist
from django_ormist.connections import exchange, messages
from django_ormist.connections.executor import arun, run
from django_ormist.connections.instrumentation import listening
from django_ormist.connections.pools import pools
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.keys import slot_of
from django_ormist.operations.operation import Operation, on_every_primary, on_node
from tests import clusters, servers
from tests.clusters import wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

PING = [Operation("PING", keys=())]
SIZE = Operation("DBSIZE", keys=())
# Keys on each of the three primaries, in the order of their slots.
KEYS = [b"b", b"c", b"a"]


class RoutedNote(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]


class RoutedUser(ormist.TaggedAttrsModel):
    pass


class RoutedTodo(ormist.TaggedAttrsModel):
    pass


MODELS = (RoutedNote, RoutedUser, RoutedTodo)


def incr(key):
    return Operation("INCR", (key,), is_write=True)


def get(key):
    return Operation("GET", (key,))


@pytest.fixture
def cluster():
    made = clusters.shared()
    yield made
    made.heal()
    made.flush()


@pytest.fixture
def connection(cluster, configure):
    return configure(LOCATION=cluster.url)


@pytest.fixture
def requests(monkeypatch):
    """The number of requests to each port, as it grows."""
    seen = Counter()
    send, asend = messages.send_bytes, messages.asend_bytes

    def note(connection):
        if hasattr(connection, "port"):  # the tests use unix sockets
            seen[connection.port] += 1

    def counted(connection, request):
        note(connection)
        send(connection, request)

    async def acounted(connection, request):
        note(connection)
        await asend(connection, request)

    monkeypatch.setattr(messages, "send_bytes", counted)
    monkeypatch.setattr(messages, "asend_bytes", acounted)
    return seen


def address_of(node):
    return "127.0.0.1", node.port


# ---------------------------------------------------------------- a cluster at rest


def test_the_models_and_keys_of_these_tests_are_on_every_node(cluster):
    spaces = [model._meta.space("default").base for model in MODELS]
    for keys in (spaces, KEYS):
        assert {cluster.primary_of(key) for key in keys} == set(cluster.primaries())


def test_models_live_on_the_nodes_of_their_slots(ask, connection, cluster):
    for model in MODELS:
        note = ask(model.objects.create, "a", text="x")
        note.text = "y"
        ask(note.save)
        assert ask(model.objects.get, note.id).text == "y"
        assert ask(model.objects.find("a").count) == 1
        with cluster.primary_of(note._key()).client() as client:
            assert client.exists(note._key())
    ask(note.delete)
    assert ask(model.objects.count) == 0


def test_operations_of_several_nodes_are_one_round_trip(ask, connection, requests):
    ask(connection.send, [incr(key) for key in KEYS])
    requests.clear()
    operations = [incr(key) for key in (*KEYS, *reversed(KEYS))]
    assert ask(connection.send, operations) == [2, 2, 2, 3, 3, 3]
    assert sorted(requests.values()) == [1, 1, 1]


def test_each_call_is_one_request_to_one_node(ask, connection, cluster, requests):
    for model in MODELS:
        objects = model.objects
        note = ask(objects.create, "a", text="x")
        ask(note.save)
        ask(objects.find("a")[:20].list)
        ask(objects.find("a").count)
        ask(ask(objects.create, "b").delete)  # the node knows the scripts now
        port = cluster.primary_of(note._key()).port
        for call, args in (
            (objects.get, (note.id,)),
            (note.save, ()),
            (objects.find("a")[:20].list, ()),
            (objects.create, ("b",)),
            (objects.find("a").count, ()),
            (note.delete, ()),
        ):
            requests.clear()
            ask(call, *args)
            assert requests == {port: 1}, call


def test_every_primary_can_be_asked(ask, connection, cluster):
    ask(connection.send, [incr(key) for key in KEYS])
    operation = on_every_primary(SIZE)
    if ask.is_async:
        found = ask.wait(arun(operation, "default"))
    else:
        found = run(operation, "default")
    assert found == sorted((address_of(node), 1) for node in cluster.primaries())
    node = found[1][0]
    assert ask(connection.send, [on_node(SIZE, node)]) == [1]


def test_the_replicas_of_each_node_are_known(connection, cluster):
    connection.send(PING)
    nodes = connection._router.map
    expected = {
        address_of(node): tuple(map(address_of, cluster.replicas_of(node)))
        for node in cluster.primaries()
    }

    def is_known():
        nodes.doubt()
        connection.send([incr(key) for key in KEYS])
        return nodes.replicas == expected

    wait_until(is_known, "A node tells the replicas, which have data by now")


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocols(ask, configure, cluster, protocol):
    connection = configure(LOCATION=cluster.url, OPTIONS={"protocol": protocol})
    assert ask(connection.send, [incr(key) for key in KEYS]) == [1, 1, 1]
    assert connection._router.map._epoch > 0
    assert connection.is_cluster


def test_one_reachable_node_is_enough(ask, configure, cluster):
    known = cluster.nodes[0].port
    dead = "redis+cluster://127.0.0.1:1"
    connection = configure(LOCATION=[dead, f"redis+cluster://127.0.0.1:{known}"])
    assert ask(connection.send, [incr(key) for key in KEYS]) == [1, 1, 1]


def test_a_replica_tells_the_nodes_too(ask, configure, cluster):
    replica = cluster.replicas_of(cluster.primaries()[0])[0]
    connection = configure(LOCATION=f"redis+cluster://127.0.0.1:{replica.port}")
    assert ask(connection.send, [incr(key) for key in KEYS]) == [1, 1, 1]


def test_a_round_trip_names_the_cluster(connection, cluster):
    seen = []
    with listening(seen.append):
        RoutedNote.objects.count()
    assert seen[0].url == cluster.url
    assert seen[0].address in [address_of(node) for node in cluster.nodes]


def test_the_clients_of_redis_py_reach_all_nodes(ask, connection, cluster):
    for key in KEYS:
        assert connection.client.set(key, "v")
    connection.close()

    async def acheck():
        return [await connection.aclient.get(key) for key in KEYS]

    assert ask.wait(acheck()) == [b"v"] * 3
    assert [connection.client.get(key) for key in KEYS] == [b"v"] * 3


def test_a_batch_over_all_nodes_raises_the_error_of_one(ask, connection):
    ask(connection.send, [incr(key) for key in KEYS])
    wrong = Operation("LPUSH", (KEYS[1],), ("x",), is_write=True)
    first, error, last = ask(connection.send, [incr(KEYS[0]), wrong, incr(KEYS[2])])
    assert (first, last) == (2, 2)
    assert "WRONGTYPE" in str(error)
    assert "ORMIST alias 'default'" in error.__notes__[0]


def test_fifty_threads_that_ask_first_are_no_herd(connection, looks):
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda _: connection.send(PING), range(50)))
    assert len(looks) <= 2


def test_fifty_tasks_that_ask_first_are_no_herd(connection, looks):
    async def main():
        await asyncio.gather(*(connection.asend(PING) for _ in range(50)))

    asyncio.run(main())
    assert len(looks) <= 2


def test_pools_are_bounded_for_each_node(configure, cluster):
    connection = configure(LOCATION=cluster.url, OPTIONS={"max_connections": 2})
    operations = [incr(key) for key in KEYS]
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: connection.send(operations), range(100)))

    async def main():
        await asyncio.gather(*(connection.asend(operations) for _ in range(100)))

    asyncio.run(main())
    assert connection.send([get(key) for key in KEYS]) == [b"200"] * 3
    for node in cluster.primaries():
        pool = pools.get(connection.endpoint.at(address_of(node)))
        assert len(pool._connections) <= 2


def test_an_interrupt_leaves_the_connections_usable(configure, cluster, monkeypatch):
    """A signal handler may raise between a request and its reply."""

    def interrupted(connection):
        raise KeyboardInterrupt

    connection = configure(LOCATION=cluster.url, OPTIONS={"max_connections": 1})
    connection.send([incr(KEYS[0])])
    for operations in ([incr(KEYS[0])], [incr(key) for key in KEYS]):
        with monkeypatch.context() as patch:
            patch.setattr(exchange, "read", interrupted)
            with pytest.raises(KeyboardInterrupt):
                connection.send(operations)
    assert connection.send([incr(key) for key in KEYS]) == [4, 2, 2]


def test_cancelled_tasks_leave_the_connections_usable(configure, cluster):
    connection = configure(LOCATION=cluster.url, OPTIONS={"max_connections": 1})

    async def main():
        await connection.asend([incr(key) for key in KEYS])
        for turn in range(20):
            for operations in ([get(KEYS[0])], [get(key) for key in KEYS]):
                task = asyncio.create_task(connection.asend(operations))
                for _ in range(turn):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
        return await connection.asend([incr(key) for key in KEYS])

    assert asyncio.run(main()) == [2, 2, 2]


def test_a_child_process_has_connections_of_its_own(connection):
    connection.send([incr(key) for key in KEYS])
    child = os.fork()
    if child == 0:
        try:
            replies = connection.send([incr(key) for key in KEYS])
            os._exit(replies != [2, 2, 2])
        except BaseException:
            os._exit(9)
    assert os.waitpid(child, 0)[1] == 0
    assert connection.send([incr(key) for key in KEYS]) == [3, 3, 3]


def test_each_loop_has_connections_of_its_own(connection):
    async def main():
        return await connection.asend([incr(key) for key in KEYS])

    assert [asyncio.run(main())[0] for _ in range(3)] == [1, 2, 3]


# ---------------------------------------------------------------- atomic()


def test_a_block_over_two_slots_is_refused_before_anything_is_sent(
    ask, connection, requests
):
    def work():
        with ormist.atomic():
            RoutedNote().save()
            RoutedUser().save()

    async def awork():
        async with ormist.atomic():
            await RoutedNote().asave()
            await RoutedUser().asave()

    ask(connection.send, PING)
    requests.clear()
    with pytest.raises(ormist.NotSupportedError) as caught:
        ask.wait(awork()) if ask.is_async else work()
    for words in ("RoutedNote", "RoutedUser", "Meta.slot", "Nothing was written"):
        assert words in str(caught.value)
    assert not requests


def test_a_block_over_one_model_is_one_request(connection, cluster, requests):
    note = RoutedNote.objects.create()
    with ormist.atomic():
        RoutedNote().save()  # the node learns the script
    requests.clear()
    with ormist.atomic():
        note.save()
        RoutedNote().save()
    assert requests == {cluster.primary_of(note._key()).port: 1}


# ---------------------------------------------------------------- slots that move


def test_a_slot_that_has_moved_is_followed_at_once(ask, connection, cluster, looks):
    ask(connection.send, [incr(key) for key in KEYS])
    target = cluster.primary_of(KEYS[1])
    slot = slot_of(KEYS[0])
    source = cluster.primary_of(slot)
    cluster.migrate(slot, target).begin().finish()
    try:
        looks.clear()
        assert ask(connection.send, [incr(key) for key in KEYS]) == [2, 2, 2]
        assert len(looks) == 1
        assert connection._router.map.node_of_key(KEYS[0]) == address_of(target)
        assert ask(connection.send, [incr(KEYS[0])]) == [3]
        assert len(looks) == 1
    finally:
        cluster.migrate(slot, source).begin().finish()


def test_a_key_under_way_is_asked_for_where_it_is(ask, connection, cluster):
    """The slot is under migration: some keys have moved, and some have not."""
    slot = slot_of(KEYS[0])
    here, there = b"{%s}here" % KEYS[0], b"{%s}there" % KEYS[0]
    ask(connection.send, [incr(here), incr(there)])
    source, target = cluster.primary_of(slot), cluster.primary_of(KEYS[1])
    migration = cluster.migrate(slot, target).begin()
    migration.move([there])
    assert ask(connection.send, [incr(here), incr(there)]) == [2, 2]
    assert connection._router.map.node_of_key(here) == address_of(source)
    migration.finish()
    assert ask(connection.send, [incr(here), incr(there)]) == [3, 3]
    cluster.migrate(slot, source).begin().finish()


def test_a_migration_is_waited_for(ask, connection, cluster):
    """Keys of one script are on two nodes: TRYAGAIN until all have moved."""
    note = ask(RoutedNote.objects.create, "a", text="x")
    slot = slot_of(note._key())
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    migration = cluster.migrate(slot, target).begin()
    migration.move([note._key()])
    finishing = threading.Timer(0.3, migration.finish)
    finishing.start()
    note.text = "y"
    ask(note.save)
    finishing.join()
    assert ask(RoutedNote.objects.get, note.id).text == "y"
    assert ask(RoutedNote.objects.find("a").count) == 1
    cluster.migrate(slot, source).begin().finish()


# ---------------------------------------------------------------- failovers


def test_a_planned_failover_is_followed(ask, connection, cluster, looks):
    ask(connection.send, [incr(key) for key in KEYS])
    former = cluster.primary_of(KEYS[0])
    new = cluster.fail_over(former)
    looks.clear()
    assert ask(connection.send, [incr(key) for key in KEYS]) == [2, 2, 2]
    assert connection._router.map.node_of_key(KEYS[0]) == address_of(new)
    assert len(looks) <= 3


def test_fifty_threads_after_a_failover_are_no_herd(connection, cluster, looks):
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda _: connection.send([incr(KEYS[0])]), range(50)))
        cluster.fail_over(cluster.primary_of(KEYS[0]))
        looks.clear()
        list(threads.map(lambda _: connection.send([incr(KEYS[0])]), range(50)))
    assert connection.send([get(KEYS[0])]) == [b"100"]
    assert len(looks) <= 5


@pytest.mark.slow
def test_a_killed_primary_is_replaced_without_a_herd(ask, connection, cluster, looks):
    ask(connection.send, [incr(key) for key in KEYS])
    former = cluster.primary_of(KEYS[0])
    replica = cluster.replicas_of(former)[0]
    cluster.count_as_down_after(1)
    try:
        with former.client() as client:
            client.wait(1, 5000)
        former.kill()
        assert ask(connection.send, [incr(key) for key in KEYS]) == [2, 2, 2]
        assert connection._router.map.node_of_key(KEYS[0]) == address_of(replica)
        assert address_of(former) not in connection._router._pools
    finally:
        cluster.count_as_down_after(clusters.PATIENT)


def test_connections_to_a_node_that_left_are_closed(configure, cluster):
    left = address_of(cluster.primary_of(KEYS[0]))
    other = cluster.primary_of(KEYS[1]).port
    connection = configure(LOCATION=f"redis+cluster://127.0.0.1:{other}")
    connection.send([incr(key) for key in KEYS])
    router, nodes = connection._router, connection._router.map
    asked = pools.get(connection.endpoint.cluster.at(left))
    while not asked._available_connections:
        nodes.doubt()
        nodes._latest = left
        connection.send(PING)
    pool = router._pools[left]
    nodes.addresses = nodes.addresses - {left}
    nodes.version += 1
    connection.send([get(KEYS[1])])
    assert left not in router._pools
    for each in (pool, asked):
        assert each._available_connections == []


def test_a_write_is_confirmed_by_replicas_of_each_node(ask, configure, cluster):
    options = {"replicas": 1, "replicas_timeout": 2}
    configure(LOCATION=cluster.url, OPTIONS=options)
    for model in MODELS:
        ask(model.objects.create, "a")
    replica = cluster.replicas_of(cluster.primary_of(KEYS[0]))[0]
    model = next(
        each
        for each in MODELS
        if replica
        in cluster.replicas_of(cluster.primary_of(each._meta.space("default").base))
    )
    configure(LOCATION=cluster.url, OPTIONS=options | {"replicas_timeout": 0.1})
    replica.freeze()
    with pytest.raises(ormist.NotReplicated, match="0 of 1 replicas"):
        ask(model.objects.create, "a")
    replica.thaw()
    assert ask(model.objects.count) == 2


# ---------------------------------------------------------------- errors


def expect(ask, configure, location, **options):
    """The error of a first call."""
    connection = configure(LOCATION=location, OPTIONS={"patience": 0.3, **options})
    with pytest.raises((redis.RedisError, ImproperlyConfigured)) as caught:
        ask(connection.send, PING)
    return str(caught.value)


def test_no_reachable_node_is_an_error_that_lists_them(ask, configure):
    text = expect(ask, configure, "redis+cluster://127.0.0.1:1,127.0.0.1:2")
    for words in ("ORMIST['default']", "127.0.0.1:1 said", "127.0.0.1:2 said"):
        assert words in text


def test_a_server_without_cluster_is_named(ask, configure, real):
    text = expect(ask, configure, f"redis+cluster://127.0.0.1:{real.port}")
    assert f"127.0.0.1:{real.port} as a node of a Cluster" in text
    assert "redis://" in text


def test_a_database_number_is_refused_where_the_cluster_has_one(
    ask, configure, cluster
):
    text = expect(ask, configure, f"{cluster.url}/3")
    assert "the database 3" in text
    assert "Leave the number out" in text


def test_a_database_number_is_accepted_where_the_cluster_has_several(
    ask, start_server, configure
):
    node = start_server(
        "valkey91",
        *("--cluster-enabled", "yes", "--cluster-databases", "4"),
        *("--cluster-port", str(servers.free_port())),
    )
    with node.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(
            lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok",
            "A cluster of one node is ready",
        )
        configure(LOCATION=f"redis+cluster://127.0.0.1:{node.port}/3")
        note = ask(RoutedNote.objects.create, "a")
        assert not client.exists(note._key())
    with node.client(db=3) as client:
        assert client.exists(note._key())


def test_a_wrong_password_is_named(ask, start_server, configure):
    node = start_server(
        "valkey91",
        *("--cluster-enabled", "yes", "--requirepass", "secret"),
        *("--cluster-port", str(servers.free_port())),
    )
    url = f"redis+cluster://127.0.0.1:{node.port}"
    text = expect(ask, configure, url, password="wrong", patience=3600)  # at once
    assert "the user and the password in OPTIONS" in text


def test_an_announced_address_that_cannot_be_reached_is_named(
    ask, start_server, configure
):
    node = start_server(
        "valkey91",
        *("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"),
        *("--cluster-announce-port", "1", "--cluster-port", str(servers.free_port())),
    )
    with node.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    text = expect(ask, configure, f"redis+cluster://127.0.0.1:{node.port}")
    assert "names the node 127.0.0.1:1" in text
    assert "cluster-announce-ip" in text
