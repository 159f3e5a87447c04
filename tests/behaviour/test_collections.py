"""Many objects: finding, counting, changing them."""

import asyncio
from enum import IntEnum
from typing import TypeVar

import pytest
from django.core import paginator as django_paginator
from django.core.paginator import Paginator
from django.db import models
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.test import RequestFactory
from django.views.generic import ListView

import django_ormist as ormist
from django_ormist.exceptions import CorruptDataError
from tests.models import City, Page, Plain, Session, Todo, User

M = TypeVar("M", bound=ormist.Model)


def numbers(objects):
    return [each.number for each in objects]


def test_find_keeps_only_objects_with_every_tag(ask, alias):
    ask(Todo.objects.create, "home", text="milk")
    rent = ask(Todo.objects.create, "home", "urgent", text="rent")
    assert ask(Todo.objects.find("home", "urgent").list) == [rent]
    assert ask(Todo.objects.find("home").find("urgent").list) == [rent]
    assert ask(Todo.objects.find("urgent", "nothing").list) == []


def test_objects_are_ordered_by_creation(ask, todos):
    assert ask(Todo.objects.all().list) == todos
    assert ask(Todo.objects.find("all").reverse().list) == todos[::-1]
    assert ask(Todo.objects.find("even", "third").list) == todos[::6]


def test_an_attribute_is_a_tag_and_compares_its_text(ask, alias):
    john = ask(User.objects.create, name="John", age=30)
    for lookup in ({"age": 30}, {"age": "30"}):
        assert ask(User.objects.find(**lookup).list) == [john]
    assert ask(User.objects.find("name:John", age=30).list) == [john]
    assert ask(User.objects.find(age=30.0).list) == []


def test_only_attributes_in_index_attrs_are_indexed(ask, alias):
    session = ask(Session.objects.create, user_id=7, address="::1")
    assert ask(Session.objects.find(user_id=7).get) == session
    with pytest.raises(ormist.FieldError, match=r"Session\.Meta\.index_attrs"):
        Session.objects.find(address="::1")
    with pytest.raises(ormist.FieldError, match=r"User\.Meta\.exclude_attrs"):
        User.objects.find(bio="x")


@pytest.mark.parametrize(
    ("ask_for", "error", "message"),
    [
        (lambda: User.objects.find(age__gt=3), ormist.FieldError, "User.Meta.ordered"),
        (lambda: User.objects.find(age=[1]), ormist.FieldError, "list has no text"),
        (lambda: User.objects.find(expire=3), ValueError, "by expire: “3” value"),
        (lambda: Page.objects.find(views=3), ormist.FieldError, "'views'"),
        (lambda: Plain.objects.find("tag"), ormist.FieldError, "has no tags"),
        (lambda: Todo.objects.find(3), TypeError, "takes tags, which are texts"),
        (lambda: Todo.objects.find(pk=b"3"), TypeError, "is a str, not bytes"),
        (lambda: Todo.objects.find(id__gt="a"), ormist.FieldError, "by id__in="),
        (lambda: Todo.objects.find(pk__startswith="a"), ormist.FieldError, "by id=..."),
        (lambda: Todo.objects.find(pk__in="abc"), TypeError, "a list of ids"),
        (lambda: Todo.objects.find("\ud800"), ValueError, "surrogate"),
        (lambda: User.objects.find(age="\ud800"), ValueError, "surrogate"),
        (lambda: Plain.objects.find(pk="\ud800"), ValueError, "surrogate"),
        (lambda: Plain.objects.find(pk__in=["a", "\ud800"]), ValueError, "surrogate"),
    ],
)
def test_a_lookup_without_an_index_is_refused_at_once(ask_for, error, message):
    with pytest.raises(error, match=message):
        ask_for()


def test_ids_can_be_looked_up(ask, todos):
    assert ask(Todo.objects.find("even", pk="t04").list) == [todos[4]]
    assert ask(Todo.objects.find("even", pk="t05").list) == []
    assert ask(Todo.objects.find(id__exact="t04", pk__exact="t04").ids) == ["t04"]
    chosen = Todo.objects.find("even", pk__in=["t20", "t02", "t03", "none"])
    assert ask(chosen.list) == [todos[2], todos[20]]
    assert ask(chosen.count) == 2
    assert ask(chosen.reverse().ids) == ["t20", "t02"]
    assert ask(chosen[1:].list) == [todos[20]]
    assert ask(chosen.exists) is True
    assert ask(Todo.objects.find(pk__in=[]).list) == []


