"""The attributes of one object, and how it is stored."""

import asyncio
import functools
from datetime import UTC, datetime, timedelta

import pytest

import django_ormist as ormist
from tests.models import Page, Plain, Todo, Token, User

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def test_create_stores_what_get_returns(ask, alias):
    plain = ask(Plain.objects.create, remote_addr="127.0.0.1", user_id=1)
    found = ask(Plain.objects.get, plain.id)
    assert found == plain
    assert found.attrs == {"remote_addr": "127.0.0.1", "user_id": 1}
    assert found.remote_addr == "127.0.0.1"
    assert repr(found) == (
        f"<Plain id:{plain.id} attrs:{{'remote_addr': '127.0.0.1', 'user_id': 1}}>"
    )


def test_assigned_attributes_are_saved(ask, alias):
    user = ask(User.objects.create, name="John", age=30)
    user.age = 31
    user.city = "Oslo"
    del user.name
    ask(user.save)
    assert ask(User.objects.get, user.id).attrs == {"age": 31, "city": "Oslo"}
    assert ask(User.objects.find(age=30).count) == 0
    assert ask(User.objects.find(age=31, city="Oslo").get) == user
    assert ask(User.objects.find("name:John").count) == 0


def test_set_and_unset_accept_any_name(ask, alias):
    plain = ask(Plain.objects.create, **{"class": 1, "self": 2, "a b\0": 3})
    plain.set(values=4, **{"with:colon": 5})
    plain.unset("self", "never there")
    ask(plain.save)
    found = ask(Plain.objects.get, plain.id)
    assert found.attrs == {"class": 1, "a b\0": 3, "values": 4, "with:colon": 5}


@pytest.mark.parametrize("name", ["save", "attrs", "objects", "_packed", "ttl"])
def test_names_of_the_class_are_reached_only_through_attrs(name):
    plain = Plain()
    plain.attrs[name] = 1
    with pytest.raises(AttributeError, match=rf"attrs\['{name}'\]"):
        setattr(plain, name, 2)
    with pytest.raises(AttributeError, match=rf"attrs\['{name}'\]"):
        delattr(plain, name)
    assert plain.attrs == {name: 1}


def test_names_of_the_metaclass_are_ordinary_attributes():
    plain = Plain()
    plain.mro = 1
    assert plain.attrs == {"mro": 1}


def test_an_absent_attribute_raises_attribute_error():
    with pytest.raises(AttributeError, match="'Plain' object has no attribute 'age'"):
        _ = Plain().age
    with pytest.raises(AttributeError, match="no attribute 'age'"):
        del Plain().age


def test_stale_copies_that_change_different_attributes_both_survive(ask, alias):
    user = ask(User.objects.create, "old", name="John", age=30, bio="x")
    stale = ask(User.objects.get, user.id)
    user.age, user.tags = 31, ["old", "mine"]
    ask(user.save)
    stale.name = "Johnny"
    stale.unset("bio")
    stale.tags = ["theirs"]
    ask(stale.save)
    for seen in (stale, ask(User.objects.get, user.id)):
        assert seen.attrs == {"name": "Johnny", "age": 31}
        assert seen.tags == ["mine", "theirs", "name:Johnny", "age:31"]
    assert ask(User.objects.find("mine", "theirs", age=31, name="Johnny").count) == 1
    assert ask(User.objects.find(age=30).count) == 0
    assert ask(User.objects.find("old").count) == 0


def test_a_change_inside_a_nested_list_is_saved(ask, alias):
    plain = ask(Plain.objects.create, cart={"items": [1, [2]]}, note="a")
    other = ask(Plain.objects.get, plain.id)
    plain.cart["items"][1].append(3)
    other.note = "b"
    ask(plain.save)
    ask(other.save)
    assert ask(Plain.objects.get, plain.id).attrs == {
        "cart": {"items": [1, [2, 3]]},
        "note": "b",
    }


def test_a_change_of_type_is_a_change(ask, alias):
    plain = ask(Plain.objects.create, flag=1)
    plain.flag = True
    ask(plain.save)
    assert ask(Plain.objects.get, plain.id).flag is True


