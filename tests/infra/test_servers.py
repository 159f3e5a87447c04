"""The servers of the tests have the right versions, and end on request."""

import os

import pytest
import redis

from tests import servers


@pytest.mark.servers("valkey91", "redis*")
def test_a_server_runs_the_version_it_is_named_after(server):
    info = server.client.info("server")
    version = info.get("valkey_version", info["redis_version"])
    assert version.startswith(servers.PRODUCTS[server.variant.server].version)


@pytest.mark.servers("*redis*", "valkey91*")
def test_the_alias_of_a_variant_reaches_its_server(server):
    from django_ormist.connections import connections

    key = f"{server.key_prefix}:k"
    connections["default"].client.set(key, b"\xff")
    assert server.client.get(key) == b"\xff"
    assert server.keys() == [key.encode()]


@pytest.mark.stray_keys
def test_keys_outside_the_prefix_are_detected(server):
    server.client.set(f"{server.key_prefix}:k", 1)
    server.client.set("elsewhere", 1)
    assert server.clean() == [b"elsewhere"]
    assert server.keys() == []


def test_each_test_has_a_prefix_of_its_own(server, settings):
    assert settings.ORMIST["default"]["KEY_PREFIX"] == server.key_prefix
    assert server.keys() == []


@pytest.mark.servers("valkey91", "redis*")
def test_a_private_server_can_be_killed_and_started_again(server, start_server):
    private = start_server(server, "--maxmemory", "64mb")
    first = private.process.pid
    assert private.client().config_get("maxmemory") == {"maxmemory": "67108864"}
    private.kill()
    with pytest.raises(redis.ConnectionError):
        private.client().ping()
    assert private.start().process.pid != first
    assert private.client().ping()
    private.stop()
    assert not os.path.exists(private.folder)


def test_a_server_that_dies_at_the_start_shows_its_log(start_server):
    name = next((n for n in servers.PRODUCTS if servers.find(n)), None)
    if name is None:
        pytest.skip("no real server on this machine")
    with pytest.raises(RuntimeError, match="did not start"):
        start_server(name, "--maxmemory", "nonsense")
