"""LOCATION and OPTIONS name a server, or the error suggests a fix."""

import traceback

import pytest
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from django_ormist.conf import Alias
from django_ormist.connections import urls
from django_ormist.exceptions import ImproperlyConfigured


def endpoint(location, **options):
    return urls.endpoint(Alias("shop", location=location, options=options))


@pytest.mark.parametrize(
    ("location", "connection_class", "place"),
    [
        ("redis://", Connection, "redis://localhost:6379/0"),
        ("redis://h", Connection, "redis://h:6379/0"),
        ("redis://u:secret@h:1/2", Connection, "redis://h:1/2"),
        ("redis://h?db=3", Connection, "redis://h:6379/3"),
        ("rediss://:secret@h", SSLConnection, "rediss://h:6379/0"),
        ("valkey://h", Connection, "redis://h:6379/0"),
        ("valkeys://h", SSLConnection, "rediss://h:6379/0"),
        ("REDIS://h", Connection, "redis://h:6379/0"),
        ("unix:///tmp/s.sock", UnixDomainSocketConnection, "unix:///tmp/s.sock?db=0"),
        ("unix://u:secret@/s?db=2", UnixDomainSocketConnection, "unix:///s?db=2"),
    ],
)
def test_a_url_names_the_server_and_hides_its_password(
    location, connection_class, place
):
    found = endpoint(location)
    assert (found.connection_class, found.safe_url) == (connection_class, place)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("redis://u:secret@h:1/2", ("h", 1)),
        ("redis://", ("localhost", 6379)),
        ("rediss://[::1]", ("::1", 6379)),
        ("unix://u:secret@/s?db=2", ("/s", None)),
        ("embedded:///a/folder", ("/a/folder", None)),
        ("fakeredis://name", None),
    ],
)
def test_a_url_names_host_and_port_or_a_path(location, address):
    assert endpoint(location).address == address


def test_user_and_password_may_be_in_the_url_or_in_options():
    for found in (
        endpoint("redis://us%40er:p%2Fss@h"),
        endpoint("redis://h", username="us@er", password="p/ss"),
    ):
        assert found.arguments["username"] == "us@er"
        assert found.arguments["password"] == "p/ss"


def test_options_reach_redis_py():
    found = endpoint("redis://h/1?socket_timeout=3", client_name="x", timeout=None)
    assert found.arguments["socket_timeout"] == 3
    assert found.arguments["client_name"] == "x"
    assert found.timeout is None
    assert endpoint("redis://h", max_connections=7).max_connections == 7


def test_protocol_is_2_unless_given():
    assert endpoint("redis://h").arguments["protocol"] == 2
    assert endpoint("redis://h?protocol=3").arguments["protocol"] == 3
    assert endpoint("redis://h", protocol=3).arguments["protocol"] == 3


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("localhost:6379", ["no scheme", "redis://localhost:6379/0"]),
        ("http://h", ["'http'", "redis, rediss, unix"]),
        ("redis+sentinl://h/m", ["mean 'redis+sentinel'?"]),
        ("redis+clusters://h", ["mean 'redis+cluster'?"]),
        ("redis+sentinel://h:1,26722/m", ["a host that is a number", "each port"]),
        ("redis+cluster://h:1,26722", ["a host that is a number", "each port"]),
        ("redis+sentinel://h/m/0?db=2", ["database 0 in its path, and 2", "Leave one"]),
        ("redis+cluster://h/1?db=2", ["database 1 in its path, and 2", "Leave one"]),
        ("redis://h/1?db=2", ["database 1 in its path, and 2", "Leave one"]),
        ("redis+sentinel://h/m?patience=3", ["'patience' in its query", "OPTIONS"]),
        ("redis+cluster://h?replicas=1", ["'replicas' in its query", "OPTIONS"]),
        (("redis://h", "redis://i"), ["several URLs", "redis+cluster://"]),
        ("redis://h/first", ["'/first'", "number of a database"]),
        ("redis://h/0/1", ["'/0/1'", "number of a database"]),
        ("redis://h?db=x", ["'db'"]),
        ("redis://h?colour=red", ["'colour'", "does not know"]),
        ("redis://:pa#ss@h", ["Percent-encode"]),
        ("redis://:pa/ss@h", ["Percent-encode"]),
        ("redis://h:port", ["Percent-encode"]),
        ("unix://", ["no path"]),
        ("embedded://", ["no folder"]),
        ("embedded://some/folder", ["'some/folder'", "an absolute path"]),
        ("embedded://./folder", ["'./folder'", "an absolute path"]),
        ("embedded:///f?colour=red", ["?db=0"]),
        ("fakeredis://x/y", ["'/y'"]),
    ],
)
def test_an_invalid_location_is_named_with_a_fix(location, named):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint(location)
    for words in ["shop", *named]:
        assert words in str(caught.value)
    assert "pa#ss" not in str(caught.value)
    assert "pa/ss" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "redis+sentinel://SECRET:12/3SECRET@h/main",
        "redis+sentinel://SECRET:12?3SECRET@h/main",
        "redis+sentinel://SECRET:12#SECRET@h/main",
        "redis+sentinel://SECRET:SECRET@h:port/main",
        "redis+sentinel://SECRET:SECRET@h/main/SECRE",
        "redis+sentinel://SECRET:SECRET@h/main?db=x",
        "redis+sentinel://SECRET:SECRET@[h/main",
        ("redis+sentinel://SECRET:SECRET@h/main", "redis+sentinel://SECRET@h/main"),
        "redis://SECRET:12/3SECRET@h",
        "redis://SECRET:12/3SECRET@h:6379/0",
        "rediss://SECRET:12?3SECRET@h",
        "valkey://SECRET:12?db=SECRET@h",
        "redis://SECRET:12?SECRET=1@h",
        "redis://SECRET:12#SECRET@h",
        "redis://SECRET/SECRET:SECRET@h",
        "redis://SECRET:[SECRET@h",
        "redis://SECRET:1]SECRET@h",
        "redis://SECRET:SECRET?@h/SECRET",
        "unix://SECRET:12/SECRET@/s.sock",
        "unix://SECRET:12?SECRET@/s.sock",
        "SECRET:SECRET@redis://h",
        "SECRET:SECRET@h:6379",
        "redis+sentinel://SECRET:SECRET@h",
        "redis://SECRET:SECRET@h/SECRE",
        "redis://SECRET:SECRET@h?db=x",
        "redis://SECRET:SECRET@h?colour=red",
        "redis://SECRET:SECRET@h:port",
        "fakeredis://SECRET:SECRET@x/y",
    ],
)
def test_user_and_password_are_never_shown(location):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint(location)
    shown = "".join(traceback.format_exception(caught.value)[-1:])
    assert "SECRET" not in shown
    assert "SECRET" not in repr(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "redis://SECRET:SECRET@h:1/0",
        "redis://SECRET:%2F%3F%40SECRET@h:1/0",
        "redis://SECRET:SEC@RET@h:1/0",
        "unix://SECRET:SECRET@/s@h.sock",
        "fakeredis://SECRET:SECRET@x/1",
    ],
)
def test_the_displayed_url_hides_user_and_password(location):
    found = endpoint(location)
    for text in (found.safe_url, repr(found), str(found.address)):
        assert "SEC" not in text


