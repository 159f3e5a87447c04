"""Reads from replicas that sentinels name, and positions of several processes."""

import asyncio
import os
import subprocess
import sys

import pytest

import django_ormist as ormist
from django_ormist.conf import OPTIONS_OF_NODES, Alias
from django_ormist.connections import hosts, urls
from django_ormist.exceptions import ImproperlyConfigured
from tests import sentinels, servers
from tests.replicas import answered_by
from tests.sentinels import wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class NamedNote(ormist.TaggedAttrsModel):
    class Meta:
        app_label = "elsewhere"  # the same in another process


@pytest.fixture
def sentinel_set():
    made = sentinels.shared()
    yield made
    made.heal()
    made.flush()


@pytest.fixture
def connection(sentinel_set, configure):
    return configure(LOCATION=sentinel_set.url, OPTIONS={"read_from": "replicas"})


def are_read(sentinel_set, note):
    """Whether both replicas answer, and nobody else."""
    seen = set()
    for _ in range(4):
        seen |= answered_by(NamedNote.objects.get, note.id)
    return seen == {node.port for node in sentinel_set.replicas()}


# ---------------------------------------------------------------- which replicas


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_replicas_that_sentinels_name_are_read(configure, sentinel_set, protocol):
    more = {"protocol": protocol, "sentinel_kwargs": {"protocol": protocol}}
    options = {"read_from": "replicas", "watch": True, "replicas": 1, **more}
    configure(LOCATION=sentinel_set.url, OPTIONS=options)
    note = NamedNote.objects.create("a", text="x")
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer")


def test_without_the_option_sentinels_are_not_asked_for_replicas(
    configure, sentinel_set
):
    connection = configure(LOCATION=sentinel_set.url)
    note = NamedNote.objects.create("a")
    assert answered_by(NamedNote.objects.get, note.id) == {sentinel_set.primary().port}
    assert connection._router.map.replicas == ()
    assert connection.positions is None


@pytest.mark.slow
def test_a_replica_that_is_down_is_not_named_any_more(connection, sentinel_set):
    note = NamedNote.objects.create("a", text="x")
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer")
    down = sentinel_set.replicas()[0]
    sentinel_set.count_as_down_after(1.0)
    down.kill()

    def is_left():
        assert NamedNote.objects.get(note.id).text == "x"
        return len(connection._router.map.replicas) == 1

    wait_until(is_left, "One replica is left")
    sentinel_set.count_as_down_after(sentinels.PATIENT)
    sentinel_set.heal()
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer again")


@pytest.mark.slow
def test_a_failover_between_a_write_and_a_read(ask, connection, sentinel_set):
    note = ask(NamedNote.objects.create, "a", text="x")
    token = ormist.position()
    former = sentinel_set.fail_over()
    wait_until(lambda: sentinel_set.primary() is not former, "Another primary is named")
    for _ in range(5):
        assert ask(NamedNote.objects.get, note.id).text == "x"
    note.text = "y"
    ask(note.save)
    for _ in range(5):
        assert ask(NamedNote.objects.get, note.id).text == "y"
    assert ormist.position() != token
    sentinel_set.heal()
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer")
    with ormist.at_least(token):  # of a former primary: the first read renews it
        seen = answered_by(NamedNote.objects.get, note.id)
        assert seen == {sentinel_set.primary().port}
        wait_until(lambda: are_read(sentinel_set, note), "The token is renewed")


# ---------------------------------------------------------------- several processes

READER = """
import sys
import django
from django.conf import settings
location, prefix, pk, token = sys.argv[1:]
alias = {"LOCATION": location, "KEY_PREFIX": prefix}
alias["OPTIONS"] = {"read_from": "replicas"}
settings.configure(ORMIST={"default": alias})
django.setup()
import django_ormist as ormist
from django_ormist.connections.instrumentation import listening

class NamedNote(ormist.TaggedAttrsModel):
    class Meta:
        app_label = "elsewhere"

seen = []
with listening(seen.append), ormist.at_least(token):
    text = NamedNote.objects.get(pk).text
print(text, seen[-1].address[1], ormist.position())
"""


