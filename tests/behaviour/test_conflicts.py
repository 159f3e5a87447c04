"""bulk_create() that leaves out or updates taken ids and values."""

import pickle

import pytest

import django_ormist as ormist
from django_ormist.keys import unique_key
from tests.models import City, Page, Plain, User


def test_taken_ids_are_left_out(ask, is_sound):
    ask(User.objects.bulk_create, [User("old", id=f"n{i}", name="old") for i in (3, 7)])
    new = [User("new", id=f"n{i}", name="new") for i in range(250)]
    assert ask(User.objects.bulk_create, new, ignore_conflicts=True) == new
    assert ask(User.objects.find(name="new").count) == 248
    assert ask(User.objects.find("new").count) == 248
    assert ask(User.objects.get, "n7").name == "old"
    assert [each.id for each in new if each._state.adding] == ["n3", "n7"]
    assert ask(User.objects.all()[2:5].ids) == ["n0", "n1", "n2"]
    assert is_sound()


def test_taken_values_within_the_list_are_left_out(ask, is_sound):
    ask(City.objects.create, id="old", code=1, country="ch", slug="a")
    new = [
        City(id="a", code=2, population=1, name="n"),
        City(id="b", code=1, country="us", slug="a", name="n"),
        City(id="c", code=3, country="ch", slug="a", name="n"),
        City(id="d", code=2, population=5, name="n"),
        City(id="e", code=3, name="n"),
        City(id="a", code=9, name="n"),
    ]
    ask(City.objects.bulk_create, new, ignore_conflicts=True)
    assert ask(City.objects.ids) == ["old", "a", "e"]
    assert ask(City.objects.find(name="n").count) == 2
    assert [i for i, each in enumerate(new) if not each._state.adding] == [0, 4]
    assert is_sound()


def test_if_all_are_taken_nothing_is_written(ask, is_sound):
    ask(Plain.objects.bulk_create, [Plain(id="a", n=1), Plain(id="b", n=1)])
    ask(
        Plain.objects.bulk_create,
        [Plain(id="a", n=2), Plain(id="b", n=2)],
        ignore_conflicts=True,
    )
    assert [each.n for each in ask(Plain.objects.all().list)] == [1, 1]
    assert is_sound()


def test_objects_with_a_taken_id_update_the_stored_ones(ask, is_sound):
    ask(Page.objects.create, "old", id="a", site="s", x=1, y=1, views=5, votes=5)
    new = [
        Page("new", id="a", site="t", x=2, y=2, views=7, votes=7),
        Page("new", id="b", site="t", x=2),
    ]
    stored = ask(
        Page.objects.bulk_create,
        new,
        update_conflicts=True,
        update_fields=["x", "site", "views", "tags", "absent"],
        unique_fields=["pk"],
    )
    assert stored == new
    found = ask(Page.objects.get, "a")
    assert found.attrs == new[0].attrs == {"site": "t", "x": 2, "y": 1}
    assert (found.tags, found.views, found.votes) == (["new", "site:t"], 7, 5)
    assert (new[0].views, new[0].votes) == (7, 5)
    ask(new[0].save, strict=True)
    ask(new[1].save, strict=True)
    assert ask(Page.objects.find(site="t").ids) == ["a", "b"]
    assert is_sound()


def test_objects_with_a_taken_value_update_its_holder(ask, is_sound):
    ask(City.objects.bulk_create, [City(id=f"c{i}", code=i, n=0) for i in range(150)])
    new = [City(code=i, n=1, population=i) for i in range(100, 250)]
    ask(
        City.objects.bulk_create,
        new,
        update_conflicts=True,
        update_fields=["n", "population"],
        unique_fields=["code"],
    )
    assert ask(City.objects.count) == 250
    assert new[0].id == "c100"
    stored = ask(City.objects.get, "c100")
    assert stored.attrs == {"code": 100, "n": 1, "population": 100}
    assert ask(City.objects.filter(population__gte=100).count) == 150
    assert is_sound()


def test_the_last_of_several_in_a_list_wins(ask, is_sound):
    new = [User(id="a", n=i) for i in range(5)]
    ask(
        User.objects.bulk_create,
        new,
        update_conflicts=True,
        update_fields=["n"],
        unique_fields=["id"],
    )
    assert ask(User.objects.get, "a").n == 4
    assert is_sound()