def test_a_strict_save_refuses_a_concurrent_change(ask, alias):
    plain = ask(Plain.objects.create, a=1)
    other = ask(Plain.objects.get, plain.id)
    other.b = 2
    ask(other.save)
    plain.a = 5
    with pytest.raises(ormist.ConflictError, match=plain.id):
        ask(plain.save, strict=True)
    assert ask(Plain.objects.get, plain.id).attrs == {"a": 1, "b": 2}
    ask(plain.refresh_from_db)
    plain.a = 5
    ask(plain.save, strict=True)
    assert ask(Plain.objects.get, plain.id).attrs == {"a": 5, "b": 2}


def test_force_insert_refuses_a_taken_id(ask, alias):
    plain = ask(Plain.objects.create, a=1)
    with pytest.raises(ormist.IntegrityError, match="is taken"):
        ask(Plain.objects.create, id=plain.id, a=2)
    assert ask(Plain.objects.get, plain.id).a == 1


def test_force_update_never_brings_a_deleted_object_back(ask, alias):
    plain = ask(Plain.objects.create, a=1)
    ask(ask(Plain.objects.get, plain.id).delete)
    with pytest.raises(Plain.NotUpdated, match=plain.id):
        ask(plain.save, force_update=True)
    with pytest.raises(Plain.NotUpdated):
        ask(Plain(id="never").save, force_update=True)
    assert ask(Plain.objects.count) == 0


def test_force_update_of_an_object_never_loaded_replaces_one_that_is_there(ask, alias):
    page = ask(Page.objects.create, "a", site="x", views=5)
    ask(Page("b", id=page.id, site="y").save, force_update=True)
    found = ask(Page.objects.get, page.id)
    assert (found.attrs, found.tags, found.views) == ({"site": "y"}, ["b", "site:y"], 0)
    with pytest.raises(Page.NotUpdated):
        ask(Page(id="none", expire=-1).save, force_update=True)


def test_a_plain_save_of_a_deleted_object_writes_all_of_it(ask, alias):
    user = ask(User.objects.create, "tag", name="John", age=30)
    ask(ask(User.objects.get, user.id).delete)
    user.age = 31
    ask(user.save)
    assert ask(User.objects.get, user.id).attrs == {"name": "John", "age": 31}
    assert ask(User.objects.find("tag", name="John", age=31).count) == 1


def test_saving_an_object_never_loaded_keeps_its_creation_order(ask, alias):
    first = ask(User.objects.create, "tag", id="first", name="John")
    second = ask(User.objects.create, id="second")
    ask(User("new", id="first", age=3).save)
    found = ask(User.objects.get, "first")
    assert (found.attrs, found.tags) == ({"age": 3}, ["new", "age:3"])
    assert ask(User.objects.find("tag").count) == 0
    assert ask(User.objects.all().list) == [first, second]


def test_force_insert_with_force_update_is_a_contradiction():
    with pytest.raises(ValueError, match="choose one"):
        Plain().save(force_insert=True, force_update=True)


def test_delete_returns_what_it_deleted(ask, server):
    todo = ask(Todo.objects.create, "home", text="milk")
    assert ask(todo.delete) == (1, {"tests.Todo": 1})
    assert ask(todo.delete) == (0, {})
    assert server.keys() == []


def test_an_object_never_loaded_is_incremented_below_its_own_changes(ask, alias):
    page = ask(Page.objects.create, "a", site="x", size=1, views=2)
    unloaded = Page("mine", id=page.id, note="n")
    assert ask(unloaded.increment, "size", 4) == 5
    assert unloaded.attrs == {"site": "x", "size": 5, "note": "n"}
    assert unloaded.tags == ["a", "mine", "site:x"]
    ask(unloaded.save, strict=True)
    found = ask(Page.objects.get, page.id)
    assert (found.attrs, found.tags, found.views) == (unloaded.attrs, unloaded.tags, 2)