def test_first_last_exists_and_count(ask, todos):
    even = Todo.objects.find("even")
    assert ask(even.first) == todos[0]
    assert ask(even.last) == todos[28]
    assert ask(even.reverse().first) == todos[28]
    assert ask(Todo.objects.find("none").first) is None
    assert ask(Todo.objects.find("none").last) is None
    assert ask(even.count) == 15
    assert ask(even.exists) is True
    assert ask(Todo.objects.find("none").exists) is False
    assert ask(even.contains, todos[2]) is True
    assert ask(even.contains, todos[3]) is False
    assert ask(even.contains, User(id="t02")) is False
    assert ask(even.ids) == [each.id for each in todos[::2]]
    assert ask(Todo.objects.in_bulk, ["t03", "no"]) == {"t03": todos[3]}
    assert ask(even.in_bulk) == {each.id: each for each in todos[::2]}
    with pytest.raises(ValueError, match="must be a unique field but 'n' isn't"):
        ask(Todo.objects.in_bulk, [1], field_name="n")


def test_in_bulk_accepts_unique_values(ask, alias):
    first, second, _ = ask(
        City.objects.bulk_create, [City(code="x"), City(code=2), City(name="n")]
    )
    assert ask(City.objects.in_bulk, ["x", 3], field_name="code") == {"x": first}
    every = ask(City.objects.order_by("name").in_bulk, field_name="code")
    assert every == {"x": first, 2: second}


def test_none_does_not_query(ask, settings):
    settings.ORMIST = {"default": {"LOCATION": "redis://127.0.0.1:1"}}
    nothing = Todo.objects.none()
    assert ask(nothing.list) == []
    assert ask(nothing.count) == 0
    assert ask(nothing.find("x").first) is None
    assert ask(nothing[:5].ids) == []


def test_get_names_what_it_did_not_find(ask, todos):
    assert ask(Todo.objects.get, "t03") == todos[3]
    assert ask(Todo.objects.get, pk="t03") == todos[3]
    assert ask(Todo.objects.find("even").get, "t04") == todos[4]
    with pytest.raises(Todo.DoesNotExist, match="Todo matching query does not exist"):
        ask(Todo.objects.find("even").get, "t03")
    with pytest.raises(Todo.MultipleObjectsReturned, match="it returned 15!"):
        ask(Todo.objects.find("even").get)
    with pytest.raises(Todo.MultipleObjectsReturned, match="more than 20"):
        ask(Todo.objects.all().get)
    assert ask(Todo.objects.get_or_none, "t99") is None
    assert ask(Todo.objects.get_or_none, "t01") == todos[1]


def test_get_takes_one_id_or_lookups(ask, todos):
    with pytest.raises(TypeError, match="not 2 ids"):
        ask(Todo.objects.get, "t01", "t02")
    with pytest.raises(TypeError, match="An id of Todo is a str, not NoneType"):
        ask(Todo.objects.get, None)
    assert ask(Todo.objects.find("third")[1:2].get) == todos[3]
    with pytest.raises(Todo.MultipleObjectsReturned, match="it returned 3!"):
        ask(Todo.objects.all()[2:5].get)
    with pytest.raises(Todo.DoesNotExist):
        ask(Todo.objects.all()[30:].get)
    with pytest.raises(TypeError, match="once a slice has been taken"):
        ask(Todo.objects.all()[:5].get, "t01")


def test_contains_needs_an_instance_and_respects_slices(ask, todos):
    assert ask(Todo.objects.all()[3:5].contains, todos[3]) is True
    assert ask(Todo.objects.all()[3:5].contains, todos[5]) is False
    assert ask(Todo.objects.contains, Todo()) is False
    with pytest.raises(TypeError, match="must be a model instance"):
        ask(Todo.objects.contains, "t03")


def test_an_enumeration_is_looked_up_by_its_plain_value(ask, alias):
    class Level(IntEnum):
        HIGH = 3

    class Ratio(float):
        def __str__(self):
            return "something else"

    user = ask(User.objects.create, level=Level.HIGH, ratio=Ratio(0.5))
    for lookups in ({"level": 3}, {"level": Level.HIGH}, {"ratio": 0.5}):
        assert ask(User.objects.find(**lookups).list) == [user]
    assert ask(User.objects.find(ratio=Ratio(0.5)).list) == [user]
    found = ask(User.objects.get, user.id)
    assert (type(found.level), type(found.ratio)) == (int, float)


def test_delete_removes_only_matches(ask, todos, server):
    assert ask(Todo.objects.find("even").delete) == (15, {"tests.Todo": 15})
    assert ask(Todo.objects.all().list) == todos[1::2]
    assert ask(Todo.objects.find("even").delete) == (0, {})
    assert ask(Todo.objects.all().delete) == (15, {"tests.Todo": 15})
    assert server.keys() == []