def test_a_conflict_that_is_not_named_is_refused(ask, is_sound):
    ask(City.objects.create, id="a", code=1, country="ch", slug="s")
    options = {"update_conflicts": True, "update_fields": ["n"]}
    with pytest.raises(ormist.IntegrityError, match="code=1 is taken"):
        ask(
            City.objects.bulk_create,
            [City(code=1)],
            **options,
            unique_fields=["slug", "country"],
        )
    with pytest.raises(ormist.IntegrityError, match="'a': the id is taken"):
        ask(City.objects.bulk_create, [City(id="a")], **options, unique_fields=["code"])
    with pytest.raises(ormist.IntegrityError, match="code=1 is taken"):
        ask(City.objects.bulk_create, [City(code=1)], **options, unique_fields=["id"])
    assert ask(City.objects.ids) == ["a"]
    assert is_sound()


def test_the_error_has_the_names_of_what_is_taken(ask, alias):
    ask(City.objects.create, id="a", code=1, country="ch", slug="s")
    for attrs, names in (
        ({"id": "a"}, ("id",)),
        ({"code": 1}, ("code",)),
        ({"country": "ch", "slug": "s"}, ("country", "slug")),
    ):
        with pytest.raises(ormist.IntegrityError) as caught:
            ask(City.objects.create, **attrs)
        assert caught.value.names == names
        assert pickle.loads(pickle.dumps(caught.value)).names == names


def test_an_update_that_takes_a_held_value_is_refused(ask, is_sound):
    ask(City.objects.bulk_create, [City(id="a", code=1), City(id="b", code=2)])
    with pytest.raises(ormist.IntegrityError, match="code=1 is taken by City 'a'"):
        ask(
            City.objects.bulk_create,
            [City(id="b", code=1)],
            update_conflicts=True,
            update_fields=["code"],
            unique_fields=["id"],
        )
    assert is_sound()


FIELDS = {"update_fields": ["n"], "unique_fields": ["id"]}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"ignore_conflicts": True, "update_conflicts": True, **FIELDS},
            ValueError,
            "mutually exclusive",
        ),
        ({"update_conflicts": True}, ValueError, "must be provided"),
        (
            {"update_conflicts": True, "update_fields": ["n"]},
            ValueError,
            "Unique fields",
        ),
        (
            {"update_conflicts": True, **FIELDS, "update_fields": ["pk"]},
            ValueError,
            "an id cannot be updated",
        ),
        (
            {"update_conflicts": True, **FIELDS, "unique_fields": ["n"]},
            ormist.FieldError,
            r"User\.Meta\.unique",
        ),
    ],
)
def test_options_that_django_rejects_are_rejected(ask, server, options, error, match):
    with pytest.raises(error, match=match):
        ask(User.objects.bulk_create, [User(n=1)], **options)
    assert ask(User.objects.count) == 0


def test_expired_objects_are_left_out(ask, is_sound):
    ask(User.objects.create, id="b")
    new = [User(id="a", expire=-1), User(id="b"), User(id="c")]
    ask(User.objects.bulk_create, new, ignore_conflicts=True)
    assert ask(User.objects.ids) == ["b", "c"]
    assert is_sound()


def test_ignored_conflicts_take_one_round_trip_and_updates_three(ask, round_trips):
    ask(Plain.objects.bulk_create, [Plain(id=f"n{i}") for i in range(0, 1000, 10)])
    new = [Plain(id=f"n{i}", n=1) for i in range(1000)]
    with round_trips() as seen:
        ask(Plain.objects.bulk_create, new, ignore_conflicts=True)
    assert seen.count == 1
    with round_trips() as seen:
        ask(Plain.objects.bulk_create, new[:100], update_conflicts=True, **FIELDS)
    assert seen.count == 3


def test_a_duplicate_id_is_stored_if_the_first_is_refused(ask, is_sound):
    ask(City.objects.create, id="old", code=1)
    new = [City(id="x", code=1), City(id="x", code=2), City(id="x", code=3)]
    ask(City.objects.bulk_create, new, ignore_conflicts=True)
    assert ask(City.objects.get, "x").code == 2
    assert is_sound()


def test_a_wrong_unique_entry_ends_in_an_error(ask, server):
    city = ask(City.objects.create, code="x")
    key = unique_key(City._meta.space("default"), ["code"])
    server.client.hset(key, "t:y", city.id)
    with pytest.raises(ormist.CorruptDataError, match=f"o:{city.id}.* --repair"):
        ask(
            City.objects.bulk_create,
            [City(code="y")],
            update_conflicts=True,
            update_fields=["n"],
            unique_fields=["code"],
        )


