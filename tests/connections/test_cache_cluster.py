"""{"CACHE": alias} of a django-redis cache whose client is redis-py's RedisCluster."""

import pytest
from django.core.cache import caches
from django_redis.pool import ConnectionFactory
from redis.cluster import RedisCluster
from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError

import django_ormist as ormist
from django_ormist.connections.cluster_urls import endpoint_of_client
from django_ormist.exceptions import ImproperlyConfigured
from tests import clusters, servers

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class CachedCartOfNodes(ormist.TaggedAttrsModel):
    pass


class ClusterFactory(ConnectionFactory):
    """The usual way to a Cluster with django-redis, which has no client of its own."""

    def connect(self, url):
        return RedisCluster.from_url(url, **self.redis_client_cls_kwargs)

    def disconnect(self, connection):
        connection.disconnect_connection_pools()


@pytest.fixture
def cluster():
    made = clusters.shared()
    yield made
    made.flush()


@pytest.fixture
def borrow(configure):
    """The connection over a cache of a node: ``borrow(7000, socket_timeout=3)``."""

    def borrowed(port, options=None, **arguments):
        cache = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{port}",
            "OPTIONS": {
                "CONNECTION_FACTORY": f"{__name__}.ClusterFactory",
                "REDIS_CLIENT_KWARGS": arguments,
            },
        }
        return configure(caches={"shop": cache}, CACHE="shop", OPTIONS=options or {})

    return borrowed


def test_models_live_beside_the_cache(ask, borrow, cluster):
    connection = borrow(cluster.nodes[0].port)
    caches["shop"].set("k", "v")
    cart = ask(CachedCartOfNodes.objects.create, "a", text="x")
    assert ask(CachedCartOfNodes.objects.get, cart.id).text == "x"
    assert connection.is_cluster
    assert connection.client.exists(":1:k")
    assert connection.endpoint.safe_url.startswith("CACHES['shop'] (redis+cluster://")
    seeds = {port for _, port in connection.endpoint.cluster.seeds}
    assert len(seeds) > 1  # a node may not tell of a replica yet
    assert seeds <= {node.port for node in cluster.nodes}
    caches["shop"].close()


def test_the_parameters_of_the_cache_are_taken(borrow, cluster):
    endpoint = borrow(
        cluster.nodes[0].port, socket_timeout=7, max_connections=9, client_name="shop"
    ).endpoint
    assert endpoint.connection_class is Connection
    assert endpoint.max_connections == 9
    assert endpoint.shared_pool is None
    node = endpoint.at(("h", 5))
    for arguments in (node.arguments, node.async_arguments()):
        assert arguments["socket_timeout"] == 7
        assert arguments["client_name"] == "shop"
        assert arguments["protocol"] == 2
        assert arguments["port"] == 5


@pytest.mark.parametrize(
    "arguments",
    [{"ssl": True, "ssl_ca_certs": "ca"}, {"connection_class": SSLConnection}],
)
def test_tls_and_the_user_of_the_cache_are_taken(arguments):
    class Manager:
        connection_kwargs = {"username": "app", "password": "s3cret", **arguments}
        startup_nodes = {"n": clusters.ClusterNode("10.0.0.1", 7000)}

    class Client:
        nodes_manager = Manager

    endpoint = endpoint_of_client("ORMIST['default']", Client, {"patience": 3})
    assert endpoint.connection_class is SSLConnection
    assert endpoint.arguments["username"] == "app"
    assert endpoint.cluster.patience == 3
    assert endpoint.arguments.get("ssl_ca_certs") == arguments.get("ssl_ca_certs")
    assert endpoint.cluster.at(("h", 1)).arguments["password"] == "s3cret"
    assert "s3cret" not in repr(endpoint)


def test_a_cache_that_decodes_is_named(borrow, cluster):
    with pytest.raises(ImproperlyConfigured, match="decode_responses"):
        _ = borrow(cluster.nodes[0].port, decode_responses=True).endpoint


def test_a_cache_whose_cluster_is_down_is_named(borrow):
    with pytest.raises(ConnectionError, match="'shop', a cache whose Cluster cannot"):
        _ = borrow(1).endpoint


def test_an_option_for_sentinel_is_named(borrow, cluster):
    port = cluster.nodes[0].port
    assert borrow(port, {"read_from": "replicas"}).endpoint.cluster.seeds
    with pytest.raises(ImproperlyConfigured, match="'watch' is for Sentinel"):
        _ = borrow(port, {"watch": True}).endpoint
