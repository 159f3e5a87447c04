"""A name that leads to another server: refused operations are sent again, once.

The proxy acts as the name, as DNS or a load balancer does.
"""

from contextlib import ExitStack

import pytest
import redis

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.connections.refusals import positions_to_repeat, unwrap_error
from django_ormist.operations.operation import Operation
from tests.proxy import Proxy


class Note(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]


def own(location):
    return {"ORMIST": {"default": {"LOCATION": location}}}


def own_resp3(location):
    options = {"protocol": 3}
    return {"ORMIST": {"default": {"LOCATION": location, "OPTIONS": options}}}


def django_redis(location):
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
    return {"ORMIST": {"default": {"CACHE": "default"}}, "CACHES": {"default": cache}}


class Name:
    """Two servers, the second a replica of the first, and a name for the first."""

    def __init__(self, started, start_server, kind):
        at_once = "--repl-diskless-sync-delay", "0"
        self.old, self.new = (start_server(kind, *at_once) for _ in range(2))
        self.follow(self.new, self.old)
        self.proxy = started.enter_context(Proxy(self.old.socket_path))

    @staticmethod
    def follow(replica, primary):
        with replica.client() as client:
            client.replicaof("127.0.0.1", primary.port)
            while client.info("replication")["master_link_status"] != "up":
                pass

    def fail_over(self):
        """Swap the roles without losing writes, and lead the name to the new one."""
        with self.old.client() as client:
            client.set("ormist-last", "x")
            client.wait(1, 10_000)
        with self.new.client() as client:
            client.replicaof("no", "one")
        self.follow(self.old, self.new)
        self.proxy.target = self.new.socket_path


@pytest.fixture(params=["valkey91", "redis82", "redis70", "redis62"])
def name(request, start_server):
    from tests import servers

    if servers.find(request.param) is None:
        pytest.skip(f"{request.param} is not on this machine")
    with ExitStack() as started:
        yield Name(started, start_server, request.param)


@pytest.mark.parametrize("using", [own, own_resp3, django_redis])
def test_writes_and_reads_go_to_the_new_primary(ask, name, settings, using):
    for setting, value in using(name.proxy.url).items():
        setattr(settings, setting, value)
    todo = ask(Note.objects.create, "a", id="one", text="old")
    held = [connections["default"].client for _ in range(1)]
    assert held[0].ping()
    name.fail_over()
    todo.text = "new"
    ask(todo.save)
    assert ask(Note.objects.get, "one").text == "new"
    ask(Note.objects.create, "a", id="two")
    ask(todo.increment, "views")
    ask(Note.objects.bulk_create, [Note("a", id=f"b{i}") for i in range(300)])
    assert ask(Note.objects.find("a").count) == 302
    ask(todo.delete)
    with name.new.client() as client:
        assert client.keys("*:o:two")
        client.flushall()


def test_idle_connections_are_replaced_after_a_failover(name, settings):
    settings.ORMIST = own(name.proxy.url)["ORMIST"]
    connection = connections["default"]
    pool = connection.client.connection_pool
    taken = [pool.get_connection() for _ in range(5)]
    in_use = taken.pop()
    for each in taken:
        pool.release(each)
    name.fail_over()
    Note.objects.create("a", id="one")
    assert Note.objects.get("one").tags == ["a"]
    pool.release(in_use)
    assert not in_use.is_connected
    with name.new.client() as client:
        assert client.keys("*:o:one")


def test_a_write_to_a_permanent_replica_raises_its_error(ask, name, settings):
    """Its text has the type that redis-py gives it, also inside a script."""
    settings.ORMIST = own(name.new.unix_url)["ORMIST"]
    with pytest.raises(redis.ReadOnlyError) as caught:
        ask(Note.objects.create, "a")
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]
    assert ask(Note.objects.find("a").list) == []


def test_after_masterdown_the_next_server_is_used(ask, name, settings):
    settings.ORMIST = own(name.proxy.url)["ORMIST"]
    name.proxy.target = name.new.socket_path
    assert ask(Note.objects.all().count) == 0
    with name.new.client() as client:
        client.config_set("replica-serve-stale-data", "no")
        client.replicaof("127.0.0.1", 1)
    with pytest.raises(redis.exceptions.MasterDownError) as caught:
        ask(Note.objects.find("a").count)
    assert "ORMIST alias 'default'" in caught.value.__notes__[0]
    name.proxy.target = name.old.socket_path
    ask(Note.objects.create, "a")
    assert ask(Note.objects.find("a").count) == 1


# ---------------------------------------------------------------- what is sent again

READ, WRITE = Operation("GET", (b"k",)), Operation("INCR", (b"k",), is_write=True)


@pytest.mark.parametrize(
    ("operations", "replies", "again"),
    [
        ([READ, WRITE], [b"1", 2], []),
        ([WRITE], [redis.ReadOnlyError()], [0]),
        ([WRITE], [redis.ResponseError()], []),
        ([READ, WRITE, WRITE], [b"1", redis.BusyLoadingError(), 2], [0, 1]),
        ([WRITE, WRITE], [redis.exceptions.MasterDownError(""), 2], [0]),
    ],
)
def test_refused_writes_are_sent_again_with_the_reads_of_their_batch(
    operations, replies, again
):
    assert positions_to_repeat(operations, replies) == again


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "Error running script (call to f_1a2b): @user_script:7: "
            "-READONLY You can't write against a read only replica.",
            redis.ReadOnlyError,
        ),
        (
            "Error running script (call to f_1a2b): @user_script:7: @user_script: 7: "
            "-READONLY You can't write against a read only replica.",
            redis.ReadOnlyError,
        ),
        (
            "@user_script: 12: -OOM command not allowed when used memory is full.",
            redis.OutOfMemoryError,
        ),
        (
            "Error running script (call to f_1a): @user_script:3: WRONGTYPE Operation",
            redis.ResponseError,
        ),
        ("READONLYNESS is no code", redis.ResponseError),
        (
            "Attempted to access a non local key in a cluster node script: on "
            "@user_script:364.",
            redis.exceptions.TryAgainError,
        ),
        (
            "Unable to execute command 'exists' in script because undeclared keys were "
            "accessed during rehashing of the slot script: 0498a, on @user_script:54.",
            redis.exceptions.TryAgainError,
        ),
        (
            "Error running script (call to f_1a2b): @user_script:7: @user_script: 7: "
            "Lua script attempted to access a non local key in a cluster node",
            redis.exceptions.TryAgainError,
        ),
    ],
)
def test_an_error_inside_a_script_has_the_type_of_a_command_error(text, kind):
    assert type(unwrap_error(redis.ResponseError(text))) is kind
