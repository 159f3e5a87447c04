"""howto/managed-services.rst: its ACL line allows exactly what is used."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import call_command

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.keys import object_key
from django_ormist.sessions import SessionStore
from tests import clusters
from tests.servers import ROOT, find

HANDSHAKE = {"hello", "auth", "select", "ping"}  # PING: health_check_interval
UNHEARD = {
    "client",
    "client|setinfo",
}  # redis-py names itself, and continues if that fails
NOT_IN_62 = {"+pexpiretime", "+zintercard"}


def acl():
    """The words of the ACL line, without ACL SETUSER and the name."""
    page = (ROOT / "docs" / "howto" / "managed-services.rst").read_text()
    block = re.search(r"ACL SETUSER app (.*?)\n\n", page, re.DOTALL)
    return block[1].split()


class Batch(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]
        ordered = ["weight"]
        unique = ["number"]


@pytest.fixture(params=["valkey91", "redis82", "redis62"])
def user(request, start_server, settings):
    """Connects "default" as the user of the ACL line; returns denied commands."""
    if find(request.param) is None:
        pytest.skip(f"{request.param} is not on this machine")
    server = start_server(request.param)
    left_out = NOT_IN_62 if request.param == "redis62" else set()
    with server.client() as client:
        words = [word for word in acl() if word not in left_out]
        client.execute_command("ACL", "SETUSER", "app", *words)
        settings.ORMIST = {
            "default": {
                "LOCATION": server.unix_url,
                "OPTIONS": {
                    "username": "app",
                    "password": "secret",
                    "health_check_interval": 30,
                },
            }
        }
        settings.SESSION_ENGINE = "django_ormist.sessions"
        yield lambda: {entry["object"] for entry in client.acl_log()} - UNHEARD


def test_models_work_as_the_user_of_the_acl_line(ask, user):
    objects = Batch.objects
    one = ask(objects.create, "a", "b", id="one", weight=1, number=7, views=3)
    ask(objects.bulk_create, [Batch("a", id=f"n{i}", weight=i) for i in range(250)])
    one.weight, one.tags = 2, ["a", "c"]
    ask(one.save)
    ask(one.increment, "views")
    assert ask(objects.get, "one").views == 4
    assert ask(objects.get, number=7) == one
    assert ask(objects.find("a").exclude(weight__gt=100).order_by("-weight").first)
    assert len(ask(objects.find("a", weight__lte=9)[2:5].list)) == 3
    assert len(ask(list, objects.order_by("weight")[:20])) == 20
    assert (ask((objects.find("a") & objects.find("c")).count)) == 1
    assert (ask((objects.find("a") | objects.find("b")).count)) == 251
    assert ask(objects.in_bulk, ["one", "n1"]).keys() == {"one", "n1"}
    ask(objects.find("a").set_expire, 1000)
    ask(objects.find("c").update, weight=5)
    ask(objects.get_or_create, id="two", defaults={"number": 8})
    ask(objects.find(weight=5).delete)
    ask(one.delete)
    assert user() == set()


def test_sessions_work_as_the_user_of_the_acl_line(user):
    store = SessionStore()
    store["a"] = 1
    store.save()
    store.set_expiry(100)
    store.cycle_key()
    store.save()
    again = SessionStore(store.session_key)
    assert again["a"] == 1
    assert SessionStore().exists(store.session_key)
    again.flush()
    SessionStore.clear_expired()
    assert user() == set()


def test_the_commands_work_as_the_user_of_the_acl_line(user, tmp_path, capsys):
    Batch.objects.bulk_create([Batch("a", id=f"n{i}", weight=i) for i in range(50)])
    dump = tmp_path / "parcels.jsonl"
    label = Batch._meta.label
    call_command("ormist_inspect")
    call_command("ormist_inspect", label, "n1")
    call_command("ormist_inspect", label, "--verify")
    connections["default"].client.unlink(object_key(Batch._meta.space("default"), "n1"))
    call_command("ormist_inspect", label, "--repair")
    call_command("ormist_reindex", label)
    call_command("ormist_sweep", label)
    call_command("ormist_dump", label, "--output", str(dump))
    call_command("ormist_flush", label, "--no-input")
    call_command("ormist_load", str(dump))
    assert Batch.objects.count() == 49
    call_command("ormist_flush", "--no-input")
    assert user() == set()


def test_the_commands_for_a_cluster_are_enough(settings, capsys):
    nodes = clusters.shared().nodes
    words = [*acl(), *words_for_a_cluster()]
    for node in nodes:
        with node.client() as client:
            client.execute_command("ACL", "SETUSER", "app", *words)
            client.acl_log_reset()
    options = {"username": "app", "password": "secret"}
    alias = {"LOCATION": clusters.shared().url, "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    settings.SESSION_ENGINE = "django_ormist.sessions"
    try:
        Batch.objects.bulk_create([Batch("a", id=f"n{i}", weight=i) for i in range(50)])
        assert Batch.objects.find("a").order_by("-weight").first().id == "n49"
        store = SessionStore()
        store["a"] = 1
        store.save()
        call_command("ormist_inspect")
        call_command("ormist_inspect", Batch._meta.label, "--verify")
        call_command("ormist_flush", "--no-input")
        denied = set()
        for node in nodes:
            with node.client() as client:
                denied |= {entry["object"] for entry in client.acl_log()}
        assert denied - UNHEARD == set()
    finally:
        for node in nodes:
            with node.client() as client:
                client.acl_deluser("app")
        clusters.shared().flush()


def words_for_a_cluster():
    page = (ROOT / "docs" / "howto" / "cluster.rst").read_text()
    return re.search(r"ACL SETUSER app (.*)", page)[1].split()


def test_the_acl_line_allows_only_commands_that_are_used():
    folder = Path(import_module("django_ormist.operations").__path__[0])
    files = [*folder.rglob("*.py"), *folder.rglob("*.lua")]
    quoted = re.findall(r"""['"]([A-Z]+(?: [A-Z]+)?)['"]""", "".join(map(_text, files)))
    used = {word.lower().replace(" ", "|") for word in quoted} | HANDSHAKE
    allowed = {word[1:] for word in acl() if word.startswith("+")}
    assert allowed <= used


def _text(path):
    return path.read_text()
