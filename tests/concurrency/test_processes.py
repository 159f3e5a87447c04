"""Many processes that write one object at the same moment."""

import time

import pytest

from django_ormist.connections.executor import run
from django_ormist.operations.expiry import sweep
from tests.checker import api_faults
from tests.concurrency import jobs
from tests.models import Page, Token, User

pytestmark = pytest.mark.servers("valkey91")

ROUNDS = 1000


@pytest.fixture
def users(server):
    """Store users for *number* rounds, with the tag "start"."""

    def make(number):
        made = User.objects.bulk_create(
            User("start", id=f"u{i:04}", name="old", left="old", right="old")
            for i in range(number)
        )
        return [each.id for each in made]

    return make


def test_two_stale_copies_that_change_different_attributes_both_survive(
    server, together, is_sound
):
    made = User.objects.bulk_create(
        User(
            "start",
            left="old",
            right="old",
            list_left=[{"deep": []}],
            list_right=[{"deep": []}],
        )
        for _ in range(ROUNDS)
    )
    pks = [each.id for each in made]
    together(2, jobs.change_own_part, pks)
    found = User.objects.all().list()
    assert len(found) == ROUNDS
    for each in found:
        assert (each.left, each.right) == ("new", "new")
        assert each.list_left == [{"deep": [0]}]
        assert each.list_right == [{"deep": [1]}]
        assert {"start", "by left", "by right"} < set(each.tags)
    assert User.objects.find(left="new", right="new").count() == ROUNDS
    assert User.objects.find("by left", "by right", "start").count() == ROUNDS
    assert not User.objects.find(left="old").exists()
    assert not User.objects.find(right="old").exists()
    assert is_sound()


def test_one_writer_of_an_attribute_is_the_last(users, together, is_sound):
    together(8, jobs.change_the_same, users(50))
    names = {f"name{number}" for number in range(8)}
    assert {each.name for each in User.objects.all()} <= names
    assert sum(User.objects.find(name=name).count() for name in names) == 50
    assert is_sound()
    assert api_faults(User, ["name:old"]) == []


def test_exactly_one_strict_save_succeeds(users, together, is_sound):
    pks = users(50)
    done = together(8, jobs.save_strictly, pks)
    assert sorted(pk for some in done for pk in some) == pks
    for number, some in enumerate(done):
        assert User.objects.find(name=f"name{number}").ids() == some
    assert is_sound()


def test_twenty_processes_increment_without_losing_one(server, together, is_sound):
    page = Page.objects.create("tag", site="s", views=5, size=1)
    seen = together(20, jobs.increment, page.id, 10)
    assert sorted(value for some in seen for value in some) == list(range(6, 206))
    page.refresh_from_db()
    assert (page.views, page.size) == (205, 401)
    assert (page.tags, page.site) == (["tag", "site:s"], "s")
    assert is_sound()


@pytest.mark.parametrize("is_bulk", [False, True])
def test_exactly_one_of_twenty_inserts_of_an_id_succeeds(
    server, together, is_sound, is_bulk
):
    rounds = 50
    won = together(20, jobs.insert, rounds, is_bulk)
    assert sorted(each for some in won for each in some) == list(range(rounds))
    for number, some in enumerate(won):
        assert User.objects.find(winner=number).count() == len(some)
        assert User.objects.find(f"of{number}").count() == len(some)
    # The other objects of a batch with a taken id are not stored either.
    assert User.objects.count() == (2 * rounds if is_bulk else rounds)
    assert is_sound()


def test_a_forced_update_never_brings_a_deleted_object_back(users, together, is_sound):
    pks = users(200)
    done = together(4, jobs.delete_or_update, pks)
    deleted = sorted(done[0] + done[2])
    assert deleted == pks
    assert User.objects.count() == 0
    assert is_sound()


def test_a_save_restores_a_deleted_object_completely_or_not_at_all(
    users, together, is_sound
):
    together(4, jobs.delete_or_save, users(200))
    for each in User.objects.all():
        assert each.name in {"name1", "name3"}
        assert {"late1", "late3"} & set(each.tags)
    assert is_sound()
    late = [f"late{number}" for number in range(4)]
    assert api_faults(User, ["start", "name:old", *late]) == []


def test_a_forced_update_never_brings_an_expired_object_back(
    server, together, is_sound
):
    start = time.time_ns() // 1_000_000
    made = [Token("all", id=f"t{i}") for i in range(8)]
    for number, each in enumerate(made, start=1):
        each.expire = 0.3 + number * 0.2
        each.save()
    came_back = together(8, jobs.save_until_expired, [each.id for each in made])
    assert came_back == [[]] * 8
    assert (
        time.time_ns() // 1_000_000 - start > 1_500
    )  # they saved until the expiration time
    assert Token.objects.count() == 0
    assert Token.objects.find("all").list() == []
    run(sweep(Token._meta.space("default"), 500), "default")
    assert server.keys() == []
    assert is_sound()
