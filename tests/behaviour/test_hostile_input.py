"""Hostile input is only data, and does not affect other objects."""

import pytest
from django.db.models import TextChoices
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checker import raw_faults
from tests.models import Page, Plain, Todo, User

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
def test_hostile_ids_and_tags_do_not_collide(ask, server, make):
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


@pytest.mark.servers("valkey91", "valkey91-json", "redis62", "fakeredis")
def test_hostile_ids_and_tags_work_in_every_method(ask, server):
    for text in IDS:
        bystander = ask(Page.objects.create, text, id=text + "2", site=text, views=1)
        page = ask(Page.objects.create, text, id=text, site=text, views=1)
        collection = Page.objects.find(text, site=text)
        assert (
            ask(collection.get, text) == ask(Page.objects.get_or_none, pk=text) == page
        )
        assert ask(collection.find(pk=text).exists) is True
        assert ask(collection.find(pk__in=[text]).list) == [page]
        assert ask(Page.objects.in_bulk, [text]) == {text: page}
        assert ask(collection.contains, page) is True
        assert ask(collection.count) == 2
        assert ask(collection.reverse()[:1].ids) == [text]
        assert ask(page.increment, "views") == 2
        assert ask(page.increment, "number", 3) == 3
        stale = ask(Page.objects.get, text)
        page.tags = [text + "!"]
        ask(page.save)
        stale.site = text + "?"
        ask(stale.save)
        ask(page.refresh_from_db)
        assert page.tags == [text + "!", f"site:{text}?"]
        assert ask(Page.objects.find(text + "!", site=text + "?").ids) == [text]
        assert ask(Page.objects.find(pk=text).set_expire, 1000) == 1
        assert ask(Page.objects.bulk_save, [ask(Page.objects.get, text)]) == 1
        assert (page.views, page.number) == (2, 3)
        assert raw_faults(server.client, server.key_prefix) == []
        assert ask(Page.objects.find(text + "!").delete) == (1, {"tests.Page": 1})
        assert ask(collection.list) == [bystander]
        assert ask(bystander.delete) == (1, {"tests.Page": 1})
        assert server.keys() == []


@pytest.mark.servers("valkey91", "valkey91-json", "redis62", "fakeredis")
def test_hostile_names_are_ordinary_attributes(ask, server):
    attrs = {text: number for number, text in enumerate([*HOSTILE, "$", "$x", "a__"])}
    plain = ask(Plain.objects.create, **attrs)
    assert ask(Plain.objects.get, plain.id).attrs == attrs
    plain.unset(*HOSTILE[::2])
    ask(plain.save)
    for name in HOSTILE[1::2]:
        assert ask(plain.increment, name, 100) == attrs[name] + 100
    assert ask(Plain.objects.get, plain.id).attrs == plain.attrs
    indexable = [name for name in HOSTILE if ":" not in name]
    user = ask(User.objects.create, **dict.fromkeys(indexable, "x"))
    for name in indexable:
        assert ask(User.objects.find(**{name: "x"}).list) == [user]
    ask(user.delete)
    ask(plain.delete)
    assert server.keys() == []


class Place(TextChoices):
    HOME = "home", "At home"


class Shouting(str):
    """A str whose methods return another text."""

    def __str__(self):
        return "SHOUTED"

    def encode(self, *args):
        return b"SHOUTED"


@pytest.mark.parametrize("kind", [SafeString, Shouting, lambda _: Place.HOME])
def test_a_subclass_of_str_is_stored_as_its_text(ask, alias, kind):
    text = kind("home")
    todo = ask(Todo.objects.create, text, id=text, at=text)
    assert [type(each) for each in (todo.id, *todo.tags)] == [str, str]
    for tag in ("home", text):
        assert ask(Todo.objects.get, tag) == todo
        assert ask(Todo.objects.find(pk=tag).list) == [todo]
        assert ask(Todo.objects.in_bulk, [tag]) == {"home": todo}
        assert ask(Todo.objects.find(tag).list) == [todo]
    found = ask(Todo.objects.get, "home")
    assert (type(found.at), found.at) == (str, "home")
    todo.tags.append(kind("home"))
    ask(todo.save)
    assert ask(Todo.objects.get, "home").tags == ["home"]
    user = ask(User.objects.create, at=text)
    assert ask(User.objects.find(at="home").list) == [user]
    assert ask(User.objects.find(at=text).list) == [user]


def test_hostile_values_find_only_themselves(ask, server):
    users = [ask(User.objects.create, a=text) for text in HOSTILE]
    for text, user in zip(HOSTILE, users, strict=True):
        assert ask(User.objects.find(a=text).list) == [user]
        assert ask(User.objects.find(f"a:{text}").ids) == [user.id]
    ask(User.objects.all().delete)
    assert server.keys() == []


@pytest.mark.slow
def test_a_query_may_have_more_tags_than_lua_can_unpack(ask, server):
    tags = [f"t{number}" for number in range(9000)]
    ask(Todo.objects.create, *tags, id="all")
    ask(Todo.objects.create, *tags[1:], id="most")
    late = ask(Todo.objects.create, *tags, id="late", expire=1000)
    collection = Todo.objects.find(*tags)
    assert ask(collection.count) == 2
    server.client.zadd(late._key().partition(b"o:")[0] + b"expires", {"late": 1})
    assert ask(collection.count) == 1
    assert ask(collection[:5].ids) == ask(collection.ids) == ["all"]


def test_different_terms_do_not_share_an_index_entry(ask, alias):
    one = ask(User.objects.create, "a:b", **{"a": "c"})
    two = ask(User.objects.create, **{"a": "b"})
    assert ask(User.objects.find("a:b").list) == [one, two]
    assert ask(User.objects.find(a="b").list) == [two]
    assert ask(User.objects.find(a="c").list) == [one]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@pytest.mark.servers("valkey91", "redis62")
@settings(max_examples=40)
@given(pks=st.lists(text.filter(bool), unique=True, max_size=6), tags=st.lists(text))
def test_any_text_can_be_an_id_and_a_tag(server, pks, tags):
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
