"""Each system check: its messages, and that it does not open sockets."""

import re
import socket
import sys
import threading
from pathlib import Path

import pytest
import redis
from django.core import checks as django_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError

import django_ormist as ormist
from django_ormist import checks
from django_ormist.connections import redirection
from django_ormist.connections.endpoints import format_address
from django_ormist.connections.inspection import inspect_nodes
from django_ormist.connections.router import Router
from django_ormist.models import registry
from django_ormist.operations import stats
from django_ormist.sessions import Session
from tests import clusters

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.rst"


@pytest.fixture
def found(settings):
    """Returns the ids of the messages of the checks: ``found(ORMIST={...})``."""

    def find(deploy=False, **new):
        for name, value in new.items():
            setattr(settings, name, value)
        messages = django_checks.run_checks(
            tags=["ormist"], include_deployment_checks=deploy
        )
        find.text = "\n".join(f"{each.msg} {each.hint}" for each in messages)
        return [each.id.removeprefix("ormist.") for each in messages]

    return find


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_models", [])


@pytest.fixture
def _no_sockets(monkeypatch):
    connect, here = socket.socket.connect, threading.current_thread()

    def refuse(*args):
        if threading.current_thread() is here:
            raise AssertionError("a socket was opened")
        return connect(
            *args
        )  # of a thread that listens to sentinels, from another test

    monkeypatch.setattr("socket.socket.connect", refuse)


pytestmark = pytest.mark.usefixtures("_no_sockets")

REDIS = {"LOCATION": "redis://localhost:6379/0"}
DECODING = {"decode_responses": True}
CORE = "django.core.cache.backends.redis.RedisCache"


def test_valid_settings_give_no_messages(found):
    assert found(ORMIST={"default": REDIS, "more": {"LOCATION": "fakeredis://"}}) == []


@pytest.mark.parametrize(
    "setting",
    [
        [],
        {"default": []},
        {"default": {}},
        {"default": {"LOCATION": "nope://x"}},
        {"default": {**REDIS, "KEY_PREFIX": ""}},
        {"default": {**REDIS, "OPTIONS": {"retry": 1}}},
        {"default": {**REDIS, "CODEC": "pickle"}},
        {"default": {**REDIS, "TEST": {"CACHE": "default"}}},
        {"default": {**REDIS, "TEST": {"LOCATION": "nope://x"}}},
        {"default": {**REDIS, "TEST": {**REDIS, "OPTIONS": {"retry": 1}}}},
    ],
)
def test_e001_a_malformed_setting(found, setting):
    assert found(ORMIST=setting) == ["E001"]


