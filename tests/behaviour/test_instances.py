"""One object: what it holds, how it is stored, and what it is equal to."""

import asyncio
import pickle
from datetime import UTC, datetime, timedelta

import pytest

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo, Token, User

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


def test_a_drawn_id_is_as_long_as_meta_says():
    assert len(Plain().id) == 16
    assert Token().id.isalnum()
    assert len(Token().id) == 32
    assert len({Plain().id for _ in range(1000)}) == 1000


@pytest.mark.parametrize("name", ["id", "pk"])
def test_an_id_can_be_chosen(name):
    assert Plain(**{name: "a:b*"}).pk == "a:b*"


def test_two_different_ids_are_refused():
    assert Plain(id="a", pk="a").id == "a"
    with pytest.raises(ValueError, match="id='a' and pk='b' name one thing"):
        Plain(id="a", pk="b")


def test_an_empty_id_is_refused():
    with pytest.raises(ValueError, match="cannot be empty"):
        Plain(id="")


@pytest.mark.parametrize("pk", [5, b"x", 1.5])
def test_an_id_is_a_text(pk):
    with pytest.raises(TypeError, match="is a str"):
        Plain(id=pk)


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


def test_set_and_unset_take_any_name(ask, alias):
    plain = ask(Plain.objects.create, **{"save": 1, "self": 2, "a b\0": 3})
    plain.set(delete=4, **{"with:colon": 5})
    plain.unset("self", "never there")
    ask(plain.save)
    found = ask(Plain.objects.get, plain.id)
    assert found.attrs == {"save": 1, "a b\0": 3, "delete": 4, "with:colon": 5}


@pytest.mark.parametrize("name", ["save", "attrs", "objects", "_packed", "ttl"])
def test_a_name_of_the_class_is_reached_through_attrs_alone(name):
    plain = Plain(**{name: 1})
    assert plain.attrs[name] == 1
    with pytest.raises(AttributeError, match=rf"attrs\['{name}'\]"):
        setattr(plain, name, 2)
    with pytest.raises(AttributeError, match=rf"attrs\['{name}'\]"):
        delattr(plain, name)
    assert plain.attrs == {name: 1}


def test_a_name_of_the_metaclass_is_an_ordinary_attribute():
    plain = Plain()
    plain.mro = 1
    assert plain.attrs == {"mro": 1}


def test_an_absent_attribute_is_an_attribute_error():
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


def test_a_change_inside_a_nested_list_counts(ask, alias):
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


def test_a_change_of_type_alone_is_a_change(ask, alias):
    plain = ask(Plain.objects.create, flag=1)
    plain.flag = True
    ask(plain.save)
    assert ask(Plain.objects.get, plain.id).flag is True


def test_strict_refuses_what_another_changed(ask, alias):
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


def test_a_plain_save_of_a_deleted_object_writes_it_whole(ask, alias):
    user = ask(User.objects.create, "tag", name="John", age=30)
    ask(ask(User.objects.get, user.id).delete)
    user.age = 31
    ask(user.save)
    assert ask(User.objects.get, user.id).attrs == {"name": "John", "age": 31}
    assert ask(User.objects.find("tag", name="John", age=31).count) == 1


def test_saving_an_object_never_loaded_replaces_it_and_keeps_its_place(ask, alias):
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


def test_delete_says_what_it_deleted(ask, server):
    todo = ask(Todo.objects.create, "home", text="milk")
    assert ask(todo.delete) == (1, {"tests.Todo": 1})
    assert ask(todo.delete) == (0, {})
    assert server.keys() == []


def test_refresh_reads_everything_anew(ask, alias):
    page = ask(Page.objects.create, "a", site="x", views=2)
    other = ask(Page.objects.get, page.id)
    other.site, other.tags, other.expire = "y", ["b"], 60
    ask(other.save)
    ask(other.increment, "views")
    page.site = "lost"
    ask(page.refresh_from_db)
    assert (page.site, page.tags, page.views) == ("y", ["b", "site:y"], 3)
    assert page.expire == other.expire
    ask(other.delete)
    with pytest.raises(Page.DoesNotExist, match=page.id):
        ask(page.refresh_from_db)


def test_refresh_of_named_fields_keeps_other_unsaved_changes(ask, alias):
    page = ask(Page.objects.create, "a", site="x", size=1, gone=1, views=2)
    other = ask(Page.objects.get, page.id)
    other.site, other.size, other.tags, other.expire = "y", 2, ["b"], 60
    del other.gone
    ask(other.save)
    ask(other.increment, "views")
    page.site, page.size, page.gone, page.mine = "lost", 5, 5, 5
    page.tags, page.expire, page.views, page.votes = ["c"], 1000, 50, 60
    ask(page.refresh_from_db, fields=["site", "gone", "views", "absent"])
    assert page.attrs == {"site": "y", "size": 5, "mine": 5}
    assert (page.tags, page.views) == (["b", "c", "site:y"], 3)
    ask(page.refresh_from_db, fields=("tags", "expire"))
    assert (page.tags, page.expire) == (["b", "site:y"], other.expire)
    ask(page.save, strict=True)
    found = ask(Page.objects.get, page.id)
    assert found.attrs == page.attrs
    assert (found.views, found.votes) == (3, 60)
    with pytest.raises(TypeError, match="fields is a list of names"):
        ask(page.refresh_from_db, fields="site")


