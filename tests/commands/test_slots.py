"""Commands on models that share a slot: each acts on its own keys only."""

import json

import pytest
from django.core.management import CommandError

from django_ormist.keys import Space, all_key, journal_key
from tests.checker import raw_faults
from tests.commands.test_reindex import declared
from tests.models import Basket, BasketLine

pytestmark = pytest.mark.servers("valkey91", "valkey91-cluster", "fakeredis")


@pytest.fixture
def stored(server):
    """Three baskets and four lines."""
    Basket.objects.bulk_create(
        Basket("t", id=f"b{n}", owner=n, total=n, code=n, views=n) for n in range(3)
    )
    BasketLine.objects.bulk_create(BasketLine("t", code=n) for n in range(4))


def keys_of(model, server):
    return server.keys(model._meta.space("default").base + b"*")


def test_flush_of_a_model_keeps_its_neighbour_in_the_slot(command, stored, server):
    lines = keys_of(BasketLine, server)
    lost = Basket._meta.space("default").base.replace(b"{", b"lost:{")
    server.client.set(lost + b"o:x", "x")
    server.client.set(lost.replace(b"Basket:", b"BasketLine:") + b"o:x", "x")
    printed = command("ormist_flush", "tests.Basket", interactive=False)
    assert printed == "Deleted 3 objects and 1 key without an object.\n"
    left = server.keys()
    assert lost.replace(b"Basket:", b"BasketLine:") + b"o:x" in left
    assert [key for key in left if b"lost:" not in key] == lines
    assert BasketLine.objects.count() == 4


def test_flush_of_a_model_outside_any_app_keeps_a_slot_of_its_name(command, server):
    with declared(slot="Cart") as Thing, declared(app_label=None) as Cart:
        Cart._meta.__dict__["label"] = "Cart"
        Thing.objects.create("t", id="1")
        Cart.objects.create("t", id="1")
        command("ormist_inspect", "--verify")
        command("ormist_flush", "Cart", interactive=False)
        assert Cart.objects.count() == 0
        assert Thing.objects.find("t").ids() == ["1"]
        assert raw_faults(server.client, server.key_prefix) == []


def test_inspect_names_each_model_of_the_slot(command, stored):
    found = json.loads(command("ormist_inspect", format="json"))
    counts = {each["model"]: each["count"] for each in found["models"]}
    assert (counts["tests.Basket"], counts["tests.BasketLine"]) == (3, 4)


@pytest.mark.parametrize("words", [("tests.Basket",), ()])
def test_verify_and_repair_keep_to_the_model(command, stored, server, words):
    space = Basket._meta.space("default")
    server.client.delete(space.objects + b"b1")
    server.client.set(space.base + b"foreign", "x")
    before = keys_of(BasketLine, server)
    with pytest.raises(CommandError, match="Faults found: 6"):
        command("ormist_inspect", *words, "--verify")
    printed = command("ormist_inspect", *words, "--repair")
    assert "missing-object at" in printed
    assert f"tests.Basket: foreign-key at {server.key_prefix}:{{shop}}:" in printed
    lost = f"{server.key_prefix}:lost:{{shop}}:tests.Basket:foreign"
    assert server.client.exists(lost)
    server.client.delete(lost)
    assert keys_of(BasketLine, server) == before
    assert raw_faults(server.client, server.key_prefix) == []


