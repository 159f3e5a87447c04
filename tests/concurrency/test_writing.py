"""Many processes that use updates, upserts, atomic() and bulk methods at once."""

import pytest

from tests.concurrency import write_jobs as jobs
from tests.models import City, Page, Plain, Todo, User

pytestmark = pytest.mark.servers("valkey91")

MODELS = {
    "id": User,
    "unique": jobs.Account,
    "ordered": City,
    "tags": Todo,
    "names": User,
}
"""What get_or_create() is asked by, and of which model."""


@pytest.mark.slow
@pytest.mark.parametrize("how", MODELS)
def test_one_of_twenty_get_or_create_calls_creates(server, together, is_sound, how):
    rounds = 300
    seen = together(20, jobs.get_or_create, rounds, how)
    for each in range(rounds):
        found = [some[each] for some in seen]
        assert len({pk for pk, _ in found}) == 1, each
        assert sum(is_new for _, is_new in found) == 1, each
    assert MODELS[how].objects.count() == rounds
    assert is_sound()


@pytest.mark.slow
def test_one_of_twenty_update_or_create_calls_creates_and_all_apply(
    server, together, is_sound
):
    rounds = 150
    seen = together(20, jobs.update_or_create, rounds)
    for each in range(rounds):
        found = [some[each] for some in seen]
        assert len({pk for pk, _ in found}) == 1
        assert sum(is_new for _, is_new in found) == 1
    marks = {f"of{number}": 1 for number in range(20)}
    for each in User.objects.all():
        assert each.attrs == {"round": each.round, **marks}
    assert User.objects.count() == rounds
    assert is_sound()


@pytest.mark.slow
def test_an_object_deleted_concurrently_is_created_again_once(
    server, together, is_sound
):
    together(20, jobs.get_or_create_or_delete, 200)
    for number in range(5):
        assert User.objects.find(round=number).count() <= 1
    assert is_sound()


def test_an_update_skips_objects_that_no_longer_match(server, together, is_sound):
    rounds = 150
    together(8, jobs.update_or_change, rounds)
    for each in range(rounds):
        assert User.objects.find(name=f"n{each}").count() <= 1
        was = User.objects.filter(was=f"n{each}").list()
        now = User.objects.find(name=f"n{each}").list()
        marks = [k for one in was + now for k in one.attrs if k.startswith("of")]
        assert sorted(set(marks)) == ["of0", "of2", "of4", "of6"]
    assert is_sound()


def test_concurrent_additions_by_update_are_kept(server, together, is_sound):
    Page.objects.bulk_create(Page(id=f"p{i}", n=0) for i in range(120))
    changed = together(8, jobs.add, 5)
    assert changed == [[120] * 5] * 8
    assert {(each.n, each.views) for each in Page.objects.all()} == {(40, 40)}
    assert is_sound()


def test_an_update_reads_the_current_counter(server, together, is_sound):
    Page.objects.create(id="p", views=0)
    grown = sum(together(8, jobs.increment_beside, "p", 100))
    page = Page.objects.get("p")
    assert page.views == grown == 700
    Page.objects.update(votes=0)
    assert is_sound()


def test_each_object_is_updated_by_one_process(server, together, is_sound):
    rounds, size = 30, 20
    made = [User(name=f"old{i}") for i in range(rounds) for _ in range(size)]
    User.objects.bulk_create(made)
    taken = together(8, jobs.take_names, rounds)
    assert sum(taken) == rounds * size
    assert User.objects.find(name="new").count() == rounds * size
    for number, some in enumerate(taken):
        assert User.objects.find(by=number).count() == some
    assert is_sound()


def test_each_object_is_deleted_by_one_process(server, together, is_sound):
    User.objects.bulk_create(User("tag", n=i) for i in range(2000))
    assert sum(together(8, jobs.delete_all)) == 2000
    assert server.keys() == []


def test_a_transaction_is_visible_completely_or_not_at_all(server, together, is_sound):
    assert together(8, jobs.sign_pairs, 100) == [0] * 8
    (mark,) = {each.mark for each in Plain.objects.all()}
    assert Todo.objects.get("todo").tags == [f"mark {mark}"]
    assert is_sound()


@pytest.mark.slow
def test_one_of_twenty_transactions_with_one_id_is_applied(server, together, is_sound):
    rounds = 100
    won = together(20, jobs.insert_in_blocks, rounds)
    assert sorted(each for some in won for each in some) == list(range(rounds))
    for number, some in enumerate(won):
        for each in some:
            assert User.objects.get(f"round{each}").by == number
            assert User.objects.get(f"{each}-{number}").round == each
    assert User.objects.count() == 2 * rounds
    assert City.objects.count() == rounds
    assert is_sound()


def test_strict_transactions_can_swap_unique_values(server, together, is_sound):
    City.objects.bulk_create([City(id="one", code="1"), City(id="two", code="2")])
    done = sum(together(8, jobs.swap_codes, 50))
    assert done > 0
    codes = ("1", "2") if done % 2 == 0 else ("2", "1")
    assert (City.objects.get("one").code, City.objects.get("two").code) == codes
    assert is_sound()


@pytest.mark.slow
def test_stale_transactions_keep_each_others_changes(server, together, is_sound):
    made = User.objects.bulk_create(User("start", n=i) for i in range(50))
    together(20, jobs.change_in_blocks, [each.id for each in made])
    for each in User.objects.all():
        assert {f"of{number}" for number in range(20)} <= each.attrs.keys()
        assert {"start", *(f"by{number}" for number in range(20))} <= set(each.tags)
    assert is_sound()


@pytest.mark.slow
def test_concurrent_bulk_upserts_create_each_value_once(server, together, is_sound):
    rounds = 30
    together(8, jobs.bulk_upsert, rounds)
    assert City.objects.count() == rounds * 5
    for each in City.objects.all():
        assert {f"of{number}" for number in range(8)} <= each.attrs.keys()
    assert is_sound()


def test_concurrent_bulk_inserts_store_each_object_once(server, together, is_sound):
    rounds = 50
    assert sum(together(8, jobs.bulk_ignore, rounds)) == rounds * 5
    assert City.objects.count() == rounds * 5
    assert is_sound()
