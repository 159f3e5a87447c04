"""Counters and increment(): numbers that many clients change at once."""

from enum import IntEnum

import pytest

import django_ormist as ormist
from tests.models import Page, User


class Level(IntEnum):
    LOW = 1
    HIGH = 2


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


def test_a_replaced_object_starts_with_the_given_counters(ask, alias):
    page = ask(Page.objects.create, site="x", views=5, votes=6)
    ask(Page(id=page.id, votes=1).save)
    found = ask(Page.objects.get, page.id)
    assert (found.views, found.votes, found.attrs) == (0, 1, {})


def test_a_counter_set_by_name_must_be_a_64_bit_int(ask, alias):
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


def test_a_member_of_an_int_enum_is_counted_as_its_value(ask, is_sound):
    page = Page(views=Level.HIGH)
    page.votes = Level.LOW
    ask(page.save)
    ask(Page.objects.bulk_create, [Page(id="p", views=Level.HIGH)])
    assert ask(Page.objects.update, votes=Level.HIGH) == 2
    page.votes = Level.LOW
    ask(Page.objects.bulk_update, [page], ["votes"])
    page.views = Level.LOW
    ask(page.save, update_fields=["views"])
    assert ask(page.increment, "views", Level.HIGH) == 3
    found = ask(Page.objects.in_bulk)
    assert [(each.views, each.votes) for each in found.values()] == [(3, 1), (2, 2)]
    assert is_sound()


def test_a_counter_accepts_every_64_bit_int(ask, alias):
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


def test_increment_by_an_invalid_value_names_the_attribute(ask, alias):
    user = ask(User.objects.create, age=30)
    with pytest.raises(
        TypeError, match="Cannot increment 'age' of User, a int, by '1'"
    ):
        ask(user.increment, "age", "1")


def test_increment_of_a_deleted_object_raises_does_not_exist(ask, alias):
    page = ask(Page.objects.create, size=1)
    ask(ask(Page.objects.get, page.id).delete)
    for name in ("views", "size"):
        with pytest.raises(Page.DoesNotExist):
            ask(page.increment, name)
    assert ask(Page.objects.count) == 0


def test_a_counter_hides_a_stored_attribute_of_its_name(ask, server):
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


def test_a_counter_created_as_zero_is_not_set_again(ask, server):
    page = ask(Page.objects.create, views=0, n=1)
    other = ask(Page.objects.get, page.id)
    ask(other.increment, "views")
    page.n = 2
    ask(page.save)
    assert ask(Page.objects.get, page.id).views == 1
