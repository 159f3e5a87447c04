"""A LOCATION with redis+sentinel:// names a service and its sentinels."""

import pytest
from redis.connection import Connection, SSLConnection

from django_ormist.conf import Alias
from django_ormist.connections import urls
from django_ormist.exceptions import ImproperlyConfigured


def endpoint(*locations, **options):
    return urls.endpoint(Alias("shop", location=locations, options=options))


def hosts(found):
    return [each.address for each in found.sentinels.endpoints]


@pytest.mark.parametrize(
    ("location", "kind", "where"),
    [
        ("redis+sentinel://h/main", Connection, "redis+sentinel://h:26379/main/0"),
        (
            "redis+sentinel://u:secret@a:1,b:2/main/3",
            Connection,
            "redis+sentinel://a:1,b:2/main/3",
        ),
        ("valkey+sentinel://a/m?db=2", Connection, "redis+sentinel://a:26379/m/2"),
        ("rediss+sentinel://a/m", SSLConnection, "rediss+sentinel://a:26379/m/0"),
        ("valkeys+sentinel://a/m/", SSLConnection, "rediss+sentinel://a:26379/m/0"),
        (
            "REDIS+SENTINEL://[::1]:5,[fe80::2]/m",
            Connection,
            "redis+sentinel://[::1]:5,[fe80::2]:26379/m/0",
        ),
    ],
)
def test_a_url_names_the_sentinels_and_hides_the_password(location, kind, where):
    found = endpoint(location)
    assert found.connection_class is kind
    assert found.safe_url == where
    assert "secret" not in repr(found)


def test_hosts_may_have_brackets_and_ports():
    found = endpoint("redis+sentinel://[::1]:5,s2,10.0.0.3:7/m")
    assert hosts(found) == [("::1", 5), ("s2", 26379), ("10.0.0.3", 7)]
    assert found.address == ("::1", 5)


def test_a_list_of_urls_is_one_set_of_sentinels():
    found = endpoint("redis+sentinel://a:1/m/2", "redis+sentinel://b,c:3/m/2")
    assert hosts(found) == [("a", 1), ("b", 26379), ("c", 3)]
    assert found.arguments["db"] == 2


def test_the_user_of_the_url_is_that_of_the_nodes():
    found = endpoint("redis+sentinel://us%40er:p%2Fss@a/my%20main/1?socket_timeout=3")
    node = found.at(("10.0.0.1", 6379))
    assert node.arguments["username"] == "us@er"
    assert node.arguments["password"] == "p/ss"
    assert node.arguments["socket_timeout"] == 3
    assert (node.address, node.is_primary) == (("10.0.0.1", 6379), True)
    assert found.sentinels.service == "my main"
    (sentinel,) = found.sentinels.endpoints
    assert "password" not in sentinel.arguments
    assert sentinel.arguments["socket_timeout"] == 1
    assert sentinel.arguments["db"] == 0


def test_sentinels_have_options_of_their_own():
    found = endpoint(
        "redis+sentinel://a/m",
        password="of nodes",
        client_name="web",
        patience=3,
        sentinel_kwargs={"username": "watch", "password": "own", "socket_timeout": 2},
    )
    (sentinel,) = found.sentinels.endpoints
    assert sentinel.arguments["username"] == "watch"
    assert sentinel.arguments["password"] == "own"
    assert sentinel.arguments["socket_timeout"] == 2
    assert "client_name" not in sentinel.arguments
    assert found.sentinels.patience == 3
    assert endpoint("redis+sentinel://a/m").sentinels.patience == 10


def test_tls_is_for_both_unless_the_sentinels_say_otherwise():
    both = endpoint("rediss+sentinel://a/m", ssl_ca_certs="ca.pem")
    (sentinel,) = both.sentinels.endpoints
    assert sentinel.connection_class is SSLConnection
    assert sentinel.arguments["ssl_ca_certs"] == "ca.pem"
    nodes = endpoint("rediss+sentinel://a/m", sentinel_kwargs={"ssl": False})
    assert nodes.sentinels.endpoints[0].connection_class is Connection
    assert nodes.connection_class is SSLConnection
    own = {"ssl": True, "ssl_ca_certs": "own.pem"}
    sentinels = endpoint("redis+sentinel://a/m", sentinel_kwargs=own)
    assert sentinels.connection_class is Connection
    (sentinel,) = sentinels.sentinels.endpoints
    assert sentinel.connection_class is SSLConnection
    assert sentinel.arguments["ssl_ca_certs"] == "own.pem"


