"""Unsent writes are tried again, and error replies name the alias."""

import pytest
import redis
from django.core.management import CommandError, call_command

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.operations.operation import Operation
from tests.connections.broken_servers import BreakingServer
from tests.proxy import Requests
from tests.servers import find, free_port

INCR = [Operation("INCR", (b"test:n",), is_write=True)]
SMALL, LARGE = 1, 1 << 20


class Cart(ormist.TaggedAttrsModel):
    class Meta:
        exclude_attrs = ["text"]


@pytest.fixture(params=["own", "django_redis"])
def use(request, configure):
    """Returns the connection to a URL: ``use(url, **options)``, also of a cache."""

    def used(url, **options):
        if request.param == "own":
            return configure(LOCATION=url, OPTIONS=options)
        cache = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": url,
            "OPTIONS": {"CONNECTION_POOL_KWARGS": options},
        }
        return configure(caches={"default": cache}, CACHE="default")

    return used


async def _aincr(connection):
    return await connection.asend(INCR)


def idle(connection, ask):
    """Return the idle connections."""
    if not ask.is_async:
        return connection.client.connection_pool._available_connections

    async def found():
        return connection.aclient.connection_pool._available_connections

    return ask.wait(found())


@pytest.mark.servers("valkey91")
def test_a_write_is_sent_when_the_second_attempt_to_connect_succeeds(
    ask, server, proxy, use
):
    connection = use(proxy.url, client_name="x")
    proxy.cut_next_request()  # of the handshake
    assert ask(connection.send, INCR) == [1]
    assert server.client.delete("test:n")


@pytest.mark.servers("valkey91")
def test_connecting_is_tried_exactly_twice(ask, server, proxy, configure):
    connection = configure(LOCATION=proxy.url)
    proxy.refuse()
    with pytest.raises(redis.ConnectionError) as caught:
        ask(connection.send, INCR)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]
    assert len(caught.value.__notes__) == 1
    assert not server.client.exists("test:n")


@pytest.mark.servers("valkey91")
@pytest.mark.parametrize("ends", ["cut", "lost"])
def test_a_write_is_sent_after_a_failed_health_check(ask, server, proxy, use, ends):
    """A NAT or a load balancer has silently dropped the connection."""
    options = {"socket_timeout": 0.3} if ends == "lost" else {}
    connection = use(proxy.url, health_check_interval=1, **options)
    assert ask(connection.send, INCR) == [1]
    (forgotten,) = idle(connection, ask)
    forgotten.next_health_check = 0
    if ends == "cut":
        proxy.cut_next_request()
    else:
        proxy.lose()
    assert ask(connection.send, INCR) == [2]
    assert server.client.get("test:n") == b"2"
    assert server.client.delete("test:n")


# ---------------------------------------------------------------- what a server says


@pytest.mark.parametrize("kind", ["valkey91", "redis82", "redis70", "redis62"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("address", ["unix_url", "tcp_url"])
def test_a_missing_password_is_an_authentication_error(
    ask, start_server, configure, kind, size, address
):
    """Redis up to 7.0 calls a long request a protocol error, and closes."""
    if find(kind) is None:
        pytest.skip(f"{kind} is not on this machine")
    server = start_server(kind, "--requirepass", "s3cret")
    configure(LOCATION=getattr(server, address))
    with pytest.raises(redis.AuthenticationError) as caught:
        ask(Cart.objects.create, "a", text="x" * size)
    assert "Authentication required" in str(caught.value)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


class Unauthenticated(BreakingServer):
    """Redis up to 7.0 without the password: it closes after a long request.

    is_heard: whether the client gets the reply before the connection is reset.
    """

    is_heard = True

    def _serve(self, client):
        requests = Requests()
        while data := client.recv(1024):
            if int(data[1 : data.index(b"\r\n")]) > 10:
                if self.is_heard:
                    client.sendall(
                        b"-ERR Protocol error: unauthenticated multibulk length\r\n"
                    )
                return
            for _ in requests.feed(data):
                client.sendall(b"-NOAUTH Authentication required.\r\n")


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_long_request_without_the_password_is_an_authentication_error(
    ask, configure, is_heard
):
    with Unauthenticated() as server:
        server.is_heard = is_heard
        # Redis up to 7.0 does not know CLIENT SETINFO, which is not an error.
        configure(LOCATION=server.url, OPTIONS={"driver_info": None})
        with pytest.raises(redis.AuthenticationError) as caught:
            ask(Cart.objects.create, "a", text="x")
    assert "Authentication required" in str(caught.value)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


def test_an_error_reply_names_the_alias(ask, start_server, configure):
    server = start_server("valkey91", "--maxmemory", "1mb")
    configure(LOCATION=server.unix_url)
    with pytest.raises(redis.OutOfMemoryError) as caught:
        ask(Cart.objects.create, "a", text="x")
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]
    with server.client() as client:
        client.acl_setuser("app", enabled=True, nopass=True, keys=["*"])
    configure(LOCATION=server.unix_url, OPTIONS={"username": "app", "password": "x"})
    with pytest.raises(redis.exceptions.NoPermissionError) as caught:
        ask(Cart.objects.all().count)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]


# ---------------------------------------------------------------- a node of a Cluster


def cluster_node(start_server):
    return start_server(
        "valkey91", "--cluster-enabled", "yes", "--cluster-port", str(free_port())
    )


def test_a_node_without_the_keys_is_reported_as_a_cluster_node(
    ask, start_server, configure
):
    one, two = cluster_node(start_server), cluster_node(start_server)
    with one.client() as here, two.client() as there:
        there.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        bus = int(two.options[-1])
        here.execute_command("CLUSTER", "MEET", "127.0.0.1", two.port, bus)
        for client in (here, there):
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                pass
    configure(LOCATION=one.tcp_url)
    for method, args in (
        (Cart.objects.create, ("a",)),
        (Cart.objects.get, ("one",)),
        (Cart.objects.find("a").count, ()),
    ):
        with pytest.raises(ormist.NotSupportedError) as caught:
            ask(method, *args)
        url = f"redis+cluster://127.0.0.1:{one.port}"
        for words in (
            "'default'",
            "one node of a Cluster",
            "MOVED",
            f"LOCATION: '{url}'",
        ):
            assert words in str(caught.value)
    if not ask.is_async:
        for words in (
            ("ormist_inspect", Cart._meta.label),
            ("ormist_flush", "--noinput"),
            ("ormist_reindex", "--move"),
        ):
            with pytest.raises(CommandError, match="one node of a Cluster") as refused:
                call_command(*words)
            assert f"LOCATION: '{url}'" in str(refused.value)
    configure(LOCATION=two.tcp_url)
    assert ask(Cart.objects.create, "a").tags == ["a"]


def test_a_node_without_slots_is_reported_as_a_cluster_node(start_server, configure):
    configure(LOCATION=cluster_node(start_server).unix_url)
    with pytest.raises(ormist.NotSupportedError, match="CLUSTERDOWN"):
        Cart.objects.create("a")
    assert connections["default"].client.ping()
