"""Models in one slot: Meta.slot."""

import pytest

import django_ormist as ormist
from django_ormist.connections.instrumentation import listening
from tests.models import Basket, BasketLine, Todo


def test_every_key_carries_the_slot(ask, server, is_sound):
    each = ask(Basket.objects.create, "tag", owner=1, total=2.5, code="x", views=3)
    ask(Basket.objects.create, "tag", owner=1, total=1, expire=1000)
    ask(BasketLine.objects.create, "tag", code="x")
    start = f"{server.key_prefix}:{{shop}}:tests.Basket".encode()
    keys = server.keys()
    assert [key for key in keys if not key.startswith(start)] == []
    assert each._key() == start + b":o:" + each.id.encode()
    found = ask(Basket.objects.find(owner=1).order_by("total").list)
    assert [each.total for each in found] == [1, 2.5]
    assert ask(each.increment, "views") == 4
    assert ask(BasketLine.objects.get, code="x").tags == ["tag"]
    with pytest.raises(ormist.IntegrityError):
        ask(Basket.objects.create, code="x")
    assert is_sound()
    assert ask(Basket.objects.all().delete) == (2, {"tests.Basket": 2})
    assert ask(BasketLine.objects.count) == 1
    assert ask(BasketLine.objects.all().delete) == (1, {"tests.BasketLine": 1})
    assert server.keys() == []


def tags_of(operation):
    return {key.partition(b"{")[2].partition(b"}")[0] for key in operation.keys}


def test_a_block_over_models_of_one_slot_is_one_script_of_that_slot(
    ask, block, is_sound
):
    seen = []

    def work(do):
        line = do(BasketLine.objects.create, "a", code="x")
        do(Basket.objects.create, "a", code="x", total=1, expire=1000, lines=[line.id])

    with listening(seen.append):
        block(work)
    (operation,) = seen[-1].operations
    assert operation.is_write
    assert tags_of(operation) == {b"shop"}
    assert (ask(Basket.objects.count), ask(BasketLine.objects.count)) == (1, 1)
    assert is_sound()


def test_the_sweep_of_a_block_keeps_to_each_model(ask, block, is_sound, server):
    seen = []

    def work(do):
        line.text = "changed"
        do(line.save)
        do(Basket.objects.create, id="new", code="late")

    with listening(seen.append):
        late = ask(Basket.objects.create, "a", id="same", code="late", expire=1000)
        line = ask(BasketLine.objects.create, "a", id="same", code="late")
        server.client.delete(late._key())
        space = Basket._meta.space("default")
        server.client.zadd(space.base + b"expires", {"same": 1})
        block(work)
    assert tags_of(seen[-1].operations[0]) == {b"shop"}
    assert ask(BasketLine.objects.get, "same").text == "changed"
    assert ask(Basket.objects.all().ids) == ["new"]
    assert is_sound()


def test_a_model_without_a_slot_keeps_its_keys(ask, server):
    each = ask(Todo.objects.create, id="x")
    assert each._key() == f"{server.key_prefix}:{{tests.Todo}}:o:x".encode()


def test_an_interrupted_bulk_create_marks_its_batches_in_the_slot(ask, server):
    seen = []
    with listening(seen.append):
        ask(BasketLine.objects.bulk_create, [BasketLine("a") for _ in range(300)])
    tags = {tag for trip in seen for each in trip.operations for tag in tags_of(each)}
    assert tags == {b"shop"}
    assert ask(BasketLine.objects.count) == 300


@pytest.mark.servers("valkey91-cluster", "redis82-cluster")
def test_a_block_over_two_slots_of_a_cluster_is_refused_in_words(ask, block, server):
    def work(do):
        do(Basket.objects.create, "a")
        do(Todo.objects.create, "a")

    text = r"tests\.Basket, tests\.Todo in one .* several slots .* the same Meta\.slot"
    with pytest.raises(ormist.NotSupportedError, match=text):
        block(work)
    assert server.keys() == []
