"""Copies and pickles of instances, collections, managers and errors."""

import copy
import pickle

import pytest

import django_ormist as ormist
from django_ormist.models import state
from tests.models import Page, Plain, Session, Todo

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_shares_no_attributes(duplicate):
    page = Page("t", site="x", views=1)
    restored = duplicate(page)
    restored.site, restored.views = "y", 2
    restored.tags.append("u")
    assert restored == page
    assert (page.site, page.views, page.tags) == ("x", 1, ["t", "site:x"])


def test_a_deep_copy_shares_no_member_of_an_attribute():
    plain = Plain(cart=[1])
    copy.deepcopy(plain).cart.append(2)
    assert plain.cart == [1]
    copy.copy(plain).cart.append(3)  # as Django's: a shallow one does
    assert plain.cart == [1, 3]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_instance_survives_pickling(ask, alias, protocol):
    session = ask(Session.objects.create, user_id=1, expire=60)
    restored = pickle.loads(pickle.dumps(session, protocol))
    assert restored == session
    assert (restored.attrs, restored.expire) == (session.attrs, session.expire)
    assert restored._state == session._state
    restored.user_id = 2
    ask(restored.save)
    assert ask(Session.objects.find(user_id=2).count) == 1
    assert ask(Session.objects.find(user_id=1).count) == 0


def test_unsaved_changes_are_pickled(alias):
    page = Page.objects.create("a", site="x", views=1)
    page.site, page.views, page.tags = "y", 5, ["b"]
    pickle.loads(pickle.dumps(page)).save()
    found = Page.objects.get(page.id)
    assert (found.site, found.views, found.tags) == ("y", 5, ["b", "site:y"])


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_collection_is_pickled_with_its_result(alias, protocol):
    todos = Todo.objects.bulk_create(Todo("x", n=n) for n in range(5))
    collection = Todo.objects.find("x").reverse()[1:4]
    restored = pickle.loads(pickle.dumps(collection, protocol))
    Todo.objects.all().delete()
    assert restored.list() == todos[3:0:-1]
    assert restored.query == collection.query
    assert (restored.all().list(), restored.db) == ([], "default")


def test_a_pickle_with_fewer_fields_is_read_but_not_one_with_unknown_fields(alias):
    Todo.objects.create("x", id="one")
    pickled = Todo.objects.find("x").__getstate__()
    del pickled["query"]["is_reversed"]  # of a version without reverse()
    older = Todo.objects.none()
    older.__setstate__(pickled)
    assert older.query == Todo.objects.find("x").query
    assert older.list() == [Todo(id="one")]
    pickled["query"]["near"] = "Oslo"
    with pytest.raises(TypeError, match="'near'"):
        Todo.objects.none().__setstate__(pickled)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "shaped",
    [
        lambda collection: collection.values("id", "n"),
        lambda collection: collection.values(),
        lambda collection: collection.values_list("id", "n"),
        lambda collection: collection.values_list("id", "n", named=True),
        lambda collection: collection.values_list("n", flat=True),
        lambda collection: collection.values_list("n", flat=True).distinct(),
    ],
)
def test_a_values_collection_is_pickled_only_with_its_result(alias, shaped, protocol):
    Todo.objects.bulk_create(Todo("x", n=n, secret="s3cret") for n in range(5))
    collection = shaped(Todo.objects.find("x").reverse())[1:4]
    pickled = pickle.dumps(collection, protocol)
    rows = collection.list()
    Todo.objects.all().delete()
    restored = pickle.loads(pickled)
    assert (restored.list(), restored.count(), restored.first()) == (rows, 3, rows[0])
    assert (restored.query, restored.db, restored.model) == (
        collection.query,
        "default",
        Todo,
    )
    assert restored.all().list() == []
    assert list(map(type, restored)) == list(map(type, rows))
    assert (b"s3cret" in pickled) == (collection.names is None)


def test_a_named_row_is_pickled_and_copied(alias):
    Todo.objects.create(n=1, done=None)
    (row,) = Todo.objects.values_list("n", "done", named=True)
    for restored in (
        pickle.loads(pickle.dumps(row)),
        copy.copy(row),
        copy.deepcopy(row),
    ):
        assert (restored, type(restored)) == (row, type(row))
        assert (restored.n, restored.done, repr(restored)) == (
            1,
            None,
            "Row(n=1, done=None)",
        )
        assert row._replace(n=2)._asdict() == {"n": 2, "done": None}


def test_a_values_collection_is_copied_as_in_django(alias):
    Todo.objects.create("x")
    collection = Todo.objects.values("id").distinct()
    assert copy.copy(collection).list() == collection.list()
    deep = copy.deepcopy(collection)
    Todo.objects.create("x")
    assert (len(collection), len(deep)) == (1, 2)
    assert (deep.names, deep.is_distinct) == (("id",), True)


@pytest.mark.parametrize(
    "make",
    [lambda: Plain(a=1), Plain.objects.all, lambda: Plain.objects.values("a")],
)
def test_a_pickle_of_another_version_is_refused_by_name(alias, monkeypatch, make):
    monkeypatch.setattr(state, "VERSION", 7)
    pickled = pickle.dumps(made := make())
    monkeypatch.undo()
    name = type(made).__name__
    with pytest.raises(ormist.NotSupportedError, match=f"This {name} .* 7, not 1"):
        pickle.loads(pickled)


def test_a_collection_is_copied_as_in_django(alias):
    Todo.objects.create("x")
    collection = Todo.objects.find("x")
    assert copy.copy(collection).list() == collection.list()
    deep = copy.deepcopy(collection)
    Todo.objects.create("x")
    assert (len(collection), len(deep)) == (1, 2)
    assert deep.query == collection.query


def test_a_manager_and_an_error_survive_pickling():
    assert pickle.loads(pickle.dumps(Todo.objects)) == Todo.objects
    for error in (Todo.DoesNotExist, Todo.MultipleObjectsReturned, Todo.NotUpdated):
        (said,) = pickle.loads(pickle.dumps(error("gone"))).args
        assert said == "gone"
