"""Hostile input is only data, and nothing of one object reaches another."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import Plain, Todo, User

HOSTILE = [
    "*",
    "?",
    "[a]",
    "{x}",
    "a:b",
    "a",
    "b:c",
    "\0",
    "\n",
    "",
    " ",
    "all",
    "expires",
    "o:x",
    "t:x",
    "é",
    "🙂",
    "x" * 64,
    "x" * 65,
    "x" * 10_000,
    "é" * 33,
]
IDS = [text for text in HOSTILE if text]


@pytest.mark.parametrize("make", ["create", "bulk_create"])
def test_hostile_ids_and_tags_do_not_meet(ask, server, make):
    objects = [Todo(text, text + "!", id=text, n=n) for n, text in enumerate(IDS)]
    if make == "create":
        for each in objects:
            ask(each.save, force_insert=True)
    else:
        ask(Todo.objects.bulk_create, objects)
    for each in objects:
        assert ask(Todo.objects.get, each.id).n == each.n
        assert ask(Todo.objects.find(each.id).list) == [each]
        assert ask(Todo.objects.find(each.id, each.id + "!").count) == 1
    for number, each in enumerate(objects, start=1):
        ask(each.delete)
        assert ask(Todo.objects.ids) == IDS[number:]
    assert server.keys() == []


def test_hostile_values_find_only_themselves(ask, server):
    users = [ask(User.objects.create, a=text) for text in HOSTILE]
    for text, user in zip(HOSTILE, users, strict=True):
        assert ask(User.objects.find(a=text).list) == [user]
        assert ask(User.objects.find(f"a:{text}").ids) == [user.id]
    ask(User.objects.all().delete)
    assert server.keys() == []


def test_different_terms_never_share_an_entry(ask, alias):
    one = ask(User.objects.create, "a:b", **{"a": "c"})
    two = ask(User.objects.create, **{"a": "b"})
    assert ask(User.objects.find("a:b").list) == [one, two]
    assert ask(User.objects.find(a="b").list) == [one, two]
    assert ask(User.objects.find(a="c").list) == [one]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@pytest.mark.servers("valkey91", "redis62")
@settings(max_examples=40)
@given(pks=st.lists(text.filter(bool), unique=True, max_size=6), tags=st.lists(text))
def test_any_text_is_an_id_and_a_tag(server, pks, tags):
    Todo.objects.all().delete()
    made = [Todo.objects.create(*tags[i:], id=pk, i=i) for i, pk in enumerate(pks)]
    assert Todo.objects.all().list() == made
    for tag in tags:
        assert Todo.objects.find(tag).list() == [e for e in made if tag in e.tags]
    for each in made:
        assert Todo.objects.get(each.id).tags == list(dict.fromkeys(tags[each.i :]))
    Todo.objects.all().delete()
    assert server.keys() == []


def test_a_lone_surrogate_is_refused_by_name(ask, alias):
    with pytest.raises(ValueError, match="surrogate"):
        ask(Plain.objects.create, id="\ud800")
    with pytest.raises(ValueError, match="surrogate"):
        ask(Todo.objects.create, "\ud800")
    assert ask(Plain.objects.count) == 0