def test_properties_are_set_after_attributes_and_defaults_as_in_django():
    class Priced(ormist.Model):
        price: int
        total: int = 0
        lines: list[int] = ormist.field(default_factory=list)

        @property
        def discount(self):
            return self.price - self.total

        @discount.setter
        def discount(self, value):
            self.total = self.price - value
            self.lines.append(value)

        class Meta:
            counters = ["views"]

    made = Priced(discount=3, total=1, price=10, colour="red", views=2)
    assert (made.total, made.lines, made.colour, made.views) == (7, [3], "red", 2)
    made.set(discount=4, price=20, views=5)
    assert (made.total, made.lines, made.views) == (16, [3, 4], 5)


def test_errors_of_a_model_are_those_of_all_its_bases():
    class One(ormist.Model):
        pass

    class Two(ormist.TaggedModel):
        pass

    class Both(One, Two):
        pass

    for name in ("DoesNotExist", "MultipleObjectsReturned", "NotUpdated"):
        error = getattr(Both, name)
        assert issubclass(error, getattr(One, name))
        assert issubclass(error, getattr(Two, name))
        assert not issubclass(One.DoesNotExist, Two.DoesNotExist)


def test_an_attribute_may_have_the_name_of_djangos_clean(ask, alias):
    user = User(name="x", clean=True)
    user.full_clean()
    ask(user.save)
    assert ask(User.objects.get, clean=True).clean is True
    plain = User(name="y")
    assert not hasattr(plain, "clean")
    assert not hasattr(User, "clean")
    plain.clean = False
    assert (plain.clean, plain.attrs["clean"]) == (False, False)
    del plain.clean
    assert "clean" not in plain.attrs


def test_clean_may_call_that_of_its_bases():
    calls = []

    class Mixed:
        def clean(self):
            super().clean()
            calls.append("mixed")

    class Cleaned(Mixed, ormist.Model):
        def clean(self):
            super().clean()
            calls.append("own")

    class Cached(ormist.Model):
        clean = functools.cache(lambda self: calls.append("cached"))

    class Annotated(ormist.Model):
        clean: bool = True

    Cleaned().full_clean()
    Cached().full_clean()
    made = Annotated()
    made.full_clean()
    assert made.clean is True
    assert calls == ["mixed", "own", "cached"]
    with pytest.raises(AttributeError, match="defines 'clean' itself"):
        Cleaned(clean=1)


def test_validate_is_called_before_a_save(ask, alias):
    class Strict(ormist.Model):
        def validate(self):
            if "name" not in self.attrs:
                raise ormist.ValidationError("A name is needed.")

    with pytest.raises(ormist.ValidationError, match="A name is needed"):
        ask(Strict.objects.create, age=1)
    assert ask(Strict.objects.count) == 0
    ask(Strict.objects.create, name="x")


def test_tags_are_the_given_ones_then_the_attributes_without_duplicates():
    user = User("vip", "name:John", name="John", age=30)
    assert user.tags == ["vip", "name:John", "age:30"]
    user.tags = [*user.tags, "new"]
    user.age = 31
    assert user.tags == ["vip", "new", "name:John", "age:31"]


def test_tags_can_be_changed_in_place(ask, alias):
    todo = ask(Todo.objects.create, "a", "b")
    todo.tags.append("c")
    todo.tags.remove("a")
    ask(todo.save)
    assert ask(Todo.objects.get, todo.id).tags == ["b", "c"]
    assert ask(Todo.objects.find("a").count) == 0
    assert ask(Todo.objects.find("b", "c").count) == 1
    todo.tags = []
    ask(todo.save)
    assert ask(Todo.objects.find("b").count) == 0


def test_tags_changed_in_place_are_validated_on_save(ask, alias):
    todo = ask(Todo.objects.create, "a")
    tags = todo.tags
    tags.append("a")
    ask(todo.save)
    assert ask(Todo.objects.get, todo.id).tags == tags == ["a"]
    for wrong in (5, None, b"x", ["x"]):
        tags.append(wrong)
        with pytest.raises(
            TypeError, match=f"A tag is a str, not {type(wrong).__name__}"
        ):
            ask(todo.save)
        assert tags.pop() == wrong
    plain = Plain(id="x")
    plain.tags.append("a")
    with pytest.raises(TypeError, match="Plain takes no tags"):
        ask(plain.save)
    assert ask(Plain.objects.count) == 0


