"""Servers that stop, forget scripts, are full, refuse, or lose connections."""

import threading
from itertools import count

import pytest
import redis

from django_ormist.exceptions import IntegrityError
from tests.checker import raw_faults
from tests.models import Page, Plain, Todo, User

ONE = pytest.mark.servers("valkey91")
REAL = pytest.mark.servers("valkey91", "redis82", "redis70", "redis62")
ORDINARY = pytest.mark.servers("valkey91", "redis62")
NOTE = "ORMIST alias 'default'"


def notes(caught):
    return " ".join(getattr(caught.value, "__notes__", ()))


# ---------------------------------------------------------------- killed


@ORDINARY
def test_a_restarted_server_serves_the_next_call(ask, server, start_server):
    own = start_server(server, "--appendonly", "yes", "--appendfsync", "always")
    server.connect(own.unix_url)
    made = ask(Todo.objects.create, "home", text="milk")
    own.kill()
    for method, arguments in (
        (Todo.objects.get, (made.id,)),
        (Todo.objects.find("home").list, ()),
        (Todo.objects.create, ("work",)),
        (made.save, ()),
        (made.delete, ()),
    ):
        with pytest.raises(redis.ConnectionError) as caught:
            ask(method, *arguments)
        assert NOTE in notes(caught)
    own.start()
    assert ask(Todo.objects.get, made.id).text == "milk"
    made.text = "bread"
    ask(made.save)
    assert [each.text for each in ask(Todo.objects.find("home").list)] == ["bread"]
    assert raw_faults(own.client(), server.key_prefix) == []


@ORDINARY
def test_reads_survive_an_unnoticed_restart(ask, server, start_server):
    own = start_server(server, "--appendonly", "yes", "--appendfsync", "always")
    server.connect(own.unix_url)
    made = ask(Todo.objects.create, "home")
    own.kill()
    own.start()
    assert ask(Todo.objects.find("home").list) == [made]


@ONE
def test_a_write_after_a_restart_fails_once_at_most(ask, server, start_server):
    own = start_server(server, "--appendonly", "yes", "--appendfsync", "always")
    server.connect(own.unix_url)
    ask(Page.objects.create, "a", id="one", views=1)
    own.kill()
    own.start()
    page = Page("a", id="two", views=1)
    try:
        ask(page.save, force_insert=True)
    except redis.ConnectionError:
        ask(page.save, force_insert=True)
    assert ask(Page.objects.find("a").ids) == ["one", "two"]
    assert raw_faults(own.client(), server.key_prefix) == []


# ---------------------------------------------------------------- scripts forgotten


@pytest.mark.slow
@pytest.mark.servers("valkey91", "valkey91-django-redis", "redis62", "fakeredis")
def test_scripts_flushed_between_calls_are_loaded_again(ask, server, faults):
    def forgotten(method, *args, **kwargs):
        server.client.script_flush()
        return ask(method, *args, **kwargs)

    made = forgotten(Page.objects.create, "a", views=1)
    made.name = "x"
    forgotten(made.save)
    assert forgotten(made.increment, "views") == 2
    forgotten(Page.objects.bulk_create, [Page("a") for _ in range(250)])
    assert forgotten(Page.objects.find("a").count) == 251
    assert len(forgotten(Page.objects.find("a").list)) == 251
    assert len(forgotten(Page.objects.find("a")[5:30].list)) == 25
    assert forgotten(Page.objects.find("a").set_expire, 1000) == 251
    assert forgotten(made.delete) == (1, {"tests.Page": 1})
    assert faults() == []
    assert forgotten(Page.objects.all().delete)[0] == 250
    assert server.keys() == []


@pytest.mark.servers("valkey91", "redis62")
def test_scripts_flushed_during_pipelines_are_loaded_again(ask, server, faults):
    """Another client flushes all scripts, between any two commands."""
    client, enough = server.client, threading.Event()

    def forget():
        while not enough.is_set():
            client.script_flush()

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        for number in range(5):
            made = [Todo("a", f"n{number}", id=f"{number}-{i}") for i in range(40)]
            ask(Todo.objects.bulk_create, made, batch_size=4)
            for each in made:
                each.tags = ["b", f"n{number}"]
            ask(Todo.objects.bulk_save, made)
            assert ask(Todo.objects.find("a").count) == 0
            assert ask(Todo.objects.find("b").count) == 40 * (number + 1)
    finally:
        enough.set()
        thread.join()
    right = [f"{number}-{i}" for number in range(5) for i in range(40)]
    assert ask(Todo.objects.find("b").ids) == right
    assert faults() == []