@pytest.mark.parametrize("verb", ["refresh_from_db", "increment"])
def test_an_object_never_loaded_is_loaded_below_its_own_changes(ask, alias, verb):
    page = ask(Page.objects.create, "a", site="x", size=1, views=2)
    twin = Page("mine", id=page.id, note="n")
    if verb == "increment":
        assert ask(twin.increment, "size", 4) == 5
    else:
        ask(twin.refresh_from_db, fields=["size"])
        twin.size = 5
    assert twin.attrs == {"site": "x", "size": 5, "note": "n"}
    assert twin.tags == ["a", "mine", "site:x"]
    ask(twin.save, strict=True)
    found = ask(Page.objects.get, page.id)
    assert (found.attrs, found.tags, found.views) == (twin.attrs, twin.tags, 2)


def test_counters_start_from_the_value_given(ask, server):
    page = ask(Page.objects.create, site="x", views=5)
    assert (page.views, page.votes) == (5, 0)
    assert ask(page.increment, "views", 3) == 8
    assert ask(page.increment, "votes", -2) == -2
    found = ask(Page.objects.get, page.id)
    assert (found.views, found.votes, found.attrs) == (8, -2, {"site": "x"})
    assert [each.views for each in ask(Page.objects.all().list)] == [8]
    assert ask(Page.objects.first).votes == -2
    ask(found.delete)
    assert server.keys() == []


def test_a_plain_save_sets_a_counter_only_if_it_was_assigned(ask, alias):
    page = ask(Page.objects.create, site="x", views=1)
    other = ask(Page.objects.get, page.id)
    ask(other.increment, "views", 10)
    page.votes = 3
    ask(page.save)
    found = ask(Page.objects.get, page.id)
    assert (found.views, found.votes) == (11, 3)


def test_a_replaced_object_begins_with_the_counters_it_was_given(ask, alias):
    page = ask(Page.objects.create, site="x", views=5, votes=6)
    ask(Page(id=page.id, votes=1).save)
    found = ask(Page.objects.get, page.id)
    assert (found.views, found.votes, found.attrs) == (0, 1, {})


def test_a_counter_is_set_by_name_and_takes_an_int_of_64_bits(ask, alias):
    page = Page()
    page.set(views=2**63 - 1, site="x")
    assert (page.views, page.attrs) == (2**63 - 1, {"site": "x"})
    for wrong in (2**63, -(2**63) - 1):
        with pytest.raises(OverflowError, match=f"Page holds 64 bits: {wrong}"):
            page.views = wrong
        with pytest.raises(OverflowError, match="64 bits"):
            ask(page.increment, "views", wrong)
    for wrong in (1.5, "1", True):
        with pytest.raises(TypeError, match="'views'"):
            page.views = wrong
        with pytest.raises(TypeError, match="cannot add .* to 'views'"):
            ask(page.increment, "views", wrong)
    ask(page.save)
    assert ask(Page.objects.get, page.id).views == 2**63 - 1


def test_a_counter_takes_64_bits_of_int(ask, alias):
    page = ask(Page.objects.create, views=2**63 - 2)
    assert ask(page.increment, "views") == 2**63 - 1
    with pytest.raises(OverflowError, match="64 bits"):
        ask(page.increment, "views")
    with pytest.raises(TypeError, match="views"):
        page.views = "many"
    assert ask(Page.objects.get, page.id).views == 2**63 - 1


def test_increment_of_an_attribute_keeps_its_index_right(ask, alias):
    user = ask(User.objects.create, name="John", age=30)
    other = ask(User.objects.get, user.id)
    assert ask(user.increment, "age", 2) == 32
    other.name = "J"
    assert ask(other.increment, "age") == 33
    assert (other.name, other.age) == ("J", 33)
    assert ask(User.objects.find(age=33, name="John").count) == 1
    ask(other.save)
    assert ask(User.objects.get, user.id).attrs == {"name": "J", "age": 33}
    assert ask(other.increment, "absent", 1.5) == 1.5
    with pytest.raises(TypeError, match="'name' of User"):
        ask(other.increment, "name")


def test_increment_of_an_attribute_keeps_an_assigned_counter(ask, alias):
    page = ask(Page.objects.create, size=1, views=1)
    page.views = 50
    assert ask(page.increment, "size") == 2
    assert page.views == 50
    ask(page.save)
    assert ask(Page.objects.get, page.id).views == 50