def test_set_expire_takes_effect_at_once(ask, todos):
    assert ask(Todo.objects.find("even").set_expire, 60) == 15
    assert 50 < ask(Todo.objects.get, "t04").ttl() <= 60
    assert ask(Todo.objects.get, "t05").ttl() is None
    assert ask(Todo.objects.find("third").set_expire, None) == 10
    assert ask(Todo.objects.get, "t06").ttl() is None
    assert ask(Todo.objects.find("third").set_expire, -1) == 10
    assert ask(Todo.objects.count) == 20
    assert ask(Todo.objects.find("third").count) == 0


def test_bulk_create_keeps_the_order_and_is_all_or_nothing(ask, alias):
    made = ask(Todo.objects.bulk_create, [Todo("x", n=i) for i in range(250)])
    assert ask(Todo.objects.find("x").ids) == [each.id for each in made]
    made[3].n = -3
    ask(made[3].save)
    assert ask(Todo.objects.get, made[3].id).n == -3
    some = [Todo("y", id=f"y{i}") for i in range(10)]
    some.append(Todo("y", id=made[0].id))
    more = [Todo("y") for _ in range(20)]
    with pytest.raises(ormist.IntegrityError, match="4 objects of the batches before"):
        ask(Todo.objects.bulk_create, [*more[:4], *some[7:], *more[4:]], batch_size=4)
    assert ask(Todo.objects.find("y").ids) == [each.id for each in more[:4]]
    with pytest.raises(ormist.IntegrityError, match="twice"):
        ask(Todo.objects.bulk_create, [Todo(id="z"), Todo(id="z")])
    assert ask(Todo.objects.bulk_create, []) == []


def test_an_id_that_occurs_twice_among_many_is_named(ask, alias):
    many = [Todo(id=f"a{number}") for number in range(20_000)]
    with pytest.raises(ormist.IntegrityError, match="'a19999' twice"):
        ask(Todo.objects.bulk_create, [*many, Todo(id="a19999")])


@pytest.mark.parametrize("is_skipping", [False, True])
def test_a_mistyped_key_of_a_later_batch_is_told_with_what_was_written(
    ask, server, is_skipping
):
    server.client.lpush(Todo._meta.space("default").base + b"t:wrong", "x")
    many = [Todo(*["wrong"] * (number == 5)) for number in range(9)]
    with pytest.raises(CorruptDataError, match="4 objects of the batches before"):
        ask(
            Todo.objects.bulk_create,
            many,
            batch_size=4,
            ignore_conflicts=is_skipping,
        )
    assert ask(Todo.objects.count) == 4
    assert [each._state.adding for each in many] == [False] * 4 + [True] * 5


def test_bulk_create_stores_thousands_of_counters_of_an_object(ask, alias):
    names = [f"c{number}" for number in range(4500)]

    class Task(ormist.TaggedModel):
        class Meta:
            counters = names

    ask(Task.objects.bulk_create, [Task(**dict.fromkeys(names, 7)), Task(c1=1)])
    first, second = ask(Task.objects.all().list)
    assert {getattr(first, name) for name in names} == {7}
    assert (second.c0, second.c1) == (0, 1)


@pytest.mark.parametrize("wrong", [0, 1001, 7.5])
def test_a_batch_is_of_1_to_1000(ask, alias, wrong):
    for method in (Todo.objects.bulk_create, Todo.objects.bulk_save):
        with pytest.raises(ValueError, match=f"must be 1 to 1000, not {wrong}"):
            ask(method, [Todo()], batch_size=wrong)
    assert ask(Todo.objects.count) == 0


def test_bulk_create_leaves_out_expired_objects(ask, alias):
    objs = [Page("x", views=i, expire=-1 if i % 2 else 60) for i in range(6)]
    assert ask(Page.objects.bulk_create, objs) == objs
    assert [each.views for each in ask(Page.objects.find("x").list)] == [0, 2, 4]


def test_bulk_create_tells_that_a_unique_value_is_twice_in_the_list(ask, alias):
    many = [City(id="a", code="x"), City(id="b", code="x")]
    with pytest.raises(ormist.IntegrityError, match="'b'.*'a'.* Both are in the list"):
        ask(City.objects.bulk_create, many)
    ask(City.objects.create, id="c", code="x")
    with pytest.raises(ormist.IntegrityError, match="'a'.*'c'") as raised:
        ask(City.objects.bulk_create, many)
    assert "in the list" not in str(raised.value)