def test_another_process_reads_what_a_token_requires(connection, sentinel_set):
    note = NamedNote.objects.create("a", text="x")
    prefix = connection.key_prefix

    def read(token):
        done = subprocess.run(
            [sys.executable, "-c", READER, sentinel_set.url, prefix, note.id, token],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        text, port, *_ = done.stdout.split()
        return text, int(port)

    primary = sentinel_set.primary().port
    assert read(ormist.position())[0] == "x"
    id, _, _ = ormist.position().rpartition(".")
    assert read(f"{id}.999999999999") == ("x", primary)
    assert read("") != ("x", primary)


def test_a_fork_keeps_the_positions_of_its_parent(connection):
    note = NamedNote.objects.create("a", text="x")
    required = connection.positions.required(0)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            is_kept = connection.positions.required(0) == required
            code = 0 if is_kept and NamedNote.objects.get(note.id).text == "x" else 1
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert NamedNote.objects.get(note.id).text == "x"


def test_tasks_have_requirements_of_their_own(connection, sentinel_set):
    note = NamedNote.objects.create("a", text="x")
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer")
    id, _, _ = ormist.position().rpartition(".")

    async def read(token):
        with ormist.at_least(token):
            await asyncio.sleep(0)
            await NamedNote.objects.aget(note.id)
            return [each.required(0) for each in _of_context()]

    def _of_context():
        from django_ormist.connections.positions import of_context

        return of_context("default")

    async def main():
        return await asyncio.gather(*(read(f"{id}.{n}") for n in range(20)))

    found = asyncio.run(main())
    assert [[*one.values()] for (one,) in found] == [[n] for n in range(20)]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("value", ["replica", "", None, True, ["replicas"]])
@pytest.mark.parametrize("location", ["redis+sentinel://s1/main", "redis+cluster://n1"])
def test_another_value_is_an_error(location, value):
    alias = Alias("shop", location, options={"read_from": value})
    with pytest.raises(ImproperlyConfigured) as caught:
        urls.endpoint(alias)
    for words in ("ORMIST['shop']", "read_from", "'primary' or 'replicas'"):
        assert words in str(caught.value)


def test_one_server_has_no_replicas_to_read():
    options = {"read_from": "replicas"}
    with pytest.raises(ImproperlyConfigured) as caught:
        urls.endpoint(Alias("shop", "redis://host", options=options))
    for words in ("ORMIST['shop']", "'read_from'", "redis+sentinel://"):
        assert words in str(caught.value)


def test_a_cache_of_one_server_has_no_replicas_to_read(configure, real):
    backend = "django.core.cache.backends.redis.RedisCache"
    cache = {"BACKEND": backend, "LOCATION": real.tcp_url}
    connection = configure(
        caches={"default": cache}, CACHE="default", OPTIONS={"read_from": "replicas"}
    )
    with pytest.raises(ImproperlyConfigured) as caught:
        connection.send([])
    for words in ("ORMIST['default']", "'read_from'", "CACHES['default']"):
        assert words in str(caught.value)


def test_the_options_beside_a_cache_are_those_of_nodes():
    assert set(hosts.OWN) == OPTIONS_OF_NODES


def test_position_without_such_an_alias_is_an_error(configure):
    configure(LOCATION="redis://localhost:1/0")
    with pytest.raises(ImproperlyConfigured, match="OPTIONS\\['read_from'\\]"):
        ormist.position()


def test_a_cache_of_a_sentinel_client_can_be_read_from_replicas(
    configure, sentinel_set, fresh_cache_pools
):
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://{sentinels.SERVICE}/0",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": [("127.0.0.1", each.port) for each in sentinel_set.sentinels],
        },
    }
    configure(
        caches={"default": cache}, CACHE="default", OPTIONS={"read_from": "replicas"}
    )
    note = NamedNote.objects.create("a", text="x")
    wait_until(lambda: are_read(sentinel_set, note), "Both replicas answer")