def test_increment_by_what_cannot_be_added_names_the_attribute(ask, alias):
    user = ask(User.objects.create, age=30)
    with pytest.raises(
        TypeError, match="Cannot increment 'age' of User, a int, by '1'"
    ):
        ask(user.increment, "age", "1")


def test_increment_of_a_deleted_object_is_does_not_exist(ask, alias):
    page = ask(Page.objects.create, size=1)
    ask(ask(Page.objects.get, page.id).delete)
    for name in ("views", "size"):
        with pytest.raises(Page.DoesNotExist):
            ask(page.increment, name)
    assert ask(Page.objects.count) == 0


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


def test_what_is_put_into_tags_in_place_is_looked_at_when_it_is_saved(ask, alias):
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


def test_expire_takes_seconds_a_timedelta_and_a_moment():
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
def test_an_expire_that_is_no_moment_is_refused(expire):
    with pytest.raises(ValueError, match="not a moment"):
        Todo(expire=expire)


def test_equality_and_hash_are_by_class_and_id():
    assert Plain(id="x") == Plain(id="x", a=1)
    assert Plain(id="x") != Todo(id="x")
    assert Plain(id="x") != "x"
    assert len({Plain(id="x"), Plain(id="x"), Plain(id="y")}) == 2


def test_state_says_what_djangos_would(ask, alias):
    plain = Plain()
    assert (plain._state.adding, plain._state.db) == (True, None)
    ask(plain.save)
    assert (plain._state.adding, plain._state.db) == (False, "default")


def test_another_id_makes_another_object(ask, alias):
    plain = ask(Plain.objects.create, id="one", a=1)
    plain.pk = "two"
    ask(plain.save)
    assert sorted(ask(Plain.objects.ids)) == ["one", "two"]


def test_an_indexed_name_with_a_colon_or_two_underscores_is_refused(ask, alias):
    for name in ("a:b", "a__b"):
        with pytest.raises(ValueError, match="Cannot index the attribute"):
            ask(User.objects.create, **{name: 1})
        ask(Plain.objects.create, **{name: 1})
    assert ask(User.objects.count) == 0


def test_a_value_of_no_storable_type_is_refused_whole(ask, alias):
    with pytest.raises(TypeError, match="'thing'"):
        ask(User.objects.create, name="x", thing=object())
    with pytest.raises(ValueError, match="'name'"):
        ask(User.objects.create, name="\ud800")
    assert ask(User.objects.count) == 0


@pytest.mark.parametrize("name", ["id", "pk", "tags", "expire"])
def test_set_takes_attributes_alone(name):
    todo = Todo(text="milk")
    with pytest.raises(TypeError, match=f"not {name!r}: assign it"):
        todo.set(**{"text": "bread", name: "x"})
    assert todo.attrs == {"text": "milk"}


def test_an_object_is_copied_as_django_says(ask, server):
    city = ask(City.objects.create, "old", name="Bern")
    first = city.id
    assert repr(city._state) == "<ModelState: adding=False, db='default'>"
    city.pk = None
    city._state.adding = True
    ask(city.save)
    assert city.id != first
    assert ask(City.objects.find("old", name="Bern").count) == 2
    assert not city._state.adding
    with pytest.raises(ValueError, match="stored by save"):
        City()._state.adding = False


def test_a_counter_is_read_as_one_whatever_an_attribute_of_its_name_holds(ask, server):
    Before, After = (
        type(ormist.Model)("Doc", (ormist.Model,), {"Meta": type("Meta", (), meta)})
        for meta in ({}, {"counters": ["views"]})
    )
    doc = ask(Before.objects.create, views=7)
    read = ask(After.objects.get, doc.id)
    assert read.views == 0
    assert ask(read.increment, "views") == read.views == 1
    read.views = 7
    del read.attrs["views"]
    ask(read.save)
    read = ask(After.objects.get, doc.id)
    assert (read.views, read.attrs) == (7, {})


def test_what_was_pickled_before_there_were_counters_has_its_own(ask, server):
    first, second = ask(Page.objects.create), ask(Page.objects.create)
    for each in (first, second):
        del each.__dict__["_counters"], each.__dict__["_assigned"]
    first, second = pickle.loads(pickle.dumps((first, second)))
    first.views = 3
    assert (second.views, Page._counters, Page._assigned) == (0, {}, set())
    second.text = "only this"
    ask(second.save)
    assert ask(Page.objects.get, second.id).views == 0


def test_what_is_deleted_on_another_alias_is_still_that_of_its_own(
    ask, server, settings
):
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
def test_what_an_instance_is_given_while_it_is_saved_stays(server, is_merged):
    """A task that waits for asave() lets others at the instance."""

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