def test_fakeredis_only_for_tests_need_not_be_installed(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    monkeypatch.setattr(redirection, "has_begun", False)  # production
    monkeypatch.setattr(redirection, "_is_test_environment", lambda: False)
    test = {"LOCATION": "fakeredis://"}
    assert found(ORMIST={"default": {**REDIS, "TEST": test}}) == []


def test_e001_is_not_reported_for_decoding_options_of_a_cache(found):
    assert found(ORMIST={"default": REDIS | {"OPTIONS": DECODING}}) == ["E001"]


def test_e001_a_missing_default_that_a_model_uses(found):
    ormist.Model.__class__("Thing", (ormist.Model,), {"__module__": "x"})
    assert found(ORMIST={"other": REDIS}) == ["E001"]
    assert "no alias 'default'" in found.text


def test_e006_a_malformed_setting_of_sessions(found, settings):
    registry._models.append(Session)
    settings.ORMIST_SESSIONS = {"USNIG": "default"}
    assert found(ORMIST={"default": REDIS}) == ["E006"]
    assert "ORMIST_SESSIONS has an unknown key 'USNIG'" in found.text


def test_e007_an_annotation_that_cannot_be_resolved(found):
    class Lost(ormist.Model):
        owner: "Unknown"  # noqa: F821
        size: int = 1

    assert found(ORMIST={"default": REDIS}) == ["E007"]
    assert "Lost.owner: its annotation names 'Unknown'" in found.text


def test_e002_an_unknown_alias(found):
    class Lost(ormist.Model):
        class Meta:
            using = "nope"

    assert found(ORMIST={"default": REDIS}) == ["E002"]
    assert "Lost.Meta.using" in found.text
    assert found(ORMIST={"default": REDIS, "nope": REDIS}) == []


def declare(name, module, **meta):
    options = type("Meta", (), {"app_label": "shop", **meta})
    body = {"__module__": module, "Meta": options}
    return type(ormist.Model)(name, (ormist.Model,), body)


def test_e003_two_models_with_the_same_keys(found):
    aliases = {
        "default": REDIS,
        "second": dict(REDIS),
        "apart": {"LOCATION": "redis://b"},
    }
    declare("Cart", "shop.models")
    assert found(ORMIST=aliases) == []
    declare("Cart", "shop.models")  # loaded again
    declare("Cart", "other.models", using="apart")
    assert found() == []
    declare("Cart", "other.models", using="second")
    assert found() == ["E003"]
    assert "shop.models.Cart and other.models.Cart" in found.text
    assert "they share every key" in found.text
    declare("Line", "shop.models")
    declare("Line", "other.models", slot="shop")
    assert found() == ["E003", "E003"]
    assert "commands find only the latter" in found.text


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_e004_a_cache_that_is_not_a_redis_cache(found, backend):
    cache = {"BACKEND": f"django.core.cache.backends.{backend}"}
    assert found(
        CACHES={"default": cache}, ORMIST={"default": {"CACHE": "default"}}
    ) == ["E004"]


def test_e004_an_unknown_cache(found):
    assert found(ORMIST={"default": {"CACHE": "nope"}}) == ["E004"]


def test_e005_a_cache_pool_that_decodes(found):
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://localhost:6379/7",
        "OPTIONS": {"CONNECTION_POOL_KWARGS": {"decode_responses": True}},
    }
    assert found(
        CACHES={"default": cache}, ORMIST={"default": {"CACHE": "default"}}
    ) == ["E005"]


def test_w001_a_database_that_a_cache_would_flush(found):
    cache = {"BACKEND": CORE, "LOCATION": "redis://127.0.0.1:6379/0"}
    assert found(CACHES={"default": cache}, ORMIST={"default": REDIS}) == ["W001"]
    assert "FLUSHDB" in found.text
    assert found(ORMIST={"default": {"CACHE": "default"}}) == ["W001"]
    apart = {**cache, "LOCATION": "redis://127.0.0.1:6379/1"}
    assert found(CACHES={"default": apart}, ORMIST={"default": REDIS}) == []


class TestServers:
    """The checks of --deploy, which connect to the servers."""

    @pytest.fixture(autouse=True)
    def _no_sockets(self):
        """Allows sockets in these tests."""

    def test_w003_an_unreachable_server(self, found):
        location = {"LOCATION": "redis://127.0.0.1:1/0"}
        assert found(ORMIST={"default": location}) == []
        assert found(deploy=True) == ["W003"]
        assert (
            found(ORMIST={"default": {"LOCATION": "fakeredis://"}}, deploy=True) == []
        )

    def test_w003_an_embedded_server_without_a_writable_folder(self, found):
        location = {"LOCATION": "embedded:///proc/nobody"}
        assert found(ORMIST={"default": location}, deploy=True) == ["W003"]

    @pytest.mark.servers("valkey91")
    def test_w002_sessions_on_a_server_with_eviction(
        self, found, start_server, settings, server
    ):
        registry.register(Session)
        own = start_server(server, "--maxmemory-policy", "allkeys-lru")
        settings.SESSION_ENGINE = "django_ormist.sessions"
        sound = settings.ORMIST["default"]
        evicting = {**sound, "LOCATION": own.unix_url}
        assert found(ORMIST={"default": evicting}, deploy=True) == ["W002"]
        assert found(ORMIST={"default": sound}, deploy=True) == []
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        assert found(ORMIST={"default": evicting}, deploy=True) == []


