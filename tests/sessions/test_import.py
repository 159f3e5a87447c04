"""ormist_import_sessions stores live sessions with their keys and expiration times."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from importlib import import_module

import pytest
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.core.management import CommandError, call_command
from django.utils import timezone
from redis.cluster import RedisCluster

from django_ormist.sessions import Session, SessionStore, private_id
from tests import clusters, sentinels
from tests.servers import ROOT, free_port

pytestmark = pytest.mark.servers("valkey91")

DB = "django.contrib.sessions.backends.db"
CACHED_DB = "django.contrib.sessions.backends.cached_db"
CACHE = "django.contrib.sessions.backends.cache"


@pytest.fixture
def carry(server, capsys):
    """Returns the output of the command: ``carry(engine)``."""

    def called(engine, **options):
        call_command("ormist_import_sessions", "--from", engine, **options)
        return capsys.readouterr().out

    return called


@pytest.fixture
def caches(server, settings):
    """Caches of django-redis and of Django itself, on the server under test."""
    url = server.location.partition("?")[0]
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url},
        "own": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "a*[b]",
        },
        "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    }


def made(engine, lifetime=3600, **data):
    """Return the public key of a session of another engine."""
    session = import_module(engine).SessionStore()
    session.update(data)
    session.set_expiry(lifetime)
    session.create()
    return session.session_key


def found(key):
    data = SessionStore(key).load()
    data.pop("_session_expiry", None)
    return data


def check(engine, carry):
    """Assert that two live sessions are imported, and an expired one is not."""
    keys = [made(engine, n=n, cart=[1, {"a": None}]) for n in range(2)]
    user = made(engine, 600, _auth_user_id="7")
    late = made(engine, -5, n=9)
    assert carry(engine) == "Carried over 3 sessions.\n"
    assert [found(key) for key in keys] == [
        {"n": n, "cart": [1, {"a": None}]} for n in range(2)
    ]
    assert found(late) == {}
    (session,) = Session.objects.find(user_id=7)
    assert session.id == private_id(user)
    assert 590 < session.ttl() <= 600.1
    assert carry(engine) == "Carried over 0 sessions. Skipped 3 stored sessions.\n"
    assert Session.objects.count() == 3


@pytest.fixture
def session_table(db, django_db_blocker):
    """The table of django.contrib.sessions, whose app is not installed here."""
    from django.db import connection

    from tests.sessions.database_store import Row

    with connection.schema_editor() as editor:
        editor.create_model(Row)


def check_sound(server):
    from tests.checker import raw_faults

    faults = raw_faults(server.client, server.key_prefix)
    assert [each for each in faults if "belongs to no model" not in each] == []


@pytest.mark.django_db(transaction=True)
def test_sessions_of_the_database_are_imported(carry, server, session_table):
    check("tests.sessions.database_store", carry)
    check_sound(server)


@pytest.mark.stray_keys
def test_sessions_of_django_redis_are_imported(carry, server, caches):
    check(CACHE, carry)
    check_sound(server)


@pytest.mark.stray_keys
def test_sessions_of_djangos_own_redis_cache_are_imported(carry, caches, settings):
    settings.SESSION_CACHE_ALIAS = "own"
    check(CACHE, carry)


@pytest.mark.stray_keys
@pytest.mark.parametrize("prefix", ["old", ""])
def test_sessions_of_django_redis_sessions_are_imported(
    carry, server, monkeypatch, prefix
):
    monkeypatch.setattr("tests.sessions.old_redis.PREFIX", prefix)
    server.client.rpush("old:a-list", "is no session")
    server.client.set("old:a-text", b"is no session \xff")
    engine = "tests.sessions.old_redis"
    key, user = made(engine, a=[1]), made(engine, 600, _auth_user_id="7")
    assert carry(engine) == "Carried over 2 sessions.\n"
    assert found(key) == {"a": [1]}
    (session,) = Session.objects.find(user_id=7)
    assert session.id == private_id(user)
    assert 590 < session.ttl() <= 600.1
    check_sound(server)


@pytest.mark.slow
@pytest.mark.stray_keys
@pytest.mark.parametrize("is_django_redis", [True, False])
def test_sessions_of_a_cache_in_a_cluster_are_imported(
    carry, server, settings, is_django_redis
):
    cluster = clusters.shared()
    url = f"redis://127.0.0.1:{cluster.nodes[0].port}"
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "CONNECTION_FACTORY": "tests.connections.test_cache_cluster.ClusterFactory"
        },
    }
    if not is_django_redis:
        cache = {"BACKEND": "tests.sessions.test_import.ClusterCache", "LOCATION": url}
    settings.CACHES = {"default": cache}
    try:
        check(CACHE, carry)
        keys = [made(CACHE, n=n) for n in range(40)]  # on all nodes
        assert "Carried over 40 sessions." in carry(CACHE)
        assert [found(key) for key in keys] == [{"n": n} for n in range(40)]
    finally:
        cluster.flush()


class ClusterCacheClient(RedisCacheClient):
    """The client of Django's RedisCache, over a RedisCluster."""

    def get_client(self, key=None, *, write=False):
        return RedisCluster.from_url(self._servers[0])


