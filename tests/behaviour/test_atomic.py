"""atomic(): the writes on leaving a block, and refused blocks."""

import pytest

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo, User


@pytest.mark.one_node("writes two models in one block")
def test_everything_is_stored_at_the_end_and_nothing_before(ask, block, is_sound):
    old = ask(User.objects.create, name="old")
    gone = ask(Todo.objects.create, "tag", text="gone")

    def work(do):
        new = do(User.objects.create, "tag", name="new", age=1)
        old.name = "changed"
        do(old.save)
        assert do(gone.delete) == (1, {"tests.Todo": 1})
        assert new._state.adding
        return new

    new = block(work)
    assert not new._state.adding
    assert ask(User.objects.find(name="changed").list) == [old]
    assert ask(User.objects.find("tag", age=1).list) == [new]
    assert ask(Todo.objects.count) == 0
    assert gone._state.adding
    new.age = 2
    ask(new.save, strict=True)
    old.age = 2
    ask(old.save, strict=True)
    assert is_sound()


def test_reads_inside_see_the_state_before_the_block(server):
    with ormist.atomic():
        made = User.objects.create(name="new")
        assert User.objects.count() == 0
        assert User.objects.get_or_none(made.id) is None
    assert User.objects.count() == 1


def test_an_exception_discards_all_writes(ask, block, is_sound):
    old = ask(User.objects.create, name="old")

    def work(do):
        do(User.objects.create, name="new")
        old.name = "changed"
        do(old.save)
        raise LookupError

    with pytest.raises(LookupError):
        block(work)
    assert [each.name for each in ask(User.objects.all().list)] == ["old"]
    assert old.name == "changed"  # as in Django, the instance keeps its state
    ask(old.save, strict=True)
    assert ask(User.objects.get, old.id).name == "changed"
    assert is_sound()


def test_a_block_takes_one_round_trip(ask, block, round_trips):
    old = ask(User.objects.create, name="old")

    def work(do):
        for i in range(20):
            do(User.objects.create, "tag", name=i)
            do(Page.objects.create, "tag", views=i)
        do(old.delete)

    with round_trips() as seen:
        block(work)
    assert seen.count == 1
    with round_trips() as seen:
        block(lambda do: None)
    assert seen.count == 0


# ---------------------------------------------------------------- refusals


@pytest.mark.one_node("writes two models in one block")
def test_a_taken_id_refuses_the_transaction(ask, block, is_sound):
    ask(Plain.objects.create, id="taken", n=1)
    made = []

    def work(do):
        made.append(do(User.objects.create, name="x"))
        do(Plain.objects.create, id="taken", n=2)

    with pytest.raises(ormist.IntegrityError, match="'taken': the id is taken"):
        block(work)
    assert ask(User.objects.count) == 0
    assert ask(Plain.objects.get, "taken").n == 1
    assert made[0]._state.adding
    assert is_sound()


def test_a_taken_unique_value_refuses_the_transaction(ask, block, is_sound):
    ask(City.objects.create, id="bern", code="BE")

    def work(do):
        do(City.objects.create, id="chur", code="CH")
        do(City.objects.create, id="x", code="BE")

    with pytest.raises(ormist.IntegrityError, match="'BE' is taken by City 'bern'"):
        block(work)
    assert ask(City.objects.ids) == ["bern"]
    assert is_sound()


def test_a_unique_value_claimed_twice_refuses_the_transaction(ask, block, is_sound):
    def work(do):
        do(City.objects.create, id="a", code="BE")
        do(City.objects.create, id="b", code="BE")

    with pytest.raises(ormist.IntegrityError, match="code='BE' is taken by City 'a'"):
        block(work)
    assert ask(City.objects.count) == 0
    assert is_sound()


def test_a_forced_update_of_a_missing_object_refuses_the_transaction(
    ask, block, is_sound
):
    old = ask(User.objects.create, name="old")
    ask(ask(User.objects.get, old.id).delete)

    def work(do):
        do(User.objects.create, name="new")
        do(old.save, force_update=True)

    with pytest.raises(User.NotUpdated):
        block(work)
    assert ask(User.objects.count) == 0
    with pytest.raises(User.NotUpdated):
        block(lambda do: do(User(id="never").save, force_update=True))
    assert is_sound()


def test_a_forced_update_of_a_stored_id_replaces_the_object(ask, block, is_sound):
    ask(User.objects.create, id="x", name="old")
    block(lambda do: do(User(id="x", age=1).save, force_update=True))
    assert ask(User.objects.get, "x").attrs == {"age": 1}
    assert is_sound()


def test_a_strict_save_of_a_changed_object_refuses_the_transaction(
    ask, block, is_sound
):
    old = ask(User.objects.create, name="old")
    other = ask(User.objects.get, old.id)
    other.age = 1
    ask(other.save)

    def work(do):
        do(User.objects.create, name="new")
        do(old.save, strict=True)

    with pytest.raises(ormist.ConflictError):
        block(work)
    assert ask(User.objects.count) == 1
    assert is_sound()


def test_one_instance_can_be_saved_strictly_several_times(ask, block, is_sound):
    old = ask(User.objects.create, name="old")

    def work(do):
        for name in "ab":
            old.name = name
            do(old.save, strict=True)

    block(work)
    assert ask(User.objects.get, old.id).name == "b"
    assert is_sound()