@pytest.mark.servers("valkey91", "valkey91-cluster", "fakeredis")
class TestSlots:
    @pytest.fixture(autouse=True)
    def _no_sockets(self):
        """These connect."""

    @pytest.mark.parametrize("slot", ["shop", "mall", None])
    def test_w007_objects_in_another_slot(self, found, server, settings, slot):
        before = declare("Cart", "a", slot="shop")
        before.objects.create(id="1")
        registry._models.clear()
        declare("Cart", "a", slot=slot)
        declare("Line", "a", slot="shop")
        assert found(deploy=True) == (["W007"] if slot != "shop" else [])
        if slot != "shop":
            assert "shop.Cart has objects (1) under {shop}:shop.Cart of" in found.text
            assert "ormist_reindex shop.Cart --move" in found.text
        assert found() == []


class TestNodes:
    @pytest.fixture(autouse=True)
    def _no_sockets(self, request):
        """These connect, to nodes that are whole."""
        if "server" in request.fixturenames:
            request.getfixturevalue("server").catch_up()

    @pytest.mark.servers("valkey91-cluster", "valkey91-sentinel")
    def test_nodes_at_rest_give_no_messages(self, found, server):
        registry.register(Session)
        assert found(SESSION_ENGINE="django_ormist.sessions", deploy=True) == []

    @pytest.mark.servers("valkey91-cluster", "valkey91-sentinel")
    def test_w002_names_the_nodes_that_evict(self, found, server):
        registry.register(Session)
        node = server.variant.nodes().nodes[1]
        with node.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            try:
                settings = {"SESSION_ENGINE": "django_ormist.sessions"}
                assert found(**settings, deploy=True) == ["W002"]
            finally:
                client.config_set("maxmemory-policy", "noeviction")
        assert f"whose server at 127.0.0.1:{node.port} evicts" in found.text

    @pytest.mark.servers("valkey91-cluster", "valkey91-sentinel")
    def test_w003_names_each_node_that_does_not_answer(
        self, found, server, monkeypatch
    ):
        nodes = inspect_nodes("default")
        silent = [nodes.nodes[-1].address]
        silent += [each.address for each in nodes.sentinels[:1]]
        query = Router.query

        def refuse(router, node, operations):
            address = getattr(node, "address", node)
            if format_address(address) in silent:
                raise redis.ConnectionError("Refused.")
            return query(router, node, operations)

        monkeypatch.setattr(Router, "query", refuse)
        assert found(deploy=True) == ["W003"] * len(silent)
        for address in silent:
            assert f"at {address}, one of its" in found.text

    @pytest.mark.servers("valkey91-sentinel")
    def test_w003_a_service_that_the_sentinels_do_not_know(self, found, server):
        wrong = server.location.replace("mymaster", "other")
        assert found(ORMIST={"default": {"LOCATION": wrong}}, deploy=True) == ["W003"]
        assert "Correct the name in the setting" in found.text
        assert "does not answer" not in found.text
        assert "Start it" not in found.text

    @pytest.mark.servers("valkey91-cluster")
    def test_w006_names_the_url_of_the_cluster(self, found, server):
        node = clusters.shared(server.variant.server).nodes[0]
        one = {"default": {"LOCATION": node.tcp_url}}
        assert found(ORMIST=one, deploy=True) == ["W006"]
        assert f"'redis+cluster://127.0.0.1:{node.port}'" in found.text

    def test_w001_a_cache_in_the_same_cluster(self, found):
        ours = {"LOCATION": "redis+cluster://localhost:7000,localhost:7001"}
        for location, ids in (
            ("redis://127.0.0.1:7001/0", ["W001"]),
            ("redis://127.0.0.1:7002/0", []),
        ):
            caches = {"default": {"BACKEND": CORE, "LOCATION": location}}
            assert found(ORMIST={"default": ours}, CACHES=caches) == ids


def test_every_check_is_documented_and_tested():
    source = Path(checks.__file__).read_text()
    ids = set(re.findall(r'"(?:ormist\.)?([EW]\d{3})"', source))
    assert ids == set(re.findall(r"``ormist\.([EW]0\d\d)``", PAGE.read_text()))
    tests = Path(__file__).read_text().lower()
    assert all(f"def test_{each.lower()}_" in tests for each in ids)