def test_verify_names_keys_of_a_model_in_another_slot(command, server):
    prefix = server.key_prefix
    server.client.set(Space(prefix, "tests.Basket").objects + b"1", "x")
    server.client.set(Space(prefix, "tests.Todo", "old").objects + b"1", "x")
    server.client.set(Space(prefix, "gone.Model", "old").objects + b"1", "x")
    before = server.keys()
    server.client.zadd(all_key(Basket._meta.space("default")), {"gone": 1})
    with pytest.raises(CommandError) as found:
        command("ormist_inspect", "--verify")
    assert str(found.value) == (
        "Faults found: 4. Repair 1 of them with --repair. "
        "Move the keys in a wrong slot with ormist_reindex tests.Basket --move. "
        "Move the keys in a wrong slot with ormist_reindex tests.Todo --move. "
        "Add the apps of unknown models to INSTALLED_APPS, or quarantine their keys "
        "with --repair --orphans."
    )
    with pytest.raises(CommandError, match="3 of 4 faults are left"):
        command("ormist_inspect", "--repair")
    assert server.keys() == before
    printed = command("ormist_flush", "--dry-run")
    assert "tests.Basket (in another slot: {tests.Basket})" in printed
    assert "tests.Todo (in another slot: {old}:tests.Todo)" in printed
    assert "gone.Model (no model)" in printed
    with pytest.raises(CommandError, match="2 of 3 faults are left"):
        printed = command("ormist_inspect", "--repair", "--orphans")
    lost = f"{prefix}:lost:{{old}}:gone.Model:o:1".encode()
    assert {*server.keys()} - {*before} == {lost}
    with pytest.raises(CommandError, match="Faults found: 2"):
        command("ormist_inspect", "--verify", verbosity=0)
    command("ormist_flush", interactive=False)
    assert server.keys() == []


def test_each_command_warns_of_objects_in_another_slot(command, server):
    with declared() as Thing:
        Thing.objects.create("t", id="1")
    text = (
        "tests.Thing: 1 object under {tests.Thing}, where the model does not look. "
        "Move with ormist_reindex tests.Thing --move.\n"
    )
    with declared(slot="shop"):
        for words in (
            ("ormist_inspect",),
            ("ormist_dump",),
            ("ormist_reindex",),
            ("ormist_flush", "tests.Thing", "--noinput"),
        ):
            assert text in command(*words).errors
        found = json.loads(command("ormist_inspect", "tests.Thing", format="json"))
        assert found["models"][0]["elsewhere"] == [
            {"keys": "{tests.Thing}", "count": 1}
        ]
        with pytest.raises(CommandError, match="Faults found: 1"):
            command("ormist_inspect", "tests.Thing", "--verify")
    with declared() as Thing:
        assert command("ormist_inspect").errors == ""
        assert Thing.objects.count() == 1


@pytest.mark.parametrize("words", [("tests.Thing",), ()])
def test_verify_says_how_to_move_objects_in_another_slot(command, server, words):
    with declared() as Thing:
        Thing.objects.create("t", id="1")
    move = "Move the keys in a wrong slot with ormist_reindex tests.Thing"
    with declared(slot="shop") as Thing:
        with pytest.raises(CommandError) as found:
            command("ormist_inspect", *words, "--verify")
        number = 1 if words else 3
        assert str(found.value) == f"Faults found: {number}. {move} --move."
        with pytest.raises(CommandError) as left:
            command("ormist_inspect", *words, "--repair", using="default")
        assert str(left.value) == (
            f"{number} of {number} faults are left. {move} --using default --move."
        )
        command("ormist_reindex", "tests.Thing", "--using", "default", "--move")
        command("ormist_inspect", *words, "--verify")
        assert Thing.objects.find("t").ids() == ["1"]


def test_flush_of_everything_removes_the_journal_of_a_move(command, stored, server):
    space = Basket._meta.space("default")
    server.client.hset(journal_key(space), "token", "x")
    command("ormist_flush", "tests.Basket", interactive=False)
    assert server.client.exists(journal_key(space))
    command("ormist_flush", interactive=False)
    assert server.keys() == []


def test_a_dump_does_not_name_the_slot(command, stored, server, tmp_path):
    path = tmp_path / "dump"
    command("ormist_dump", "tests.Basket", "--output", str(path))
    command("ormist_flush", "tests.Basket", interactive=False)
    with declared(slot="other", counters=["views"], index_attrs=["owner"]) as Thing:
        path.write_text(path.read_text().replace("tests.Basket", "tests.Thing"))
        command("ormist_load", str(path))
        assert Thing.objects.find(owner=2).count() == 1
        assert raw_faults(server.client, server.key_prefix) == []
