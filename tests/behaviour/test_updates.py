"""update(): values, expressions, indexes and counters."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.db.models import Avg, F, OuterRef, Value
from django.db.models.functions import Lower

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo, User


def test_values_are_set_and_found(ask, is_sound):
    made = [User("tag", name=f"n{i}", kind="old", n=i) for i in range(250)]
    ask(User.objects.bulk_create, [*made, User(name="other", kind="old")])
    collection = User.objects.find("tag", kind="old")
    assert ask(collection.update, kind="new", extra=[1, {"a": None}]) == 250
    assert ask(User.objects.find(kind="new").count) == 250
    assert ask(User.objects.find(kind="old").count) == 1
    assert ask(User.objects.find("tag").count) == 250
    found = ask(User.objects.get, made[7].id)
    assert (found.name, found.n, found.extra) == ("n7", 7, [1, {"a": None}])
    assert is_sound()


def test_an_instance_that_was_loaded_merges_with_an_update(ask, is_sound):
    one = ask(User.objects.create, name="a", n=1)
    assert ask(User.objects.update, n=2) == 1
    one.name = "b"
    ask(one.save)
    assert ask(User.objects.get, one.id).attrs == {"name": "b", "n": 2}
    assert is_sound()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (F("n"), 7),
        (F("n") + 1, 8),
        (1 - F("n"), -6),
        (F("n") * F("m"), 21),
        (F("n") / 2, 3.5),
        (F("n") % 4, 3),
        (F("n") ** 2, 49),
        (-F("n"), -7),
        ((F("n") + F("m")) * Value(2) - 1, 19),
        (F("n") + 2**70, 2**70 + 7),
        (F("d") + Decimal("0.1"), Decimal("1.2")),
        (F("text") + "!", "x!"),
        (F("at") + timedelta(days=1), datetime(2020, 1, 2, tzinfo=UTC)),
        (F("absent") + 1, None),
        (F("none"), None),
        (F("id"), "one"),
        (Value([1]), [1]),
    ],
)
def test_a_value_is_computed_for_each_object(ask, is_sound, expression, value):
    at = datetime(2020, 1, 1, tzinfo=UTC)
    attrs = {"n": 7, "m": 3, "d": Decimal("1.1"), "text": "x", "at": at, "none": None}
    ask(User.objects.create, id="one", **attrs)
    assert ask(User.objects.update, result=expression) == 1
    found = ask(User.objects.get, "one")
    assert found.attrs == {**attrs, "result": value}
    assert type(found.result) is type(value)
    assert is_sound()


@pytest.mark.parametrize("hours", [24, 36.5, 48])
def test_datetimes_are_moments_when_the_clocks_change(ask, server, hours):
    start = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    span = timedelta(hours=hours)
    moment = start.astimezone(UTC) + span
    one = ask(User.objects.create, start=start, end=moment.astimezone(start.tzinfo))
    new = {
        "later": F("start") + span,
        "earlier": F("end") - span,
        "span": F("end") - F("start"),
        "other": F("start") - Value(moment),
    }
    assert ask(User.objects.update, **new) == 1
    found = ask(User.objects.get, one.id)
    assert found.later.astimezone(UTC) == moment
    assert found.earlier.astimezone(UTC) == start.astimezone(UTC)
    assert found.later.tzinfo == found.earlier.tzinfo == start.tzinfo
    assert (found.span, found.other) == (span, -span)


def test_datetimes_with_a_fixed_offset_are_computed_to_the_last_year(ask, server):
    zone = timezone(-timedelta(hours=12))
    last = datetime.max.replace(tzinfo=zone)
    one = ask(User.objects.create, at=last, text="at %s")
    new = {"at": F("at") - timedelta(days=1), "text": F("text") % F("at")}
    assert ask(User.objects.update, **new) == 1
    found = ask(User.objects.get, one.id)
    assert found.at == last - timedelta(days=1)
    assert found.text == f"at {last}"


def test_a_datetime_in_a_text_keeps_its_zone(ask, server):
    at = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    ask(User.objects.create, id="u", at=at, text="at %s")
    assert ask(User.objects.update, text=F("text") % F("at")) == 1
    assert ask(User.objects.get, "u").text == "at 2026-10-24 12:00:00+02:00"


def test_expressions_read_the_state_before_the_update(ask, is_sound):
    ask(User.objects.create, id="one", a=1, b=2)
    ask(User.objects.update, a=F("b"), b=F("a"))
    assert ask(User.objects.get, "one").attrs == {"a": 2, "b": 1}
    assert is_sound()


@pytest.mark.parametrize(
    "wrong", [Avg("n"), Lower("a"), OuterRef("n"), F("n").bitand(1), F("n") + Avg("n")]
)
def test_an_invalid_expression_is_refused_before_any_write(ask, server, wrong):
    ask(User.objects.create, id="one", n=1)
    with pytest.raises(ormist.FieldError, match="Cannot compute"):
        ask(User.objects.update, n=wrong)


@pytest.mark.parametrize("name", ["tags", "name__lower", "_n", ""])
def test_an_expression_of_an_invalid_name_is_refused(ask, server, name):
    ask(User.objects.create, id="one", n=1)
    for expression in (F(name), F(name) + 1, 1 - F("n") * F(name)):
        with pytest.raises(ormist.FieldError, match=f"{name!r} is not an attribute"):
            ask(User.objects.update, n=expression)
    assert ask(User.objects.get, "one").n == 1


@pytest.mark.parametrize("name", ["id", "pk", "tags", "a__b", "_n", ""])
def test_a_name_that_cannot_be_an_attribute_is_refused(ask, server, name):
    with pytest.raises(ormist.FieldError, match=f"Cannot update '{name}'"):
        ask(User.objects.update, **{name: "x"})


def test_a_value_of_a_wrong_type_names_the_attribute(ask, server):
    ask(User.objects.create, id="one", n="text")
    with pytest.raises(TypeError, match="'thing'"):
        ask(User.objects.update, thing=object())
    with pytest.raises(TypeError) as caught:
        ask(User.objects.update, n=F("n") + 1)
    assert "In the update of User 'one'." in caught.value.__notes__[0]


def test_a_slice_is_refused(ask, server):
    with pytest.raises(TypeError, match="slice"):
        ask(User.objects.all()[:5].update, n=1)


def test_without_values_nothing_is_written(ask, round_trips):
    ask(User.objects.create)
    with round_trips() as seen:
        assert ask(User.objects.update) == 0
    assert seen.count == 0


def test_counters_can_be_set_and_computed(ask, is_sound):
    ask(Page.objects.create, id="a", views=1, site="s")
    ask(Page.objects.create, id="b", views=5, votes=2, site="s")
    assert ask(Page.objects.find(site="s").update, views=F("views") + 10) == 2
    assert ask(Page.objects.update, votes=F("views") * 2, seen=F("votes")) == 2
    assert ask(Page.objects.update, votes=7, views=F("views") - F("seen")) == 2
    found = [(p.views, p.votes, p.seen) for p in ask(Page.objects.all().list)]
    assert found == [(11, 7, 0), (13, 7, 2)]
    assert is_sound()


@pytest.mark.parametrize("wrong", ["x", None, 1.5, True])
def test_a_counter_must_be_an_int(ask, server, wrong):
    ask(Page.objects.create, id="a")
    with pytest.raises(TypeError, match="'views'"):
        ask(Page.objects.update, views=wrong)
    with pytest.raises(TypeError, match="'views'"):
        ask(Page.objects.update, views=Value(wrong))
    with pytest.raises(OverflowError, match="'views'"):
        ask(Page.objects.update, views=2**63)


def test_expiration_times_can_be_set_and_computed(ask, is_sound):
    ask(User.objects.create, id="a", expire=1000)
    ask(User.objects.create, id="b")
    later = F("expire") + timedelta(seconds=1000)
    assert ask(User.objects.update, expire=later) == 2
    assert 1990 < ask(User.objects.get, "a").ttl() <= 2000
    assert ask(User.objects.get, "b").expire is None
    assert ask(User.objects.update, expire=timedelta(seconds=50), name="x") == 2
    assert ask(User.objects.get, "b").ttl() <= 50
    assert ask(User.objects.find(id="a").update, expire=None) == 1
    assert ask(User.objects.get, "a").expire is None
    assert is_sound()
    assert ask(User.objects.update, expire=-1) == 2
    assert ask(User.objects.count) == 0
    assert is_sound()


def test_ordered_and_unique_indexes_follow_an_update(ask, is_sound):
    made = [City(name="n", population=i, code=i) for i in range(5)]
    ask(City.objects.bulk_create, made)
    assert ask(City.objects.update, population=F("population") * -1) == 5
    order = ask(City.objects.order_by("population").list)
    assert [each.code for each in order] == [4, 3, 2, 1, 0]
    assert ask(City.objects.update, code=F("code") + 10) == 5
    assert ask(City.objects.create, code=0)
    assert is_sound()
    with pytest.raises(ormist.IntegrityError, match="'x' is taken.* Others changed: 1"):
        ask(City.objects.update, code="x")
    with pytest.raises(ormist.IntegrityError, match="that object first[.]$"):
        ask(City.objects.exclude(code="x").update, code="x")
    assert is_sound()
    assert ask(City.objects.update) == 0


def test_conditions_and_ranges_select_what_is_updated(ask, is_sound):
    made = [City(name=f"n{i % 3}", population=i) for i in range(30)]
    ask(City.objects.bulk_create, made)
    some = City.objects.filter(population__gte=10).exclude(name="n0")
    assert ask(some.update, mark=1) == 14
    assert ask(some.delete) == (14, {"tests.City": 14})
    assert ask(City.objects.filter(population__lt=10).set_expire, 100) == 10
    assert ask(City.objects.count) == 16
    assert is_sound()


# ----------------------------------------------------------- round trips, bulk_update


@pytest.mark.parametrize("method", ["update", "delete", "set_expire"])
@pytest.mark.parametrize("size", [0, 1, 100, 250])
def test_one_round_trip_changes_a_hundred_objects(ask, round_trips, method, size):
    ask(Todo.objects.bulk_create, [Todo("a", n=i) for i in range(size)])
    collection = Todo.objects.find("a")
    arguments = {"update": {"n": F("n") + 1}, "set_expire": {"expire": 100}}
    with round_trips() as seen:
        ask(getattr(collection, method), **arguments.get(method, {}))
    assert seen.count == (2 + -(-size // 100) if size else 1)


def test_bulk_update_stores_only_the_named_fields(ask, is_sound):
    made = [Page("old", id=f"p{i}", site="s", a=1, b=1, views=1) for i in range(150)]
    ask(Page.objects.bulk_create, made)
    other = ask(Page.objects.get, "p3")
    other.a = 9
    ask(other.save)
    for each in made:
        each.a, each.b, each.tags, each.views = 2, 2, ["new"], 5
        each.unset("site")
    made[0].unset("b")
    gone = Page(id="never", b=5)
    fields = ["b", "tags", "site", "views"]
    assert ask(Page.objects.bulk_update, [*made, gone], fields) == 150
    found = ask(Page.objects.get, "p3")
    assert (found.attrs, found.tags, found.views) == ({"a": 9, "b": 2}, ["new"], 5)
    assert ask(Page.objects.get, "p0").attrs == {"a": 1}
    assert ask(Page.objects.find("new").count) == 150
    assert ask(Page.objects.find(site="s").count) == 0
    assert ask(Page.objects.get_or_none, "never") is None
    assert made[5].a == 2  # as it was changed, and not stored
    ask(made[5].save)
    assert ask(Page.objects.get, "p5").attrs == {"a": 2, "b": 2}
    assert is_sound()


@pytest.mark.django_db
def test_bulk_update_stores_the_first_of_one_id_as_django(ask, server):
    group = Group.objects.create(name="old")
    groups = [Group(pk=group.pk, name=name) for name in "abc"]
    assert Group.objects.bulk_update(groups, ["name"]) == 1
    group.refresh_from_db()
    ask(Plain.objects.create, id="p", name="old")
    some = [Plain(id="p", name=name) for name in "abc"]
    assert ask(Plain.objects.bulk_update, some, ["name"]) == 1
    assert ask(Plain.objects.get, "p").name == group.name == "a"


def test_bulk_update_requires_fields(ask, server):
    for wrong, error in (([], ValueError), (["id"], ValueError), ("name", TypeError)):
        with pytest.raises(error):
            ask(Plain.objects.bulk_update, [Plain()], wrong)


# ---------------------------------------------------------------- save(update_fields)


def test_save_with_update_fields_stores_only_these_and_keeps_other_changes(
    ask, is_sound
):
    page = ask(Page.objects.create, "a", title="old", site="s", views=1, n=1)
    other = ask(Page.objects.get, page.id)
    other.n = 2
    ask(other.save)
    page.title, page.site, page.views, page.tags = "new", "t", 7, ["b"]
    ask(page.save, update_fields=["site", "views"])
    stored = ask(Page.objects.get, page.id)
    assert (stored.title, stored.site, stored.n) == ("old", "t", 2)
    assert (stored.views, stored.tags) == (7, ["a", "site:t"])
    assert (page.title, page.n) == ("new", 2)
    ask(page.save)
    stored = ask(Page.objects.get, page.id)
    assert (stored.title, stored.tags) == ("new", ["b", "site:t"])
    assert is_sound()


def test_save_with_update_fields_needs_a_stored_object_and_fields(
    ask, server, round_trips
):
    gone = ask(Page.objects.create, n=1)
    ask(Page.objects.all().delete)
    with pytest.raises(Page.NotUpdated, match="there is no such object"):
        ask(gone.save, update_fields=["n"])
    with round_trips() as seen:
        ask(gone.save, update_fields=[])
    assert seen.count == 0
    with pytest.raises(ValueError, match="neither force_insert nor strict"):
        ask(gone.save, force_insert=True, update_fields=["n"])
    with pytest.raises(ValueError, match="Page: an id cannot be updated"):
        ask(gone.save, update_fields=["pk"])
    with pytest.raises(TypeError, match="a list of names, not the text 'n'"):
        ask(gone.save, update_fields="n")


def test_bulk_update_respects_its_batch_size(ask, server, round_trips):
    made = ask(User.objects.bulk_create, [User(n=i) for i in range(30)])
    with round_trips() as seen:
        assert ask(User.objects.bulk_update, made, ["n"], batch_size=10) == 30
    assert seen.count == 4
    with pytest.raises(ValueError, match="batch_size"):
        ask(User.objects.bulk_update, made, ["n"], batch_size=0)