class ClusterCache(RedisCache):
    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = ClusterCacheClient


@pytest.mark.slow
@pytest.mark.stray_keys
def test_sessions_are_read_from_the_primary_of_a_sentinel_client(
    carry, server, settings, fresh_cache_pools
):
    made_set = sentinels.shared()
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://{sentinels.SERVICE}/0",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
                "SENTINELS": [("127.0.0.1", each.port) for each in made_set.sentinels],
            },
        }
    }
    replicas = made_set.replicas()
    try:
        for node in replicas:  # they do not have the sessions
            with node.client() as client:
                client.replicaof("127.0.0.1", free_port())
        check(CACHE, carry)
    finally:
        made_set.heal()
        made_set.flush()


def test_a_cache_of_many_servers_is_named(carry, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": ["redis://localhost:6379/9"],
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"},
        }
    }
    with pytest.raises(CommandError, match="'default' cannot list its keys"):
        carry(CACHE)


def test_a_cache_that_cannot_list_its_keys_is_named(carry, caches, settings):
    settings.SESSION_CACHE_ALIAS = "local"
    with pytest.raises(CommandError, match="'local' cannot list its keys: it is a Loc"):
        carry(CACHE)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("nowhere.sessions", "no session engine 'nowhere.sessions'"),
        ("", "no session engine ''"),
        (".x", "no session engine '.x'"),
        ("..", "no session engine '..'"),
        ("django_ormist.keys", "no session engine 'django_ormist.keys'"),
        ("django.contrib.sessions.backends.signed_cookies", "cannot list its sessions"),
    ],
)
def test_an_engine_that_cannot_be_read_is_named(carry, engine, message):
    with pytest.raises(CommandError, match=message):
        carry(engine)


@pytest.mark.stray_keys
def test_sessions_that_the_serializer_refuses_are_reported(carry, caches):
    good, bad = made(CACHE, a=1), made(CACHE, when=timezone.now())
    with pytest.raises(CommandError, match="1 session could not be carried over"):
        carry(CACHE)
    assert found(good) == {"a": 1}
    assert found(bad) == {}


@pytest.mark.stray_keys
def test_a_stored_session_is_not_replaced(carry, caches):
    key = made(CACHE, a="old")
    carry(CACHE)
    session = SessionStore(key)
    session["a"] = "new"
    session.save()
    carry(CACHE)
    assert found(key) == {"a": "new"}


@pytest.mark.stray_keys
def test_a_session_without_expiration_gets_that_of_the_cookie(carry, caches):
    from django.core.cache import cache

    cache.set(f"{CACHE.replace('.backends', '')}some-old-key", {"a": 1}, timeout=None)
    carry(CACHE)
    ttl = Session.objects.get(private_id("some-old-key")).ttl()
    assert (
        timedelta(days=13).total_seconds() < ttl <= timedelta(days=14).total_seconds()
    )


@pytest.mark.stray_keys
def test_progress_is_shown_only_on_a_terminal(caches, server):
    from tests.commands.conftest import Terminal

    made(CACHE, a=1)
    out = Terminal()
    call_command("ormist_import_sessions", "--from", CACHE, stdout=out)
    assert "\r1 sessions" in out.getvalue()


# ---------------------------------------------------------------- interrupted

CHILD = """
import json, os, sys
from django.conf import settings
settings.configure(
    SECRET_KEY="x", USE_TZ=True,
    INSTALLED_APPS=["django_ormist"],
    SESSION_ENGINE="django_ormist.sessions",
    CACHES=json.loads(sys.argv[1]), ORMIST=json.loads(sys.argv[2]),
)
import django; django.setup()
from django.core.management import call_command
from django_ormist.sessions import importing
importing.BATCH = 20
real = importing.import_sessions
def slow(found):
    for tally in real(found):
        print(tally.imported, flush=True)
        sys.stdin.readline()
        yield tally
from django_ormist.management.commands import ormist_import_sessions as command
command.import_sessions = slow
call_command("ormist_import_sessions", "--from", sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.stray_keys
def test_a_killed_import_can_be_resumed(carry, caches, settings, server):
    import json

    keys = [made(CACHE, n=n, _auth_user_id=str(n % 7)) for n in range(400)]
    words = [json.dumps(settings.CACHES), json.dumps(settings.ORMIST), CACHE]
    for turn in range(1, 6):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        child.stdout.readline()  # a batch is through, the next one is under way
        child.stdin.write("\n" * turn)
        child.stdin.flush()
        child.send_signal(signal.SIGKILL)
        child.communicate()
        check_sound(server)
    before = Session.objects.count()
    assert 0 < before < 400
    printed = carry(CACHE)
    carried, there = map(int, re.findall(r"\d+", printed))
    assert (carried, there) == (400 - before, before)
    assert [found(key)["n"] for key in keys] == list(range(400))
    assert Session.objects.find(user_id=3).count() == len(range(3, 400, 7))
    check_sound(server)
