"""An error in the middle of a bulk_save() or an update() does not hide the others."""

from dataclasses import replace

import pytest
import redis

from django_ormist.exceptions import CorruptDataError
from django_ormist.keys import object_key
from django_ormist.operations import objects
from tests.models import Todo

PKS = [f"n{i}" for i in range(6)]


@pytest.fixture
def refuse(monkeypatch):
    """Takes an id, or None. The server refuses the writes of this object."""
    rewrite = objects.rewrite

    def take(pk):
        def refused(schema, written, *args, **options):
            write = rewrite(schema, written, *args, **options)
            return replace(write, command="NOSUCH") if written == pk else write

        monkeypatch.setattr(objects, "rewrite", refused)

    return take


def made():
    return [Todo("old", id=pk, n=1) for pk in PKS]


def marked(objs):
    return [each.id for each in objs if not each._state.adding]


def numbers(ask):
    return ask(Todo.objects.values_list("n", flat=True).list)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_an_error_reply_to_a_bulk_save_leaves_the_others_saved(
    ask, is_sound, refuse, place
):
    objs, rest = made(), [pk for pk in PKS if pk != PKS[place]]
    refuse(PKS[place])
    with pytest.raises(redis.ResponseError, match="unknown command") as raised:
        ask(Todo.objects.bulk_save, objs)
    assert raised.value.__notes__[-1] == "5 objects of the list are saved."
    assert sorted(ask(Todo.objects.ids)) == marked(objs) == rest
    refuse(None)
    for each in objs:
        each.n = 2
    assert ask(Todo.objects.bulk_save, objs) == 6
    assert numbers(ask) == [2] * 6
    assert is_sound()


def test_a_foreign_key_in_a_bulk_save_leaves_the_others_saved(ask, server):
    objs, key = made(), object_key(Todo._meta.space("default"), PKS[2])
    server.client.lpush(key, "foreign")
    with pytest.raises(CorruptDataError, match="another Redis type") as raised:
        ask(Todo.objects.bulk_save, objs)
    assert raised.value.__notes__ == ["5 objects of the list are saved."]
    assert marked(objs) == PKS[:2] + PKS[3:]
    assert server.client.lrange(key, 0, -1) == [b"foreign"]
    server.client.delete(key)


def test_an_error_comes_after_the_saves_that_must_be_repeated(ask, refuse, is_sound):
    """One was stored by another client meanwhile, and one expires at once."""
    objs = made()
    ask(Todo.objects.create, id=PKS[4], n=7)
    objs[1].expire = -1
    refuse(PKS[0])
    with pytest.raises(redis.ResponseError, match="unknown command") as raised:
        ask(Todo.objects.bulk_save, objs)
    assert raised.value.__notes__[-1] == "5 objects of the list are saved."
    assert sorted(ask(Todo.objects.ids)) == marked(objs) == PKS[2:]
    assert numbers(ask) == [1] * 4
    assert is_sound()


@pytest.mark.parametrize("method", ["update", "bulk_update"])
def test_an_error_reply_to_an_update_tells_how_many_were_changed(
    ask, is_sound, refuse, method
):
    objs = made()
    ask(Todo.objects.bulk_create, objs)
    refuse(PKS[2])
    for each in objs:
        each.n = 2
    given = {"fields": ["n"], "objs": objs} if method == "bulk_update" else {"n": 2}
    with pytest.raises(redis.ResponseError, match="unknown command") as raised:
        ask(getattr(Todo.objects, method), **given)
    assert raised.value.__notes__[-1] == "Others changed: 5."
    assert numbers(ask) == [2, 2, 1, 2, 2, 2]
    refuse(None)
    if method == "bulk_update":
        with_old = [each.id for each in objs if each._state.packed != packed(each)]
        assert with_old == PKS[2:3]
    assert is_sound()


MANY = 16_385
UPDATES = {
    "update_conflicts": True,
    "update_fields": ["tags"],
    "unique_fields": ["id"],
}


@pytest.mark.parametrize(
    ("method", "options", "note"),
    [
        ("bulk_create", {}, "In 'n1', number 2 of 3 objects."),
        ("bulk_create", UPDATES, "In 'n1', number 2 of 3 objects."),
        ("bulk_save", {}, "In 'n1', number 2 of 3 objects."),
        ("bulk_update", {"fields": ["tags"]}, "In the update of Todo 'n1'."),
    ],
)
def test_an_object_of_too_many_entries_is_named(ask, server, method, options, note):
    objs = [Todo("old", id=pk, n=1, expire=99) for pk in PKS[:3]]
    if method != "bulk_create":
        ask(Todo.objects.bulk_create, objs)
    objs[1].tags = [f"t{number}" for number in range(MANY)]
    with pytest.raises(ValueError, match="16384 are the most") as raised:
        ask(getattr(Todo.objects, method), objs, **options)
    assert raised.value.__notes__ == [note]


def packed(instance):
    return instance._contents().pack("msgpack")