def test_a_socket_path_may_contain_any_character():
    assert endpoint("unix:///a@b/s.sock").arguments["path"] == "/a@b/s.sock"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"socket_timout": 3}, ["'socket_timout'", "mean 'socket_timeout'"]),
        ({"colour": 3}, ["'colour'", "Remove it"]),
        ({"patiense": 3}, ["mean 'patience'"]),
        ({"ssl_ca_certs": "x"}, ["'ssl_ca_certs'", "Connection does not know"]),
        ({"decode_responses": True}, ["decode_responses", "packed bytes"]),
        ({"retry": None}, ["'retry'", "sent once"]),
        ({"retry_on_timeout": True}, ["'retry_on_timeout'", "sent once"]),
        ({"protocol": 4}, ["protocol 4", "2 or 3"]),
        ({"max_connections": 0}, ["max_connections 0", "from 1"]),
        ({"timeout": "20"}, ["timeout '20'", "seconds"]),
        ({"port": "x"}, ["cannot be used"]),
        ({"himport_registry": 1}, ["'himport_registry'"]),
    ],
)
def test_an_invalid_option_is_named_with_the_alias(options, named):
    with pytest.raises(ImproperlyConfigured) as caught:
        endpoint("redis://h", **options)
    for words in ["shop", *named]:
        assert words in str(caught.value)


def test_only_equal_options_share_a_pool():
    first = endpoint("redis://h/1", socket_timeout=3, socket_keepalive_options={1: 2})
    again = endpoint("redis://h/1", socket_keepalive_options={1: 2}, socket_timeout=3)
    assert first.key == again.key
    for other in (
        endpoint("redis://h/1", socket_timeout=3),
        endpoint("redis://h/2", socket_timeout=3, socket_keepalive_options={1: 2}),
        endpoint("redis://h/1", socket_timeout=3, socket_keepalive_options={1: 3}),
        endpoint("redis://h/1", socket_timeout=3.0, max_connections=2),
    ):
        assert other.key != first.key


def test_an_option_without_async_support_fails_only_in_async_code():
    found = endpoint("rediss://h", ssl_validate_ocsp=True)
    with pytest.raises(ImproperlyConfigured, match="ssl_validate_ocsp"):
        found.async_arguments()
    assert "ssl_validate_ocsp" not in endpoint("rediss://h").async_arguments()


def test_each_name_has_its_own_fake_server():
    assert (
        endpoint("fakeredis://a/1").arguments["server"]
        is endpoint("fakeredis://a").arguments["server"]
    )
    assert (
        endpoint("fakeredis://a").arguments["server"]
        is not endpoint("fakeredis://b").arguments["server"]
    )