def test_equal_locations_share_pools_and_others_do_not():
    first = endpoint("redis+sentinel://a,b/m", sentinel_kwargs={"password": "x"})
    again = endpoint("redis+sentinel://a,b/m", sentinel_kwargs={"password": "x"})
    assert first.key == again.key
    for other in (
        endpoint("redis+sentinel://a,b/m"),
        endpoint("redis+sentinel://a,b/n", sentinel_kwargs={"password": "x"}),
        endpoint("redis+sentinel://a/m", sentinel_kwargs={"password": "x"}),
        first.at(("a", 1)),
    ):
        assert other.key != first.key
    node = urls.endpoint(Alias("x", location="redis://a:1"))
    assert first.at(("a", 1)).key != node.key  # which does not check the role


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("redis+sentinel://a:1", ["a service", "'redis+sentinel://s1:26379,s2:26379/"]),
        ("redis+sentinel://a/m/first", ["'first'", "number of a database"]),
        ("redis+sentinel://a/m/0/1", ["not a URL of sentinels"]),
        ("redis+sentinel:///m", ["a host that cannot be read", "brackets"]),
        ("redis+sentinel://a,,b/m", ["a host that cannot be read"]),
        ("redis+sentinel://a:0/m", ["a host that cannot be read"]),
        ("redis+sentinel://a:99999/m", ["a host that cannot be read"]),
        ("redis+sentinel://::1/m", ["a host that cannot be read"]),
        ("redis+sentinel://a/m?db=x", ["'db'", "Correct its query"]),
        ("redis+sentinel://a/m?colour=red", ["'colour'", "does not know"]),
        ("redis+sentinel://u:p/w@a/m", ["percent-encode"]),
        (("redis+sentinel://a/m", "redis+sentinel://b/n"), ["differ in more than"]),
        (("redis+sentinel://a/m", "redis://b"), ["differ in more than"]),
    ],
)
def test_a_wrong_location_is_named_with_its_fix(location, named):
    locations = (location,) if isinstance(location, str) else location
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint(*locations)
    for words in ["ORMIST['shop']", *named]:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"patience": "10"}, ["patience '10'", "seconds"]),
        ({"patience": True}, ["patience True", "seconds"]),
        ({"patience": -1}, ["patience -1", "seconds"]),
        ({"patience": float("nan")}, ["patience nan", "seconds"]),
        ({"patience": float("inf")}, ["patience inf", "seconds"]),
        ({"watch": 1}, ["watch 1", "True or False"]),
        ({"replicas": 1.5}, ["replicas 1.5", "number of replicas"]),
        ({"replicas_timeout": None}, ["replicas_timeout None", "seconds"]),
        (
            {"replicas": 1, "replicas_timeout": 5},
            ["replicas_timeout 5", "socket_timeout is 5", "less than"],
        ),
        ({"sentinel_kwargs": ["x"]}, ["sentinel_kwargs", "a dict"]),
        ({"sentinel_kwargs": {"colour": 1}}, ["sentinel_kwargs", "'colour'"]),
        ({"sentinel_kwargs": {"host": "x"}}, ["'host'", "in LOCATION"]),
        ({"host": "x"}, ["'host'", "in LOCATION"]),
        ({"colour": 1}, ["'colour'", "does not know"]),
        ({"patiense": 3}, ["mean 'patience'"]),
        ({"read_form": "replicas"}, ["mean 'read_from'"]),
        ({"replica": 1}, ["mean 'replicas'"]),
        ({"replicas_timout": 1}, ["mean 'replicas_timeout'"]),
        ({"sentinel_kwarg": {}}, ["mean 'sentinel_kwargs'"]),
        ({"wach": True}, ["mean 'watch'"]),
        ({"retry": None}, ["'retry'"]),
        ({"socket_keepalive_options": 1, "port": 3}, ["'port'"]),
    ],
)
def test_a_wrong_option_is_named_with_the_alias(options, named):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint("redis+sentinel://a/m", **options)
    for words in ["ORMIST['shop']", *named]:
        assert words in str(caught.value)


def test_replicas_are_waited_for_less_than_the_socket_waits():
    found = endpoint("redis+sentinel://a/m", replicas=2, replicas_timeout=0.5)
    assert (found.sentinels.replicas, found.sentinels.replicas_timeout) == (2, 0.5)
    endless = {"socket_timeout": None, "replicas_timeout": 60}
    found = endpoint("redis+sentinel://a/m", replicas=1, **endless)
    assert found.sentinels.replicas_timeout == 60
    assert found.key != endpoint("redis+sentinel://a/m", socket_timeout=None).key


@pytest.mark.parametrize("name", ["patience", "sentinel_kwargs", "replicas"])
def test_options_of_sentinels_need_a_location_of_sentinels(name):
    with pytest.raises(ImproperlyConfigured, match=f"'{name}'.*redis.sentinel://"):
        endpoint("redis://h", **{name: {}})
