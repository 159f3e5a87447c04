"""An alias of a service that Sentinel watches, on real processes."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis
from django.core.management import call_command
from django.db import DatabaseError

import django_ormist as ormist
from django_ormist.conf import Alias
from django_ormist.connections import Connection, sentinel_events
from django_ormist.connections import sentinels as sentinel_map
from django_ormist.connections.executor import run
from django_ormist.connections.instrumentation import listening
from django_ormist.connections.pools import pools
from django_ormist.exceptions import ImproperlyConfigured, TopologyChanged
from django_ormist.operations import keyspace
from django_ormist.operations.keyspace import KeyScan
from django_ormist.operations.operation import Operation
from tests import sentinels, servers
from tests.sentinels import SERVICE, Sentinel, wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

PING = [Operation("PING", keys=())]


class WatchedNote(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]


@pytest.fixture
def sentinel_set():
    made = sentinels.shared()
    yield made
    made.heal()
    made.flush()


@pytest.fixture
def connection(sentinel_set, configure):
    return configure(LOCATION=sentinel_set.url)


def port_of(node):
    return "127.0.0.1", node.port


# ---------------------------------------------------------------- a service at rest


def test_models_live_on_the_primary(ask, connection, sentinel_set):
    note = ask(WatchedNote.objects.create, "a", text="x")
    note.text = "y"
    ask(note.save)
    ask(note.increment, "views")
    assert ask(WatchedNote.objects.get, note.id).text == "y"
    assert ask(WatchedNote.objects.find("a").count) == 1
    assert connection.address == port_of(sentinel_set.primary())
    with sentinel_set.primary().client() as client:
        assert client.keys("*:o:*")


def test_a_round_trip_tells_the_address_of_the_primary(connection, sentinel_set):
    seen = []
    WatchedNote.objects.count()  # the primary may not know the script yet
    with listening(seen.append):
        WatchedNote.objects.count()
    assert [each.address for each in seen] == [port_of(sentinel_set.primary())]
    assert seen[0].url == sentinel_set.url


def test_the_clients_of_redis_py_reach_the_primary(ask, connection, sentinel_set):
    assert connection.client.set("k", "v")

    async def acheck():
        assert await connection.aclient.get("k") == b"v"
        async with connection.aclient.pipeline(transaction=True) as pipe:
            return await pipe.get("k").incr("n").execute()

    assert ask.wait(acheck()) == [b"v", 1]
    with connection.client.pipeline() as pipe:
        assert pipe.get("n").execute() == [b"1"]


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocols_of_nodes_and_sentinels(ask, configure, sentinel_set, protocol):
    options = {"protocol": protocol, "sentinel_kwargs": {"protocol": protocol}}
    connection = configure(LOCATION=sentinel_set.url, OPTIONS=options)
    assert ask(connection.send, PING) == [b"PONG"]
    assert connection._router.map._epoch >= 0
    unknown = sentinel_set.url.replace(SERVICE, "nope")
    connection = configure(LOCATION=unknown, OPTIONS=options)
    with pytest.raises(ImproperlyConfigured, match=f"knows '{SERVICE}'"):
        ask(connection.send, PING)


def test_a_list_of_urls_reaches_any_sentinel(ask, configure, sentinel_set):
    dead = f"redis+sentinel://127.0.0.1:1/{SERVICE}/0"
    connection = configure(LOCATION=[dead, sentinel_set.url])
    assert ask(connection.send, PING) == [b"PONG"]


def test_sentinels_are_asked_once_and_then_once_a_second(
    ask, connection, looks, monkeypatch
):
    monkeypatch.setattr(sentinel_map, "INTERVAL", 3600)

    def looks_of_fifty():
        looks.clear()
        for _ in range(50):
            ask(connection.send, PING)
        return len(looks)

    def is_asked_once():
        connection._router.map.doubt()  # as if a second had gone by
        return 0 < looks_of_fifty() <= 3 and looks_of_fifty() == 0

    assert looks_of_fifty() > 0
    # Sentinels may still end the connections of a primary after an earlier test.
    wait_until(is_asked_once, "The sentinels are asked once")


def test_twenty_threads_that_ask_first_are_no_herd(connection, looks):
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: connection.send(PING), range(20)))
    assert len(looks) <= 4


def test_twenty_tasks_that_ask_first_are_no_herd(connection, looks):
    async def main():
        await asyncio.gather(*(connection.asend(PING) for _ in range(20)))

    asyncio.run(main())
    assert len(looks) <= 4


def test_pools_stay_within_their_limit(configure, sentinel_set):
    limit = {"max_connections": 3, "client_name": "bounded"}
    connection = configure(LOCATION=sentinel_set.url, OPTIONS=limit)
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: connection.send(PING), range(200)))
    with sentinel_set.primary().client() as client:
        named = [each["name"] for each in client.client_list()]
    assert 1 <= named.count("bounded") <= 3


def test_a_fork_connects_anew(connection):
    assert connection.send(PING) == [b"PONG"]
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if connection.send(PING) == [b"PONG"] else 1
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert connection.send(PING) == [b"PONG"]


def test_loops_have_pools_of_their_own_and_leave_nothing(configure, sentinel_set):
    connection = configure(
        LOCATION=sentinel_set.url, OPTIONS={"client_name": "looping"}
    )
    for _ in range(3):
        assert asyncio.run(connection.asend(PING)) == [b"PONG"]
    with sentinel_set.primary().client() as client:
        wait_until(
            lambda: "looping" not in [each["name"] for each in client.client_list()],
            "The connections of closed loops are closed",
        )


def test_cancelled_tasks_return_their_connections(configure, sentinel_set):
    limit = {"max_connections": 2}
    connection = configure(LOCATION=sentinel_set.url, OPTIONS=limit)
    echo = Operation("ECHO", (), (b"x" * 1000,))

    async def main():
        for turn in range(100):
            tasks = [asyncio.create_task(connection.asend([echo])) for _ in range(4)]
            for _ in range(turn % 7):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            assert [replies[1], replies[3]] == [[b"x" * 1000]] * 2
        pool = await connection._router.aprimary_pool()
        assert len(pool._in_use_connections) == 0
        assert pool._slots._value == 2

    asyncio.run(main())


def test_close_closes_the_connections_to_nodes_and_sentinels(configure, sentinel_set):
    names = {"client_name": "shop", "sentinel_kwargs": {"client_name": "shop"}}
    connection = configure(LOCATION=sentinel_set.url, OPTIONS=names)
    connection.send(PING)

    async def main():
        await connection.asend(PING)
        assert len(named()) >= 2
        await connection.aclose()
        connection.close()

    def named():
        with ExitStack() as clients:
            return [
                each
                for server in (sentinel_set.primary(), *sentinel_set.sentinels)
                for each in clients.enter_context(server.client()).client_list()
                if each["name"] == "shop"
            ]

    asyncio.run(main())
    wait_until(lambda: not named(), "The connections are closed")


# ---------------------------------------------------------------- a wrong setting


def test_an_unknown_service_is_said_at_once(ask, configure, sentinel_set):
    connection = configure(LOCATION=sentinel_set.url.replace(SERVICE, "mymastr"))
    with pytest.raises(ImproperlyConfigured) as caught:
        ask(connection.send, PING)
    for words in ("ORMIST['default']", "'mymastr'", f"'{SERVICE}'", "Correct"):
        assert words in str(caught.value)


def test_a_server_in_the_place_of_a_sentinel_is_said_at_once(ask, configure, real):
    connection = configure(LOCATION=f"redis+sentinel://127.0.0.1:{real.port}/main")
    with pytest.raises(ImproperlyConfigured) as caught:
        ask(connection.send, PING)
    for words in ("ORMIST['default']", str(real.port), "another kind of server"):
        assert words in str(caught.value)


def test_sentinels_that_nobody_reaches_are_said(ask, configure):
    location = "redis+sentinel://127.0.0.1:1,127.0.0.1:2/main"
    connection = configure(LOCATION=location, OPTIONS={"patience": 0.1})
    with pytest.raises(redis.ConnectionError) as caught:
        ask(connection.send, PING)
    for words in ("ORMIST['default']", "127.0.0.1:2", "correct their addresses"):
        assert words in str(caught.value)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]
    assert "OPTIONS['patience']" in caught.value.__notes__[1]


def test_an_address_that_nobody_reaches_is_said(ask, configure, sentinel_set):
    sentinel = sentinel_set.sentinels[0]
    sentinel.ask("MONITOR", "unreachable", "127.0.0.1", 1, 2)
    try:
        location = f"redis+sentinel://127.0.0.1:{sentinel.port}/unreachable"
        connection = configure(LOCATION=location, OPTIONS={"patience": 0.1})
        with pytest.raises(redis.ConnectionError) as caught:
            ask(WatchedNote.objects.create, "a")
        for words in ("ORMIST['default']", "127.0.0.1:1 ", "announce", "Start it"):
            assert words in str(caught.value)
        with pytest.raises(redis.ConnectionError):
            connection.client.ping()
    finally:
        sentinel.ask("REMOVE", "unreachable")


def test_sentinels_may_announce_host_names(ask, configure, start_server):
    node = start_server()
    sentinel = Sentinel("valkey91", node.port)
    sentinel.start()
    try:
        wait_until(lambda: sentinel.ask("MASTERS"), "The sentinel answers")
        for option in ("resolve-hostnames", "announce-hostnames"):
            sentinel.ask("CONFIG", "SET", option, "yes")
        sentinel.ask("MONITOR", "named", "localhost", node.port, 1)
        connection = configure(
            LOCATION=f"redis+sentinel://localhost:{sentinel.port}/named"
        )
        assert ask(WatchedNote.objects.create, "a").tags == ["a"]
        assert connection.address == ("localhost", node.port)
    finally:
        sentinel.stop()


@pytest.fixture
def guarded(start_server):
    """A node and a sentinel with a password each: ``(node, sentinel)``."""
    node = start_server("valkey91", "--requirepass", "n0de")
    auth = f"sentinel auth-pass {SERVICE} n0de\nrequirepass s3ntinel"
    sentinel = Sentinel("valkey91", node.port, auth)
    sentinel.start()
    with sentinel.client(password="s3ntinel") as client:
        wait_until(client.ping, "The sentinel answers")
    yield node, sentinel
    sentinel.stop()


def test_nodes_and_sentinels_have_passwords_of_their_own(ask, configure, guarded):
    _, sentinel = guarded
    connection = configure(
        LOCATION=f"redis+sentinel://:n0de@127.0.0.1:{sentinel.port}/{SERVICE}",
        OPTIONS={"sentinel_kwargs": {"password": "s3ntinel"}},
    )
    assert ask(WatchedNote.objects.create, "a").tags == ["a"]
    assert ask(connection.send, PING) == [b"PONG"]


def test_a_missing_password_of_sentinels_is_said(ask, configure, guarded):
    _, sentinel = guarded
    connection = configure(
        LOCATION=f"redis+sentinel://:n0de@127.0.0.1:{sentinel.port}/{SERVICE}",
        OPTIONS={"patience": 3600},
    )
    with pytest.raises(redis.AuthenticationError) as caught:
        ask(connection.send, PING)
    assert "Give their user and password in OPTIONS['sentinel_kwargs']" in str(
        caught.value
    )


def test_a_missing_password_of_nodes_is_said_at_once(ask, configure, guarded):
    _, sentinel = guarded
    connection = configure(
        LOCATION=f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}",
        OPTIONS={"sentinel_kwargs": {"password": "s3ntinel"}},
    )
    with pytest.raises(redis.AuthenticationError) as caught:
        ask(connection.send, PING)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


# ---------------------------------------------------------------- replicas


def test_writes_wait_for_replicas_in_the_same_round_trip(ask, configure, sentinel_set):
    connection = configure(LOCATION=sentinel_set.url, OPTIONS={"replicas": 2})
    note = ask(WatchedNote.objects.create, "a", text="x")
    with sentinel_set.primary().client() as client:
        client.config_resetstat()
        note.text = "y"
        ask(note.save)
        ask(WatchedNote.objects.get, note.id)
        counted = client.info("commandstats")
    assert counted["cmdstat_wait"]["calls"] == 1
    for replica in sentinel_set.replicas():
        with replica.client() as client:
            assert client.keys(f"*:o:{note.id}")
    assert connection._router._confirm.args == (2, 1000)


def test_no_time_for_replicas_is_not_endless_time(ask, configure, sentinel_set):
    """WAIT takes the timeout 0 for none."""
    options = {"replicas": 3, "replicas_timeout": 0, "socket_timeout": 5}
    configure(LOCATION=sentinel_set.url, OPTIONS=options)
    with pytest.raises(ormist.NotReplicated, match="of 3 replicas"):
        ask(WatchedNote.objects.create, "a", id="one")


def test_a_write_without_its_replicas_is_applied_and_raises(
    ask, configure, sentinel_set
):
    options = {"replicas": 3, "replicas_timeout": 0.05}
    configure(LOCATION=sentinel_set.url, OPTIONS=options)
    with pytest.raises(ormist.NotReplicated) as caught:
        ask(WatchedNote.objects.create, "a", id="one")
    for words in (
        "ORMIST['default']",
        " of 3 replicas",
        "was applied",
        "Do not repeat",
    ):
        assert words in str(caught.value)
    assert isinstance(caught.value, DatabaseError)
    note = ask(WatchedNote.objects.get, "one")
    note.text = "x"

    def names_both():
        with pytest.raises(ormist.NotReplicated) as refused:
            ask(note.save)
        return "2 of 3 replicas" in str(refused.value)

    wait_until(names_both, "Both replicas confirm a write in time")
    assert note.text == ask(WatchedNote.objects.get, "one").text == "x"
    note.text = "y"
    with pytest.raises(ormist.NotReplicated):
        ask(note.save)  # over the bytes of the save before, without a conflict
    with pytest.raises(ormist.IntegrityError):
        ask(WatchedNote.objects.create, "a", id="one")
    with pytest.raises(ormist.NotReplicated):
        ask(
            WatchedNote.objects.bulk_create,
            [WatchedNote("b", id=f"b{i}") for i in range(250)],
        )
    assert ask(WatchedNote.objects.find("b").count) == 250


# ---------------------------------------------------------------- events


@pytest.fixture
def listeners():
    """Returns the threads that have started since. Those of other tests may run on."""
    others = {*threading.enumerate()}

    def started():
        threads = [each for each in threading.enumerate() if each not in others]
        return [each for each in threads if each.name.startswith("ormist ")]

    return started


@pytest.fixture
def watched(sentinel_set, monkeypatch, listeners):
    """A connection that listens. No test run refers to it, so that it can end."""
    monkeypatch.setattr(sentinel_events, "SILENCE", 0.05)
    options = {"watch": True}
    return Connection(Alias("default", sentinel_set.url, options=options))


def test_a_thread_for_each_sentinel_starts_with_the_first_request(
    ask, watched, listeners
):
    assert listeners() == []
    ask(watched.send, PING)
    assert len(listeners()) == 3
    watched._router.map.doubt()
    ask(watched.send, PING)
    assert len(listeners()) == 3


def test_the_threads_end_with_the_connection(sentinel_set, monkeypatch, listeners):
    monkeypatch.setattr(sentinel_events, "SILENCE", 0.05)
    alias = Alias("default", sentinel_set.url, options={"watch": True})
    Connection(alias).send(PING)
    wait_until(lambda: not listeners(), "The threads have ended", 10)


@pytest.mark.slow
def test_a_failover_is_noticed_without_a_request(watched, sentinel_set):
    watched.send(PING)
    with sentinel_set.sentinels[0].client() as client:
        wait_until(
            lambda: client.info()["pubsub_patterns"] >= 3, "The thread has subscribed"
        )
    former = sentinel_set.fail_over("COORDINATED")
    wait_until(lambda: watched.address not in (None, port_of(former)), "It is noticed")


def test_a_fork_listens_anew(watched, listeners):
    watched.send(PING)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            watched._router.map.doubt()
            watched.send(PING)
            code = 0 if len(listeners()) == 3 else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


# ---------------------------------------------------------------- roles, failover


def test_a_replica_is_refused_when_connecting(ask, connection, sentinel_set):
    replica = sentinel_set.replicas()[0]
    node = connection.endpoint.at(port_of(replica))
    with pytest.raises(redis.ReadOnlyError, match="is a replica"):
        pools.get(node).lease()

    async def aconnect():
        from django_ormist.connections.async_pools import pools_of_running_loop

        await pools_of_running_loop().get(node).get_connection()

    with pytest.raises(redis.ReadOnlyError, match="is a replica"):
        asyncio.run(aconnect())


def test_a_user_who_may_not_ask_for_the_role_is_served(ask, configure, sentinel_set):
    with sentinel_set.primary().client() as client:
        rules = {"enabled": True, "nopass": True, "keys": ["*"]}
        client.acl_setuser("app", categories=["+@all"], commands=["-role"], **rules)
    options = {"username": "app", "password": "x"}
    connection = configure(LOCATION=sentinel_set.url, OPTIONS=options)
    assert ask(connection.send, PING) == [b"PONG"]


@pytest.mark.slow
def test_a_planned_failover_is_followed_and_closes_the_former_pool(
    ask, configure, sentinel_set
):
    connection = configure(LOCATION=sentinel_set.url, OPTIONS={"client_name": "moved"})
    ask(WatchedNote.objects.create, "a", id="one")
    client = connection.client
    client.set("mine", 1)
    former = sentinel_set.fail_over("COORDINATED")
    ask(WatchedNote.objects.create, "a", id="two")
    wait_until(
        lambda: (
            ask(connection.send, PING)
            and connection.address == port_of(sentinel_set.primary())
        ),
        "The new primary is used",
    )
    assert ask(WatchedNote.objects.find("a").ids) == ["one", "two"]
    assert client.get("mine") == b"1"
    with former.client() as there:
        wait_until(
            lambda: "moved" not in [each["name"] for each in there.client_list()],
            "The connections to the former primary are closed",
        )


def test_what_a_demoted_primary_refuses_goes_to_the_next(ask, configure, start_server):
    """By hand, so that only the reply READONLY tells."""
    at_once = ("--repl-diskless-sync-delay", "0")
    former, heir = (start_server("valkey91", *at_once) for _ in range(2))
    with ExitStack() as opened:
        here, there = (opened.enter_context(each.client()) for each in (heir, former))
        here.replicaof("127.0.0.1", former.port)
        sentinel = Sentinel("valkey91", former.port)
        opened.callback(sentinel.stop)
        sentinel.start()
        wait_until(lambda: sentinel.ask("MASTERS"), "The sentinel answers")
        connection = configure(
            LOCATION=f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}"
        )
        ask(WatchedNote.objects.create, "a", id="one")
        wait_until(lambda: here.exists(*there.keys("*:o:one")), "It is replicated")
        connection._router.map.check_at = float("inf")  # not by a look in time
        there.replicaof("127.0.0.1", heir.port)  # which closes no connection

        def promote():
            here.replicaof("no", "one")
            sentinel.ask("REMOVE", SERVICE)
            sentinel.ask("MONITOR", SERVICE, "127.0.0.1", heir.port, 2)

        promoting = threading.Timer(0.3, promote)
        promoting.start()
        ask(WatchedNote.objects.create, "a", id="two")
        promoting.join()
        assert connection.address == port_of(heir)
        assert ask(WatchedNote.objects.find("a").ids) == ["one", "two"]


@pytest.mark.slow
def test_a_failover_during_a_scan_is_noticed(connection, sentinel_set, monkeypatch):
    WatchedNote.objects.bulk_create(WatchedNote(n=n) for n in range(20))
    monkeypatch.setattr(keyspace, "KEYS_PER_STEP", 1)
    scan = KeyScan(f"{connection.key_prefix}:".encode())
    run(scan.next_page(), "default")
    former = sentinel_set.fail_over()
    wait_until(lambda: sentinel_set.primary() is not former, "A new primary is named")
    connection._router.map.doubt()  # until then the former one may reply to the end
    with pytest.raises(TopologyChanged, match="replaced"):
        finish(scan)
    call_command("ormist_flush", "--noinput", verbosity=0)
    with sentinel_set.primary().client() as client:
        assert client.dbsize() == 0


def finish(scan):
    while not scan.is_over:
        run(scan.next_page(), "default")
