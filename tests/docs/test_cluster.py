"""howto/cluster.rst: its settings are valid, its code runs, its ACL line is enough."""

import re
from io import StringIO

import pytest
from django.core.cache import caches
from django.core.management import call_command

from django_ormist import conf
from django_ormist.connections import cache_pools, urls
from django_ormist.keys import slot_of
from tests import clusters
from tests.docs.pages import DOCS, blocks
from tests.models import Todo
from tests.servers import find

needs_valkey = pytest.mark.skipif(not find("valkey91"), reason="needs valkey91")


def pages():
    return blocks("howto/cluster")


def test_the_settings_are_valid():
    exec(pages()[0], names := {})
    endpoint = urls.endpoint(conf.read_alias("default", names["ORMIST"]))
    assert len(endpoint.cluster.seeds) == 3


def test_the_models_are_in_one_slot():
    exec(pages()[1], names := {"__name__": __name__})
    bases = [names[name]._meta.space("default").base for name in ("Order", "Stock")]
    assert slot_of(bases[0]) == slot_of(bases[1])


@needs_valkey
def test_a_cache_with_the_factory_is_a_cluster(settings):
    exec(pages()[2], globals())
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{clusters.shared().nodes[0].port}",
            "OPTIONS": {"CONNECTION_FACTORY": f"{__name__}.ClusterFactory"},
        }
    }
    alias = conf.read_alias("default", {"default": {"CACHE": "default"}})
    assert cache_pools.endpoint(alias).cluster.seeds
    caches["default"].close()


def acl(page):
    text = (DOCS / "howto" / page).read_text()
    (line,) = re.findall(r"ACL (SETUSER app .*?)\n\n", text, re.DOTALL)
    return line.split()


@needs_valkey
def test_the_acl_line_allows_what_is_used_and_no_more(ask, settings):
    cluster = clusters.shared()
    allowed = acl("cluster.rst")[2:]
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("ACL", *acl("managed-services.rst"), *allowed)
            client.execute_command("ACL", "LOG", "RESET")
    settings.ORMIST = {
        "default": {
            "LOCATION": cluster.url,
            "OPTIONS": {"username": "app", "password": "secret", "protocol": 3},
        }
    }
    slot = slot_of(Todo._meta.space("default").base)
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    try:
        todo = ask(Todo.objects.create, "a", text="x")
        migration = cluster.migrate(slot, target).begin()
        migration.move([todo._key()])
        assert ask(Todo.objects.get, todo.id).text == "x"  # by ASKING
        migration.finish()
        todo.text = "y"
        ask(todo.save)
        assert ask(Todo.objects.find("a").list) == [todo]
        call_command("ormist_inspect", stdout=StringIO())
        call_command("ormist_flush", "tests.Todo", interactive=False, stdout=StringIO())
        used, denied = set(), set()
        for node in cluster.nodes:
            with node.client() as client:
                denied |= {entry["object"] for entry in client.acl_log()}
                found = client.info("commandstats")
                used |= {name.removeprefix("cmdstat_") for name in found}
        assert denied <= {"client|setinfo"}
        words = {word.removeprefix("+") for word in allowed}
        assert words - {"readonly"} <= used  # that is of OPTIONS["read_from"]
    finally:
        cluster.heal()
        cluster.migrate(slot, source).begin().finish()
        cluster.flush()
        for node in cluster.nodes:
            with node.client() as client:
                client.acl_deluser("app")
