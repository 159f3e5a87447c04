"""Sync pools: one per process and options, with a limit, safe after a fork."""

import os
import threading
from contextlib import ExitStack

import pytest
import redis
from django.test import override_settings

from django_ormist.connections import connections
from django_ormist.connections.pools import pools
from django_ormist.operations.operation import Operation

PING = [Operation("PING", keys=())]


def sockets(server):
    """Return the number of clients of *server*, without the one that queries."""
    with server.client() as client:
        return len(client.client_list()) - 1


def in_threads(count, work):
    """Return the results of *work* in *count* threads that start at once."""
    barrier, results = threading.Barrier(count), []

    def run():
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


def test_twenty_threads_that_start_together_share_one_pool(configure, real):
    configure(LOCATION=real.unix_url)
    found = in_threads(20, lambda: connections["default"].client.connection_pool)
    assert len(set(map(id, found))) == 1


def test_aliases_with_equal_options_share_a_pool(settings, real):
    settings.ORMIST = {
        "default": {"LOCATION": real.unix_url},
        "same": {"LOCATION": real.unix_url, "KEY_PREFIX": "other"},
        "smaller": {"LOCATION": real.unix_url, "OPTIONS": {"max_connections": 2}},
    }
    default, same, smaller = (
        connections[name].client.connection_pool
        for name in ("default", "same", "smaller")
    )
    assert default is same
    assert default is not smaller


def test_threads_wait_for_a_connection_and_none_is_lost(configure, start_server):
    server = start_server()
    connection = configure(LOCATION=server.unix_url, OPTIONS={"max_connections": 2})

    def work():
        return [connection.send(PING) for _ in range(20)]

    assert in_threads(20, work) == [[[b"PONG"]] * 20] * 20
    assert sockets(server) <= 2


def test_a_timeout_waiting_for_a_connection_names_the_alias(configure, real):
    connection = configure(
        LOCATION=real.unix_url, OPTIONS={"max_connections": 1, "timeout": 0.01}
    )
    pool = connection.client.connection_pool
    held = pool.get_connection()
    with pytest.raises(redis.ConnectionError) as caught:
        connection.send(PING)
    assert "'default'" in caught.value.__notes__[0]
    pool.release(held)
    assert connection.send(PING) == [b"PONG"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system does not fork.")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # fork in a process with threads, 3.12
def test_a_forked_child_opens_its_own_connections(configure, real):
    connection = configure(LOCATION=real.unix_url)
    identity = [Operation("CLIENT ID", keys=())]
    (parents,) = connection.send(identity)
    with pools.lock:  # as if another thread were making a pool at that moment
        child = os.fork()
        if child == 0:  # pragma: no cover
            code = 1
            try:
                threading.Thread(target=lambda: None).start()
                (own,) = connections["default"].send(identity)
                with pools.lock:
                    code = 0 if own != parents else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection.send(identity) == [parents]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system does not fork.")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_lock_is_free_in_a_forked_child(configure, real):
    connection = configure(LOCATION=real.unix_url)
    connection.send(PING)
    held, done = threading.Event(), threading.Event()

    def hold():
        with pools.lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os._exit(0 if pools.lock.acquire(blocking=False) else 1)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_close_ends_the_idle_connections_and_the_next_use_connects(
    configure, start_server
):
    server = start_server()
    connection = configure(LOCATION=server.unix_url)
    connection.send(PING)
    assert sockets(server) == 1
    connections.close_all()
    assert sockets(server) == 0
    assert connection.send(PING) == [b"PONG"]


def test_close_keeps_a_connection_that_is_in_use(configure, real):
    connection = configure(LOCATION=real.unix_url)
    pool = connection.client.connection_pool
    used = pool.get_connection()
    connection.close()
    assert used.is_connected
    pool.release(used)


@pytest.mark.parametrize("setting", ["ORMIST", "CACHES"])
def test_a_changed_setting_closes_the_pools_of_the_old_one(
    settings, configure, start_server, setting
):
    server = start_server()
    connection = configure(LOCATION=server.unix_url)
    connection.send(PING)
    with override_settings(**{setting: getattr(settings, setting)}):
        assert sockets(server) == 0
        assert connections["default"] is not connection
        assert connections["default"].send(PING) == [b"PONG"]


def test_a_changed_setting_is_used_at_once(configure):
    assert configure(LOCATION="fakeredis://", CODEC="json").codec == "json"
    with override_settings(ORMIST={"default": {"LOCATION": "fakeredis://"}}):
        assert connections["default"].codec == "msgpack"
    assert connections["default"].codec == "json"


def test_a_fake_server_keeps_its_objects_when_settings_change(configure):
    configure(LOCATION="fakeredis://kept").client.set("k", "v")
    kept = configure(LOCATION="fakeredis://kept", KEY_PREFIX="x")
    assert kept.client.get("k") == b"v"
    assert configure(LOCATION="fakeredis://other").client.get("k") is None


def test_redis_pys_client_keeps_its_timeouts(configure, real):
    connection = configure(LOCATION=real.tcp_url, OPTIONS={"socket_timeout": 0.2})
    connection.send(PING)
    with pytest.raises(redis.TimeoutError):
        connection.client.blpop("ormist:nothing", timeout=60)


def test_a_message_may_come_later_than_the_timeout_of_replies(configure, real):
    connection = configure(LOCATION=real.tcp_url, OPTIONS={"socket_timeout": 0.2})
    connection.send(PING)
    with (
        connection.client.pubsub(ignore_subscribe_messages=True) as pubsub,
        ExitStack() as stack,
    ):
        pubsub.subscribe("ormist:late")
        publisher = stack.enter_context(real.client())
        later = threading.Timer(0.5, publisher.publish, ("ormist:late", "news"))
        later.start()
        stack.callback(later.join)
        message = None
        while message is None:
            message = pubsub.get_message(timeout=None)
        assert message["data"] == b"news"