def test_bulk_save_saves_the_others_if_one_is_refused(ask, alias):
    ask(City.objects.create, code="x")
    made = [City(code="x"), City(code="y"), City(code="z")]
    with pytest.raises(ormist.IntegrityError, match="code='x' is taken.* 2 objects of"):
        ask(City.objects.bulk_save, made)
    assert [each._state.adding for each in made] == [True, False, False]
    assert ask(City.objects.count) == 3


def test_bulk_save_saves_each(ask, alias):
    made = ask(User.objects.bulk_create, [User(n=i) for i in range(150)])
    others = ask(User.objects.all().list)
    for each in made:
        each.n += 1000
    for each in others:
        each.m = 1
    assert ask(User.objects.bulk_save, made) == 150
    assert ask(User.objects.bulk_save, [*others, User(n=7)]) == 151
    assert ask(User.objects.find(m=1, n=1005).count) == 1
    assert ask(User.objects.find(n=5).count) == 0
    assert ask(User.objects.count) == 151
    for method in (User.objects.bulk_save, User.objects.bulk_create):
        with pytest.raises(TypeError, match="takes User objects, not Plain"):
            ask(method, [User(), Plain()])
    assert ask(User.objects.count) == 151


@pytest.mark.slow
def test_a_large_list_is_complete_and_in_order(ask, alias):
    made = ask(Todo.objects.bulk_create, [Todo("x", n=i) for i in range(6200)])
    assert numbers_of(ask(Todo.objects.find("x").list)) == list(range(6200))
    assert numbers_of(ask(Todo.objects.all()[100:5900].list)) == list(range(100, 5900))
    assert numbers_of(ask(Todo.objects.reverse()[6000:].list)) == list(
        range(199, -1, -1)
    )
    assert ask(Todo.objects.count) == len(made)


def numbers_of(objects):
    return [each.n for each in objects]


def test_a_custom_manager_and_collection(ask, alias):
    class TodoCollection(ormist.Collection):
        def urgent(self):
            return self.find("urgent")

    class TodoManager(ormist.Manager.from_collection(TodoCollection)):
        def get_collection(self):
            return super().get_collection().find("mine")

    class Task(ormist.TaggedModel):
        tasks = TodoManager()

    ask(Task.tasks.create, "urgent")
    task = ask(Task.tasks.create, "mine", "urgent")
    assert ask(Task.tasks.urgent().list) == [task]
    assert ask(Task.tasks.find("urgent").urgent().list) == [task]
    assert ask(Task.objects.count) == 2
    assert Task._default_manager == Task.tasks
    assert ask(Task._default_manager.get_queryset().count) == 1
    assert ask(Task._base_manager.count) == 2
    with pytest.raises(AttributeError, match="isn't accessible via Task instances"):
        _ = task.tasks
    with pytest.raises(AttributeError, match="abstract"):
        _ = ormist.TaggedModel.objects


def test_a_collection_class_provides_a_manager(ask, alias):
    class Urgent(ormist.Collection[M]):
        def urgent(self):
            return self.find("urgent")

    class Task(ormist.TaggedModel):
        tasks = Urgent.as_manager()
        named = ormist.Manager.from_collection(Urgent["Task"], "Named")()

    task = ask(Task.tasks.create, "urgent")
    ask(Task.tasks.create)
    for manager in (Task.tasks, Task.named):
        assert ask(manager.urgent().list) == [task]
        assert isinstance(manager, ormist.Manager)
        for chain in (
            manager.all(),
            manager.none(),
            manager.find("urgent"),
            manager.filter("urgent"),
            manager.exclude("urgent"),
            manager.complex_filter({"pk": task.id}),
            manager.order_by("created"),
            manager.reverse(),
            manager.distinct(),
            manager.using("default"),
            manager.all()[:2],
            manager.all() | manager.find("urgent"),
        ):
            assert type(chain) is Urgent
    assert type(Task.named).__name__ == "Named"


@pytest.mark.parametrize(
    "make",
    [
        lambda base: base.as_manager(),
        lambda base: (
            ormist.Manager.from_collection(base)()
            if issubclass(base, ormist.Collection)
            else models.Manager.from_queryset(base)()
        ),
    ],
)
def test_queryset_only_chooses_the_methods_of_a_manager_as_in_django(make):
    def method(self):
        return "found"

    def marked(value):
        def method(self):
            return "found"

        method.queryset_only = value
        return method

    names = {
        "public": method,
        "_private": method,
        "kept": marked(True),
        "_shown": marked(False),
        "shown": marked(False),
        "unknown": marked(None),
        "_unknown": marked(None),
    }
    ours, theirs = (
        make(type("Marked", (base,), names))
        for base in (ormist.Collection, models.QuerySet)
    )
    found = {name for name in names if hasattr(theirs, name)}
    assert found == {"public", "_shown", "shown", "unknown"}
    assert {name for name in names if hasattr(ours, name)} == found
    assert {getattr(ours.bind(Todo), name)() for name in found} == {"found"}