def test_a_model_without_tags_refuses_them():
    with pytest.raises(TypeError, match="Plain takes no tags"):
        Plain("home")
    with pytest.raises(TypeError, match="A tag is a str"):
        Todo(5)
    with pytest.raises(TypeError, match="list of texts"):
        Todo().tags = "home"


def test_expire_accepts_seconds_a_timedelta_and_a_datetime():
    now = datetime.now(UTC)
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    for given in (60, 60.0, timedelta(minutes=1)):
        left = Todo(expire=given).expire - now
        assert timedelta(seconds=59) < left < timedelta(seconds=90)
    assert Todo(expire=moment).expire == moment
    assert Todo().expire is None
    assert Todo().ttl() is None
    assert 3500 < Token().ttl() <= 3600
    assert Token(expire=None).ttl() is None
    assert Todo(expire=-1).ttl() == 0.0


@pytest.mark.parametrize("expire", ["60", True, object()])
def test_another_type_of_expire_is_refused(expire):
    with pytest.raises(TypeError, match="expire must be"):
        Todo(expire=expire)


@pytest.mark.parametrize("expire", [float("nan"), float("inf"), 1e300, 10**30])
def test_an_impossible_expire_is_refused(expire):
    with pytest.raises(ValueError, match="not a moment"):
        Todo(expire=expire)


def test_an_indexed_name_with_a_colon_or_two_underscores_is_refused(ask, alias):
    for name in ("a:b", "a__b"):
        with pytest.raises(ValueError, match="Cannot index the attribute"):
            ask(User.objects.create, **{name: 1})
        ask(Plain.objects.create, **{name: 1})
    assert ask(User.objects.count) == 0


def test_an_unstorable_value_is_refused_and_nothing_is_written(ask, alias):
    with pytest.raises(TypeError, match="'thing'"):
        ask(User.objects.create, name="x", thing=object())
    with pytest.raises(ValueError, match="'name'"):
        ask(User.objects.create, name="\ud800")
    assert ask(User.objects.count) == 0


@pytest.mark.parametrize("name", ["id", "pk", "tags", "expire"])
def test_set_accepts_only_attributes(name):
    todo = Todo(text="milk")
    with pytest.raises(TypeError, match=f"not {name!r}: assign it"):
        todo.set(**{"text": "bread", name: "x"})
    assert todo.attrs == {"text": "milk"}


def test_deleting_on_another_alias_keeps_the_object_on_its_own(ask, server, settings):
    default = settings.ORMIST["default"]
    other = {**default, "KEY_PREFIX": f"{server.key_prefix}-b"}
    settings.ORMIST = {**settings.ORMIST, "other": other}
    page = ask(Page.objects.create, x=1, views=3)
    same = ask(Page.objects.get, page.id)
    same.y = 2
    ask(same.save)
    ask(same.increment, "views")
    assert ask(page.delete, using="other") == (0, {})
    page.x = 5
    ask(page.save)
    page = ask(Page.objects.get, page.id)
    assert (page.attrs, page.views) == ({"x": 5, "y": 2}, 4)


@pytest.mark.parametrize("is_merged", [False, True])
def test_changes_made_during_a_save_stay(server, is_merged):
    """While a task waits for asave(), other tasks can change the instance."""

    async def saved_beside_changes():
        page = await Page.objects.acreate("a", n=1, m=1, views=1)
        if is_merged:
            same = await Page.objects.aget(page.id)
            same.x = 1
            await same.asave()
        page.n, page.views = 2, 5
        saving = asyncio.create_task(page.asave())
        await asyncio.sleep(0)
        page.n, page.m, page.tags, page.views, page.expire = 3, None, ["b"], 7, FAR
        del page.attrs["m"]
        await saving
        await page.asave()
        return page, await Page.objects.aget(page.id)

    page, stored = asyncio.run(saved_beside_changes())
    wanted = {"n": 3, "x": 1} if is_merged else {"n": 3}
    assert page.attrs == stored.attrs == wanted
    assert (stored.tags, stored.views, stored.expire) == (["b"], 7, FAR)
