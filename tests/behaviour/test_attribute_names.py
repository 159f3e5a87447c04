"""Names of attributes, of the class, and of the instance."""

import copy
import io
import json
import pickle
from functools import cached_property

import pytest
from django.core.management import CommandError, call_command
from django.utils.html import format_html

import django_ormist as ormist
from tests.models import Page, Plain, Todo, User


class Order(ormist.TaggedModel):
    """A class that defines a name of every kind."""

    status = "new"
    _cache = None

    class Meta:
        app_label = "tests"
        index_attrs = ["owner"]
        counters = ["views"]
        unique = ["code"]

    def total(self):
        return 5

    @property
    def label(self):
        return "label"

    @property
    def cents(self):
        return self.price * 100

    @cents.setter
    def cents(self, value):
        self.price = value // 100

    @cached_property
    def slow(self):
        return [self.id]


OWN = ["status", "total", "label", "slow", "objects", "Meta", "save", "DoesNotExist"]
PRIVATE = ["_flag", "_", "__html__", "__len__", "_packed", "_tags", "_meta", "_cache"]

WRITES = {
    "create": lambda ask, name: ask(Order.objects.create, **{name: 1}),
    "constructor": lambda ask, name: Order(**{name: 1}),
    "set": lambda ask, name: Order(id="o").set(**{name: 1}),
    "get_or_create": lambda ask, name: ask(
        Order.objects.get_or_create, {name: 1}, code="new"
    ),
    "update_or_create": lambda ask, name: ask(
        Order.objects.update_or_create, {name: 1}, code="there"
    ),
    "create_defaults": lambda ask, name: ask(
        Order.objects.update_or_create, {}, {name: 1}, code="new"
    ),
    "increment": lambda ask, name: (
        ask(Order.objects.first, *()).increment(name)
        if not ask.is_async
        else ask(ask(Order.objects.first).increment, name)
    ),
    "update": lambda ask, name: ask(Order.objects.update, **{name: 1}),
    "bulk_update": lambda ask, name: ask(
        Order.objects.bulk_update, [Order(id="there")], [name]
    ),
    "update_fields": lambda ask, name: ask(
        ask(Order.objects.first).save, update_fields=[name]
    ),
    "conflicts": lambda ask, name: ask(
        Order.objects.bulk_create,
        [Order(code="there")],
        update_conflicts=True,
        update_fields=[name],
        unique_fields=["code"],
    ),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", [*OWN, *PRIVATE])
@pytest.mark.servers("valkey91", "fakeredis")
def test_a_reserved_name_is_refused_by_every_write(ask, server, write, name):
    ask(Order.objects.create, id="there", code="there", price=1)
    with pytest.raises((AttributeError, ormist.FieldError), match=f"'{name}'"):
        WRITES[write](ask, name)
    assert ask(Order.objects.count) == 1
    assert ask(Order.objects.get, "there").attrs == {"code": "there", "price": 1}


@pytest.mark.parametrize("name", OWN)
def test_assignment_refuses_the_same_names(name):
    order = Order()
    with pytest.raises(AttributeError, match="defines") as assigned:
        setattr(order, name, 1)
    with pytest.raises(AttributeError) as made:
        Order(**{name: 1})
    assert str(made.value) == str(assigned.value)


def test_a_refused_set_sets_nothing():
    order = Order(price=1)
    with pytest.raises(AttributeError):
        order.set(price=2, views=3, cents=5, total=1)
    with pytest.raises(TypeError):
        order.set(price=2, views="many")
    assert (order.attrs, order.views) == ({"price": 1}, 0)


def test_a_property_with_a_setter_is_set(ask, server):
    order = ask(Order.objects.create, cents=700, owner=1)
    assert ask(Order.objects.get, order.id).attrs == {"owner": 1, "price": 7}
    order.set(cents=900)
    assert order.price == 9
    ask(order.save)
    found, _ = ask(Order.objects.update_or_create, {"cents": 1100}, owner=1)
    assert ask(Order.objects.get, order.id).attrs == found.attrs
    assert found.price == 11


def test_a_class_attribute_keeps_its_value(ask, server):
    assert ask(Order.objects.create, owner=1).status == "new"


# ---------------------------------------------------------------- the instance's own


def test_a_name_that_begins_with_an_underscore_is_never_stored(ask, server):
    order = Order(id="o", owner=1)
    order._flag, order._cache, order._list = True, 5, [1]
    assert (order._flag, order._cache) == (True, 5)
    ask(order.save)
    assert ask(Order.objects.get, "o").attrs == {"owner": 1}
    assert order._flag is True
    ask(order.refresh_from_db)
    assert order._flag is True
    del order._flag
    with pytest.raises(AttributeError):
        _ = order._flag
    with pytest.raises(AttributeError):
        del order._flag
    assert not hasattr(ask(Order.objects.get, "o"), "_flag")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])  # fmt: skip  # noqa: E501
