"""atomic(): the result of several saves of one object and of other writers."""

import pytest

from django_ormist import NotSupportedError
from tests.models import City, Page, User


def test_concurrent_changes_are_kept(ask, block, is_sound):
    pks = [ask(User.objects.create, name="old", n=i).id for i in range(3)]
    mine = [ask(User.objects.get, pk) for pk in pks]
    for pk in pks[:2]:
        other = ask(User.objects.get, pk)
        other.age = 5
        ask(other.save)

    def work(do):
        for each in mine:
            each.name = "new"
            do(each.save)

    block(work)
    assert [each.attrs for each in mine] == [
        {"name": "new", "n": 0, "age": 5},
        {"name": "new", "n": 1, "age": 5},
        {"name": "new", "n": 2},
    ]
    assert ask(User.objects.find(name="new", age=5).count) == 2
    for each in mine:
        ask(each.save, strict=True)
    assert is_sound()


def test_all_conflicts_together_take_one_more_round_trip(ask, block, round_trips):
    made = [ask(User.objects.create, n=i) for i in range(5)]
    for each in made:
        other = ask(User.objects.get, each.id)
        other.age = 1
        ask(other.save)

    def work(do):
        for each in made:
            each.name = "new"
            do(each.save)

    with round_trips() as seen:
        block(work)
    assert seen.count == 2


def test_two_stale_copies_in_one_block_both_survive(ask, block, is_sound):
    one = ask(User.objects.create, left=1, right=1)
    two = ask(User.objects.get, one.id)

    def work(do):
        one.left = 2
        do(one.save)
        two.right = 2
        do(two.save)

    block(work)
    assert ask(User.objects.get, one.id).attrs == {"left": 2, "right": 2}
    assert is_sound()


def test_a_save_stores_the_state_at_the_time_of_the_call(ask, block, is_sound):
    made = User("tag", list=[1], name="x")

    def work(do):
        do(made.save)
        made.list.append(2)
        made.name = "later"
        made.tags = ["other"]

    block(work)
    stored = ask(User.objects.get, made.id)
    assert (stored.list, stored.name) == ([1], "x")
    assert "tag" in stored.tags
    assert (made.list, made.name) == ([1, 2], "later")
    ask(made.save, strict=True)
    stored = ask(User.objects.get, made.id)
    assert (stored.list, stored.name) == ([1, 2], "later")
    assert stored.tags == ["other", "name:later"]
    assert is_sound()


def test_the_last_of_several_saves_wins(ask, block, is_sound):
    made = ask(User.objects.create, a=1, b=1)

    def work(do):
        made.a, made.b = 2, 2
        do(made.save)
        made.a = 1  # as it was
        do(made.save)

    block(work)
    assert ask(User.objects.get, made.id).attrs == {"a": 1, "b": 2}
    assert is_sound()


def test_new_objects_keep_the_order_of_their_saves(ask, block, is_sound):
    def work(do):
        do(User(id="a").delete)
        for pk in ("b", "a", "c"):
            do(User(id=pk).save)

    block(work)
    assert ask(User.objects.ids) == ["b", "a", "c"]
    assert is_sound()


def test_a_stale_copy_can_be_saved_twice_without_losing_changes(ask, block, is_sound):
    made = ask(User.objects.create, a=1)
    other = ask(User.objects.get, made.id)
    other.b = 1
    ask(other.save)

    def work(do):
        for a in (2, 3):
            made.a = a
            do(made.save)

    block(work)
    assert ask(User.objects.get, made.id).attrs == made.attrs == {"a": 3, "b": 1}
    assert is_sound()


def test_the_last_of_save_and_delete_wins(ask, block, is_sound):
    one = ask(City.objects.create, id="one", code="1", population=1)
    two = ask(City.objects.create, id="two", code="2", population=2)
    new = City(id="new", code="3")

    def work(do):
        one.population = 3
        do(one.save)
        do(one.delete)
        do(two.delete)
        two.population = 5
        two.unset("code")
        do(two.save)
        do(new.save)
        do(new.delete)

    block(work)
    assert ask(City.objects.ids) == ["two"]
    assert ask(City.objects.get, "two").attrs == {"population": 5}
    assert one._state.adding
    assert new._state.adding
    assert is_sound()


def test_unique_values_can_be_swapped(ask, block, is_sound):
    one = ask(City.objects.create, id="one", code="1")
    two = ask(City.objects.create, id="two", code="2")

    def work(do):
        one.code, two.code = "2", "1"
        do(one.save)
        do(two.save)

    block(work)
    assert ask(City.objects.get, "one").code == "2"
    assert ask(City.objects.get, "two").code == "1"
    assert is_sound()


def test_counters_are_set_if_they_were_assigned(ask, block, is_sound):
    page = ask(Page.objects.create, views=3, votes=3)
    other = ask(Page.objects.get, page.id)
    ask(other.increment, "votes")

    def work(do):
        page.views = 7
        do(page.save)
        page.title = "x"
        do(page.save)
        page.votes = 1  # not saved

    block(work)
    ask(other.refresh_from_db)
    assert (other.views, other.votes, other.title) == (7, 4, "x")
    ask(page.save)
    ask(other.refresh_from_db)
    assert (other.views, other.votes) == (7, 1)
    assert is_sound()


@pytest.mark.parametrize("times", [1, 2])
def test_the_last_copy_that_sets_a_counter_wins(ask, block, is_sound, times):
    one = ask(Page.objects.create, views=1)
    two = ask(Page.objects.get, one.id)

    def work(do):
        one.views = 5
        for _ in range(times):
            do(one.save)
        two.views = 7
        do(two.save)
        do(one.save)

    block(work)
    assert ask(Page.objects.get, one.id).views == 7
    assert is_sound()


def test_counters_of_a_deleted_object_do_not_come_back(ask, block, is_sound):
    page = ask(Page.objects.create, id="x", views=3)

    def work(do):
        do(page.delete)
        do(Page(id="x", votes=2).save)

    block(work)
    stored = ask(Page.objects.get, "x")
    assert (stored.views, stored.votes) == (0, 2)
    assert is_sound()


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_expired_object_is_removed(ask, block, is_sound, is_stored):
    late = User(name="late")
    if is_stored:
        ask(late.save)

    def work(do):
        late.expire = -1
        do(late.save)
        do(User.objects.create, name="new")

    block(work)
    assert [each.name for each in ask(User.objects.all().list)] == ["new"]
    assert late._state.adding
    assert is_sound()


def test_an_object_that_the_server_removed_is_written_again(
    ask, block, server, is_sound
):
    ask(User.objects.create, "tag", id="x", name="old")
    server.client.delete(User._meta.space("default").base + b"o:x")
    block(lambda do: do(User(id="x", name="new").save))
    assert ask(User.objects.find("tag").count) == 0
    assert ask(User.objects.get, "x").name == "new"
    server.client.delete(User._meta.space("default").base + b"o:x")
    block(lambda do: do(User(id="x").delete))
    assert ask(User.objects.count) == 0
    assert is_sound()


@pytest.mark.parametrize("fields", [None, ["n"]])
def test_an_object_with_a_pending_save_cannot_be_refreshed(
    ask, block, is_sound, fields
):
    mine = ask(Page.objects.create, n=1, views=1)

    def work(do):
        mine.n = 2
        do(mine.save)
        with pytest.raises(NotSupportedError, match="Cannot refresh Page"):
            do(mine.refresh_from_db, fields=fields)

    block(work)
    mine.text = "later"
    ask(mine.save, strict=True)
    assert ask(Page.objects.get, mine.id).n == 2
    assert is_sound()
