"""get_or_create() and update_or_create()."""

import pytest

import django_ormist as ormist
from django_ormist import signals
from django_ormist.keys import object_key, term_key
from tests.models import City, Page, Todo, Token, User


def test_the_first_call_creates_and_the_second_finds(ask, is_sound):
    made, is_new = ask(
        User.objects.get_or_create, {"age": 3}, "tag", name="x", email="e"
    )
    assert is_new
    assert made.attrs == {"name": "x", "email": "e", "age": 3}
    assert made.tags[0] == "tag"
    assert not made._state.adding
    found, is_new = ask(
        User.objects.get_or_create, {"age": 4}, "tag", name="x", email="e"
    )
    assert not is_new
    assert found == made
    assert found.age == 3
    assert ask(User.objects.count) == 1
    assert is_sound()


def test_callables_are_called_only_for_a_new_object(ask, is_sound):
    calls = []

    def age():
        calls.append(1)
        return 5

    for _ in range(2):
        found, _ = ask(User.objects.get_or_create, {"age": age}, name="x")
        assert found.age == 5
    assert calls == [1]
    assert is_sound()


def test_defaults_override_lookups_as_in_django(ask, server):
    made, _ = ask(User.objects.get_or_create, defaults={"name": "X"}, name="x")
    assert made.name == "X"


def test_lookups_may_be_tags(ask, is_sound):
    made, is_new = ask(Todo.objects.get_or_create, None, "a", "b")
    assert (is_new, made.tags) == (True, ["a", "b"])
    assert ask(Todo.objects.get_or_create, None, "b") == (made, False)
    assert ask(Todo.objects.get_or_create, None, "c")[1]
    assert is_sound()


def test_lookups_may_be_an_id(ask, is_sound):
    made, is_new = ask(Page.objects.get_or_create, {"views": 3}, id="x")
    assert (is_new, made.id, made.views) == (True, "x", 3)
    found, is_new = ask(Page.objects.get_or_create, {"views": 9}, pk="x")
    assert (is_new, found.views) == (False, 3)
    assert is_sound()


def test_a_taken_id_is_refused(ask, is_sound):
    ask(Page.objects.create, id="x", site="a")
    with pytest.raises(ormist.IntegrityError, match="'x': the id is taken"):
        ask(Page.objects.get_or_create, id="x", site="b")
    assert is_sound()


def test_a_taken_unique_value_is_refused(ask, is_sound):
    ask(City.objects.create, name="a", code="A")
    with pytest.raises(ormist.IntegrityError, match="code='A' is taken"):
        ask(City.objects.get_or_create, {"code": "A"}, name="b")
    assert ask(City.objects.count) == 1
    assert is_sound()


def test_lookups_with_a_suffix_filter_and_are_not_set(ask, is_sound):
    ask(City.objects.create, name="small", population=1)
    made, is_new = ask(
        City.objects.get_or_create, {"population": 50}, name="big", population__gt=10
    )
    assert (is_new, made.attrs) == (True, {"name": "big", "population": 50})
    found, is_new = ask(City.objects.get_or_create, population__gt=10)
    assert (is_new, found) == (False, made)
    assert is_sound()


def test_a_collection_filters_what_is_found_and_not_what_is_created(ask, is_sound):
    ask(User.objects.create, "other", name="x")
    made, is_new = ask(User.objects.find("mine").get_or_create, name="x")
    assert is_new
    assert made.tags == ["name:x"]
    assert is_sound()


def test_several_matches_are_refused(ask, is_sound):
    for _ in range(2):
        ask(User.objects.create, name="x")
    with pytest.raises(User.MultipleObjectsReturned):
        ask(User.objects.get_or_create, name="x")
    with pytest.raises(User.MultipleObjectsReturned):
        ask(User.objects.update_or_create, {"a": 1}, name="x")
    assert is_sound()


def test_a_lookup_without_an_index_is_refused(ask, server):
    with pytest.raises(ormist.FieldError, match=r"Page\.Meta\.index_attrs"):
        ask(Page.objects.get_or_create, title="x")
    with pytest.raises(ormist.FieldError, match=r"Page\.Meta\.index_attrs"):
        ask(Page.objects.update_or_create, {"a": 1}, title="x")
    assert server.keys() == []


def test_an_expired_object_is_created_again(ask, is_sound):
    old = ask(Token.objects.create, "t", n=1, expire=0.05)
    while ask(Token.objects.get_or_none, old.id):
        pass
    made, is_new = ask(Token.objects.get_or_create, {"n": 2}, "t")
    assert (is_new, made.n) == (True, 2)
    assert is_sound()


def test_an_object_that_the_server_removed_is_created_again(ask, server):
    ask(Todo.objects.create, "t", id="x")
    server.client.delete(Todo._meta.space("default").base + b"o:x")
    assert ask(Todo.objects.get_or_create, None, "t")[1]