def test_manage_py_check_runs_them(settings):
    settings.ORMIST = {"default": []}
    with pytest.raises(SystemCheckError, match=r"ormist\.E001"):
        call_command("check")


@pytest.mark.parametrize(
    ("overridden", "missing"),
    [
        (["save"], ["asave"]),
        (["asave"], ["save"]),
        (["delete"], ["adelete"]),
        (["save", "delete", "adelete"], ["asave"]),
        (["arefresh_from_db"], ["refresh_from_db"]),
    ],
)
def test_w004_a_model_that_overrides_one_of_two(found, overridden, missing):
    type("Half", (ormist.Model,), {n: lambda self: None for n in overridden})
    assert found(ORMIST={"default": REDIS}) == ["W004"]
    assert [f"not {name}()" in found.text for name in missing] == [True]


def test_a_mix_in_before_the_model_counts(found):
    mixin = type("Mixin", (), {"save": lambda self: None})
    type("Half", (mixin, ormist.TaggedModel), {})
    assert found(ORMIST={"default": REDIS}) == ["W004"]
    assert "Half overrides save()" in found.text


def test_overriding_both_or_neither_is_fine(found):
    both = {"save": lambda self: None, "asave": lambda self: None}
    type("Both", (ormist.TaggedAttrsModel,), both)
    type("None_", (ormist.TaggedAttrsModel,), {})
    assert found(ORMIST={"default": REDIS}) == []


def set_info(monkeypatch, info):
    """Let the servers return *info*; return it as it is parsed."""
    facts = stats.read_info(info)
    monkeypatch.setattr(checks, "run", lambda flow, using: facts)
    return stats.server_facts(facts)


@pytest.mark.parametrize(
    ("info", "product"),
    [
        ("redis_version:7.4.0\r\ndragonfly_version:df-v1.27.1", "dragonfly"),
        ("redis_version:4.0.0\r\nkvrocks_version:2.11.0", "kvrocks"),
        ("redis_version:7.4.3\r\ngarnet_version:1.0.60", "garnet"),
        ("redis_version:6.3.4\r\nexecutable:/bin/keydb-server", "keydb"),
        ("redis_version:6.2.6\r\nupstash_version:1.17.8", "upstash"),
    ],
)
def test_w005_an_untested_server_product(found, monkeypatch, info, product):
    facts = set_info(monkeypatch, info)
    assert facts["product"] == product
    assert facts["version"]
    assert found(deploy=True, ORMIST={"default": REDIS}) == ["W005"]
    assert product in found.text
    assert found() == []


@pytest.mark.parametrize(
    ("info", "product"),
    [
        ("redis_version:8.2.1\r\nexecutable:/keydb/redis-server", "redis"),
        ("redis_version:7.2.4\r\nvalkey_version:9.1.0", "valkey"),
    ],
)
def test_a_tested_server_product_is_not_reported(found, monkeypatch, info, product):
    assert set_info(monkeypatch, info)["product"] == product
    assert found(deploy=True, ORMIST={"default": REDIS}) == []


@pytest.mark.parametrize("field", ["redis_mode", "server_mode"])
def test_w006_a_cluster_node(found, monkeypatch, field):
    set_info(monkeypatch, f"redis_version:8.2.1\r\n{field}:cluster")
    assert found(deploy=True, ORMIST={"default": REDIS}) == ["W006"]
    assert "NotSupportedError" in found.text
    assert found() == []


@pytest.mark.parametrize(
    ("info", "word"),
    [("redis_mode:sentinel", "a sentinel"), ("role:slave", "a replica")],
)
def test_w008_a_sentinel_or_a_replica(found, monkeypatch, info, word):
    set_info(monkeypatch, f"redis_version:8.2.1\r\n{info}")
    assert found(deploy=True, ORMIST={"default": REDIS}) == ["W008"]
    assert word in found.text
    assert found() == []
