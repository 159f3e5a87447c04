"""atomic(): what follows a save or a deletion of one object goes on as outside."""

import pytest

import django_ormist as ormist
from tests.behaviour.blocks import Block
from tests.checker import raw_faults
from tests.models import Page, User


@pytest.fixture
def block(ask):
    return Block(ask)


@pytest.fixture
def is_sound(server):
    def check():
        assert raw_faults(server.client, server.key_prefix) == []
        return True

    return check


@pytest.mark.parametrize(
    ("flag", "error"),
    [("force_update", User.NotUpdated), ("strict", ormist.ConflictError)],
)
def test_a_deletion_does_not_drop_the_refusal_of_the_save_before_it(
    ask, block, is_sound, flag, error
):
    gone = ask(User.objects.create, id="gone", n=1)
    kept = ask(User.objects.create, id="kept", n=1)
    ask(ask(User.objects.get, "gone").delete)

    def work(do):
        kept.n = 2
        do(kept.save)
        do(gone.save, **{flag: True})
        do(gone.delete)

    with pytest.raises(error):
        block(work)
    assert ask(User.objects.get, "kept").n == 1
    assert not gone._state.adding
    assert is_sound()


def test_what_is_gone_is_saved_and_deleted_all_the_same(ask, block, is_sound):
    gone = ask(User.objects.create, "tag", id="gone", n=1)
    ask(ask(User.objects.get, "gone").delete)

    def work(do):
        do(User.objects.create, id="new")
        do(gone.save)
        do(gone.delete)

    block(work)
    assert ask(User.objects.ids) == ["new"]
    assert gone._state.adding
    assert is_sound()


# ---------------------------------------------------------------- after a deletion


def test_what_was_deleted_is_saved_strictly(ask, block, is_sound):
    mine = ask(User.objects.create, id="x", n=1)

    def work(do):
        do(mine.delete)
        do(mine.save, strict=True)

    block(work)
    assert ask(User.objects.get, "x").n == 1
    ask(mine.save, strict=True)
    assert is_sound()


def test_a_save_of_what_was_deleted_replaces_what_another_copy_stored(
    ask, block, is_sound
):
    mine = ask(Page.objects.create, id="x", n=1, old=1, views=1, votes=1)
    copy = ask(Page.objects.get, "x")

    def work(do):
        do(mine.delete)
        copy.old, copy.votes = 2, 2
        do(copy.save)
        mine.n = 3
        do(mine.save)

    block(work)
    stored = ask(Page.objects.get, "x")
    assert stored.attrs == mine.attrs == {"n": 3, "old": 1}
    assert (stored.views, stored.votes) == (1, 1)
    assert is_sound()


def test_a_strict_save_of_what_was_deleted_refuses_what_another_copy_stored(
    ask, block, is_sound
):
    mine = ask(User.objects.create, id="x", n=1)

    def work(do):
        do(mine.delete)
        do(User.objects.create, id="x", n=2)
        do(mine.save, strict=True)

    with pytest.raises(ormist.ConflictError):
        block(work)
    assert ask(User.objects.get, "x").n == 1
    assert is_sound()