def test_a_method_of_the_manager_hides_that_of_the_collection_as_in_django():
    def named(text):
        return lambda self: text

    for manager, base in (
        (ormist.Manager, ormist.Collection),
        (models.Manager, models.QuerySet),
    ):
        own = type("Own", (manager,), {"public": named("manager")})
        some = type("Some", (base,), {"public": named("many"), "more": named("more")})
        make = getattr(own, "from_collection", None) or own.from_queryset
        made = make(some)()
        made = made.bind(Todo) if manager is ormist.Manager else made
        assert (made.public(), made.more()) == ("manager", "more")


@pytest.mark.parametrize("is_made", [True, False])
def test_a_manager_forwards_to_its_collection(ask, alias, is_made):
    class Audited(ormist.Collection):
        def update(self, /, **values):
            return super().update(**values, audited=True)

        async def aupdate(self, /, **values):
            return await super().aupdate(**values, audited=True)

        def filter(self, /, *tags, **lookups):
            return super().filter("mine", *tags, **lookups)

    if is_made:
        Auditing = ormist.Manager.from_collection(Audited)
    else:
        Auditing = type("M", (ormist.Manager,), {"collection_class": Audited})

    class Task(ormist.TaggedModel):
        objects = Auditing()

    task = ask(Task.objects.create, "mine")
    ask(Task.objects.create)
    assert ask(Task.objects.filter().list) == [task]
    assert ask(Task.objects.update, n=1) == 2
    assert ask(Task.objects.get, task.id).attrs == {"n": 1, "audited": True}


def test_a_manager_has_a_repr_and_compares_by_model():
    assert repr(Todo.objects) == "<Manager of Todo>"
    assert repr(ormist.Manager()) == "<Manager of no model>"
    assert Todo.objects == Todo.objects != User.objects
    assert len({Todo.objects, Todo.objects, User.objects}) == 2
    with pytest.raises(TypeError, match=r"Ask Todo\.objects\.all\(\)"):
        list(Todo.objects)
    with pytest.raises(TypeError, match="is not a Collection class"):
        ormist.Manager.from_collection(Todo)


@pytest.mark.parametrize("name", ["get_collection", "get_queryset"])
def test_a_manager_may_override_get_collection_or_get_queryset(ask, alias, name):
    class Urgent(ormist.Collection):
        def urgent(self):
            return self.find("urgent")

    def mine(self):
        return getattr(super(Mine, self), name)().find("mine")

    Mine = type("Mine", (ormist.Manager.from_collection(Urgent),), {name: mine})

    class Task(ormist.TaggedModel):
        objects = Mine()

    task = ask(Task.objects.create, "mine", "urgent")
    ask(Task.objects.create, "urgent")
    assert ask(Task.objects.get_queryset().list) == [task]
    assert ask(Task.objects.all().list) == ask(Task.objects.urgent().list) == [task]
    assert ask(Task.objects.count) == 1


def test_get_object_or_404(todos):
    assert get_object_or_404(Todo, pk="t03") == todos[3]
    assert get_object_or_404(Todo.objects.find("third"), pk="t03") == todos[3]
    with pytest.raises(Http404, match="No Todo matches the given query"):
        get_object_or_404(Todo, pk="t99")


def test_a_paginator_works_on_a_collection(todos):
    paginator = Paginator(Todo.objects.all(), 7)
    assert (paginator.count, paginator.num_pages) == (30, 5)
    assert list(paginator.page(5)) == todos[28:]


@pytest.mark.skipif(
    not hasattr(django_paginator, "AsyncPaginator"),
    reason="AsyncPaginator came with Django 6.0",
)
def test_an_async_paginator_works_on_a_collection(todos):
    async def page():
        pages = django_paginator.AsyncPaginator(Todo.objects.find("even"), 4)
        second = await pages.apage(2)
        return await pages.acount(), [each async for each in second.object_list]

    assert asyncio.run(page()) == (15, todos[::2][4:8])


def test_a_generic_list_view_works(todos):
    class Todos(ListView):
        model = Todo
        paginate_by = 10

    request = RequestFactory().get("/", {"page": 2})
    response = Todos.as_view()(request)
    assert list(response.context_data["object_list"]) == todos[10:20]
    assert list(response.context_data["todo_list"]) == todos[10:20]
    assert response.template_name == ["tests/todo_list.html"]