# ---------------------------------------------------------------- memory full


@REAL
def test_a_full_server_refuses_clearly_and_without_partial_writes(
    ask, server, start_server, snapshot
):
    own = start_server(server, "--maxmemory-policy", "noeviction")
    server.connect(own.unix_url)
    client = own.client()
    page = ask(Page.objects.create, "a", id="one", site="s", views=1, expire=1000)
    stale = ask(Page.objects.get, "one")
    stale.tags = ["b"]
    stale.expire = None
    ask(Page.objects.find("a", site="s").count)
    limit = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", "1")
    before = snapshot(client)
    attempts = (
        (stale.save, (), {}),
        (stale.save, (), {"force_update": True}),
        (Page("a", views=3).save, (), {}),
        (Page.objects.create, ("a", "b"), {"views": 3}),
        (Page.objects.bulk_create, ([Page("a", views=2) for _ in range(250)],), {}),
        (Page.objects.bulk_save, ([Page("a", views=2) for _ in range(5)],), {}),
        (Page.objects.find("a").set_expire, (None,), {}),
        (page.increment, ("views",), {}),
        (page.increment, ("size",), {}),
    )
    for method, args, kwargs in attempts:
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            ask(method, *args, **kwargs)
        assert snapshot(client) == before, method
    # Reading and deleting still work.
    assert ask(Page.objects.find("a", site="s").list) == [page]
    assert ask(page.delete)[0] == 1
    assert client.keys() == []
    client.config_set("maxmemory", limit)
    ask(Page.objects.create, "a", id="one", views=1)
    assert raw_faults(client, server.key_prefix) == []


@REAL
def test_a_server_that_fills_up_is_left_sound(server, start_server):
    own = start_server(server, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    server.connect(own.unix_url)

    def fill():
        for number in count():
            User.objects.bulk_create(
                User("all", f"n{number}", number=i, bio="x" * 2000, expire=1000 + i)
                for i in range(50)
            )
            User.objects.create("all", f"n{number}", bio="x" * 2000)

    with pytest.raises(redis.ResponseError, match="maxmemory"):
        fill()
    assert raw_faults(own.client(), server.key_prefix) == []
    assert User.objects.find("all").count() == User.objects.count() > 100


# ---------------------------------------------------------------- replica


@ORDINARY
def test_a_replica_answers_reads_and_refuses_writes(ask, server, start_server):
    own = start_server(server, "--repl-diskless-sync-delay", "0")
    server.connect(own.unix_url)
    page = ask(Page.objects.create, "a", "b", site="s", views=1, expire=1000)
    ask(Page.objects.bulk_create, [Page("a", number=i) for i in range(30)])
    replica = start_server(server, "--replicaof", "127.0.0.1", str(own.port))
    while replica.client().dbsize() < own.client().dbsize():
        pass
    while replica.client().info("replication")["master_link_status"] != "up":
        pass
    server.connect(replica.unix_url)
    assert ask(Page.objects.get, page.id).views == 1
    assert ask(Page.objects.find("a", "b", site="s").list) == [page]
    assert ask(Page.objects.find("a").count) == 31
    assert len(ask(Page.objects.all().list)) == 31
    assert len(ask(Page.objects.find("a")[10:20].list)) == 10
    assert ask(Page.objects.find("a").exists)
    page.tags = ["c"]
    for method, args in (
        (page.save, ()),
        (page.delete, ()),
        (page.increment, ("views",)),
        (page.increment, ("size",)),
        (Page.objects.create, ("a",)),
        (Page.objects.bulk_create, ([Page("a")],)),
        (Page.objects.find("a").set_expire, (None,)),
        (Page.objects.find("a").delete, ()),
    ):
        with pytest.raises(redis.ResponseError, match="read only replica"):
            ask(method, *args)
    assert raw_faults(replica.client(), server.key_prefix) == []
    assert raw_faults(own.client(), server.key_prefix) == []


# ---------------------------------------------------------------- password


@ORDINARY
def test_a_wrong_password_is_reported_and_the_right_one_works(
    ask, server, start_server
):
    own = start_server(server, "--requirepass", "right")
    for url in (own.unix_url, f"unix://:wrong@{own.socket_path}?db=0"):
        server.connect(url)
        with pytest.raises(redis.AuthenticationError) as caught:
            ask(Todo.objects.create, "a")
        assert NOTE in notes(caught)
        assert "wrong" not in notes(caught)
        with pytest.raises(redis.AuthenticationError):
            ask(Todo.objects.find("a").list)
    server.connect(f"unix://:right@{own.socket_path}?db=0")
    made = ask(Todo.objects.create, "a")
    assert ask(Todo.objects.find("a").list) == [made]


# ---------------------------------------------------------------- connection cut


@ONE
def test_a_write_is_applied_once_if_the_connection_breaks_before_the_reply(
    ask, server, round_trips, proxy, faults
):  # round_trips loads every script, so the lost reply is not NOSCRIPT
    page = ask(Page.objects.create, "a", id="one", views=1)
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError) as caught:
        ask(page.increment, "views")
    assert NOTE in notes(caught)
    assert ask(Page.objects.get, "one").views == 2
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError):
        ask(Page.objects.create, "a", id="two")
    with pytest.raises(IntegrityError):
        ask(Page.objects.create, "a", id="two")
    assert ask(Page.objects.find("a").ids) == ["one", "two"]
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError):
        ask(page.increment, "size")
    # Its own copy is stale now, and a save merges as with any other writer.
    page.name = "x"
    ask(page.save)
    page = ask(Page.objects.get, "one")
    assert (page.size, page.name, page.views) == (1, "x", 2)
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError):
        ask(page.delete)
    assert ask(Page.objects.find("a").ids) == ["two"]
    assert ask(page.delete) == (0, {})
    assert faults() == []


