"""Operations are sent in one round trip; raw replies have the shapes of RESP2."""

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from django_ormist.connections import connections, exchange
from django_ormist.operations.operation import Operation
from tests.connections.broken_servers import LateServer


def op(command, *args, is_write=False):
    return Operation(command, keys=(), args=args, is_write=is_write)


@pytest.fixture
def key(server):
    return f"{server.key_prefix}:k".encode()


def test_replies_come_in_order(server, ask, key):
    send = connections["default"].send
    assert ask(send, [op("SET", key, b"\xff\0", is_write=True)]) == [b"OK"]
    assert ask(send, [op("GET", key), op("EXISTS", key), op("GET", b"none")]) == [
        b"\xff\0",
        1,
        None,
    ]


def test_a_new_connection_does_not_look_up_the_version_of_redis_py(
    server, ask, monkeypatch
):
    def send(*operations):
        return ask(connections["default"].send, list(operations))

    send(op("PING"))
    with monkeypatch.context() as patch:
        patch.setattr("redis.utils.get_lib_version", lambda: pytest.fail("again"))
        connections.close_all()
        assert send(op("EXISTS", "nothing")) == [0]


def test_several_operations_take_one_round_trip(server, ask, key, round_trips):
    send = connections["default"].send
    with round_trips() as counted:
        ask(send, [op("SET", key, b"x" * 100_000), op("GET", key), op("PING")])
    assert counted.count == 1
    assert [words[0] for words in counted.commands] == [b"SET", b"GET", b"PING"]


def test_an_empty_batch_takes_no_round_trip(server, ask, round_trips):
    with round_trips() as counted:
        assert ask(connections["default"].send, []) == []
    assert counted.count == 0


def test_an_error_is_returned_in_its_place(server, ask, key):
    replies = ask(
        connections["default"].send,
        [
            op("SET", key, b"v"),
            op("LPUSH", key, b"x"),
            op("EVALSHA", "0" * 40, 0),
            op("GET", key),
        ],
    )
    assert replies[0] == b"OK"
    assert isinstance(replies[1], ResponseError)
    assert isinstance(replies[2], NoScriptError)
    assert replies[3] == b"v"


def test_the_connection_works_after_an_error(server, ask, key):
    for _ in range(3):
        (reply,) = ask(connections["default"].send, [op("NOSUCHCOMMAND")])
        assert isinstance(reply, ResponseError)
        assert ask(connections["default"].send, [op("ECHO", b"x")]) == [b"x"]


def test_replies_have_the_shapes_of_resp2(server, ask, key):
    send = connections["default"].send
    hash_key, zset_key, set_key = key + b":h", key + b":z", key + b":s"
    ask(send, [op("HSET", hash_key, b"a", b"1", b"b", b"2")])
    ask(send, [op("ZADD", zset_key, "1.5", b"m", "3", b"n"), op("SADD", set_key, b"x")])
    hgetall, half, whole, members, types = ask(
        send,
        [
            op("HGETALL", hash_key),
            op("ZSCORE", zset_key, b"m"),
            op("ZSCORE", zset_key, b"n"),
            op("SMEMBERS", set_key),
            op("EVAL", "return {1, 'x', false, {2}, redis.status_reply('S')}", 0),
        ],
    )
    assert hgetall == [b"a", b"1", b"b", b"2"]
    assert (float(half), whole) == (1.5, b"3")
    assert type(half) is bytes
    assert members == [b"x"]
    assert types == [1, b"x", None, [2], b"S"]


def test_a_two_word_command_is_split(server, ask):
    (sha,) = ask(connections["default"].send, [op("SCRIPT LOAD", b"return 1")])
    assert ask(connections["default"].send, [op("EVALSHA", sha, 0)]) == [1]


def test_arguments_are_bytes_text_or_numbers(server, ask, key):
    values = [b"\0\r\n", "äß\U0001f600", -(2**63), ""]
    echoes = ask(connections["default"].send, [op("ECHO", value) for value in values])
    assert echoes == [b"\0\r\n", "äß\U0001f600".encode(), b"-9223372036854775808", b""]


def test_the_clients_are_redis_py_over_the_same_server(server, ask, key):
    connection = connections["default"]
    connection.client.set(key, b"v")
    assert connection.client.get(key) == b"v"

    async def aget():
        return await connection.aclient.get(key)

    assert ask.wait(aget()) == b"v"


def test_a_read_survives_a_broken_connection(server, ask, proxy, key):
    send = connections["default"].send
    ask(send, [op("SET", key, b"v", is_write=True)])
    proxy.cut_next_reply()
    assert ask(send, [op("GET", key)]) == [b"v"]


def test_a_write_is_not_repeated_after_a_broken_connection(server, ask, proxy, key):
    send = connections["default"].send
    ask(send, [op("PING")])
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError):
        ask(send, [op("INCR", key, is_write=True)])
    assert server.client.get(key) == b"1"
    assert ask(send, [op("INCR", key, is_write=True)]) == [2]


def test_a_connection_that_broke_while_idle_is_replaced(server, ask, proxy, key):
    send = connections["default"].send
    ask(send, [op("PING")])
    proxy.cut()
    assert ask(send, [op("INCR", key, is_write=True)]) == [1]


def test_an_unread_reply_is_not_taken_for_the_next_command(ask, configure, monkeypatch):
    """As after Ctrl-C between a command and its reply, which arrives later."""

    def interrupted(connection):
        raise KeyboardInterrupt

    with LateServer() as late:
        connection = configure(LOCATION=late.url)
        with monkeypatch.context() as patch:
            patch.setattr(exchange, "read", interrupted)
            patch.setattr(exchange, "aread", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ask(connection.send, [op("INCR", b"k")])
        assert ask(connection.send, [op("INCR", b"k")]) == [2]
        ask.close()
        connection.close()


def test_an_error_names_the_alias_and_hides_the_password(ask, configure):
    connection = configure(LOCATION="redis://user:s3cret@127.0.0.1:1/4")
    with pytest.raises(redis.ConnectionError) as caught:
        ask(connection.send, [op("PING")])
    where, _ = caught.value.__notes__
    assert where == "ORMIST alias 'default' at redis://127.0.0.1:1/4"
    assert "s3cret" not in str(caught.value)


def test_a_wrong_password_is_reported_at_once(start_server, ask, configure):
    server = start_server("valkey91", "--requirepass", "right")
    connection = configure(LOCATION=server.unix_url, OPTIONS={"password": "wr0ng"})
    with pytest.raises(redis.AuthenticationError) as caught:
        ask(connection.send, [op("PING")])
    assert "wr0ng" not in str(caught.value) + str(caught.value.__notes__)
    connection = configure(LOCATION=server.unix_url, OPTIONS={"password": "right"})
    assert ask(connection.send, [op("PING")]) == [b"PONG"]
    connection.close()
