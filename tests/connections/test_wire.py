"""The short way to read replies: which connections take it, and what ends it."""

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from django_ormist.connections.wire import (
    attach_wire,
    give_to_redis_py,
    is_silent,
    read_reply,
    send_bytes,
)


@pytest.fixture
def pair():
    """Two ends of a socket: ours with a timeout, and the server's."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0.05)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def connected(pair):
    """A connection of redis-py over our end of the pair."""

    def connected(kind, **arguments):
        connection = kind(**arguments)
        connection._sock = pair[0]
        connection._parser.on_connect(connection)
        attach_wire(connection)
        return connection

    return connected


@pytest.fixture(params=[False, True], ids=["python", "kernel"])
def wired(connected, request):
    """A connection on the short way, whose first timeout Python or the kernel keeps."""
    from redis.connection import Connection

    connection = connected(Connection, protocol=2)
    connection.wire.set_first_timeout(request.param)
    return connection


def test_a_reply_in_pieces_is_one_reply(wired, pair):
    assert is_silent(wired)
    pair[1].sendall(b"*2\r\n$3\r\nab")
    assert not is_silent(wired)
    pair[1].sendall(b"c\r\n:4\r\n+OK\r\n")
    assert read_reply(wired) == [b"abc", 4]
    assert not is_silent(wired)  # the reader has the next one
    assert read_reply(wired) == b"OK"
    assert is_silent(wired)


def test_an_error_reply_is_raised(wired, pair):
    pair[1].sendall(b"-ERR no\r\n")
    with pytest.raises(ResponseError, match="no"):
        read_reply(wired)


def test_a_late_reply_is_a_timeout(wired):
    with pytest.raises(TimeoutError):
        read_reply(wired)


def assert_late_reply_is_read(wired, server):
    send_bytes(wired, b"PING\r\n")
    later = threading.Timer(0.05, server.sendall, (b"+OK\r\n",))
    later.start()
    assert read_reply(wired) == b"OK"
    later.join()


def test_a_reply_may_take_longer_than_the_first_timeout(wired, pair):
    wired.wire.seconds = 30
    assert_late_reply_is_read(wired, pair[1])


def test_a_connection_without_a_timeout_waits(pair, connected):
    from redis.connection import Connection

    pair[0].settimeout(None)
    wired = connected(Connection, protocol=2)
    assert_late_reply_is_read(wired, pair[1])


def test_redis_pys_methods_get_the_socket_as_they_made_it(wired, pair):
    for _ in range(2):
        send_bytes(wired, b"PING\r\n")
        assert pair[0].gettimeout() is None
        give_to_redis_py(wired)
        assert pair[0].gettimeout() == 0.05
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            assert not any(pair[0].getsockopt(socket.SOL_SOCKET, option, 16))


def test_a_server_that_does_not_read_is_a_timeout(wired, pair):
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with pytest.raises(TimeoutError):
        send_bytes(wired, bytes(10_000_000))


def test_a_request_over_a_closed_connection_is_an_error(wired, pair):
    pair[1].close()
    with pytest.raises(ConnectionError, match="writing"):
        send_bytes(wired, b"PING\r\n")


@pytest.fixture
def signals(pair):
    """Handled signals, each hundredth of a second. The server leaves after many."""
    left = count(100, -1)
    handler = signal.signal(
        signal.SIGALRM, lambda *_: pair[1].close() if next(left) == 0 else None
    )
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)


@pytest.mark.usefixtures("signals")
def test_signals_do_not_delay_the_timeout_of_a_reply(wired):
    with pytest.raises(TimeoutError):
        read_reply(wired)


@pytest.mark.usefixtures("signals")
def test_signals_do_not_delay_the_timeout_of_a_request(wired):
    with pytest.raises(TimeoutError):
        send_bytes(wired, bytes(10_000_000))


def test_a_long_request_arrives_whole(wired, pair):
    request = bytes(range(250)) * 4000
    wired.wire.seconds = 30
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send_bytes, wired, request)
        with pair[1].makefile("rb") as received:
            assert received.read(len(request)) == request
        sending.result()


def test_the_end_of_the_connection_is_an_error(wired, pair):
    pair[1].close()
    with pytest.raises(ConnectionError, match="closed"):
        read_reply(wired)
    assert not is_silent(wired)


def test_a_socket_that_fails_is_an_error(wired, pair):
    pair[0].close()
    with pytest.raises(ConnectionError, match="reading"):
        read_reply(wired)


def test_a_connection_that_was_opened_again_is_read_by_redis_py(wired):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wired._sock = ours
        wired._parser.on_connect(wired)
        theirs.sendall(b"+OK\r\n")
        assert not is_silent(wired)
        assert read_reply(wired) == b"OK"


@pytest.mark.parametrize(
    "arguments", [{"protocol": 3}, {"protocol": 2, "health_check_interval": 1}]
)
def test_notifications_and_health_checks_need_redis_py(connected, pair, arguments):
    from redis.connection import Connection

    connection = connected(Connection, **arguments)
    assert connection.wire is None
    pair[1].sendall(b"+OK\r\n")
    assert read_reply(connection) == b"OK"


def test_another_class_of_socket_needs_redis_py(pair):
    """As that of gevent, which waits without the kernel."""
    from redis.connection import Connection

    class Other(socket.socket):
        pass

    connection = Connection(protocol=2)
    with Other(fileno=pair[0].detach()) as connection._sock:
        connection._parser.on_connect(connection)
        attach_wire(connection)
        assert connection.wire is None
        pair[1].sendall(b"+OK\r\n")
        assert read_reply(connection) == b"OK"


def test_another_class_of_connection_needs_redis_py(connected):
    from redis.connection import Connection

    class Own(Connection):
        def read_response(self, *args, **kwargs):
            return "its own"

    connection = connected(Own, protocol=2)
    assert connection.wire is None
    assert read_reply(connection) == "its own"