def test_duplicate_ids_are_applied_in_order(ask, is_sound):
    ask(City.objects.create, id="z", code=1)
    made = [City(id="b", code=1), City(id="b", n=2), City(id="b", n=3), City(id="a")]
    ask(City.objects.bulk_create, made, ignore_conflicts=True)
    assert [each._state.adding for each in made] == [True, False, True, False]
    assert ask(City.objects.all().ids) == ["z", "b", "a"]
    assert ask(City.objects.get, "b").n == 2
    assert is_sound()


BY_CODE = {
    "update_conflicts": True,
    "update_fields": ["n"],
    "unique_fields": ["code"],
}


def test_the_named_value_takes_precedence_over_the_id(ask, is_sound):
    ask(City.objects.create, id="a", code=1, n=0)
    ask(City.objects.bulk_create, [City(id="a", code=1, n=5)], **BY_CODE)
    assert ask(City.objects.get, "a").attrs == {"code": 1, "n": 5}
    assert is_sound()


def test_the_named_value_takes_precedence_over_other_values(ask, is_sound):
    """As in PostgreSQL and SQLite, which check the named constraint first."""
    ask(City.objects.create, id="a", code=1, country="x", slug="y", n=0)
    ask(City.objects.create, id="b", code=2, n=0)
    new = [
        City(id="a", code=2, n=5),  # the id of one, the value of the other
        City(id="c", code=2, country="x", slug="y", m=1),
    ]
    ask(City.objects.bulk_create, new[:1], **BY_CODE)
    assert new[0].id == "b"
    assert ask(City.objects.get, "b").n == 5
    new[1].n = 6
    ask(City.objects.bulk_create, new[1:], **BY_CODE)
    assert ask(City.objects.get, "b").n == 6
    assert ask(City.objects.get, "a").n == 0
    by_pair = {**BY_CODE, "unique_fields": ["slug", "country"]}
    pair = City(id="b", code=2, country="x", slug="y", n=7)
    ask(City.objects.bulk_create, [pair], **by_pair)
    assert (pair.id, ask(City.objects.get, "a").n) == ("a", 7)
    assert ask(City.objects.count) == 2
    assert is_sound()


def test_the_named_id_takes_precedence_over_a_value(ask, is_sound):
    ask(City.objects.create, id="a", code=1, n=0)
    ask(City.objects.create, id="b", code=2, n=0)
    by_id = {**BY_CODE, "unique_fields": ["id"]}
    ask(City.objects.bulk_create, [City(id="a", code=2, n=5)], **by_id)
    assert ask(City.objects.get, "a").attrs == {"code": 1, "n": 5}
    assert ask(City.objects.get, "b").n == 0
    assert is_sound()


def test_one_list_may_hold_stored_and_new_objects(ask, is_sound):
    ask(City.objects.bulk_create, [City(id=f"c{i}", code=i, n=0) for i in range(250)])
    new = [City(id=f"c{i}", code=i, n=1) for i in range(300)]
    ask(City.objects.bulk_create, new, **BY_CODE)
    assert {each.n for each in ask(City.objects.all().list)} == {1}
    assert ask(City.objects.count) == 300
    again = [City(id="z", code=7, n=2), City(id="z", code=7, n=3), City(id="z", n=4)]
    ask(City.objects.bulk_create, again, **BY_CODE)
    assert ask(City.objects.get, "c7").n == 3
    assert ask(City.objects.get, "z").n == 4
    assert is_sound()


@pytest.mark.parametrize("names", [["id"], ["code"]])
@pytest.mark.parametrize("times", [2, 3])
def test_an_object_may_be_in_the_list_several_times(ask, is_sound, names, times):
    ask(City.objects.create, id="c", code=1, n=0)
    city, other = City(id="c", code=1, n=1), City(id="d", code=2, n=2)
    ask(
        City.objects.bulk_create,
        [city, other, *[city] * (times - 1)],
        update_conflicts=True,
        update_fields=["n"],
        unique_fields=names,
    )
    assert ask(City.objects.get, "c").n == 1
    assert ask(City.objects.get, "d").n == 2
    assert ask(City.objects.count) == 2