def test_private_attributes_are_copied_with_the_instance(duplicate):
    plain = Plain(a=1)
    plain._note = "x"
    other = duplicate(plain)
    assert other._note == "x"
    other._note = "y"
    assert (plain._note, other.attrs) == ("x", {"a": 1})


@pytest.mark.parametrize("name", ["_packed", "_tags", "_using", "_meta", "_state"])
def test_names_of_the_library_cannot_be_assigned(name):
    with pytest.raises(AttributeError):
        setattr(Plain(), name, 1)
    with pytest.raises(AttributeError):
        delattr(Plain(), name)


def test_a_deleted_cached_property_is_computed_again():
    order = Order(id="a")
    first = order.slow
    assert order.slow is first
    del order.slow
    assert order.slow is not first


# ---------------------------------------------------------------- what Python asks


def test_a_stored_name_does_not_replace_a_special_method(ask, server):
    user = User(id="u")
    for name in ("__html__", "__deepcopy__", "__len__", "__iter__", "__reduce_ex__"):
        user.attrs[name] = lambda *args: "taken"
    assert format_html("{}", user) == "User object (u)"
    user.attrs.clear()
    user.attrs["__deepcopy__"] = 5
    assert copy.deepcopy(user).attrs == {"__deepcopy__": 5}
    assert not hasattr(user, "__deepcopy__")


# ---------------------------------------------------------------- tags by name


def test_tags_may_be_given_by_name(ask, server):
    todo = ask(Todo.objects.create, "a", tags=["b", "a"], text="x")
    assert todo.tags == ["a", "b"]
    assert ask(Todo.objects.get, todo.id).attrs == {"text": "x"}
    assert ask(Todo.objects.find("b").get) == todo
    assert Todo(tags=("c",)).tags == ["c"]
    assert Todo("c", tags=iter("d")).tags == ["c", "d"]
    ask(Todo.objects.bulk_create, [Todo(tags=["bulk"])])
    assert ask(Todo.objects.find("bulk").count) == 1


@pytest.mark.parametrize("wrong", ["work", b"work", None, 5, [5]])
def test_tags_are_a_list(wrong):
    with pytest.raises(TypeError, match=r"[Tt]ag"):
        Todo(tags=wrong)
    with pytest.raises(TypeError, match=r"\['work'\]"):
        Todo(tags="work")


def test_a_model_without_tags_refuses_them_by_name():
    with pytest.raises(TypeError, match="Plain takes no tags"):
        Plain(tags=["a"])
    assert Plain(tags=[]).attrs == {}


@pytest.mark.parametrize("name", ["id", "pk", "tags", "expire"])
def test_a_value_that_is_not_a_number_is_not_incremented(ask, server, name):
    page = ask(Page.objects.create, id="p")
    with pytest.raises(AttributeError, match=f"Cannot increment '{name}'"):
        ask(page.increment, name)
    assert ask(Page.objects.get, "p").attrs == {}


# ---------------------------------------------------------------- stored by 0.1.0


@pytest.fixture
def old(ask, server):
    """An object as 0.1.0 stored it, with a name of every kind."""
    order = Order(id="old")
    order.attrs.update(status="paid", _x=1, tags=["lost"], total=3, owner=4)
    ask(order.save)
    return order


def test_a_value_stored_under_a_reserved_name_is_read_and_kept(ask, old):
    found = ask(Order.objects.get, "old")
    assert (found.status, found._x, found.tags) == ("new", 1, ["owner:4"])
    found.owner = 5
    ask(found.save)
    kept = ask(Order.objects.get, "old").attrs
    assert kept == {"status": "paid", "_x": 1, "tags": ["lost"], "total": 3, "owner": 5}
    found.unset("_x", "status", "total", "tags")
    ask(found.save)
    assert ask(Order.objects.get, "old").attrs == {"owner": 5}


@pytest.mark.parametrize("action", ["verify", "repair"])
def test_verify_reports_a_reserved_name_and_does_not_call_it_damage(ask, old, action):
    out = io.StringIO()
    call_command("ormist_inspect", "tests.Order", stdout=out, format="json", **{action: True})  # fmt: skip  # noqa: E501
    found = json.loads(out.getvalue())
    assert found["sound"]
    assert found["models"][0]["notes"] == {"reserved-name": 4}
    assert {each["detail"] for each in found["faults"]} == {
        *("status", "_x", "tags", "total"),
    }
    call_command("ormist_reindex", "tests.Order", verbosity=0, stderr=io.StringIO())


def test_a_dump_line_with_a_reserved_name_is_rejected(ask, old, tmp_path):
    dump = tmp_path / "orders.jsonl"
    call_command("ormist_dump", "tests.Order", output=str(dump), verbosity=0)
    ask(old.delete)
    err = io.StringIO()
    with pytest.raises(CommandError, match="Not stored: line 1"):
        call_command("ormist_load", str(dump), verbosity=0, stderr=err)
    assert "'status'" in err.getvalue() or "'_x'" in err.getvalue()
    assert ask(Order.objects.count) == 0