@ONE
def test_a_write_is_not_applied_if_the_connection_breaks_before_it_arrives(
    ask, server, round_trips, proxy, snapshot
):
    page = ask(Page.objects.create, "a", id="one", views=1)
    before = snapshot()
    page.tags = ["b"]
    for method, args in (
        (page.increment, ("views",)),
        (page.save, ()),
        (page.delete, ()),
        (Page.objects.create, ("a",)),
    ):
        assert ask(Page.objects.exists)  # connected: that would be tried twice
        proxy.cut_next_request()
        with pytest.raises(redis.ConnectionError):
            ask(method, *args)
        assert snapshot() == before
    assert ask(page.increment, "views") == 2


@ONE
def test_batches_are_complete_if_the_connection_breaks_before_the_reply(
    ask, server, round_trips, proxy, faults
):
    ask(Todo.objects.create, "warm")
    proxy.cut_next_reply()
    with pytest.raises(redis.ConnectionError):
        ask(Todo.objects.bulk_create, [Todo("a", "b", n=i) for i in range(2000)])
    assert faults() == []
    assert ask(Todo.objects.find("a").count) % 100 == 0


@ONE
def test_a_read_is_repeated_once(ask, server, proxy):
    page = ask(Page.objects.create, "a", views=1)
    proxy.cut_next_reply()
    assert ask(Page.objects.find("a").list) == [page]
    proxy.cut_next_request()
    assert ask(Page.objects.get, page.id) == page


@pytest.mark.servers("valkey91", "valkey91-resp3")
def test_an_unresponsive_network_ends_with_the_timeout(ask, server, proxy, faults):
    server.connect(proxy.url, OPTIONS={"socket_timeout": 0.5})
    page = ask(Page.objects.create, "a", views=1)
    proxy.swallow()
    for method, args in (
        (page.save, ()),
        (page.increment, ("views",)),
        (Page.objects.find("a").list, ()),
    ):
        with pytest.raises(redis.TimeoutError) as caught:
            ask(method, *args)
        assert NOTE in notes(caught)
    proxy.resume()
    assert ask(Page.objects.find("a").list) == [page]
    assert ask(page.increment, "views") == 2
    assert faults() == []


@ONE
def test_a_frozen_server_ends_with_the_timeout(ask, server, start_server):
    own = start_server(server)
    server.connect(own.unix_url, OPTIONS={"socket_timeout": 0.5})
    made = ask(Plain.objects.create, n=1)
    own.freeze()
    try:
        with pytest.raises(redis.TimeoutError):
            ask(Plain.objects.get, made.id)
        made.n = 2
        with pytest.raises(redis.TimeoutError):
            ask(made.save)
    finally:
        own.thaw()
    server.connect(own.unix_url, OPTIONS={"socket_timeout": 20})
    assert ask(Plain.objects.get, made.id).n in {1, 2}  # unknown
    assert raw_faults(own.client(), server.key_prefix) == []