def test_update_or_create(ask, is_sound):
    made, is_new = ask(User.objects.update_or_create, {"age": 1}, name="x")
    assert (is_new, made.attrs) == (True, {"name": "x", "age": 1})
    found, is_new = ask(
        User.objects.update_or_create, {"age": lambda: 2, "expire": 100}, name="x"
    )
    assert (is_new, found.age) == (False, 2)
    stored = ask(User.objects.get, made.id)
    assert stored.age == 2
    assert stored.ttl() > 90
    made, is_new = ask(
        User.objects.update_or_create,
        defaults={"age": 3},
        create_defaults={"age": 4, "new": True},
        name="y",
    )
    assert (is_new, made.attrs) == (True, {"name": "y", "age": 4, "new": True})
    found, is_new = ask(
        User.objects.update_or_create,
        defaults={"age": 3},
        create_defaults={"age": 4, "new": True},
        name="y",
    )
    assert (is_new, found.age, found.new) == (False, 3, True)
    assert is_sound()


def test_finding_takes_one_round_trip_and_creating_two(ask, round_trips):
    for collection, lookups in ((User, {"name": "x"}), (User, {"id": "x"})):
        with round_trips() as seen:
            assert ask(collection.objects.get_or_create, **lookups)[1]
        assert seen.count == 2
        with round_trips() as seen:
            assert not ask(collection.objects.get_or_create, **lookups)[1]
        assert seen.count == 1
        with round_trips() as seen:
            assert not ask(collection.objects.update_or_create, {"a": 1}, **lookups)[1]
        assert seen.count == 2


def test_signals_are_sent_for_created_and_saved_objects(ask, server):
    heard = []

    def hear(sender, instance, created, **kwargs):
        heard.append((instance.id, created))

    signals.post_save.connect(hear)
    try:
        ask(User.objects.get_or_create, id="x")
        ask(User.objects.get_or_create, id="x")
        ask(User.objects.update_or_create, {"a": 1}, id="x")
    finally:
        signals.post_save.disconnect(hear)
    assert heard == [("x", True), ("x", False)]


def test_a_slice_is_refused(ask, server):
    with pytest.raises(TypeError, match="slice"):
        ask(User.objects.all()[:3].get_or_create, name="x")


def test_upserts_are_refused_inside_atomic(server):
    with ormist.atomic():
        for method in (User.objects.get_or_create, User.objects.update_or_create):
            with pytest.raises(ormist.NotSupportedError, match="at once"):
                method(name="x")


def test_tags_among_lookups_and_defaults_are_tags(ask, server):
    first, is_new = ask(Todo.objects.get_or_create, {"n": 1}, tags=["home", "big"])
    assert (is_new, first.tags, first.attrs) == (True, ["home", "big"], {"n": 1})
    assert ask(Todo.objects.get_or_create, tags="home") == (first, False)
    again, is_new = ask(Todo.objects.update_or_create, {"tags": "new"}, tags="home")
    assert (again, is_new, again.tags) == (first, False, ["new"])
    other, is_new = ask(Todo.objects.get_or_create, {"tags": ["b"]}, "a")
    assert (is_new, other.tags) == (True, ["a", "b"])


@pytest.mark.parametrize("method", ["get_or_create", "update_or_create"])
def test_defaults_must_not_be_a_tag(ask, server, method):
    ask(Todo.objects.create, id="x", text="milk")
    with pytest.raises(TypeError, match=f"{method}.. takes a dict as defaults, not"):
        ask(getattr(Todo.objects, method), "home", tags="x")
    if method == "update_or_create":
        with pytest.raises(TypeError, match="a dict as create_defaults, not 'big'"):
            ask(Todo.objects.update_or_create, {}, "big", tags="x")


def test_an_id_cannot_be_updated(ask, server):
    ask(Todo.objects.create, id="x", text="milk")
    with pytest.raises(ormist.FieldError, match="Cannot update 'pk' of Todo"):
        ask(Todo.objects.update_or_create, {"pk": "y"}, id="x")
    made, is_new = ask(Todo.objects.update_or_create, {"pk": "y"}, pk__in=["z"])
    assert (is_new, made.id) == (True, "y")


def test_an_index_that_contradicts_its_object_ends_in_an_error(ask, server):
    city = ask(City.objects.create, name="Bern")
    key = term_key(City._meta.space("default"), b"t:name:Oz")
    server.client.zadd(key, {city.id: 1})
    with pytest.raises(ormist.CorruptDataError, match=f"o:{city.id}.* --repair"):
        ask(City.objects.update_or_create, {"n": 1}, name="Oz")


def test_a_key_of_another_type_is_not_found_as_an_object(ask, server):
    space = City._meta.space("default")
    city = ask(City.objects.create, name="Bern")
    server.client.delete(object_key(space, city.id))
    server.client.hset(object_key(space, city.id), "a", "b")
    made, is_new = ask(City.objects.get_or_create, name="Bern")
    assert is_new
    assert made.id != city.id


@pytest.mark.parametrize("method", ["get_or_create", "update_or_create"])
def test_any_name_can_be_a_lookup(ask, server, method):
    made, is_new = ask(getattr(User.objects, method), self="x")
    assert (is_new, made.attrs) == (True, {"self": "x"})
