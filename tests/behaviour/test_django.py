"""Models, managers and collections in Django's own classes and functions."""

import asyncio

import pytest
from django.http import Http404
from django.shortcuts import (
    aget_list_or_404,
    aget_object_or_404,
    get_list_or_404,
    get_object_or_404,
)
from django.template import Context, Template
from django.test import RequestFactory
from django.views.generic import DeleteView, DetailView, ListView

import django_ormist as ormist
from tests.models import Page, Todo

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture
def todo(alias):
    return Todo.objects.create("home", id="one", text="milk")


def test_the_shortcuts_find_objects_or_raise_404(todo):
    assert get_object_or_404(Todo, "one") == todo
    assert get_object_or_404(Todo.objects, pk="one") == todo
    assert get_list_or_404(Todo, "home") == [todo]
    assert get_list_or_404(Todo.objects.find("home"), pk="one") == [todo]
    with pytest.raises(Http404, match="No Todo matches"):
        get_list_or_404(Todo.objects.find("none"))


def test_the_async_shortcuts_find_objects_or_raise_404(todo):
    async def found():
        assert await aget_object_or_404(Todo, pk="one") == todo
        assert await aget_list_or_404(Todo.objects.find("home")) == [todo]
        with pytest.raises(Http404, match="No Todo matches"):
            await aget_object_or_404(Todo.objects.find("none"), pk="one")
        with pytest.raises(Http404, match="No Todo matches"):
            await aget_list_or_404(Todo, pk="none")

    asyncio.run(found())


def rendered(view, **arguments):
    """Return the response of a class-based view to GET, or to POST with post=True."""
    method = "post" if arguments.pop("post", False) else "get"
    return view.as_view()(getattr(RequestFactory(), method)("/"), **arguments)


def test_a_generic_detail_view_works_with_a_template_name(todo):
    """Django derives a template name only from its own models."""

    class Detail(DetailView):
        model = Todo
        template_name = "todo.html"

    response = rendered(Detail, pk="one")
    assert response.context_data["object"] == todo
    with pytest.raises(Http404, match="No todo found matching the query"):
        rendered(Detail, pk="none")


def test_a_generic_view_takes_a_collection(todo):
    class Home(DetailView):
        queryset = Todo.objects.find("home")
        template_name = "todo.html"

    assert rendered(Home, pk="one").context_data["object"] == todo
    todo.delete()
    with pytest.raises(Http404, match="No todo found"):
        rendered(Home, pk="one")


@pytest.mark.parametrize("is_a_list", [False, True])
@pytest.mark.parametrize("pages_of", [None, 10])
def test_a_list_view_queries_again_for_each_request(todo, is_a_list, pages_of):
    """The view is a class that lives as long as its process, with a queryset."""

    class Homes(ListView):
        allow_empty = False
        template_name = "todos.html"
        paginate_by = pages_of
        queryset = Todo.objects.find("home")

        def get_queryset(self):
            return list(super().get_queryset()) if is_a_list else super().get_queryset()

    assert list(rendered(Homes).context_data["object_list"]) == [todo]
    other = Todo.objects.create("home", id="other")
    assert list(rendered(Homes).context_data["object_list"]) == [todo, other]
    Todo.objects.all().delete()
    with pytest.raises(Http404, match="Empty list"):
        rendered(Homes)


def test_an_attribute_of_a_class_is_a_fresh_collection(todo):
    class Base:
        every = Todo.objects.all()
        named = Todo.objects.find("home").order_by("-created")
        texts = Todo.objects.values_list("text", flat=True)
        page = Todo.objects.all()[:1]

    class Derived(Base):
        pass

    for owner in (Base, Base(), Derived, Derived()):
        Todo.objects.all().delete()
        one = Todo.objects.create("home", text="bread")
        assert (list(owner.every), list(owner.named)) == ([one], [one])
        assert (list(owner.texts), list(owner.page)) == (["bread"], [one])
        two = Todo.objects.create("home", text="salt")
        assert (list(owner.every), list(owner.named)) == ([one, two], [two, one])
        assert (list(owner.texts), list(owner.page)) == (["bread", "salt"], [one])
        assert owner.every.model is Todo


def test_an_attribute_of_an_instance_keeps_its_result(todo):
    class Holder:
        pass

    holder = Holder()
    holder.todos = Todo.objects.all()
    assert list(holder.todos) == [todo]
    todo.delete()
    assert list(holder.todos) == [todo]


def test_a_subclass_of_collection_stays_one_in_a_class(todo):
    class Counted(ormist.Collection):
        def double(self):
            return 2 * self.count()

    class Holder:
        todos = Counted(Todo)

    assert isinstance(Holder.todos, Counted)
    assert Holder().todos.double() == 2


def test_a_manager_is_an_attribute_of_any_class(todo):
    class Home(DetailView):
        queryset = Todo.objects
        template_name = "todo.html"

    assert Home.queryset == Todo.objects
    assert rendered(Home, pk="one").context_data["object"] == todo
    todo.delete()
    with pytest.raises(Http404, match="No todo found"):
        rendered(Home, pk="one")


def test_a_generic_delete_view_works(todo):
    class Delete(DeleteView):
        model = Todo
        success_url = "/gone/{id}/"
        template_name = "sure.html"

    assert rendered(Delete, pk="one").context_data["object"] == todo
    response = rendered(Delete, pk="one", post=True)
    assert (response.status_code, response["Location"]) == (302, "/gone/one/")
    assert Todo.objects.count() == 0


def test_templates_read_attributes_and_collections(todo):
    page = Page.objects.create("a", site="x", views=3)
    text = (
        "{{ todo.text }} {{ todo.absent }}{{ todo.pk }} {{ todo.tags.0 }} "
        "{{ page.views }} {{ todos.count }} {% for each in todos %}{{ each.id }}"
        "{% empty %}none{% endfor %} {{ todos.0.text }}"
    )
    context = Context({"todo": todo, "page": page, "todos": Todo.objects.all()})
    assert Template(text).render(context) == "milk one home 3 1 one milk"


VERBS = ["save", "delete", "refresh_from_db", "increment", "create", "bulk_create"]
VERBS += ["bulk_save", "set_expire", "update", "get_or_create", "update_or_create"]
WRITES = ["set", "unset", *VERBS, *(f"a{name}" for name in VERBS)]


@pytest.mark.parametrize("owner", [ormist.Model, ormist.Manager, ormist.Collection])
def test_every_method_that_writes_has_alters_data(owner):
    for name in WRITES:
        operation = getattr(owner, name, None)
        assert operation is None or operation.alters_data, name


def test_a_template_does_not_write(todo):
    class Tidied(ormist.Collection):
        def tidy(self):
            return self.delete()

        tidy.alters_data = True

    class Task(ormist.TaggedModel):
        tasks = ormist.Manager.from_collection(Tidied)()

        def delete(self, using=None):
            return super().delete(using)

    task = Task.tasks.create("x")
    text = "{{ task.delete }}{{ tasks.tidy }}{{ tasks.delete }}{{ all.delete }}"
    context = {"task": task, "tasks": Task.tasks, "all": Task.objects.all()}
    assert Template(text).render(Context(context)) == ""
    assert Task.objects.count() == 1
