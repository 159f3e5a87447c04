"""A LOCATION with redis+cluster:// names some nodes of a Cluster."""

import pytest
from redis.connection import Connection, SSLConnection

from django_ormist.conf import Alias
from django_ormist.connections import urls
from django_ormist.exceptions import ImproperlyConfigured


def endpoint(*locations, **options):
    return urls.endpoint(Alias("shop", location=locations, options=options))


@pytest.mark.parametrize(
    ("location", "kind", "where"),
    [
        ("redis+cluster://h", Connection, "redis+cluster://h:6379"),
        ("redis+cluster://u:secret@a:1,b:2/0", Connection, "redis+cluster://a:1,b:2"),
        ("valkey+cluster://a/?db=2", Connection, "redis+cluster://a:6379/2"),
        ("rediss+cluster://a:7/", SSLConnection, "rediss+cluster://a:7"),
        ("valkeys+cluster://a:7", SSLConnection, "rediss+cluster://a:7"),
        (
            "REDIS+CLUSTER://[::1]:5,[fe80::2]",
            Connection,
            "redis+cluster://[::1]:5,[fe80::2]:6379",
        ),
    ],
)
def test_a_url_names_the_nodes_and_hides_the_password(location, kind, where):
    found = endpoint(location)
    assert found.connection_class is kind
    assert found.safe_url == where
    assert "secret" not in repr(found)


def test_a_list_of_urls_is_one_cluster():
    found = endpoint("redis+cluster://[::1]:5,b", "redis+cluster://c:3,b")
    assert found.cluster.seeds == (("::1", 5), ("b", 6379), ("c", 3))
    assert found.address == ("::1", 5)


def test_all_nodes_have_the_same_user_and_options():
    found = endpoint(
        "redis+cluster://us%40er:p%2Fss@a,b?socket_timeout=3", protocol=3, timeout=7
    )
    node, asked = found.at(("n", 1)), found.cluster.at(("n", 1))
    for each in (node, asked):
        assert each.address == ("n", 1)
        assert each.arguments["username"] == "us@er"
        assert each.arguments["password"] == "p/ss"
        assert each.arguments["protocol"] == 3
        assert each.async_arguments()["port"] == 1
        assert each.cluster is None
        assert not each.is_primary
    assert node.arguments["socket_timeout"] == 3
    assert node.timeout == 7
    # It is asked for the others with a shorter limit, and few connections.
    assert asked.arguments["socket_timeout"] == 1
    assert asked.max_connections == 4


def test_patience_and_replicas_are_options():
    found = endpoint(
        "redis+cluster://a", patience=3, replicas=1, replicas_timeout=0.5
    ).cluster
    assert (found.patience, found.replicas, found.replicas_timeout) == (3, 1, 0.5)
    assert endpoint("redis+cluster://a").cluster.patience == 10


def test_equal_settings_have_an_equal_key():
    assert endpoint("redis+cluster://a").key == endpoint("redis+cluster://a").key
    others = [
        endpoint("redis+cluster://b"),
        endpoint("rediss+cluster://a"),
        endpoint("redis+cluster://a", patience=3),
        endpoint("redis://a"),
    ]
    assert len({each.key for each in [endpoint("redis+cluster://a"), *others]}) == 5


@pytest.mark.parametrize(
    ("locations", "options", "named"),
    [
        (["redis+cluster://"], {}, ["host", "redis+cluster://n1:6379,n2:6379"]),
        (["redis+cluster://a:0"], {}, ["host"]),
        (["redis+cluster://a,,b"], {}, ["host"]),
        (["redis+cluster://a:6379, b:6379"], {}, ["host"]),
        (["redis+cluster://a:٣"], {}, ["host"]),
        (["redis+cluster://a:" + "9" * 5000], {}, ["host"]),
        (["redis+cluster://a/main"], {}, ["'main'", "such as /0"]),
        (["redis+cluster://a/0/1"], {}, ["two names"]),
        (["redis+cluster://a@b@c"], {}, ["percent-encode"]),
        (["redis+cluster://a?db=x"], {}, ["'db'"]),
        (["redis+cluster://a", "redis+cluster://u@b"], {}, ["the same", "user"]),
        (["redis+cluster://a", "redis://b"], {}, ["the same scheme"]),
        (["redis+cluster://a"], {"host": "b"}, ["'host'", "LOCATION"]),
        (["redis+cluster://a"], {"startup_nodes": []}, ["'startup_nodes'", "LOCATION"]),
        (["redis+cluster://a"], {"watch": True}, ["'watch'", "redis+sentinel://"]),
        (["redis+cluster://a"], {"patience": "x"}, ["patience", "seconds"]),
        (["redis+cluster://a"], {"colour": 1}, ["'colour'", "does not know"]),
        (
            ["redis+cluster://a"],
            {"replicas": 1, "replicas_timeout": 9, "socket_timeout": 5},
            ["replicas_timeout", "socket_timeout"],
        ),
        (["redis://a"], {"patience": 1}, ["'patience'", "redis+cluster://"]),
    ],
)
def test_an_invalid_setting_is_named_with_a_fix(locations, options, named):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint(*locations, **options)
    for words in ["shop", *named]:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "location", ["redis+cluster://:SECRET/x@a", "redis+cluster://a@SECRET:b@c"]
)
def test_an_error_does_not_show_the_password(location):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint(location)
    assert "SECRET" not in str(caught.value)
