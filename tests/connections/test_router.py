"""The router sends to two nodes at once: all requests before any reply is read."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from django_ormist.conf import Alias
from django_ormist.connections import urls
from django_ormist.connections.router import Router
from django_ormist.connections.routing import LOST
from django_ormist.operations.operation import Operation

A, B = b"a", b"b"


def incr(key):
    return Operation("INCR", (key,), is_write=True)


def pop(key):
    """Blocks its connection for a tenth of a second."""
    return Operation("BLPOP", (key,), (0.1,))


class TwoNodes:
    """A map of keys to two servers, of which the first has the keys with a."""

    is_sharded = True
    version = 0
    check_at = float("inf")

    def __init__(self, *servers):
        self.ports = [server.port for server in servers]
        self.doubted = 0

    def address_of(self, operation):
        return "127.0.0.1", self.ports[not operation.keys[0].startswith(b"a")]

    def common_address(self, operations):
        found = {self.address_of(operation) for operation in operations}
        return found.pop() if len(found) == 1 else None

    @property
    def addresses(self):
        return {("127.0.0.1", port) for port in self.ports}

    def is_due(self, now):
        return False

    def refresh(self, is_urgent, clock):
        yield from ()

    def move(self, operation, address):
        pass

    def doubt(self):
        self.doubted += 1

    def explain(self, address, error):
        return redis.ConnectionError(f"{address}: {error}")


@pytest.fixture
def nodes(start_server):
    return start_server(), start_server()


@pytest.fixture
def router(nodes):
    location = "redis+sentinel://unused/unused"
    options = {"max_connections": 1, "patience": 5}
    endpoint = urls.endpoint(Alias("default", location, options=options))
    made = Router("ORMIST['default']", endpoint, endpoint.sentinels)
    made.map = TwoNodes(*nodes)
    return made


def test_replies_of_several_nodes_come_in_the_order_of_the_operations(ask, router):
    operations = [incr(A), incr(B), incr(B), incr(A), incr(b"b2")]
    assert ask(router.send, operations) == [1, 1, 2, 2, 1]


def test_all_is_written_before_anything_is_read(ask, router, nodes):
    """The first node replies only after the second one has been asked."""
    first, second = (node.client() for node in nodes)

    def push():
        while not second.exists("b"):
            pass
        first.rpush("a", "x")

    pushing = threading.Thread(target=push)
    pushing.start()
    assert ask(router.send, [pop(A), incr(B)]) == [[b"a", b"x"], 1]
    pushing.join()


def test_threads_with_one_connection_to_each_node_do_not_block_each_other(router):
    there, back = [incr(A), incr(B)], [incr(B), incr(A)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(router.send, [there, back] * 100))
    assert router.send(there) == [201, 201]


def test_tasks_with_one_connection_to_each_node_do_not_block_each_other(router):
    there, back = [incr(A), incr(B)], [incr(B), incr(A)]

    async def main():
        await asyncio.gather(*map(router.asend, [there, back] * 100))
        return await router.asend(there)

    assert asyncio.run(main()) == [201, 201]


def test_a_write_that_is_lost_on_one_node_leaves_the_other_usable(ask, router, nodes):
    ask(router.send, [incr(A), incr(B)])
    blocked = Operation("BLPOP", (b"b-list",), (5,), is_write=True)

    def kill():
        client = nodes[1].client()
        while not client.info("clients")["blocked_clients"]:
            pass
        client.client_kill_filter(_type="normal", skipme=True)

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(redis.ConnectionError) as caught:
        ask(router.send, [incr(A), blocked])
    killing.join()
    assert caught.value.__notes__ == [LOST]
    assert router.map.doubted == 1
    assert ask(router.send, [incr(A), incr(B)]) == [3, 2]


def test_a_node_that_does_not_listen_gets_nothing_and_the_other_is_asked_once(
    ask, router, nodes
):
    nodes[1].kill()
    back = threading.Timer(0.3, nodes[1].start)
    back.start()
    assert ask(router.send, [incr(A), incr(B)]) == [1, 1]
    back.join()


def test_cancelled_tasks_return_the_connections_of_both_nodes(router, nodes):
    async def main():
        for turn in range(30):
            task = asyncio.create_task(router.asend([pop(A), pop(B)]))
            for _ in range(turn):
                await asyncio.sleep(0)
            task.cancel()
            # Before Python 3.12, asyncio.wait_for() may lose a cancellation.
            is_kept = sys.version_info >= (3, 12)
            error = asyncio.CancelledError
            with pytest.raises(error) if is_kept else suppress(error):
                await task
        return await router.asend([incr(b"a-n"), incr(b"b-n")])

    assert asyncio.run(main()) == [1, 1]


def test_an_interrupt_returns_the_connections_of_both_nodes(router, monkeypatch):
    from django_ormist.connections import exchange

    def interrupted(connection):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            router.send([incr(A), incr(B)])
    assert router.send([incr(A), incr(B)]) == [2, 2]
